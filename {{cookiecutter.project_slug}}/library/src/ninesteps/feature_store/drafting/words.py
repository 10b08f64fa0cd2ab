"""Words that may stand for "no value", such as NA, - and ?: a person decides about each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ninesteps.feature_store.drafting.contents import Contents

LOOK_MISSING = re.compile(
    r"n[./]?a\.?|#n/?a!?|nan|nat|n/?d|null|none|nil|void|missing|blank|not (available|applicable)"
    r"|no value|\\n|-+|[–—]|\?+|\.+|\*|#(null|value|num)!|#div/0!|#ref!|#name\?"
    r"|0000-00-00( 00:00:00)?|00[/.]00[/.]0000"
)
"""In lower case, and in brackets too. "unknown" is none of them: it may well be a group."""

MOST_WORDS = 3  # that stand among numbers or dates; more are a text's own values
LONGEST_WORD = 30


@dataclass(frozen=True)
class Words:
    """Some of a column's different texts, with the rows of each."""

    rows_of: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The rows that have one of them."""
        return sum(self.rows_of.values())

    def are(self, texts: pa.Array) -> NDArray[np.bool_]:
        """Which of the texts are such words."""
        return np.array([text in self.rows_of for text in texts.to_pylist()], dtype=bool)


def looks_missing(text: str) -> bool:
    """Whether a text is one that many programs write where there is no value."""
    return bool(LOOK_MISSING.fullmatch(re.sub(r"^[<(\[](.+)[>)\]]$", r"\1", text.lower())))


def missing_words(column: Contents) -> Words:
    """The words of a column that look as if they meant "no value"."""
    texts, rows = column.counted
    counted = zip(texts.to_pylist(), rows.tolist(), strict=True)
    return Words(
        {
            text: count
            for text, count in counted
            if looks_missing(text) and text not in column.values
        }
    )


def words_among(column: Contents, others: NDArray[Any]) -> Words:
    """The words that stand where most rows have numbers or dates.

    Args:
        column: a column.
        others: which of its different texts are no numbers, or no dates.
    """
    texts, rows = column.counted
    places = np.flatnonzero(others)
    left = {texts[int(place)].as_py(): int(rows[place]) for place in places[:1000]}
    left = {text: count for text, count in left.items() if text not in column.values}
    sure = {text: count for text, count in left.items() if looks_missing(text)}
    likely = {
        text: count
        for text, count in left.items()
        if text not in sure and len(text) <= LONGEST_WORD and not re.search(r"\d", text)
    }
    is_few = len(likely) <= MOST_WORDS and column.different - len(places) > MOST_WORDS
    return Words(sure | likely if is_few else sure)
