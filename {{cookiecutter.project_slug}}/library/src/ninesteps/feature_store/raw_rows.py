"""The usable rows of a raw table, given out in parts, so that a large table is never in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from ninesteps.feature_store.reading.columns import Columns
from ninesteps.feature_store.reading.source import Rows
from ninesteps.feature_store.reading.values import Cells, Moments, text_cells


@dataclass
class RawTable:
    """A raw table's usable rows, and what was found on the way."""

    columns: Columns  # of all rows: texts, numbers (NaN for none) and dates
    names: tuple[str, ...]  # of these: record id and label, those of the settings, event_time
    read: int  # rows in the file
    found: dict[str, int] = field(default_factory=dict)  # what was odd, and in how many rows
    dropped: Rows | None = None  # the rows that cannot be used, (read,); None if there are none
    moments: Moments = field(default_factory=lambda: np.empty(0, "datetime64[ms]"))
    """The usable rows' event times to the millisecond, (kept,)."""
    records: int = 0  # different record ids among the usable rows
    left_out: dict[str, int] = field(default_factory=dict)
    """The rows that cannot be used, by why."""
    superseded: dict[str, int] = field(default_factory=dict)
    """The usable rows that no record of the newest event is made of, by why."""
    doubts: list[str] = field(default_factory=list)
    """Of a sample, what would refuse a whole table of such rows."""
    older: int = 0  # usable rows that a newer one of the same record replaces

    @cached_property
    def kept(self) -> int:
        """How many rows can be used."""
        return self.read - (0 if self.dropped is None else int(self.dropped.sum()))

    @cached_property
    def labels(self) -> NDArray[np.float64]:
        """The usable rows' labels, (kept,)."""
        labels: NDArray[np.float64] = self.values(self.names[1]).to_numpy()
        return labels

    @property
    def rows(self) -> pd.DataFrame:
        """All usable rows at once, of a table that fits in memory."""
        return pd.concat(self.parts())

    def parts(self) -> Iterator[pd.DataFrame]:
        """The usable rows in parts, in the file's order; their index is their place in the file.

        Dates are in microseconds, which reach every year from 1 to 9999. Moments are texts to the
        millisecond, as the Feature Store writes them.
        """
        at_once = self.columns.rows_at_once
        for number, start in enumerate(range(0, self.read, at_once)):
            index: pd.Index[Any] = pd.RangeIndex(start, min(start + at_once, self.read))
            cells = {name: self.columns.part(name, number) for name in self.names}
            if self.dropped is not None:
                usable = ~self.dropped[start : start + at_once]
                index, mask = index[usable], pa.array(usable)
                cells = {name: column.filter(mask) for name, column in cells.items()}
            if len(index):
                yield _frame(cells, index)

    def take(self, rows: NDArray[np.intp], names: Iterable[str]) -> pd.DataFrame:
        """Columns of some usable rows, by their positions among these, in that order."""
        places = rows if self.dropped is None else np.flatnonzero(~self.dropped)[rows]
        order = np.argsort(places, kind="stable")
        in_order, at_once = places[order], self.columns.rows_at_once
        taken: dict[str, list[pa.Array]] = {name: [] for name in names}
        for number, start in enumerate(range(0, self.read, at_once)):
            least, end = np.searchsorted(in_order, [start, start + at_once])
            for name in taken if least < end else ():
                part = self.columns.part(name, number)
                taken[name].extend(part.take(pa.array(in_order[least:end] - start)).chunks)
        back = pa.array(np.argsort(order, kind="stable"))
        cells = {name: pa.chunked_array(parts).take(back) for name, parts in taken.items()}
        return _frame(cells, pd.RangeIndex(len(rows)))

    def values(self, name: str) -> pa.ChunkedArray:
        """A column of the usable rows."""
        cells = self.columns.whole(name)
        return cells if self.dropped is None else cells.filter(pa.array(~self.dropped))


def _frame(cells: Mapping[str, pa.ChunkedArray], index: pd.Index[Any]) -> pd.DataFrame:
    frame = pd.DataFrame({n: _as_pandas(column) for n, column in cells.items()}, copy=False)
    frame.index = index
    return frame


def _as_pandas(cells: pa.ChunkedArray) -> Cells:
    if pa.types.is_floating(cells.type) or pa.types.is_timestamp(cells.type):
        values: NDArray[Any] = cells.to_numpy()
        return pd.Series(values, copy=True)  # what is Arrow's cannot be written to
    texts: Cells = text_cells(cells)
    return texts
