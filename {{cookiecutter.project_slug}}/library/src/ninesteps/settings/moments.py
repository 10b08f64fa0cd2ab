"""Moments as the Feature Store writes them."""

from __future__ import annotations

from datetime import datetime

MOMENT_RULE = "a moment in UTC such as 2026-01-31T00:00:00Z"


def is_moment(text: str) -> bool:
    """Whether a text is a moment as the Feature Store writes it: ISO-8601 to the second, with Z."""
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return False
    return len(text) == 20
