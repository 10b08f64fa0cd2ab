"""Reads the columns of a raw table, with the checks that may refuse it.

An error names the file, the line, the column, what was expected and what was found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ninesteps.errors import RawTableError
from ninesteps.feature_store.reading import typed_cells
from ninesteps.feature_store.reading.columns import Columns, part_by_part
from ninesteps.feature_store.reading.table_file import Conversion, TableFile, clean_name, open_table
from ninesteps.feature_store.reading.values import given_numbers, given_texts
from ninesteps.nearest import did_you_mean
from ninesteps.settings.data import Data
from ninesteps.settings.settings import Settings

Rows: TypeAlias = NDArray[np.bool_]
"""A mask of the table's rows, (n,)."""

EXAMPLES, RECORDS = 3, 5
"""How many values that break a rule an error shows, and how many record ids."""

MOST_SHOWN = 60  # characters of a value; names of a header


def open_source(
    file: Path, settings: Settings, columns: Columns, most_rows: int | None = None
) -> Source:
    """Open the columns that the settings name.

    Args:
        columns: where the columns of a CSV file are stored, since it is read only once.
        most_rows: for a sample, how many of the first rows to read; None: all.

    Raises:
        RawTableError: if the file is not a table, or lacks a column.
    """
    data = settings.data
    names = [data.label, *data.columns, *filter(None, [data.event_time])]
    names = names if data.number_rows else [data.record_id, *names]
    table = open_table(file, most_rows)
    _check_names(table, names, settings)
    places = {name: place for place, name in enumerate(table.names)}
    positions = {name: places[clean_name(name)] for name in names}
    conversions: dict[int, Conversion] = {}
    if data.conversations:  # the patterns of personal data take time to compile
        from ninesteps.feature_store.reading.conversation_cells import checked

        conversions = {positions[name]: checked for name in data.conversations}
    rows, column = table.open_columns(list(positions.values()), columns, conversions)
    return Source(table, data, rows, lambda name: column(positions[name]))


