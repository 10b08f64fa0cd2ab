"""Finds the notation in `[data.columns]` that reads texts as numbers."""

from __future__ import annotations

import contextlib
import json

import pyarrow as pa
import pyarrow.compute as pc

from ninesteps.feature_store.reading.values import read_numbers
from ninesteps.settings.data import Column

SEPARATORS = ((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"))
"""Decimal and thousands separators; the first pair that reads the texts is used."""

_NO_UNIT = "[-+\u2212()\\s]|\\d[\\d.,'\u2019\\s]*(e-?\\d+)?"
"""The parts of a number around its unit."""


def notation(texts: pa.Array) -> str:
    """The keys of `[data.columns]` that read the texts as numbers; empty if none do."""
    samples = texts[:1000]
    inner = pc.replace_substring_regex(samples, _NO_UNIT, "")
    unit = next((text for text in inner.to_pylist() if text), "")
    parentheses = bool(pc.any(pc.match_substring(samples, "(")).as_py())
    for decimal, thousands in SEPARATORS:
        with contextlib.suppress(ValueError):
            column = Column("number", "", (), decimal, thousands, unit, parentheses)
            if read_numbers(samples, column).null_count == 0:
                return ", ".join(
                    f"{key} = {json.dumps(value, ensure_ascii=False)}"
                    for key, value in column.notation.items()
                )
    return ""
