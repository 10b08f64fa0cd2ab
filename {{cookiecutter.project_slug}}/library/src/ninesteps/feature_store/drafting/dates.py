"""Finds the date format of a column."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import product

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ninesteps.feature_store.drafting.contents import Contents
from ninesteps.feature_store.drafting.words import Words, words_among
from ninesteps.feature_store.reading.values import read_dates
from ninesteps.settings.data import Quality

DAYS = (
    "%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d",
    "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%Y-%m", "%m/%Y", "%b-%Y", "%b %Y",
    "%m/%y", "%B %Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
CLOCKS = (
    "", " %H:%M:%S", "T%H:%M:%S", "T%H:%M:%SZ", " %H:%M", "T%H:%M", "T%H:%MZ", " %H:%M:%SZ",
    " %H:%M:%S.%f", "T%H:%M:%S.%f", "T%H:%M:%S.%fZ", " %H:%M:%S.%fZ", " %I:%M %p", " %I:%M:%S %p",
)  # fmt: skip
FORMATS = tuple(day + clock for clock, day in product(CLOCKS, DAYS))
"""Date formats: of several that fit equally well, the first is used and the others are listed."""

LOOKED_AT = 500  # distinct texts for choosing the formats to try
FEWEST_READ = 0.1  # of these, as a share


def _shape(text: str) -> str:
    return re.sub("[a-z]+", "a", re.sub("[0-9]+", "0", text), flags=re.IGNORECASE)


SHAPES = {form: _shape(datetime(2026, 11, 23).strftime(form)) for form in FORMATS}
"""The pattern of each format, such as 0/0/0 or 0-a-0, so that few formats are tried on a column."""


@dataclass(frozen=True)
class Worse:
    """A format that reads fewer rows than the best one."""

    format: str
    unreadable: int  # rows
    only: int  # rows that it reads and the better one does not


@dataclass(frozen=True)
class Dates:
    """A column read as dates, in the format that reads most of it."""

    format: str
    others: tuple[str, ...]  # formats that read as many rows, but some as other days
    worse: tuple[Worse, ...]  # formats that read some rows, the best first
    unreadable: int  # rows
    example: str  # an unreadable text
    words: Words  # used where there is no date
    known: int  # rows with a value that is not such a word
    latest: datetime
    read: NDArray[np.datetime64]  # the distinct texts as dates

    @property
    def fits(self) -> bool:
        """Whether few enough values are unreadable for a run to accept the column."""
        return self.unreadable <= Quality().most("unreadable", self.known)


def dates_of(columns: list[Contents]) -> dict[str, Dates]:
    """The date columns; if the order of day and month is clear in one, it applies to all."""
    by_name = {c.name: dates for c in columns if (dates := _as_dates(c, ()))}
    clear = [dates.format for dates in by_name.values() if dates.fits and not dates.others]
    for column in columns:
        if column.name in by_name and by_name[column.name].others:
            by_name[column.name] = _as_dates(column, clear) or by_name[column.name]
    return by_name


def _as_dates(column: Contents, preferred: Iterable[str]) -> Dates | None:
    """The column as dates, if a format reads at least half of its values without words; else
    None."""
    texts, rows = column.counted
    likely = [form for form in _formats(column) if _reads_some(texts[:LOOKED_AT], form)]
    read = {form: read_dates(texts, form) for form in likely}
    unread = {form: int(rows[np.isnat(dates)].sum()) for form, dates in read.items()}
    if not read or min(unread.values()) == column.present:
        return None
    fewest = min(unread.values())
    equal = [form for form in read if unread[form] == fewest]
    best = next((form for form in equal if form in preferred), equal[0])
    wrong = np.isnat(read[best])
    words = words_among(column, wrong)
    if fewest <= Quality().most("unreadable", column.present):  # as a run counts
        words = Words()
    unreadable = wrong & ~words.are(texts)
    known = column.present - words.rows
    if fewest - words.rows > known / 2 or words.rows > known:
        return None
    others = [form for form in equal if not np.array_equal(read[form], read[best], equal_nan=True)]
    worse = [
        Worse(form, unread[form] - words.rows, int(rows[wrong & ~np.isnat(dates)].sum()))
        for form, dates in read.items()
        if fewest < unread[form] < column.present
    ]
    return Dates(
        format=best,
        others=() if best in preferred else tuple(others),
        worse=tuple(sorted(worse, key=lambda other: other.unreadable)),
        unreadable=fewest - words.rows,
        example=texts[int(unreadable.argmax())].as_py() if unreadable.any() else "",
        words=words,
        known=known,
        latest=read[best][~wrong].max().astype(datetime),
        read=read[best],
    )


def _formats(column: Contents) -> list[str]:
    """The formats with the same pattern as most texts."""
    if column.is_whole and _are_days(column.numbers):
        return ["%Y%m%d"]
    if _end_in_years(column):
        return ["%m%d%Y", "%d%m%Y"]
    if column.is_number:
        return []
    texts, rows = column.counted
    shapes: Counter[str] = Counter()
    for text, count in zip(texts[:LOOKED_AT].to_pylist(), rows[:LOOKED_AT].tolist(), strict=True):
        shapes[_shape(text)] += count
    likely = {shape for shape, _ in shapes.most_common(3)}
    return [form for form in FORMATS if SHAPES[form] in likely]


def _reads_some(texts: pa.Array, form: str) -> bool:
    """Whether a format is worth trying on all texts: failures are slow."""
    return bool((~np.isnat(read_dates(texts, form))).mean() >= FEWEST_READ)


def _are_days(numbers: NDArray[np.float64]) -> bool:
    """Whether all are numbers such as 20260131."""
    return bool(((numbers >= 19_000_101) & (numbers <= 21_001_231) | np.isnan(numbers)).all())


def _end_in_years(column: Contents) -> bool:
    """Whether all are eight digits such as 01312026."""
    years = column.numbers % 10_000
    return not column.has(r"^(.{0,7}|.{9,})$|\D") and bool(
        ((years >= 1900) & (years <= 2100) | np.isnan(years)).all()
    )
