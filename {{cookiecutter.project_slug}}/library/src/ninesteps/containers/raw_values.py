"""Reads raw values as the numbers, dates and texts that `[data.columns]` declares.

Tables and the raw records of a request are read alike: the library imports this module too, so it
imports no other module of this folder.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Texts: TypeAlias = "pa.Array | pa.ChunkedArray"

Cells: TypeAlias = "pd.Series[Any]"
"""One column as input of features."""

Moments: TypeAlias = NDArray[np.datetime64]
"""In microseconds, (n,); NaT for none."""

MISSING = (
    "", "NA", "N/A", "#N/A", "#NA", "<NA>", "n/a", "na", "nan", "NaN", "NAN", "NaT", "null", "NULL",
    "Null", "None", "none",
)  # fmt: skip
"""The usual words for no value among numbers and dates."""

MOST_WHOLE = 2**53
"""The largest integer up to which every integer is a distinct float."""

FRACTION = r"^(-?\d{1,16})\.0+$"
"""A whole number written with a fraction, such as 12.0."""

_NO_TEXT = pa.scalar(None, pa.string())
_NO_NUMBER = pa.scalar(None, pa.float64())

_SPACES = "[\u00a0\u2007\u2009\u202f]"
"""Non-breaking spaces, as in typeset numbers."""


class Notation(Protocol):
    """The notation of a column's numbers."""

    @property
    def decimal(self) -> str:
        """The decimal separator."""

    @property
    def thousands(self) -> str:
        """The thousands separator; empty for none."""

    @property
    def unit(self) -> str:
        """A text that may stand before or after a number."""

    @property
    def parentheses(self) -> bool:
        """Whether "(12)" means -12."""


def is_given(cells: Texts) -> NDArray[np.bool_]:
    """Where there is a value, (n,)."""
    given: NDArray[np.bool_] = pc.is_valid(cells).to_numpy(zero_copy_only=False)
    return given


# Texts


def given_texts(texts: Texts, missing: Iterable[str]) -> Texts:
    """Trimmed texts, null for no text, or for a word that means "no value"."""
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(trimmed, pa.array(["", *missing])), _NO_TEXT, trimmed)


def without_fraction(texts: Texts) -> Texts:
    """Whole numbers such as 12.0 as 12, so that rows are in the same splits from any file."""
    if not pc.any(pc.match_substring(texts, ".0")).as_py():
        return texts
    return pc.replace_substring_regex(texts, FRACTION, r"\1")


def known_texts(texts: Texts, values: Iterable[str]) -> tuple[Texts, NDArray[np.bool_]]:
    """A category's texts, and which are unknown, (n,); 1.0 is read as 1 if only 1 is known."""
    known = pa.array(values, pa.string())
    unknown = is_given(texts) & ~pc.is_in(texts, known).to_numpy(zero_copy_only=False)
    if unknown.any():
        of_number = pc.replace_substring_regex(known, FRACTION, r"\1")
        places = pc.index_in(without_fraction(texts), of_number)
        texts = pc.coalesce(pc.if_else(pa.array(unknown), pc.take(known, places), texts), texts)
        unknown &= ~pc.is_in(texts, known).to_numpy(zero_copy_only=False)
    return texts, unknown


def text_cells(texts: Texts) -> Cells:
    """Texts for pandas, NaN for no value."""
    cells: Cells = texts.to_pandas()  # equal texts are one object
    if texts.null_count:
        cells[~is_given(texts)] = np.nan
    return cells


def floats_as_texts(cells: Texts) -> Texts:
    """Whole numbers without fraction or exponent; NaN is no value."""
    wide = pc.cast(cells, pa.float64())
    is_whole = pc.and_(pc.equal(pc.floor(wide), wide), pc.less(pc.abs(wide), MOST_WHOLE))
    whole = pc.cast(pc.if_else(is_whole, wide, 0.0), pa.int64())
    texts = pc.if_else(is_whole, pc.cast(whole, pa.string()), pc.cast(cells, pa.string()))
    return pc.if_else(pc.is_nan(wide), _NO_TEXT, texts)


# Numbers


def given_numbers(numbers: Texts, missing: Iterable[str]) -> Texts:
    """Numbers, null for NaN, or for a number that means "no value", such as -999."""
    none = [float(word) for word in missing if _is_number(word)]
    numbers = pc.if_else(pc.is_nan(numbers), _NO_NUMBER, numbers)
    return pc.if_else(pc.is_in(numbers, pa.array(none)), _NO_NUMBER, numbers) if none else numbers


def _is_number(word: str) -> bool:
    try:
        return repr(float(word) + 0.0).removesuffix(".0") == word
    except ValueError:
        return False


