"""Decides what each column is: a number, a date, a category or a text, with remarks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from ninesteps.feature_store.drafting.contents import Contents
from ninesteps.feature_store.drafting.dates import Dates
from ninesteps.feature_store.drafting.misspelt import misspelt
from ninesteps.feature_store.drafting.numbers import Notation, notation_of
from ninesteps.feature_store.drafting.toml_lines import example, rows
from ninesteps.feature_store.drafting.words import Words, missing_words
from ninesteps.feature_store.reading.values import MISSING

MOST_VALUES = 50  # of a category
LONGEST_VALUE = 200  # characters in a category's value, which the settings list
FEW_VALUES = 10  # of whole numbers that may be codes
SOME = 1_000  # distinct texts, one of which is shown
TIMES = re.compile("time|ts|timestamp|date|at|on|epoch|created|updated|when|unix")
"""Words in the names of columns that may count time."""
NO_FEATURE = "a text cannot be a feature"


@dataclass(frozen=True)
class Kind:
    """A column's entry in `[data.columns]`."""

    keys: dict[str, Any]  # as in TOML
    remarks: list[str] = field(default_factory=list)
    words: Words = field(default_factory=Words)  # that may mean "no value"
    values: pd.Series[Any] | None = None  # the distinct texts with their type

    @property
    def type(self) -> str:
        """As in `[data.columns]`."""
        return str(self.keys["type"])


def kind_of(column: Contents, dates: Dates | None, as_text: bool = False) -> Kind:
    """What a column is.

    Args:
        column: a column that can be in `[data.columns]`.
        dates: the column as dates, if it has any.
        as_text: whether it identifies who a row belongs to: then it is a text, not a feature.
    """
    if as_text:
        return Kind({"type": "text"}, [], missing_words(column))
    if dates and dates.fits:
        return _date(column, dates)
    if column.is_number:
        return _plain_number(column)
    notation = notation_of(column)
    if notation and notation.fits:
        return _number(notation, column)
    return _texts(column, _why_no_other(column, dates, notation))


def _date(column: Contents, dates: Dates) -> Kind:
    remarks = _of_words(dates.words, "a date")
    if dates.unreadable:
        remarks += [f"{rows(dates.unreadable)} unreadable, such as {example(dates.example)}"]
    if dates.others:
        remarks += [f"or {', '.join(dates.others)}: the values fit both"]
    elif dates.worse:
        other = dates.worse[0]
        remarks += [f"{other.format} could not read {rows(other.unreadable)}"]
        remarks += [f"it reads {other.only:,} of these: are both in use?"] if other.only else []
    if column.is_number:
        remarks += ["or a number?"]
    return Kind(
        {"type": "date", "format": dates.format}, remarks, dates.words, pd.Series(dates.read)
    )


def _plain_number(column: Contents) -> Kind:
    numbers = pd.Series(column.numbers)
    keys, remarks = {"type": "number"}, _of_usual(column)
    if column.is_zero_or_one:
        remarks += ["0 or 1"]
    elif column.is_whole and column.different <= FEW_VALUES:
        remarks += ["few distinct values: a category?"]
    elif unit := _since_1970(column):
        remarks += [f"{unit} since 1970? This is read as a number, not as a date"]
    elif column.is_whole and column.different == len(column.cells):
        remarks += ["all values differ: an id?"]
    elif column.is_grouped:
        remarks += [
            'is it 1.234 or, with decimal = "," and thousands = ".", 1234? the values fit both'
        ]
    return Kind(keys, remarks, values=numbers)


def _since_1970(column: Contents) -> str:
    """The unit in which whole numbers may count time; empty if they do not."""
    if not column.is_whole or not any(map(TIMES.fullmatch, column.words)):
        return ""
    least, most = np.nanmin(column.numbers), np.nanmax(column.numbers)
    units = {"seconds": 1, "milliseconds": 1e3, "microseconds": 1e6}
    return next((u for u, n in units.items() if 3e8 * n <= least <= most <= 5e9 * n), "")


