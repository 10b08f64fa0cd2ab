"""Reads a file as columns: texts from CSV and JSON Lines, typed cells from Parquet and Feather.

They are in Arrow's memory: Python objects would take ten times the size of the file.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeAlias

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq

from ninesteps.errors import RawTableError
from ninesteps.feature_store.reading import json_lines
from ninesteps.feature_store.reading.columns import Columns
from ninesteps.feature_store.reading.file_kind import Kind, kind_of
from ninesteps.feature_store.reading.first_line import (
    delimiter_of,
    is_row,
    line_of_names,
    values_among,
)

csv.field_size_limit(2**31 - 1)  # long texts are allowed; the module's own limit is 128 KiB

_SAMPLE = 2**20  # characters that are searched for the header and some rows
_SAMPLE_ROWS = 100
_SHOWN = 60  # characters of a first line
_BLOCK = 2**20  # bytes parsed at a time: Arrow's default
_LARGEST_ROW = 2**28  # bytes parsed at a time if a row is larger than a block
_FEWEST_LOST = 2  # lines in one cell that look like rows: then they are rows


Conversion: TypeAlias = Callable[[pa.ChunkedArray], pa.ChunkedArray]
"""Converts cells, one to one."""


@dataclass(frozen=True)
class TableFile:
    """A table's file: its format, and the names of its columns."""

    path: Path
    kind: Kind
    stored_names: tuple[str, ...]  # as in the file
    delimiter: str = ","  # of a CSV file
    header_lines: int = 1  # of a CSV file: the lines before its rows
    values_in_header: tuple[str, ...] = ()  # cells of the first line that do not look like names
    most_rows: int | None = None  # for a sample: the number of first rows to read; None: all

    @property
    def is_text(self) -> bool:
        """Whether every cell is a text."""
        return self.kind not in ("parquet", "feather")

    @property
    def is_json(self) -> bool:
        """Whether every line is a JSON object."""
        return self.kind in ("json lines", "json lines in gzip")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names on one line, without surrounding spaces."""
        return tuple(map(clean_name, self.stored_names))

    def read(self, positions: Sequence[int]) -> list[pa.ChunkedArray]:
        """Columns by position, as stored: a CSV file's as untrimmed texts.

        Raises:
            RawTableError: if the file is damaged, or has no rows.
        """
        _, column = self.open_columns(positions, Columns())
        return [column(position) for position in positions]

    def open_columns(
        self,
        positions: Sequence[int],
        columns: Columns,
        conversions: Mapping[int, Conversion] | None = None,
    ) -> tuple[int, Callable[[int], pa.ChunkedArray]]:
        """The number of rows, and a function that reads a column by its position.

        Args:
            columns: where the columns of CSV and JSON Lines are stored, since these are read only
                once; columns of other files are read directly.
            conversions: applied to a column's cells before they are stored.

        Raises:
            RawTableError: if the file is damaged, or has no rows; the function may raise it too.
        """
        nested = conversions or {}
        with _in_one_sentence(self.path, self.kind):
            if self.is_json:
                rows = _read_json(self, positions, columns, nested)
            elif self.is_text:
                rows = _read_csv(self, positions, columns, nested)
            else:
                rows = _rows_of_typed(self)
        if positions and not rows:
            raise RawTableError(f"{self.path}: expected rows, got columns only")

        def column(position: int) -> pa.ChunkedArray:
            if self.is_text:
                return columns.whole(str(position))
            with _in_one_sentence(self.path, self.kind):
                cells = _read_typed(self, position)
            return nested[position](cells) if position in nested else cells

        return rows, column

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """The rows of a CSV file, each with its first line's number; blank lines are skipped."""
        with _open_text(self.path, self.kind) as text:
            reader, line = csv.reader(text, delimiter=self.delimiter), 1
            for row in reader:
                if line > self.header_lines and is_row(row):
                    yield line, row
                line = reader.line_num + 1

    def json_objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows of JSON Lines with their line numbers."""
        with _open_text(self.path, self.kind) as text:
            yield from json_lines.objects(self.path, text)

    def check_header(self) -> None:
        """Check that the first line names the columns.

        Raises:
            RawTableError: if it looks like a row.
        """
        if values := self.values_in_header:
            raise RawTableError(
                f"{self.path}: expected a first line that names the columns, got values "
                f"({', '.join(map(repr, values[:3]))}): put a line of names above it"
            )

    def check_first_line(self, names: Sequence[str]) -> None:
        """Explain what the first line is, if it has none of the expected names.

        Raises:
            RawTableError: if it looks like a row, a title, or names with another separator.
        """
        self.check_header()
        if self.kind not in ("csv", "gzip"):
            return
        with _open_text(self.path, self.kind) as text:
            sample = text.read(_SAMPLE)
        if line := line_of_names(sample, {clean_name(name) for name in names}):
            raise RawTableError(
                f"{self.path}, line 1: expected the names of the columns, got "
                f"{self.stored_names[0][:_SHOWN]!r}: the names are on line {line}: delete the "
                "lines above it"
            )
        if len(self.names) == 1:
            raise RawTableError(
                f"{self.path}, line 1: expected names with a comma, semicolon, tab or bar between "
                f"them, got {self.stored_names[0][:_SHOWN]!r}"
            )

    def places(self, rows: Sequence[int]) -> list[str]:
        """Where rows are, as an editor counts them: `line 12`; in Parquet, `row 11`."""
        if not self.is_text:
            return [f"row {row + 1}" for row in rows]
        wanted, found = set(rows), dict[int, str]()
        with contextlib.suppress(csv.Error, UnicodeDecodeError, OSError):
            lines = self.json_objects() if self.is_json else self.lines()
            for row, (line, _) in enumerate(islice(lines, max(rows, default=-1) + 1)):
                if row in wanted:
                    found[row] = f"line {line}"
        return [found.get(row, f"row {row + 1}") for row in rows]


def clean_name(name: str) -> str:
    """A column's name on one line, without surrounding spaces: " age " is age."""
    return " ".join(name.replace("\ufeff", "").replace("\u200b", "").split())


