"""The columns of a table, one at a time: a small table's in memory, a large one's on disk.

So a table of any size needs memory for only one column, or one part of its rows, at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa

ROWS_AT_ONCE = 100_000
"""Rows per part."""


class Columns:
    """Columns of one table, divided into the same parts of rows.

    Args:
        folder: where columns with more rows than a part are stored as Arrow files; created when
            needed, and removed by the caller. Without one, every column stays in memory.
        rows_at_once: rows per part; None: the default.
    """

    def __init__(self, folder: Path | None = None, rows_at_once: int | None = None) -> None:
        self._folder = folder
        self._in_memory: dict[str, pa.ChunkedArray] = {}
        self._files: dict[str, Path] = {}
        self.rows_at_once = rows_at_once or ROWS_AT_ONCE

    def fill(self, batches: Iterable[pa.RecordBatch]) -> int:
        """Replace the columns with those of a table as it is read; return its number of rows."""
        self._in_memory, self._files = {}, {}
        total, waiting = 0, list[pa.RecordBatch]()
        with contextlib.ExitStack() as stack:
            writers: dict[str, pa.ipc.RecordBatchFileWriter] = {}
            for batch in batches:
                total += len(batch)
                waiting.append(batch)
                if self._folder and sum(map(len, waiting)) > self.rows_at_once:
                    for field in batch.schema if not writers else ():
                        writers[field.name] = stack.enter_context(self._writer(*_of(field)))
                    _write(writers, waiting)
            if writers:
                _write(writers, waiting)
            elif waiting:
                table = pa.Table.from_batches(waiting)
                self._in_memory = {name: table[name] for name in table.column_names}
        return total

    def put(self, name: str, cells: pa.ChunkedArray) -> None:
        """Add a column."""
        if not self._folder or len(cells) <= self.rows_at_once:
            self._in_memory[name] = cells
            return
        if pa.types.is_string(cells.type) and cells.nbytes >= 2**31:  # each part is one batch
            cells = cells.cast(pa.large_string())
        with self._writer(name, cells.type) as writer:
            for start in range(0, len(cells), self.rows_at_once):
                part = pa.table({name: cells.slice(start, self.rows_at_once)})
                writer.write_table(part.combine_chunks())

    def whole(self, name: str) -> pa.ChunkedArray:
        """A column."""
        if name in self._in_memory:
            return self._in_memory[name]
        with pa.OSFile(str(self._files[name])) as file, pa.ipc.open_file(file) as reader:
            return reader.read_all()[0]

    def part(self, name: str, number: int) -> pa.ChunkedArray:
        """The cells of a stored column in one part, counted from 0."""
        if name in self._in_memory:
            return self._in_memory[name].slice(number * self.rows_at_once, self.rows_at_once)
        with pa.OSFile(str(self._files[name])) as file, pa.ipc.open_file(file) as reader:
            return pa.chunked_array([reader.get_batch(number)[0]])

    @contextlib.contextmanager
    def _writer(self, name: str, kind: pa.DataType) -> Iterator[pa.ipc.RecordBatchFileWriter]:
        if self._folder is None:
            raise ValueError("no folder for files")
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{len(self._files)}.arrow"
        self._files[name] = path
        schema = pa.schema([(name, kind)])
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            yield writer


def part_by_part(
    function: Callable[[pa.ChunkedArray], pa.ChunkedArray], cells: pa.ChunkedArray
) -> pa.ChunkedArray:
    """Apply a function to cells part by part, without holding intermediate results for all."""
    starts = range(0, len(cells), ROWS_AT_ONCE)
    parts = [function(cells.slice(start, ROWS_AT_ONCE)) for start in starts or [0]]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)


def _of(field: pa.Field) -> tuple[str, pa.DataType]:
    return field.name, field.type


def _write(writers: dict[str, pa.ipc.RecordBatchFileWriter], waiting: list[pa.RecordBatch]) -> None:
    """Write the buffered cells, each column to its own file."""
    if waiting:
        table = pa.Table.from_batches(waiting)
        waiting.clear()
        for name, writer in writers.items():
            writer.write_table(table.select([name]).combine_chunks())
