"""Texts as dates, of every year that a date can have: 9999-12-31 often means "still valid".

Nanoseconds, in which pandas counts, reach from 1677 to 2262 alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

FIRST, LAST = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")

_NANOSECONDS = np.datetime64("1900-01-01", "us"), np.datetime64("2190-01-01", "us")
"""Between these, differences of dates can be counted in nanoseconds too."""

_UNITS = ("us", "s", "m", "h", "D", "M", "Y")
_PROBE = datetime(2026, 11, 23, 10, 32, 54, 123456, tzinfo=UTC)


def read_dates(texts: pa.Array, form: str) -> NDArray[np.datetime64]:
    """Texts as dates of a format of `strptime`, in microseconds; NaT where one is none.

    Moments of other time zones are converted to UTC.
    """
    has_zone = "%z" in form or "%Z" in form
    cells = pd.Series(texts.to_pandas(), dtype="object")
    quick = pd.to_datetime(cells, format=form, errors="coerce", exact=True, utc=has_zone)
    dates = quick.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    for place in np.flatnonzero(np.isnat(dates) & cells.notna().to_numpy()):
        dates[place] = _read_one(cells.iloc[place], lambda text: datetime.strptime(text, form))
    return dates


def read_iso(texts: pa.Array) -> NDArray[np.datetime64]:
    """Moments in ISO 8601, converted to UTC; NaT where a text is none. Without an offset: UTC."""
    cells = pd.Series(texts.to_pandas(), dtype="object")
    quick = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
    moments = quick.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    for place in np.flatnonzero(np.isnat(moments) & cells.notna().to_numpy()):
        moments[place] = _read_one(cells.iloc[place], datetime.fromisoformat)
    return moments


def other_order(form: str) -> str:
    """A format with day and month the other way round; none if it has no two numbers for them."""
    if "%d" not in form or "%m" not in form:
        return ""
    return re.sub("%[dm]", lambda part: "%m" if part[0] == "%d" else "%d", form)


def in_one_unit(columns: Iterable[pd.Series[Any]]) -> list[pd.Series[Any]]:
    """Dates in nanoseconds, as pandas has them, if these reach all of them; or in microseconds.

    All in one unit: of two, pandas takes the finer one, even if it does not reach all of them.
    """
    dates = list(columns)
    least, most = _NANOSECONDS
    is_usual = all(column.dropna().between(least, most).all() for column in dates)
    return [column.astype("datetime64[ns]") for column in dates] if is_usual else dates


def resolution(form: str) -> str | None:
    """The smallest part of a moment that a format has, as NumPy's unit; None if it is not clear."""
    try:
        read = datetime.strptime(_PROBE.strftime(form), form).replace(tzinfo=None)
    except ValueError:
        return None
    probe = np.datetime64(_PROBE.replace(tzinfo=None), "us")
    return next((u for u in _UNITS if probe.astype(f"M8[{u}]").astype("M8[us]") == read), None)


def _read_one(text: str, read: Callable[[str], datetime]) -> np.datetime64:
    try:
        moment = read(text)
        if moment.tzinfo:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return np.datetime64("NaT")
    return np.datetime64(moment, "us")