def open_table(file: Path, most_rows: int | None = None) -> TableFile:
    """Open a file and read its column names; rows are read later.

    Args:
        most_rows: for a sample, how many of the first rows to read; None: all.

    Raises:
        RawTableError: if it is not a table; the sentence says what it is and what to do.
    """
    try:
        str(file).encode("utf-8")
    except UnicodeEncodeError:  # PyArrow could not open it, and JSON could not contain its name
        raise RawTableError(f"expected a file whose name is UTF-8, got {str(file)!a}") from None
    kind = kind_of(file)
    with _in_one_sentence(file, kind):
        if kind in ("csv", "gzip"):
            return dataclasses.replace(_open_csv(file, kind), most_rows=most_rows)
        names: Iterable[str]
        if kind in ("json lines", "json lines in gzip"):
            rows = islice(TableFile(file, kind, ()).json_objects(), most_rows)
            names = json_lines.names(content for _, content in rows)
        elif kind == "parquet":
            names = pq.read_schema(file).names
        else:
            names = pyarrow.feather.read_table(file, memory_map=True).schema.names
        return TableFile(file, kind, tuple(names), most_rows=most_rows)


@contextlib.contextmanager
def _in_one_sentence(file: Path, kind: Kind) -> Iterator[None]:
    """Arrow's and Python's messages about a damaged file, as one sentence for the user."""
    try:
        yield
    except (csv.Error, UnicodeDecodeError, pa.ArrowException, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise RawTableError(f"{file} cannot be read: {error.strerror}") from None
        if isinstance(error, UnicodeDecodeError) or "UTF8" in str(error):
            place = _first_other_line(file, kind)
            raise RawTableError(
                f"{file}{place}: expected text in UTF-8, got another encoding, such as Latin-1 or "
                "Windows-1252: save it as UTF-8 (in Excel: CSV UTF-8)"
            ) from None
        reason = " ".join(str(error).split())
        names = {"parquet": "Parquet", "feather": "Feather", "csv": "CSV", "gzip": "CSV"}
        name = names.get(kind, "JSON Lines")
        raise RawTableError(f"{file}: not a valid {name} file: {reason}") from None


def _first_other_line(file: Path, kind: Kind) -> str:
    with contextlib.suppress(OSError), _open_bytes(file, kind) as content:
        for number, line in enumerate(io.BufferedReader(content), start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f", line {number}"
    return ""


# CSV


def _open_csv(file: Path, kind: Kind) -> TableFile:
    with _open_text(file, kind) as text:
        sample = text.read(_SAMPLE)
    delimiter = delimiter_of(sample)
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    header = next(filter(is_row, reader), [])
    lines = reader.line_num
    names = tuple(map(clean_name, header))
    if not names:
        raise RawTableError(f"{file}: expected a header and rows, got an empty file")
    if "\0" in "".join(names):
        raise RawTableError(f"{file}: not a valid CSV file: its first line does not name columns")
    rows = list(islice(filter(is_row, reader), _SAMPLE_ROWS))
    if not rows:
        raise RawTableError(f"{file}: expected rows, got a header only")
    values = values_among(names, rows)
    return TableFile(file, kind, tuple(header), delimiter, lines, values)


def _open_text(file: Path, kind: Kind) -> IO[str]:
    if kind.endswith("gzip"):
        return gzip.open(file, "rt", newline="", encoding="utf-8-sig")
    return file.open(newline="", encoding="utf-8-sig")


def _open_bytes(file: Path, kind: Kind) -> pa.NativeFile:
    return pa.input_stream(str(file), compression="gzip" if kind.endswith("gzip") else None)


def _read_json(
    table: TableFile,
    positions: Sequence[int],
    columns: Columns,
    conversions: Mapping[int, Conversion],
) -> int:
    """Store the cells of some columns, named by position, in `columns`; return the number of
    rows."""
    names = {table.stored_names[position]: str(position) for position in positions}
    nested = {table.stored_names[position] for position in conversions}
    lines = islice(table.json_objects(), table.most_rows)
    batches = json_lines.batches(table.path, lines, names, nested)
    return columns.fill(_converted(batches, conversions))


def _converted(
    batches: Iterable[pa.RecordBatch], conversions: Mapping[int, Conversion]
) -> Iterator[pa.RecordBatch]:
    """Batches with some columns converted."""
    for batch in batches:
        of_batch = dict(zip(batch.schema.names, batch.columns, strict=True))
        for position, convert in conversions.items():
            cells = convert(pa.chunked_array([of_batch[str(position)]]))
            of_batch[str(position)] = cells.combine_chunks()
        yield pa.RecordBatch.from_pydict(of_batch)


def _read_csv(
    table: TableFile,
    positions: Sequence[int],
    columns: Columns,
    conversions: Mapping[int, Conversion],
) -> int:
    """Store the cells of some columns, named by position, in `columns`; return the number of
    rows."""
    ragged: list[pyarrow.csv.InvalidRow] = []

    def judge(row: pyarrow.csv.InvalidRow) -> str:
        if not row.text.strip():
            return "skip"
        ragged.append(row)
        return "error"

    rows = 0
    for block_size in (_BLOCK, _LARGEST_ROW):
        try:
            batches = _first(_batches(table, positions, judge, block_size), table.most_rows)
            rows = columns.fill(_converted(batches, conversions) if conversions else batches)
            break
        except pa.ArrowInvalid as error:
            if ragged:
                raise RawTableError(_ragged(table, ragged[0])) from None
            if block_size == _LARGEST_ROW or "straddling" not in str(error):
                raise
    if table.most_rows is None:
        _check_quotes(table, rows)
    return rows


def _first(batches: Iterator[pa.RecordBatch], most: int | None) -> Iterator[pa.RecordBatch]:
    """The first rows of batches; None: all."""
    done = 0
    for batch in batches:
        yield batch if most is None else batch.slice(0, most - done)
        done += len(batch)
        if most is not None and done >= most:
            return


def _batches(
    table: TableFile,
    positions: Sequence[int],
    judge: Callable[[pyarrow.csv.InvalidRow], str],
    block_size: int,
) -> Iterator[pa.RecordBatch]:
    """Cells by the columns' positions, since names may occur several times."""
    names = [str(position) for position in range(len(table.names))]
    read = [names[position] for position in positions]
    with (
        _open_bytes(table.path, table.kind) as content,
        pyarrow.csv.open_csv(
            content,
            # In one thread: otherwise a process that ends soon after may abort (Arrow #34314).
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False,
                column_names=names,
                skip_rows=table.header_lines,
                block_size=block_size,
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=table.delimiter, newlines_in_values=True, invalid_row_handler=judge
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=read, column_types=dict.fromkeys(read, pa.string())
            ),
        ) as batches,
    ):
        yield from batches


def _ragged(table: TableFile, row: pyarrow.csv.InvalidRow) -> str:
    """The error for a row with more or fewer cells than the header."""
    lines = (line for line, cells in table.lines() if len(cells) != row.expected_columns)
    line = next(lines, "?")
    quote = "; is a closing quote missing?" if "\n" in row.text.strip() else ""
    return (
        f"{table.path}, line {line}: expected {row.expected_columns} values, got "
        f"{row.actual_columns}{quote}"
    )


def _check_quotes(table: TableFile, rows: int) -> None:
    """Refuse a stray quote: it would make one cell of all lines up to the next quote, and lose
    rows."""
    if _line_ends(table) <= rows + table.header_lines:
        return
    for line, row in table.lines():
        for cell in row:
            inner = cell.splitlines()[1:-1]
            if len(inner) >= _FEWEST_LOST and all(_is_like_row(text, table) for text in inner):
                raise RawTableError(
                    f"{table.path}, line {line}: expected a closing quote, got {len(inner)} whole "
                    "rows within one cell"
                )


def _line_ends(table: TableFile) -> int:
    with _open_bytes(table.path, table.kind) as content:
        return sum(block.count(b"\n") for block in iter(lambda: content.read(_BLOCK), b""))


def _is_like_row(text: str, table: TableFile) -> bool:
    return len(next(csv.reader([text], delimiter=table.delimiter), [])) == len(table.names) > 2


# Parquet and Feather


def _rows_of_typed(table: TableFile) -> int:
    if table.kind == "parquet":
        rows = int(pq.read_metadata(table.path).num_rows)
        return rows if table.most_rows is None else min(rows, table.most_rows)
    return len(_read_typed(table, 0)) if table.names else 0


def _read_typed(table: TableFile, position: int) -> pa.ChunkedArray:
    names = [table.stored_names[position]]
    if table.kind == "feather":
        cells = pyarrow.feather.read_table(table.path, columns=names, use_threads=False)[0]
        return cells if table.most_rows is None else cells.slice(0, table.most_rows)
    with pq.ParquetFile(table.path) as file:
        if table.most_rows is None:
            return file.read(columns=names)[0]
        batches = file.iter_batches(columns=names, use_threads=False)
        first = [batch[0] for batch in _first(batches, table.most_rows)]
        return pa.chunked_array(first, file.schema_arrow.field(names[0]).type)
