"""The columns of a table as text, with their distinct values and what these may be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ninesteps.errors import RawTableError
from ninesteps.feature_store.reading.table_file import TableFile, open_table
from ninesteps.feature_store.reading.typed_cells import MOMENT, cells_as_texts
from ninesteps.feature_store.reading.values import MISSING

BLEMISHES = 0.01  # a share of rows too small to decide what a column is

CODES = re.compile("(cust|user)?id|uuid|guid|zip(code)?|post(al|code)|phone|ssn|fips")
"""Last words of column names: such a column is never a number, whatever its values look like."""


@dataclass(frozen=True, eq=False)
class Contents:
    """One column: its values as text, and what they may be."""

    name: str
    cells: pa.ChunkedArray  # trimmed texts, null where a value is missing
    is_single: bool = True  # no lists, records or bytes
    values: frozenset[str] = frozenset()  # words that the user declared to be values

    @cached_property
    def counted(self) -> tuple[pa.Array, NDArray[np.int64]]:
        """The distinct texts, with the number of rows of each."""
        value_counts = pc.value_counts(self.cells.drop_null())
        return value_counts.field("values"), value_counts.field("counts").to_numpy()

    @property
    def different(self) -> int:
        """The number of distinct texts."""
        return len(self.counted[0])

    @property
    def missing(self) -> int:
        """The rows without a value."""
        return int(self.cells.null_count)

    @property
    def present(self) -> int:
        """The rows with a value."""
        return len(self.cells) - self.missing

    @property
    def words(self) -> list[str]:
        """The name's words: `customerId` and `CUSTOMER_ID` are customer and id."""
        parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", self.name)
        return [word.lower() for word in parts]

    def has(self, pattern: str) -> bool:
        """Whether any text matches."""
        return bool(pc.any(pc.match_substring_regex(self.counted[0], pattern)).as_py())

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The distinct texts as numbers in plain notation; NaN for a text that is not a number."""
        texts = self.counted[0]
        try:
            numbers = texts.cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            read = pd.to_numeric(pd.Series(texts.to_pylist(), dtype="object"), errors="coerce")
            numbers = read.to_numpy(dtype="float64")
        finite: NDArray[np.float64] = np.where(np.isfinite(numbers), numbers, np.nan)
        return finite

    @cached_property
    def usual(self) -> NDArray[np.bool_]:
        """Which of the distinct texts a number column always treats as missing, such as NA."""
        usual: NDArray[np.bool_] = pc.is_in(self.counted[0], pa.array(MISSING)).to_numpy(
            zero_copy_only=False
        )
        return usual

    @cached_property
    def is_code(self) -> bool:
        """Whether its digits are codes rather than numbers: 007, a zip code, 20 digits."""
        return any(map(CODES.fullmatch, self.words[-1:])) or self.has(r"^[+-]?0\d|^\d{17}")

    @cached_property
    def is_number(self) -> bool:
        """Whether every value is a number, except the words that number columns always skip."""
        known = ~self.usual
        are_numbers = bool(known.any() and not np.isnan(self.numbers[known]).any())
        return are_numbers and not self.is_code

    @cached_property
    def is_whole(self) -> bool:
        """Whether every value is a whole number."""
        return self.is_number and bool((self.numbers[~self.usual] % 1 == 0).all())

    @cached_property
    def is_grouped(self) -> bool:
        """Whether its points may separate thousands: 1.234 and 12.345, and no other decimals."""
        return (
            self.is_number
            and self.has(r"\.")
            and not self.has(r"^[+-]?([0-9]{4}|0|[0-9]*\.[0-9]{0,2}$|[0-9]*\.[0-9]{4}|.*[eE])")
        )

    @cached_property
    def is_binary(self) -> bool:
        """Whether it has two values."""
        if self.is_number:
            return len(np.unique(self.numbers[~self.usual])) == 2
        return self.different == 2

    @property
    def is_zero_or_one(self) -> bool:
        """Whether it has two values, 0 and 1."""
        return self.is_binary and self.is_number and set(self.numbers[~self.usual]) == {0, 1}

    @cached_property
    def unusable(self) -> str:
        """Why a column cannot be in `[data.columns]`, or would be useless there."""
        if not self.is_single:
            return "expected single values, got lists, records or bytes"
        if not self.name.strip():
            return "it has no name"
        if self.present == 0:
            return "it is empty"
        if self.has(r"[\r\n]"):
            return "expected texts of one line, got several"
        return "every row has the same value" if self.different == 1 and not self.missing else ""


def read_columns(
    file: Path, missing: Iterable[str] = (), values: Iterable[str] = ()
) -> list[Contents]:
    """The columns of a table as trimmed texts.

    Args:
        file: a CSV, JSON Lines, Parquet or Feather file.
        missing: words that mean "no value".
        values: words that look like "no value" but are values.
    """
    table = open_table(file)
    table.check_header()
    _check_names(table)
    none, kept = pa.array(["", *missing]), frozenset(values)
    read = table.read(range(len(table.names)))
    columns = [
        _contents(name, cells, none, kept) for name, cells in zip(table.names, read, strict=True)
    ]
    return [column for column in columns if column.name or column.present]  # as Excel ends lines


def _check_names(table: TableFile) -> None:
    if not table.names:
        raise RawTableError(f"{table.path}: expected columns and rows, got an empty file")
    if len(table.names) == 1:
        raise RawTableError(
            f"{table.path}: expected a label and other columns (separated by commas in a CSV "
            f"file), got one column, {table.names[0]!r}"
        )
    if twice := [name for name, count in Counter(table.names).items() if name and count > 1]:
        raise RawTableError(f"{table.path}: expected one column {twice[0]!r}, got several")


def _contents(
    name: str, cells: pa.ChunkedArray, missing: pa.Array, values: frozenset[str]
) -> Contents:
    as_texts = cells_as_texts(cells, MOMENT)
    if as_texts is None:
        return Contents(name, pa.chunked_array([pa.nulls(len(cells), pa.string())]), False)
    if pa.types.is_date(cells.type):
        as_texts = cells_as_texts(cells, "%Y-%m-%d")
    texts = pc.utf8_trim_whitespace(as_texts)
    no_value = pc.is_in(texts, missing)
    known = pc.if_else(no_value, pa.scalar(None, pa.string()), texts)
    return Contents(name, known, values=values)
