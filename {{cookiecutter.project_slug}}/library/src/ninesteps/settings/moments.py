"""Moments as the Feature Store writes them."""

from __future__ import annotations

import re
from datetime import datetime

MOMENT_RULE = "a moment in UTC such as 2026-01-31T00:00:00Z"


def is_moment(text: str) -> bool:
    """Whether a text is a moment as the Feature Store writes it: ISO 8601 in UTC, with Z.

    To the second or to the millisecond: no other length can be compared with the store's.
    """
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", text, re.ASCII):
        return False
    try:
        datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return False
    return True


def with_milliseconds(moment: str) -> str:
    """A moment in the one form that texts are compared in, such as 2026-01-31T00:00:00.000Z."""
    return moment if len(moment) == 24 else moment.replace("Z", ".000Z")
