"""Moments: what `AsOf` and the Feature Store's ISO 8601 texts may be, and how they are compared.

Standard library alone: the settings are read before anything is installed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
"""ISO 8601 in UTC with Z, with any fraction of seconds: as the schedule, the arrival of data and
the Feature Store write it. Nothing else is one: a moment is put into the text of a query."""

EXAMPLE = "2026-01-31T00:00:00.000Z"


def is_moment(text: str) -> bool:
    """Whether a text is a moment as the Feature Store writes it: ISO 8601 in UTC, with Z."""
    if not MOMENT.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def to_the_millisecond(text: str) -> str:
    """A moment with any offset in the one form that is compared, such as the example.

    Texts of that form sort as the moments do; what is finer than a millisecond is cut off.

    Raises:
        ValueError: if it is no moment, or has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # the first and the last day that there are
        raise ValueError("out of range") from None
    return iso(moment)


def iso(moment: datetime) -> str:
    """A moment that has an offset, in the same form."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def seconds(moment: str) -> str:
    """A moment of that form in seconds since 1970, such as 1769817600.000."""
    return f"{datetime.fromisoformat(moment).timestamp():.3f}"


def from_seconds(number: float) -> str:
    """Seconds since 1970 as a moment of that form, to the nearest millisecond.

    Raises:
        ValueError: if it is none that a calendar has.
    """
    try:
        whole, thousandths = divmod(round(number * 1000), 1000)
        moment = datetime.fromtimestamp(whole, tz=UTC)
    except (OverflowError, OSError, ValueError):
        raise ValueError("out of range") from None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{thousandths:03}Z"