def _number(notation: Notation, column: Contents) -> Kind:
    """A number whose notation the settings must describe."""
    remarks = _of_words(notation.words, "a number")
    texts = column.counted[0]
    keys = notation.keys
    if len(keys) > 1:
        place = max(
            np.flatnonzero(~np.isnan(notation.numbers))[:SOME].tolist(),
            key=lambda place: (texts[place].as_py().startswith("("), len(texts[place].as_py())),
        )
        remarks += [f"{example(texts[place].as_py())} is {notation.numbers[place]:.15g}"]
    if notation.other:
        remarks += [f"or decimal = {example(notation.other.decimal)}: the values fit both"]
    return Kind(keys, remarks, notation.words, pd.Series(notation.numbers))


def _of_usual(column: Contents) -> list[str]:
    """The words that a number column always treats as missing."""
    texts, counts = column.counted
    return [
        f"{example(texts[int(place)].as_py())} in {rows(int(counts[place]))} is not a value"
        for place in np.flatnonzero(column.usual)[:3]
    ]


def _of_words(words: Words, what: str) -> list[str]:
    """The words among numbers or dates."""
    return [
        f"{example(word)} in {rows(count)} is not a value"
        if word in MISSING
        else f"{what} except {example(word)} ({rows(count)})"
        for word, count in words.rows_of.items()
    ]


def _texts(column: Contents, remarks: list[str]) -> Kind:
    words = missing_words(column)
    texts = pd.Series(column.counted[0].to_pandas(), dtype="object")
    longest = max(map(len, column.counted[0].to_pylist()), default=0)
    if longest <= LONGEST_VALUE and column.different <= min(MOST_VALUES, (column.present + 1) // 2):
        values = sorted(column.counted[0].to_pylist())
        if len({text.casefold() for text in values}) < len(values):
            remarks = ["some values differ only in case, and count as different groups", *remarks]
        both = zip(column.counted[0].to_pylist(), column.counted[1].tolist(), strict=True)
        if near := misspelt({text: count for text, count in both if text not in words.rows_of}):
            looks = (f"{example(text)} looks like {example(one)}" for text, one in near.items())
            remarks = [f"{', '.join(looks)} misspelt, and is another value", *remarks]
        return Kind({"type": "category", "values": values}, remarks, words, texts)
    long = f" of up to {longest:,} characters" if longest > LONGEST_VALUE else ""
    different = f"{column.different:,} different values{long}"
    return Kind({"type": "text"}, [f"{different}: {NO_FEATURE}", *remarks], words)


def _why_no_other(column: Contents, dates: Dates | None, notation: Notation | None) -> list[str]:
    """What unreadable texts look like, if no setting reads all of them."""
    if dates:
        others = [f"{rows(other.unreadable)} with {other.format}" for other in dates.worse[:1]]
        unread = " and ".join([f"{rows(dates.unreadable)} with {dates.format}", *others])
        return [
            f"dates, but no format reads enough: not {unread}, such as {example(dates.example)}"
        ]
    if notation and len(notation.units) > 1:
        units = ", ".join(map(example, notation.units[:4]))
        return [f"numbers of several units ({units}): one unit makes them numbers"]
    if notation:
        return [f"numbers except {rows(notation.unreadable)}, such as {example(notation.example)}"]
    if not np.isnan(column.numbers[~column.usual]).any():
        return ["codes, not numbers"]
    texts, counts = column.counted
    digits = pc.match_substring_regex(texts, r"^\W*\d[\d.,' ]*\W*$").to_numpy(zero_copy_only=False)
    if column.different > FEW_VALUES and counts[digits].sum() >= column.present / 2:
        such = example(texts[int(digits.argmax())].as_py())
        return [f"digits, such as {such}, in a notation that no setting reads as numbers"]
    return []
