"""Reads a raw table: every value as `[data.columns]` says, or a sentence that says which is not.

What a table may well have (an empty number, a date that is none, a category never seen) is counted
and kept; what must not be (a missing column, a word where numbers are) stops the run.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from ninesteps.errors import RawTableError
from ninesteps.settings.data import Column, Data
from ninesteps.settings.settings import Settings

MOMENT = "%Y-%m-%dT%H:%M:%SZ"
"""A moment as the Feature Store writes it."""

Cells: TypeAlias = "pd.Series[Any]"
"""One column of the table."""

MISSING = ("", "NA", "N/A", "#N/A", "nan", "NaN", "null", "NULL", "None")
"""What stands for no value in a CSV file."""


@dataclass
class RawTable:
    """A raw table's usable rows, and what was found on the way."""

    rows: pd.DataFrame  # record id and label first, then the columns of the settings
    read: int  # rows in the file
    found: dict[str, int] = field(default_factory=dict)  # what was odd, and in how many rows


def read_raw_table(file: Path, settings: Settings) -> RawTable:
    """Read a CSV or Parquet file.

    Raises:
        RawTableError: with one sentence for the person who brought the table.
    """
    data = settings.data
    names = [data.label, *data.columns, *filter(None, [data.event_time])]
    names = names if data.number_rows else [data.record_id, *names]
    texts = _texts(file, names, settings.context_columns, data.columns)
    if data.number_rows:
        numbers = [str(number) for number in range(1, texts.num_rows + 1)]
        texts = texts.append_column(data.record_id, [numbers])
    table = RawTable(rows=pd.DataFrame(index=range(texts.num_rows)), read=texts.num_rows)
    table.rows[data.record_id] = _one_line(_cells(texts, data.record_id), file)
    table.rows[data.label] = _label(texts, settings, file)
    for name, column in data.columns.items():
        table.rows[name] = _column(texts, name, column, file, table.found)
    table.rows["event_time"] = _event_time(texts, data, file)
    del texts
    pa.default_memory_pool().release_unused()  # Arrow keeps what it has freed
    _drop_unusable(table, data)
    _check_classes(table, settings, file)
    return table


def is_parquet(file: Path) -> bool:
    """Whether a file begins as Parquet does."""
    with file.open("rb") as content:
        return content.read(4) == b"PAR1"


def _texts(
    file: Path, names: list[str], facets: Container[str], columns: dict[str, Column]
) -> pa.Table:
    """The named columns' cells as texts: nothing is guessed.

    In Arrow's memory: as Python's own objects they would take ten times the file.
    """
    try:
        if is_parquet(file):
            _check_header(file, pq.read_schema(file).names, names, facets)
            return _parquet_texts(file, names, columns)
        lines = _lines(file)
        _, header = next(lines, (0, []))
        _check_header(file, header, names, facets)
        if next(lines, None) is None:
            raise RawTableError(f"{file}: expected rows, got a header only")
        return _read_texts(file, names)
    except FileNotFoundError:
        raise RawTableError(f"there is no file {file}") from None
    except UnicodeDecodeError:
        raise RawTableError(f"{file}: expected a CSV file, got no UTF-8 text") from None
    except (csv.Error, pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise RawTableError(f"{file} cannot be read: {error.strerror}") from None
        if "UTF8" in str(error):
            raise RawTableError(f"{file}: expected a CSV file, got no UTF-8 text") from None
        kind = "Parquet" if is_parquet(file) else "CSV"
        reason = " ".join(str(error).split())
        raise RawTableError(f"{file}: not a valid {kind} file: {reason}") from None


def _check_header(file: Path, header: list[str], names: list[str], facets: Container[str]) -> None:
    """Whatever else a file is, its first line shows it soonest."""
    if not header:
        raise RawTableError(f"{file}: expected a header and rows, got an empty file")
    if not all(name.isprintable() for name in header):
        raise RawTableError(f"{file}: not a valid CSV file: its first line does not name columns")
    has = ", ".join(header)
    absent = [name for name in names if name not in header]
    if of_bias := [name for name in absent if name in facets]:
        raise RawTableError(
            f"{file}: expected a column {', '.join(map(repr, of_bias))}, which [bias] needs for "
            f"its facets and groups, got {has}"
        )
    if absent:
        raise RawTableError(f"{file}: expected a column {', '.join(map(repr, absent))}, got {has}")
    if twice := [name for name in names if header.count(name) > 1]:
        raise RawTableError(f"{file}: expected one column {twice[0]!r}, got several: {has}")


def _cells(texts: pa.Table, name: str) -> Cells:
    """One column's trimmed texts, for pandas."""
    cells: Cells = pd.Series(pc.utf8_trim_whitespace(texts[name]).to_pandas(), name=name)
    return cells


def _parquet_texts(file: Path, names: list[str], columns: dict[str, Column]) -> pa.Table:
    """Typed cells as the texts that a CSV file would have; no value is an empty text."""
    table = pq.ParquetFile(file).read(columns=names)
    if not table.num_rows:
        raise RawTableError(f"{file}: expected rows, got columns only")
    texts = {}
    for name in names:
        form = columns[name].format if name in columns else ""
        cells = cells_as_texts(table[name], form or MOMENT)
        if cells is None:
            kind = table[name].type
            raise RawTableError(f"{file}: {name!r}: expected single values, got {kind}")
        texts[name] = pc.fill_null(cells, "")
    return pa.table(texts)


def cells_as_texts(cells: pa.ChunkedArray, form: str) -> pa.ChunkedArray | None:
    """Typed cells as texts: dates and moments by a format, in UTC; None for what is no value."""
    kinds = pa.types
    if kinds.is_dictionary(cells.type):
        cells = pc.cast(cells, cells.type.value_type)
    kind = cells.type
    if kinds.is_boolean(kind):
        cells = pc.cast(cells, pa.int8())
    elif kinds.is_date(kind) or kinds.is_timestamp(kind):
        moments = pd.to_datetime(pd.Series(cells.to_pandas()), utc=True).dt.strftime(form)
        return pa.chunked_array([pa.array(moments, pa.string(), from_pandas=True)])
    elif not (
        kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind)
        or kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_null(kind)
    ):  # fmt: skip
        return None
    return pc.cast(cells, pa.string())


