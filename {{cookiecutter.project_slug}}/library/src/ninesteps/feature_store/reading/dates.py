"""Date formats, and the range of dates: 9999-12-31 often means "still valid"."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np

FIRST, LAST = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")

_UNITS = ("us", "s", "m", "h", "D", "M", "Y")
_PROBE = datetime(2026, 11, 23, 10, 32, 54, 123456, tzinfo=UTC)


def other_order(form: str) -> str:
    """A format with day and month swapped; empty if they are not both numbers."""
    if "%d" not in form or "%m" not in form:
        return ""
    return re.sub("%[dm]", lambda part: "%m" if part[0] == "%d" else "%d", form)


def resolution(form: str) -> str | None:
    """The smallest unit in a format, as NumPy's unit; None if unclear."""
    try:
        read = datetime.strptime(_PROBE.strftime(form), form).replace(tzinfo=None)
    except ValueError:
        return None
    probe = np.datetime64(_PROBE.replace(tzinfo=None), "us")
    return next((u for u in _UNITS if probe.astype(f"M8[{u}]").astype("M8[us]") == read), None)
