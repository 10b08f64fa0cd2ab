"""The moment that a row describes: a column of the table, or one for all rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ninesteps.feature_store.drafting.contents import Contents
from ninesteps.feature_store.drafting.dates import Dates
from ninesteps.feature_store.drafting.toml_lines import example, named, rows, setting, some, value
from ninesteps.feature_store.reading.values import read_iso
from ninesteps.settings.data import Quality

EVENTS = re.compile("(event )?(time|timestamp|date ?time)|event date|as of")
"""Names of columns that have the moment."""


@dataclass(frozen=True)
class Moment:
    """A column of moments."""

    column: Contents
    format: str  # empty for ISO 8601
    latest: datetime
    none: int  # rows without a readable moment
    future: int  # rows after now


def is_event(column: Contents) -> bool:
    """Whether its name says that it has the moment."""
    return bool(EVENTS.fullmatch(" ".join(column.words)))


def moments_of(columns: list[Contents], dates: dict[str, Dates]) -> list[Moment]:
    """The columns of moments, those with a matching name first."""
    read = [moment for c in columns if (moment := _moment(c, dates.get(c.name)))]
    return sorted(read, key=lambda moment: not is_event(moment.column))


def _moment(column: Contents, dates: Dates | None) -> Moment | None:
    """A column with ISO 8601 and a time of day in every row, or with a matching name and moments in
    most."""
    if not column.name or column.is_number or not column.different:
        return None
    if not is_event(column) and (column.missing or column.has(r"^(\D|\d{0,3}\D)")):
        return None
    moments = read_iso(column.counted[0])
    if is_event(column):
        if not np.isnat(moments).all():
            return _judged(column, "", moments)
        return _judged(column, dates.format, dates.read) if dates else None
    has_clock = bool((moments != moments.astype("datetime64[D]")).any())
    return _judged(column, "", moments) if has_clock and not np.isnat(moments).any() else None


def _judged(column: Contents, form: str, moments: NDArray[np.datetime64]) -> Moment | None:
    """A column of moments that a run would accept; else None."""
    _, counts = column.counted
    wrong = np.isnat(moments)
    unreadable = int(counts[wrong].sum())
    none = column.missing + unreadable
    quality = Quality()
    most = quality.most("unreadable", column.present)
    if unreadable > most or none > quality.most_dropped(len(column.cells)):
        return None
    after = moments > np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")
    latest = moments[~wrong].max().astype(datetime)
    return Moment(column, form, latest, none, int(counts[after].sum()))


def moment_lines(
    chosen: Moment | None,
    others: list[str],
    columns: list[Contents],
    dates: dict[str, Dates],
    file: Path,
) -> list[str]:
    """`event_time`, or `snapshot` if no column has the time."""
    if chosen is None:
        return _snapshot_lines(columns, dates, file)
    name = chosen.column.name
    remarks = []
    if not is_event(chosen.column):
        remarks += [
            "it has a time of day in every row: is it the time that the row describes? If not, "
            'put it into [data.columns] and write snapshot = "2026-01-31T00:00:00Z" here'
        ]
    remarks += [f"or {some(others, 5)}"] if others else []
    if chosen.none:
        remarks += [f"{rows(chosen.none)} without one: left out"]
    if chosen.future:
        few = chosen.future <= Quality().most("unreadable", chosen.column.present)
        then = "left out" if few else "more than a run accepts"
        remarks += [f"{rows(chosen.future)} in the future, up to {chosen.latest:%Y-%m-%d}: {then}"]
    lines = setting(f"event_time = {value(name)}", remarks)
    return lines + ([f"event_time_format = {value(chosen.format)}"] if chosen.format else [])


def _snapshot_lines(columns: list[Contents], dates: dict[str, Dates], file: Path) -> list[str]:
    day = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    reasons = [_why_not(c, dates.get(c.name)) for c in columns if is_event(c)]
    remarks = [f"the file's day: {'; '.join(reasons) or 'no column has the time'}"]
    if dates:
        name, latest = max(dates.items(), key=lambda item: item[1].latest)
        remarks += [f"the latest date is {latest.latest:%Y-%m-%d}, in {named(name)}"]
    return setting(f'snapshot = "{day:%Y-%m-%d}T00:00:00Z"', remarks)


def _why_not(column: Contents, dates: Dates | None) -> str:
    """Why a column with a matching name cannot be `event_time`."""
    name, read = named(column.name), read_iso(column.counted[0])
    wrong = np.isnat(read)
    if wrong.all() and dates:
        read, wrong = dates.read, np.isnat(dates.read)
    texts, counts = column.counted
    such = f", such as {example(texts[int(wrong.argmax())].as_py())}" if wrong.any() else ""
    if len(wrong) and not wrong.all():
        none = rows(column.missing + int(counts[wrong].sum()))
        return f"{name} has the time except in {none}{such}; add it there and draft again"
    return f"{name} has no readable times{such}"
