"""Finds how a column writes numbers: `1,234.50`, `$12.50`, `12 kg`, `(12)`."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ninesteps.feature_store.drafting.contents import Contents
from ninesteps.feature_store.drafting.words import Words, words_among
from ninesteps.feature_store.reading.numbers import SEPARATORS
from ninesteps.feature_store.reading.values import read_numbers
from ninesteps.settings.data import Column

CURRENCIES = "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|BRL|ZAR|MXN|Rs|kr"

_WRITTEN = re.compile(
    rf"\(?\s*[+\u2212-]?\s*(?P<before>[^\w\s.,'()+-]|[A-Z]{{0,2}}[$€£¥]|(?:{CURRENCIES})\.?)?\s*[+-]?\s*"
    r"(?P<number>[.,]?\d[\d.,'’\s]*(?:[eE][+-]?\d+)?)(?P<after>[^\d\s.,'()+-]([^()\d]*[^()\d\s])?)?"
    r"\s*\)?"
)
"""A number with a unit before or after it."""

FEWEST_READ = 3  # distinct texts, if others are unreadable
MOST_UNITS = 4  # in one column; more are words, as in "1. Married"
LOOKED_AT = 500  # distinct texts for choosing the notations to try


@dataclass(frozen=True)
class Notation:
    """A column read as numbers, in the notation that reads most of it."""

    column: Column
    other: Column | None  # reads as many rows, but some as other numbers
    words: Words  # used where there is no number
    unreadable: int  # rows
    example: str  # an unreadable text
    numbers: NDArray[np.float64]  # the distinct texts as numbers
    units: tuple[str, ...]  # all units found; a column can have one

    @property
    def fits(self) -> bool:
        """Whether everything except words is read."""
        return not self.unreadable and len(self.units) <= 1

    @property
    def keys(self) -> dict[str, Any]:
        """The settings that read it, as in TOML."""
        return {"type": "number", **self.column.notation}


def notation_of(column: Contents) -> Notation | None:
    """The column as numbers, if at least half of its values without words are readable; else
    None."""
    texts, rows = column.counted
    sample = texts[:LOOKED_AT].to_pylist()
    if column.is_code or sum(map(bool, map(_WRITTEN.fullmatch, sample))) < len(sample) / 10:
        return None
    written = [_WRITTEN.fullmatch(text) for text in texts.to_pylist()]
    are_numbers = np.array([bool(match) for match in written], dtype=bool)
    if int(rows[are_numbers].sum()) < column.present / 4:
        return None
    units = _units(written, rows)
    if len(units) > 1 and (len(units) > MOST_UNITS or are_numbers.sum() < 2 * len(units)):
        return None
    ways = _best(_ways(texts, written, units), texts[:LOOKED_AT])
    read = [read_numbers(texts, way).to_numpy(zero_copy_only=False) for way in ways]
    unread = [int(rows[np.isnan(numbers)].sum()) for numbers in read]
    best = int(np.argmin(unread))
    wrong = np.isnan(read[best])
    words = words_among(column, wrong)
    known, bad = column.present - words.rows, unread[best] - words.rows
    if bad > known / 2 or words.rows > known or not known:
        return None
    if bad and np.count_nonzero(~wrong) < FEWEST_READ:
        return None
    unreadable = wrong & ~words.are(texts)
    return Notation(
        column=ways[best],
        other=next(
            (
                way
                for way, numbers, count in zip(ways, read, unread, strict=True)
                if count == unread[best] and not np.array_equal(numbers, read[best], equal_nan=True)
            ),
            None,
        ),
        words=words,
        unreadable=bad,
        example=texts[int(unreadable.argmax())].as_py() if bad else "",
        numbers=read[best],
        units=tuple(units),
    )


def _best(ways: list[Column], texts: pa.Array) -> list[Column]:
    """The notations that read most of a sample, so that few are tried on all texts."""
    read = [len(texts) - read_numbers(texts, way).null_count for way in ways]
    return [way for way, count in zip(ways, read, strict=True) if count == max(read)]


def _units(written: list[re.Match[str] | None], rows: NDArray[np.int64]) -> list[str]:
    """The units of texts that look like numbers, the most frequent first."""
    units: Counter[str] = Counter()
    for match, count in zip(written, rows.tolist(), strict=True):
        if match and (unit := match["before"] or match["after"]):
            units[unit] += count
    return [unit for unit, _ in units.most_common()]


def _ways(texts: pa.Array, written: list[re.Match[str] | None], units: list[str]) -> list[Column]:
    """The notations to try: those with the separators in the texts."""
    unit = units[0] if units else ""
    digits = {char for match in written if match for char in match["number"]}
    digits |= {" "} if any(map(str.isspace, digits)) else set()
    digits |= {"'"} if "\u2019" in digits else set()
    parentheses = bool(pc.any(pc.match_substring_regex(texts, r"^\(.*\)$")).as_py())
    return [
        Column("number", decimal=decimal, thousands=part, unit=unit, parentheses=parentheses)
        for decimal, part in SEPARATORS
        if decimal in digits | {"."} and part in digits | {""}
    ]
