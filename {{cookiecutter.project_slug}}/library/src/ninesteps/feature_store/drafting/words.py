"""Finds words that may mean "no value", such as NA, - and ?: a person decides about each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ninesteps.feature_store.drafting.contents import Contents

LOOK_MISSING = (
    r"^[<(\[]?(n[./]?a\.?|#n/?a!?|nan|nat|n/?d|null|none|nil|void|missing|blank"
    r"|not (available|applicable)"
    r"|no value|\\n|-+|[–—]|\?+|\.+|\*|#(null|value|num)!|#div/0!|#ref!|#name\?"
    r"|0000-00-00( 00:00:00)?|00[/.]00[/.]0000)[>)\]]?$"
)
"""In any case, and in brackets too. Not "unknown", which may well be a group."""

MOST_WORDS = 3  # among numbers or dates; more are a text's own values
LONGEST_WORD = 30
MOST_LOOKED_AT = 1_000


@dataclass(frozen=True)
class Words:
    """Some of a column's distinct texts, with the rows of each."""

    rows_of: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The rows that have one of them."""
        return sum(self.rows_of.values())

    def are(self, texts: pa.Array) -> NDArray[np.bool_]:
        """Which of the texts are among these words."""
        among = pc.is_in(texts, pa.array([*self.rows_of], pa.string()))
        are: NDArray[np.bool_] = among.to_numpy(zero_copy_only=False)
        return are


def _look_missing(texts: pa.Array) -> NDArray[np.bool_]:
    """Which texts programs commonly write for a missing value."""
    matches = pc.match_substring_regex(texts, LOOK_MISSING, ignore_case=True)
    look: NDArray[np.bool_] = matches.to_numpy(zero_copy_only=False)
    return look


def missing_words(column: Contents) -> Words:
    """The words of a column that look like "no value"."""
    texts, rows = column.counted
    places = np.flatnonzero(_look_missing(texts))
    found = {texts[int(place)].as_py(): int(rows[place]) for place in places}
    if len(found) < len(texts) > MOST_WORDS and not column.has(r"^(.?|.{3,}|[^A-Za-z]{2})$"):
        found = {text: rows for text, rows in found.items() if text.lower() != "nd"}
    return Words({text: count for text, count in found.items() if text not in column.values})


def words_among(column: Contents, others: NDArray[Any]) -> Words:
    """The words in a column whose other values are mostly numbers or dates.

    Args:
        column: a column.
        others: which of its distinct texts are not numbers, or not dates.
    """
    texts, rows = column.counted
    sure = missing_words(column).rows_of
    places = np.flatnonzero(others)
    left = {texts[int(place)].as_py(): int(rows[place]) for place in places[:MOST_LOOKED_AT]}
    likely = {
        text: count
        for text, count in left.items()
        if text not in {*sure, *column.values}
        and len(text) <= LONGEST_WORD
        and not re.search(r"\d", text)
    }
    is_few = len(likely) <= MOST_WORDS and column.different - len(places) > MOST_WORDS
    return Words(sure | likely if is_few else sure)