def without_missing(texts: Texts) -> Texts:
    """Trimmed texts, null for a word that means no number or date."""
    return pc.if_else(pc.is_in(texts, pa.array(MISSING)), _NO_TEXT, texts)


def read_numbers(texts: Texts, column: Notation) -> Texts:
    """The nearest finite number to each trimmed text; null for a text that is not a number."""
    if _is_plain(column):
        with contextlib.suppress(pa.ArrowInvalid):  # fast, and correct except for unusual notation
            read = pc.cast(texts, pa.float64())
            if pc.all(pc.is_finite(read)).as_py() is not False:
                return read
    return finite(pc.cast(_plain(texts, column), pa.float64()))


def finite(numbers: Texts) -> Texts:
    """Numbers, null for infinite ones."""
    return pc.if_else(pc.is_finite(numbers), numbers, _NO_NUMBER)


def outside(
    numbers: NDArray[np.float64], least: float | None, most: float | None
) -> NDArray[np.bool_]:
    """Which numbers are outside a range, (n,); NaN never is."""
    wrong = np.zeros(len(numbers), dtype=np.bool_)
    if least is not None:
        wrong |= numbers < least
    if most is not None:
        wrong |= numbers > most
    return wrong


def range_in_words(least: float | None, most: float | None) -> str:
    """A range in words, such as "from 0 to 120"; empty without limits."""
    if least is not None and most is not None:
        return f"from {least:g} to {most:g}"
    if least is not None:
        return f"of at least {least:g}"
    return "" if most is None else f"of at most {most:g}"


def _is_plain(column: Notation) -> bool:
    """Whether numbers are in plain notation, such as -1234.5."""
    return (column.decimal, column.thousands, column.unit, column.parentheses) == (
        ".", "", "", False,
    )  # fmt: skip


def _plain(texts: Texts, column: Notation) -> Texts:
    """Numbers in plain notation, `-1234.5`; null for a text that is not a number in this
    notation."""
    texts = pc.replace_substring_regex(texts, _SPACES, " ")
    texts = pc.replace_substring(texts, "\u2212", "-")  # a minus sign instead of a hyphen
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


def _number(column: Notation) -> str:
    """The pattern of digits, in groups of three if thousands are separated, and a fraction."""
    decimal, thousands = re.escape(column.decimal), re.escape(column.thousands)
    whole = rf"\d{{1,3}}(?:{thousands}\d{{3}})+|\d+" if thousands else r"\d+"
    return rf"(?P<number>(?:(?:{whole})(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?)"


def _has_one_unit(groups: Texts, places: str, column: Notation) -> Texts:
    """Whether a unit is in exactly one of several places, or in none."""
    return pc.is_in(_joined(groups, *places), pa.array(["", column.unit]))


def _joined(groups: Texts, *names: str) -> Texts:
    parts = [pc.struct_field(groups, name) for name in names]
    return pc.binary_join_element_wise(*parts, "")


# Dates


def moment_texts(moments: Moments) -> Texts:
    """Moments as the Feature Store writes them, to the millisecond; null for none."""
    texts = pc.cast(pa.chunked_array([moments.astype("datetime64[ms]")]), pa.string())
    return pc.binary_join_element_wise(pc.replace_substring(texts, " ", "T"), "Z", "")


def read_dates(texts: Texts, form: str) -> Moments:
    """Texts as dates in a format of `strptime`, in microseconds; NaT for a text that is not one.

    Moments of other time zones are converted to UTC.
    """
    has_zone = "%z" in form or "%Z" in form
    cells = text_cells(texts)
    quick = pd.to_datetime(cells, format=form, errors="coerce", exact=True, utc=has_zone)
    dates: Moments = quick.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    for place in np.flatnonzero(np.isnat(dates) & cells.notna().to_numpy()):
        dates[place] = _read_one(cells.iloc[place], lambda text: datetime.strptime(text, form))
    return dates


def read_iso(texts: Texts) -> Moments:
    """Moments in ISO 8601, converted to UTC; NaT for a text that is not one. Without an offset:
    UTC."""
    cells = text_cells(texts)
    quick = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
    moments: Moments = quick.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    for place in np.flatnonzero(np.isnat(moments) & cells.notna().to_numpy()):
        moments[place] = _read_one(cells.iloc[place], datetime.fromisoformat)
    return moments


def _read_one(text: str, read: Callable[[str], datetime]) -> np.datetime64:
    try:
        moment = read(text)
        if moment.tzinfo:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return np.datetime64("NaT")
    return np.datetime64(moment, "us")
