"""Texts as the nearest numbers, in the notation that `[data.columns]` gives."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ninesteps.settings.data import Column

Texts: TypeAlias = "pa.Array | pa.ChunkedArray"

MISSING = (
    "", "NA", "N/A", "#N/A", "#NA", "<NA>", "n/a", "na", "nan", "NaN", "NAN", "NaT", "null", "NULL",
    "Null", "None", "none",
)  # fmt: skip
"""What stands for no value among numbers and dates, which none of these can be."""

SEPARATORS = ((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"))
"""Decimal and thousands separators; of several pairs that read the same texts the first counts."""

_NO_UNIT = "[-+\u2212()\\s]|\\d[\\d.,'\u2019\\s]*(e-?\\d+)?"
"""The parts of a number with a unit that are not the unit."""

_NO_TEXT = pa.scalar(None, pa.string())

_SPACES = "[\u00a0\u2007\u2009\u202f]"
"""Spaces that do not break a line, as in typeset numbers."""


def without_missing(texts: Texts) -> Texts:
    """Trimmed texts, null where no number or date is given."""
    return pc.if_else(pc.is_in(texts, pa.array(MISSING)), _NO_TEXT, texts)


def read_numbers(texts: Texts, column: Column) -> Texts:
    """Trimmed texts as finite numbers; null where a text is none."""
    if column.is_plain:
        with contextlib.suppress(pa.ArrowInvalid):  # quick, and right but for odd notation
            read = pc.cast(texts, pa.float64())
            if pc.all(pc.is_finite(read)).as_py() is not False:
                return read
    read = pc.cast(_plain(texts, column), pa.float64())
    return pc.if_else(pc.is_finite(read), read, pa.scalar(None, pa.float64()))


def notation(texts: pa.Array) -> str:
    """The keys of `[data.columns]` that read texts as numbers; empty if none do."""
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


def _plain(texts: Texts, column: Column) -> Texts:
    """Numbers as programs write them, `-1234.5`; null where a text is none in this notation."""
    texts = pc.replace_substring_regex(texts, _SPACES, " ")
    texts = pc.replace_substring(texts, "\u2212", "-")  # a minus sign, which is no hyphen
    if column.thousands == "'":
        texts = pc.replace_substring(texts, "\u2019", "'")
    number, unit = _number(column), f"(?:{re.escape(column.unit)})?" if column.unit else ""
    plain = pc.extract_regex(
        texts, f"^(?P<sign>[+-]?) ?(?P<a>{unit}) ?(?P<inner>[+-]?){number} ?(?P<b>{unit})$"
    )
    signs = _joined(plain, "sign", "inner")
    is_one = pc.and_(pc.is_in(signs, pa.array(["", "+", "-"])), _has_one_unit(plain, "ab", column))
    digits = pc.if_else(is_one, _joined(plain, "sign", "inner", "number"), _NO_TEXT)
    if column.parentheses:
        a, b, c, d = (f"(?P<{place}>{unit})" for place in "abcd")
        inside = pc.extract_regex(texts, f"^{a} ?[(] ?{b} ?{number} ?{c} ?[)] ?{d}$")
        negative = pc.binary_join_element_wise("-", _joined(inside, "number"), "")
        is_one = _has_one_unit(inside, "abcd", column)
        digits = pc.coalesce(digits, pc.if_else(is_one, negative, _NO_TEXT))
    if column.thousands:
        digits = pc.replace_substring(digits, column.thousands, "")
    return pc.replace_substring(digits, ",", ".") if column.decimal == "," else digits


def _number(column: Column) -> str:
    """Digits, in groups of three where thousands are separated, and a fraction."""
    decimal, thousands = re.escape(column.decimal), re.escape(column.thousands)
    whole = rf"\d{{1,3}}(?:{thousands}\d{{3}})+|\d+" if thousands else r"\d+"
    return rf"(?P<number>(?:(?:{whole})(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?)"


def _has_one_unit(groups: Texts, places: str, column: Column) -> Texts:
    """Whether a unit stands in one of several places, or in none."""
    return pc.is_in(_joined(groups, *places), pa.array(["", column.unit]))


def _joined(groups: Texts, *names: str) -> Texts:
    parts = [pc.struct_field(groups, name) for name in names]
    return pc.binary_join_element_wise(*parts, "")
