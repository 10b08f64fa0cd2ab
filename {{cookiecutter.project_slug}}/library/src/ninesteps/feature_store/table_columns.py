"""The columns of a table as texts, and what they may be: numbers, dates, codes, two values.

Every column is judged by its different values; `schema.py` says what that makes of it.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from ninesteps.errors import RawTableError
from ninesteps.feature_store.raw_table import MISSING, MOMENT, cells_as_texts, is_parquet

BLEMISHES = 0.01  # a share of rows that does not decide what a column is

CODES = re.compile("(cust|user)?id|uuid|guid|zip(code)?|post(al|code)|phone|ssn|fips")
"""The last words of names whose columns hold no numbers, whatever they look like."""

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
"""Formats of dates: of several that fit equally the first is taken, and the others are named."""


def _shape(text: str) -> str:
    return re.sub("[a-z]+", "a", re.sub("[0-9]+", "0", text), flags=re.IGNORECASE)


SHAPES = {form: _shape(datetime(2026, 11, 23).strftime(form)) for form in FORMATS}
"""What a date of each format looks like: 0/0/0 or 0-a-0. Few formats are tried on a column."""


@dataclass(frozen=True)
class Dates:
    """How a column's texts read as dates."""

    format: str
    others: tuple[str, ...]  # formats that read other days from the same texts
    unreadable: int  # rows
    latest: datetime


@dataclass(frozen=True, eq=False)
class Contents:
    """One column: its texts, and what they may be."""

    name: str
    cells: pa.ChunkedArray  # trimmed texts, null where a value is missing
    is_single: bool = True  # no lists, records or bytes

    @cached_property
    def counted(self) -> tuple[pa.Array, np.ndarray[Any, Any]]:
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
    def parsed(self) -> pd.Series[Any]:
        """The different texts as numbers; NaN where a text is none."""
        texts = self.counted[0]
        try:
            numbers = pd.Series(texts.cast(pa.float64()).to_numpy())
        except pa.ArrowInvalid:
            numbers = pd.to_numeric(pd.Series(texts.to_pylist(), dtype="object"), errors="coerce")
        finite: pd.Series[Any] = numbers.where(np.isfinite(numbers))
        return finite

    @cached_property
    def is_number(self) -> bool:
        """Whether every value is a number, and none a code: 007, a zip, 20 digits."""
        if any(map(CODES.fullmatch, self.words[-1:])) or bool(self.parsed.isna().any()):
            return False
        return self.different > 0 and not self.has(r"^[+-]?0\d|^\d{17}")

    @cached_property
    def is_whole(self) -> bool:
        """Whether every value is a whole number."""
        return self.is_number and bool((self.parsed % 1 == 0).all())

    @cached_property
    def is_binary(self) -> bool:
        """Whether it has two values."""
        return (self.parsed.nunique() if self.is_number else self.different) == 2

    @property
    def is_zero_or_one(self) -> bool:
        """Whether it has two values, 0 and 1."""
        return self.is_binary and self.is_number and set(self.parsed) == {0, 1}

    @cached_property
    def unusable(self) -> str:
        """Why a column cannot stand in `[data.columns]`, or helps nobody there."""
        if not self.is_single:
            return "expected single values, got lists, records or bytes"
        if not self.name.strip():
            return "it has no name"
        if self.name == "event_time":
            return "the feature group has a column of that name"
        if self.present == 0:
            return "it is empty"
        if self.has(r"[\r\n]"):
            return "expected texts of one line, got several"
        return "every row has the same value" if self.different == 1 and not self.missing else ""


def read_columns(file: Path) -> list[Contents]:
    """The columns of a table as trimmed texts."""
    kind = "CSV"
    try:
        if is_parquet(file) or file.suffix.lower() in (".parquet", ".pq"):
            kind = "Parquet"
        table = _read_csv(file) if kind == "CSV" else _read_parquet(file)
        columns = [_contents(name, table[name]) for name in table.column_names]
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


def _contents(name: str, cells: pa.ChunkedArray) -> Contents:
    as_texts = cells_as_texts(cells, MOMENT)
    if as_texts is None:
        return Contents(name, pa.chunked_array([pa.nulls(len(cells), pa.string())]), False)
    if pa.types.is_date(cells.type):
        as_texts = cells_as_texts(cells, "%Y-%m-%d")
    texts = pc.utf8_trim_whitespace(as_texts)
    missing = pc.is_in(texts, pa.array(MISSING))
    return Contents(name, pc.if_else(missing, pa.scalar(None, pa.string()), texts))


def dates_of(columns: list[Contents]) -> dict[str, Dates]:
    """The columns that are dates; an order of day and month that is clear in one counts for all."""
    by_name = {c.name: dates for c in columns if (dates := _as_dates(c, ()))}
    clear = tuple(dates.format for dates in by_name.values() if not dates.others)
    for column in columns:
        if column.name in by_name and by_name[column.name].others:
            by_name[column.name] = _as_dates(column, clear) or by_name[column.name]
    return by_name


def _as_dates(column: Contents, preferred: tuple[str, ...]) -> Dates | None:
    texts, rows = column.counted
    fitting: dict[str, pd.Series[pd.Timestamp]] = {}
    unreadable: dict[str, int] = {}
    for form in _formats(column):
        if parse_dates(texts[:20], form).notna().mean() >= 0.5:
            read = parse_dates(texts, form)
            bad = int(rows[read.isna().to_numpy()].sum())
            if bad < BLEMISHES * column.present:
                fitting[form], unreadable[form] = read, bad
    if not fitting:
        return None
    equal = [f for f in fitting if unreadable[f] == min(unreadable.values())]
    best = next((form for form in equal if form in preferred), equal[0])
    others = [form for form in equal if not fitting[form].equals(fitting[best])]
    return Dates(
        format=best,
        others=() if best in preferred else tuple(others),
        unreadable=unreadable[best],
        latest=fitting[best].max(),
    )


def _formats(column: Contents) -> list[str]:
    """The formats whose dates look like the texts."""
    if column.is_number:
        is_day = column.is_whole and column.parsed.between(19_000_101, 21_001_231).all()
        return ["%Y%m%d"] if is_day else []
    shapes = Counter(map(_shape, column.counted[0][:20].to_pylist()))
    return [form for form in FORMATS if SHAPES[form] == max(shapes, key=shapes.__getitem__)]


def parse_dates(texts: pa.Array, form: str) -> pd.Series[pd.Timestamp]:
    """The texts as dates of a format; NaT where one is none."""
    cells = pd.Series(texts.to_pandas(), dtype="object")
    return pd.to_datetime(cells, format=form, errors="coerce", exact=True)
