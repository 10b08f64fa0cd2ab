"""The usable rows of a raw table, in parts, so that a large table is never all in memory."""

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
    """A raw table's usable rows, and the findings from reading it."""

    columns: Columns  # of all rows: texts, numbers (NaN for none) and dates
    names: tuple[str, ...]  # of the columns: record id, label, those of the settings, event_time
    read: int  # rows in the file
    found: dict[str, int] = field(default_factory=dict)  # what was odd, with numbers of rows
    dropped: Rows | None = None  # unusable rows, (read,); None if there are none
    moments: Moments = field(default_factory=lambda: np.empty(0, "datetime64[ms]"))
    """The usable rows' event times to the millisecond, (kept,)."""
    records: int = 0  # distinct record ids among the usable rows
    left_out: dict[str, int] = field(default_factory=dict)
    """The unusable rows, by reason."""
    superseded: dict[str, int] = field(default_factory=dict)
    """The usable rows that no record as of the newest event uses, by reason."""
    doubts: list[str] = field(default_factory=list)
    """For a sample: reasons to refuse a whole table with such rows."""
    older: int = 0  # usable rows that a newer row of the same record replaces

    @cached_property
    def kept(self) -> int:
        """The number of usable rows."""
        return self.read - (0 if self.dropped is None else int(self.dropped.sum()))

    @cached_property
    def labels(self) -> NDArray[np.float64]:
        """The usable rows' labels, (kept,)."""
        labels: NDArray[np.float64] = self.values(self.names[1]).to_numpy()
        return labels

    @property
    def rows(self) -> pd.DataFrame:
        """All usable rows at once, if the table fits into memory."""
        return pd.concat(self.parts())

    def parts(self) -> Iterator[pd.DataFrame]:
        """The usable rows in parts, in the file's order; their index is their position in the file.

        Dates are in microseconds, which cover the years 1 to 9999. Moments are texts to the
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
        """Columns of the usable rows at these positions, in this order."""
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
        return pd.Series(values, copy=True)  # Arrow's memory is read-only
    texts: Cells = text_cells(cells)
    return texts