def _read_texts(file: Path, names: list[str]) -> pa.Table:
    ragged: list[pyarrow.csv.InvalidRow] = []

    def judge(row: pyarrow.csv.InvalidRow) -> str:
        if not row.text.strip():
            return "skip"
        ragged.append(row)
        return "error"

    try:
        return pyarrow.csv.read_csv(
            file,
            # In one thread: a process that ends soon after may abort otherwise (Arrow #34314).
            read_options=pyarrow.csv.ReadOptions(use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(
                newlines_in_values=True, invalid_row_handler=judge
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=names, column_types=dict.fromkeys(names, pa.string())
            ),
        )
    except pa.ArrowInvalid:
        if not ragged:
            raise
        expected, got = ragged[0].expected_columns, ragged[0].actual_columns
        line = next((number for number, row in _lines(file) if len(row) != expected), "?")
        raise RawTableError(f"{file}, line {line}: expected {expected} values, got {got}") from None


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows, the header first, each with the line that it begins on; a blank line is no row."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        reader, line = csv.reader(lines), 1
        for row in reader:
            if len(row) > 1 or "".join(row).strip():
                yield line, row
            line = reader.line_num + 1


def _label(texts: pa.Table, settings: Settings, file: Path) -> Cells:
    """The label as numbers: 0 and 1, or what a regression estimates; missing is NaN."""
    name = settings.data.label
    if settings.project.problem == "regression":
        return _numbers(texts, name, file)
    cells = _cells(texts, name)
    if settings.data.positives:
        return _told_label(cells, settings.data, file)
    values = pd.to_numeric(cells, errors="coerce").astype("float64")
    wrong = ~cells.isin(MISSING) & ~values.isin((0, 1))
    if wrong.any():
        raise RawTableError(
            f"{_where(wrong, file)}: the label {name!r}: expected 0 or 1, got "
            f"{cells[wrong].iloc[0]!r} ({_such(wrong)})"
        )
    return values


def _told_label(cells: Cells, data: Data, file: Path) -> Cells:
    """A label of texts, some of which count as 1 and others as 0."""
    missing = cells.isin({*data.missing, ""})
    positive, negative = data.positives, data.negative
    if not negative:
        values = sorted(cells[~missing].unique())
        negative = tuple(value for value in values if value not in positive)
        if values and (len(negative) != 1 or len(values) == 1):
            raise RawTableError(
                f"{file}: the label {cells.name!r}: expected {_either(positive)} ([data] positive) "
                f"and one other value, got {', '.join(map(repr, values[:5]))}; several others are "
                "listed in [data] negative"
            )
    wrong = ~missing & ~cells.isin((*positive, *negative))
    if wrong.any():
        raise RawTableError(
            f"{_where(wrong, file)}: the label {cells.name!r}: expected {_either(positive)} "
            f"([data] positive) or {_either(negative)} (negative), got {cells[wrong].iloc[0]!r} "
            f"({_such(wrong)})"
        )
    return cells.isin(positive).astype("float64").mask(missing)


def _either(texts: tuple[str, ...]) -> str:
    return " or ".join(map(repr, texts))


def _column(
    texts: pa.Table, name: str, column: Column, file: Path, oddities: dict[str, int]
) -> Cells:
    if column.type == "number":
        numbers = _numbers(texts, name, file)
        _count(oddities, f"missing {name}", numbers.isna())
        return numbers
    cells = _cells(texts, name)
    if column.type == "date":
        dates = _dates(cells, column.format)
        _count(oddities, f"unreadable date in {name}", dates.isna())
        return dates
    missing = cells.isin(set(MISSING).difference(column.values))  # NA may well be a region
    values = _one_line(cells.mask(missing).astype("object"), file)
    if column.type == "category":
        _count(oddities, f"unknown value in {name}", ~missing & ~values.isin(column.values))
    _count(oddities, f"missing {name}", missing)
    return values


def _dates(cells: Cells, form: str) -> Cells:
    """Dates of a format, NaT where a text is none; each text is read once, as days repeat."""
    codes, different = pd.factorize(cells)
    read: Cells = pd.to_datetime(pd.Series(different), format=form, errors="coerce", exact=True)
    return read.take(codes).set_axis(cells.index)


def _numbers(texts: pa.Table, name: str, file: Path) -> Cells:
    """Numbers, NaN where none is given: of each text the nearest."""
    trimmed = pc.utf8_trim_whitespace(texts[name])
    known = pc.if_else(pc.is_in(trimmed, pa.array(MISSING)), None, trimmed)
    with contextlib.suppress(pa.ArrowInvalid):  # quick, and strict in how a number is written
        read = pc.cast(known, pa.float64())
        if pc.all(pc.is_finite(read)).as_py() is not False:
            numbers: Cells = pd.Series(read.to_numpy(), name=name)
            return numbers
    cells: Cells = pd.Series(known.to_pandas(), name=name)
    missing = cells.isna()
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    wrong = (numbers.isna() | numbers.isin((float("inf"), float("-inf")))) & ~missing
    if wrong.any():
        raise RawTableError(
            f"{_where(wrong, file)}: {name!r}: expected a number, got "
            f"{cells[wrong].iloc[0]!r} ({_such(wrong)})"
        )
    return cells.astype("float64")  # of each text the nearest number, which to_numeric may miss


def _one_line(cells: Cells, file: Path) -> Cells:
    """A text of several lines would be several records to a batch transform."""
    wrong = cells.str.contains(r"[\r\n]", na=False)
    if wrong.any():
        raise RawTableError(
            f"{_where(wrong, file)}: {cells.name!r}: expected a text of one line, got "
            f"{cells[wrong].iloc[0]!r}"
        )
    return cells


def _event_time(texts: pa.Table, data: Data, file: Path) -> Cells:
    """Moments as the Feature Store writes them: ISO-8601, to the second, with Z."""
    if data.snapshot:
        return pd.Series(data.snapshot, index=range(texts.num_rows))
    cells = _cells(texts, data.event_time)
    moments = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
    wrong = moments.isna()
    if wrong.any():
        raise RawTableError(
            f"{_where(wrong, file)}: {data.event_time!r}: expected a moment such as "
            f"2026-01-31T00:00:00Z, got {cells[wrong].iloc[0]!r} ({_such(wrong)})"
        )
    return moments.dt.strftime(MOMENT)


def _drop_unusable(table: RawTable, data: Data) -> None:
    """Leave out rows that no record can be made of, and count them."""
    no_id = table.rows[data.record_id].isin(MISSING)
    _count(table.found, f"empty {data.record_id}: left out", no_id)
    no_label = table.rows[data.label].isna() & ~no_id
    _count(table.found, f"no {data.label}: left out", no_label)
    table.rows = table.rows[~no_id & ~no_label]
    repeated = table.rows.duplicated([data.record_id, "event_time"], keep="last")
    _count(table.found, f"duplicate {data.record_id}: kept the last row", repeated)


def _check_classes(table: RawTable, settings: Settings, file: Path) -> None:
    label = settings.data.label
    if table.rows.empty:
        raise RawTableError(
            f"{file}: expected rows with a {settings.data.record_id} and a {label}, got none"
        )
    classes = table.rows[label].unique()
    if len(classes) < 2:
        needed = {"binary": "both 0 and 1", "regression": "different numbers"}
        raise RawTableError(
            f"{file}: the label {label!r}: expected {needed[settings.project.problem]} to learn "
            f"from, got {classes[0]:g} in every row"
        )


def _count(oddities: dict[str, int], what: str, rows: Cells) -> None:
    if count := int(rows.sum()):
        oddities[what] = count


def _such(wrong: Cells) -> str:
    count = int(wrong.sum())
    return f"{count:,} such row{'s' * (count != 1)}"


def _where(wrong: Cells, file: Path) -> str:
    """The line that the first wrong row begins on, as an editor counts them."""
    position = int(wrong.to_numpy().argmax())
    if is_parquet(file):
        return f"{file}, row {position + 1}"
    line, _ = next(islice(_lines(file), position + 1, None), ("?", []))
    return f"{file}, line {line}"