def _check_names(table: TableFile, names: Sequence[str], settings: Settings) -> None:
    file, counted = table.path, Counter(table.names)
    more = len(table.names) - MOST_SHOWN
    has = ", ".join(table.names[:MOST_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
    absent = [name for name in names if clean_name(name) not in counted]
    if len(absent) == len(names):
        table.check_first_line(names)
    if absent:
        what = f"a column {', '.join(map(repr, absent))}"
        if all(name in settings.context_columns for name in absent):
            what += ", which [bias] needs for its facets and groups"
        known = {clean_name(name) for name in names}
        near = did_you_mean(absent[0], [name for name in table.names if name not in known])
        raise RawTableError(f"{file}: expected {what}, got {has}{near}")
    if twice := [name for name in names if counted[clean_name(name)] > 1]:
        raise RawTableError(f"{file}: expected one column {twice[0]!r}, got several: {has}")


@dataclass
class Source:
    """A raw table while it is being read."""

    table: TableFile
    data: Data
    rows: int
    read: Callable[[str], pa.ChunkedArray]  # reads a column from the file
    stored: dict[str, pa.ChunkedArray] = field(default_factory=dict)  # columns in memory
    found: dict[str, int] = field(default_factory=dict)  # what was odd, and in how many rows
    empty: list[str] = field(default_factory=list)  # columns of [data.columns] with no values
    broken: list[tuple[str, list[int]]] = field(default_factory=list)  # rules, each with some rows
    doubts: list[str] = field(default_factory=list)  # reasons to refuse a whole table

    @property
    def is_sample(self) -> bool:
        """Whether these are only the first rows, which may differ from the rest."""
        return self.table.most_rows is not None and self.rows >= self.table.most_rows

    def refuse_whole(self, sentence: str) -> None:
        """Refuse a table because of all its rows; for a sample, note a doubt instead.

        Raises:
            RawTableError: with the sentence, unless this is a sample.
        """
        if not self.is_sample:
            raise RawTableError(sentence)
        self.doubts.append(sentence)

    @property
    def path(self) -> Path:
        """The file."""
        return self.table.path

    def cells(self, name: str) -> pa.ChunkedArray:
        """A column as in the file: untrimmed texts, or typed cells."""
        if name not in self.stored:
            self.stored[name] = self.read(name)
        return self.stored[name]

    def release(self) -> None:
        """Free the columns in memory; they are read again when needed."""
        self.stored.clear()
        pa.default_memory_pool().release_unused()  # Arrow keeps freed memory

    def texts(self, name: str, form: str = typed_cells.MOMENT) -> pa.ChunkedArray:
        """A column's trimmed texts, null for no value; dates in a format."""
        texts = typed_cells.cells_as_texts(self.cells(name), form)
        if texts is None:
            kind = self.cells(name).type
            raise RawTableError(f"{self.path}: {name!r}: expected single values, got {kind}")
        return part_by_part(lambda part: given_texts(part, self.data.missing), texts)

    def numbers(self, name: str) -> pa.ChunkedArray | None:
        """A column's numbers, if the file has numbers; null for no value."""
        numbers = typed_cells.cells_as_numbers(self.cells(name))
        return None if numbers is None else given_numbers(numbers, self.data.missing)

    def count(self, what: str, rows: Rows) -> None:
        """Note what is odd in the table."""
        if count := int(rows.sum()):
            self.found[what] = count

    def refuse(self, name: str, wrong: Rows, expected: str, remedy: str = "") -> None:
        """Refuse a table if it has any invalid values."""
        if not wrong.any():
            return
        first, count = int(wrong.argmax()), int(wrong.sum())
        (place,), (value,) = self.table.places([first]), self._values(name, [first])
        such = f"{count:,} such row{'s' * (count != 1)}"
        raise RawTableError(
            f"{self.path}, {place}: {self._called(name)}: expected {expected}, got {value!r} "
            f"({such}){remedy}"
        )

    def check_one_line(self, name: str, texts: pa.ChunkedArray) -> None:
        """Refuse texts of several lines, which a batch transform would read as several records."""
        wrong = pc.or_(pc.match_substring(texts, "\n"), pc.match_substring(texts, "\r"))
        self.refuse(name, pc.fill_null(wrong, False).to_numpy(), "one line of text")

    def note_if_empty(self, name: str, cells: pa.ChunkedArray) -> None:
        """Note a column without any value."""
        if cells.null_count == self.rows:
            self.empty.append(name)

    def check_empty(self) -> None:
        """Refuse a table with an empty column: it was renamed, or its values are lost."""
        if self.empty:
            self.refuse_whole(
                f"{self.path}: {', '.join(map(repr, self.empty))}: expected values, got none in "
                f"{self.rows:,} rows: take it out of [data.columns], or look for its values in "
                "another column"
            )

    def check_share(
        self, name: str, given: int, wrong: Rows, expected: str, remedy: str = "",
        limit: str = "unreadable",
    ) -> None:  # fmt: skip
        """Note that too many of a column's values break a rule; `check_contract` then refuses the
        table.

        Args:
            given: the total number of values.
            limit: the key of `[data.quality]` for the allowed number.
        """
        count, quality = int(wrong.sum()), self.data.quality
        most = quality.most(limit, given)
        if count == 0 or (count < given and count <= most):
            return
        allowed = f"[data.quality] {limit} = {getattr(quality, limit):g} allows {most:,}"
        if count == given:
            allowed = f"no value can be used, and [data.quality] {limit} never allows that"
        got = f"got {self.examples(name, wrong)}" if limit != "missing" else "got none"
        sentence = (
            f"{self._called(name)}: expected {expected}, {got} in {count:,} of {given:,} "
            f"values: {allowed}{remedy}"
        )
        if self.is_sample and (count < given or limit == "missing"):
            self.doubts.append(f"{self.path}: {sentence}")
        else:
            self.broken.append((sentence, np.flatnonzero(wrong)[:RECORDS].tolist()))

    def check_contract(self) -> None:
        """Refuse a table that breaks rules of `[data]` more often than `[data.quality]` allows.

        Raises:
            RawTableError: with every broken rule, how often it is broken, and record ids.
        """
        if self.broken:
            told = [f"{sentence}; {self._records(rows)}" for sentence, rows in self.broken]
            raise RawTableError(f"{self.path}: {'; and '.join(told)}")

    def _records(self, rows: Sequence[int]) -> str:
        """Rows by their record ids."""
        if self.data.number_rows:
            ids = [str(row + 1) for row in rows]
        else:
            ids = self._values(self.data.record_id, rows)
        return f"record{'s' * (len(ids) > 1)} {', '.join(map(repr, ids))}"

    def examples(self, name: str, rows: Rows) -> str:
        """Some of the values with their lines."""
        positions = np.flatnonzero(rows)[:EXAMPLES].tolist()
        values, places = self._values(name, positions), self.table.places(positions)
        each = zip(values, places, strict=True)
        return ", ".join(f"{value!r} ({place})" for value, place in each)

    def _values(self, name: str, positions: Sequence[int]) -> list[str]:
        cells = pc.take(self.cells(name), pa.array(positions, pa.int64()))
        texts = typed_cells.cells_as_texts(cells)
        values = cells if texts is None else texts
        return [_shown(value) for value in values.to_pylist()]

    def _called(self, name: str) -> str:
        return f"the label {name!r}" if name == self.data.label else repr(name)


def _shown(value: object) -> str:
    """A value, shortened to fit into a sentence."""
    text = "" if value is None else str(value).strip()
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."
