"""The columns of a table as texts: every one is judged by its different values."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ninesteps.errors import RawTableError
from ninesteps.feature_store.raw_table import MOMENT, cells_as_texts, is_parquet
from ninesteps.feature_store.reading.numbers import MISSING

BLEMISHES = 0.01  # a share of rows that does not decide what a column is

CODES = re.compile("(cust|user)?id|uuid|guid|zip(code)?|post(al|code)|phone|ssn|fips")
"""The last words of names whose columns hold no numbers, whatever they look like."""


@dataclass(frozen=True, eq=False)
class Contents:
    """One column: its texts, and what they may be."""

    name: str
    cells: pa.ChunkedArray  # trimmed texts, null where a value is missing
    is_single: bool = True  # no lists, records or bytes
    values: frozenset[str] = frozenset()  # words that a person says are values

    @cached_property
    def counted(self) -> tuple[pa.Array, NDArray[np.int64]]:
        """The different texts, and the rows of each."""
        value_counts = pc.value_counts(self.cells.drop_null())
        return value_counts.field("values"), value_counts.field("counts").to_numpy()

    @property
    def different(self) -> int:
        """How many different texts there are."""
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
        """Whether some text has a match."""
        return bool(pc.any(pc.match_substring_regex(self.counted[0], pattern)).as_py())

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The different texts as numbers, as programs write them; NaN where a text is none."""
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
        """Which of the different texts a number column always takes for no value, such as NA."""
        usual: NDArray[np.bool_] = pc.is_in(self.counted[0], pa.array(MISSING)).to_numpy(
            zero_copy_only=False
        )
        return usual

    @cached_property
    def is_code(self) -> bool:
        """Whether what looks like numbers are codes: 007, a zip, 20 digits."""
        return any(map(CODES.fullmatch, self.words[-1:])) or self.has(r"^[+-]?0\d|^\d{17}")

    @cached_property
    def is_number(self) -> bool:
        """Whether every value is a number, but for the words that number columns always skip."""
        known = ~self.usual
        are_numbers = bool(known.any() and not np.isnan(self.numbers[known]).any())
        return are_numbers and not self.is_code

    @cached_property
    def is_whole(self) -> bool:
        """Whether every value is a whole number."""
        return self.is_number and bool((self.numbers[~self.usual] % 1 == 0).all())

    @cached_property
    def is_grouped(self) -> bool:
        """Whether its points may part thousands: 1.234 and 12.345, and no other decimals."""
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
        """Why a column cannot stand in `[data.columns]`, or helps nobody there."""
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
        file: a CSV or Parquet file.
        missing: words that mean "no value".
        values: words that look so and are values.
    """
    kind = "CSV"
    try:
        if is_parquet(file) or file.suffix.lower() in (".parquet", ".pq"):
            kind = "Parquet"
        table = _read_csv(file) if kind == "CSV" else _read_parquet(file)
        none, kept = pa.array(["", *missing]), frozenset(values)
        columns = [
            _contents(name, cells, none, kept)
            for name, cells in zip(table.column_names, table.columns, strict=True)
        ]
    except FileNotFoundError:
        raise RawTableError(f"there is no file {file}") from None
    except (UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        if "UTF8" in str(error) or isinstance(error, UnicodeDecodeError):
            raise RawTableError(f"{file}: expected a {kind} file, got no UTF-8 text") from None
        reason = " ".join(str(error).split())
        raise RawTableError(f"{file}: not a valid {kind} file: {reason}") from None
    except OSError as error:
        raise RawTableError(f"{file} cannot be read: {error.strerror or error}") from None
    if table.num_rows == 0:
        raise RawTableError(f"{file}: expected rows, got columns only")
    return columns


def _read_parquet(file: Path) -> pa.Table:
    content = pq.ParquetFile(file)
    _check_names(content.schema_arrow.names, file)
    return content.read(use_threads=False)


def _read_csv(file: Path) -> pa.Table:
    """Every cell as a text: nothing is guessed before all values are seen."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        header = next(
            (row for row in csv.reader(lines) if len(row) > 1 or "".join(row).strip()), []
        )
    if "\0" in "".join(header):
        raise RawTableError(f"{file}: not a valid CSV file: its first line does not name columns")
    _check_names(header, file)
    ragged: list[pyarrow.csv.InvalidRow] = []

    def judge(row: pyarrow.csv.InvalidRow) -> str:
        ragged.extend([row] if row.text.strip() else [])
        return "skip"

    table = pyarrow.csv.read_csv(
        file,
        # In one thread: a process that ends soon after may abort otherwise (Arrow #34314).
        read_options=pyarrow.csv.ReadOptions(use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=judge),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string())),
    )
    if ragged:
        raise RawTableError(
            f"{file}, row {ragged[0].number}: expected {ragged[0].expected_columns} values, got "
            f"{ragged[0].actual_columns} ({len(ragged):,} such row{'s' * (len(ragged) != 1)})"
        )
    return table


def _check_names(names: list[str], file: Path) -> None:
    if not names:
        raise RawTableError(f"{file}: expected columns and rows, got an empty file")
    if len(names) == 1:
        raise RawTableError(
            f"{file}: expected a label and other columns (separated by commas in a CSV file), got "
            f"one column, {names[0]!r}"
        )
    if twice := [name for name in names if names.count(name) > 1]:
        raise RawTableError(f"{file}: expected one column {twice[0]!r}, got several")


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
