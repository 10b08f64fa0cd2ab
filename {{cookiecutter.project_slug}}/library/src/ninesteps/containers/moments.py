"""Moments: the allowed forms of `AsOf` and of the Feature Store's times, and their comparison.

Standard library only: settings are read before anything is installed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
"""ISO 8601 in UTC with Z, with any fraction of seconds, as written by the schedule, the arrival of
data and the Feature Store. Nothing else is allowed, since a moment becomes part of a query."""

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
    """A moment with any offset, in the form for comparison, such as the example.

    Texts in this form sort like moments; anything finer than a millisecond is cut off.

    Raises:
        ValueError: if it is not a moment, or has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # the first and the last possible day
        raise ValueError("out of range") from None
    return iso(moment)


def iso(moment: datetime) -> str:
    """A datetime with an offset, in the same form."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def seconds(moment: str) -> str:
    """A moment in that form, as seconds since 1970, such as 1769817600.000."""
    return f"{datetime.fromisoformat(moment).timestamp():.3f}"


def from_seconds(number: float) -> str:
    """Seconds since 1970 as a moment in that form, to the nearest millisecond.

    Raises:
        ValueError: if it is outside the calendar.
    """
    try:
        whole, thousandths = divmod(round(number * 1000), 1000)
        moment = datetime.fromtimestamp(whole, tz=UTC)
    except (OverflowError, OSError, ValueError):
        raise ValueError("out of range") from None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{thousandths:03}Z"
