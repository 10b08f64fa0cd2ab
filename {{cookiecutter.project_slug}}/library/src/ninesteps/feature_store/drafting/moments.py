"""The moment that a row describes: a column of the table, or one for all rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ninesteps.feature_store.drafting.contents import Contents
from ninesteps.feature_store.drafting.dates import Dates
from ninesteps.feature_store.drafting.toml_lines import example, named, rows, setting, some, value

EVENTS = re.compile("(event )?(time|timestamp|date ?time)|event date|as of")
"""A column's name that says the moment."""


@dataclass(frozen=True)
class Moment:
    """A column that says when."""

    column: Contents
    format: str  # nothing if it is ISO 8601
    latest: datetime
    future: int  # rows after now


def is_event(column: Contents) -> bool:
    """Whether its name says that it is the moment."""
    return bool(EVENTS.fullmatch(" ".join(column.words)))


def moments_of(columns: list[Contents], dates: dict[str, Dates]) -> list[Moment]:
    """The columns that say in every row when, those called so first."""
    read = [moment for c in columns if (moment := _moment(c, dates.get(c.name)))]
    return sorted(read, key=lambda moment: not is_event(moment.column))


def _moment(column: Contents, dates: Dates | None) -> Moment | None:
    """ISO 8601 with a time of day, or by its name; by its name another format too."""
    if not column.name or column.missing or column.is_number:
        return None
    moments = _iso(column)
    if moments is not None:
        has_clock = bool((moments != moments.dt.normalize()).any())
        return _judged(column, "", moments) if has_clock or is_event(column) else None
    if is_event(column) and dates and not dates.unreadable and not dates.words.rows:
        return _judged(column, dates.format, pd.Series(dates.read))
    return None


def _iso(column: Contents) -> pd.Series[Any] | None:
    """The different texts as moments, if all are such in ISO 8601."""
    texts, _ = column.counted
    if not column.different or column.has(r"^(\D|\d{0,3}\D)"):
        return None
    cells = pd.Series(texts.to_pandas(), dtype="object")
    moments = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
    return None if moments.isna().any() else moments.dt.tz_localize(None)


def _judged(column: Contents, form: str, moments: pd.Series[Any]) -> Moment:
    after = (moments > datetime.now(UTC).replace(tzinfo=None)).to_numpy()
    _, counts = column.counted
    return Moment(column, form, moments.max().to_pydatetime(), int(counts[after].sum()))


def moment_lines(
    chosen: Moment | None,
    others: list[str],
    columns: list[Contents],
    dates: dict[str, Dates],
    file: Path,
) -> list[str]:
    """`event_time`, or `snapshot` where no column says it."""
    if chosen is None:
        return _snapshot_lines(columns, dates, file)
    name = chosen.column.name
    remarks = []
    if not is_event(chosen.column):
        remarks += [
            "it says a time of day in every row: is it the moment that the row describes? If not, "
            'put it into [data.columns] and write snapshot = "2026-01-31T00:00:00Z" here'
        ]
    remarks += [f"or {some(others, 5)}"] if others else []
    if chosen.future:
        remarks += [f"{rows(chosen.future)} in the future, up to {chosen.latest:%Y-%m-%d}"]
    lines = setting(f"event_time = {value(name)}", remarks)
    return lines + ([f"event_time_format = {value(chosen.format)}"] if chosen.format else [])


def _snapshot_lines(columns: list[Contents], dates: dict[str, Dates], file: Path) -> list[str]:
    day = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    reasons = [_why_not(c, dates.get(c.name)) for c in columns if is_event(c)]
    remarks = [f"the file's day: {'; '.join(reasons) or 'no column says the moment'}"]
    if dates:
        name, latest = max(dates.items(), key=lambda item: item[1].latest)
        remarks += [f"the latest date is {latest.latest:%Y-%m-%d}, in {named(name)}"]
    return setting(f'snapshot = "{day:%Y-%m-%d}T00:00:00Z"', remarks)


def _why_not(column: Contents, dates: Dates | None) -> str:
    """Why a column called so cannot be `event_time`."""
    name = named(column.name)
    bad = column.missing + (dates.unreadable + dates.words.rows if dates else 0)
    if bad and (dates or _iso(column) is not None):
        unread = f", such as {example(dates.example)}" if dates and dates.unreadable else ""
        return (
            f"{name} says it but for {rows(bad)}{unread}: give each row one, or take these rows "
            "out, and draft again"
        )
    texts, _ = column.counted
    such = f", got {example(texts[0].as_py())}" if len(texts) else ", got none"
    return f"{name}: expected moments such as 2026-01-31T10:00:00Z{such}"
