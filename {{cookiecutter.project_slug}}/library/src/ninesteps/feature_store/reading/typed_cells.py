"""Reads the typed cells of a Parquet or Feather file as texts, numbers and dates.

A value is the same from a CSV file and from a Parquet file: 1.0 and 1 are the text 1.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ninesteps.feature_store.reading import dates
from ninesteps.feature_store.reading.values import floats_as_texts

MOMENT = "%Y-%m-%dT%H:%M:%SZ"
"""The Feature Store's format of a moment: Arrow's %S includes milliseconds."""


def cells_as_texts(cells: pa.ChunkedArray, form: str = MOMENT) -> pa.ChunkedArray | None:
    """Typed cells as texts: dates and moments in a format, in UTC; None if they are not values."""
    cells, kinds = _plain(cells), pa.types
    kind = cells.type
    if kinds.is_date(kind) or kinds.is_timestamp(kind):
        unit = "ms" if form == MOMENT else "s"
        moments = pa.chunked_array([as_dates(cells).astype(f"datetime64[{unit}]")])
        return pc.strftime(moments, form)
    if kinds.is_boolean(kind):
        return pc.cast(pc.cast(cells, pa.int8()), pa.string())
    if kinds.is_floating(kind):
        return floats_as_texts(cells)
    if kinds.is_time(kind):
        return pc.replace_substring_regex(pc.cast(cells, pa.string()), r"\.?0+$|(:00)$", r"\1")
    if (
        kinds.is_integer(kind) or kinds.is_decimal(kind) or kinds.is_null(kind)
        or kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)
    ):  # fmt: skip
        return pc.cast(cells, pa.string())
    return None


def cells_as_numbers(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Typed cells as numbers, if they are numbers already."""
    cells, kinds = _plain(cells), pa.types
    if kinds.is_boolean(cells.type):
        cells = pc.cast(cells, pa.int8())
    if kinds.is_integer(cells.type):
        return pc.cast(cells, pa.float64(), safe=False)
    if kinds.is_float64(cells.type):
        return cells
    return None


def cells_as_dates(cells: pa.ChunkedArray, form: str) -> NDArray[np.datetime64] | None:
    """Typed dates and moments, cut to the precision of a format; None if unclear."""
    cells, kinds = _plain(cells), pa.types
    unit = dates.resolution(form)
    if unit is None or not (kinds.is_date(cells.type) or kinds.is_timestamp(cells.type)):
        return None
    return as_dates(cells).astype(f"datetime64[{unit}]").astype("datetime64[us]")


def as_dates(cells: pa.ChunkedArray) -> NDArray[np.datetime64]:
    """Dates and moments in microseconds, in UTC; NaT for no value, and beyond the year 9999."""
    moments: NDArray[np.datetime64] = _plain(cells).to_numpy()
    unit = np.datetime_data(moments.dtype)[0]
    if unit != "ns":  # nanoseconds have a smaller range
        least, most = (limit.astype(f"datetime64[{unit}]") for limit in (dates.FIRST, dates.LAST))
        moments = np.where((moments >= least) & (moments <= most), moments, np.datetime64("NaT"))
    return moments.astype("datetime64[us]")


def _plain(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dictionary codes as their values, durations as seconds, half floats as floats."""
    if pa.types.is_dictionary(cells.type) or pa.types.is_run_end_encoded(cells.type):
        cells = pc.cast(cells, cells.type.value_type)
    if pa.types.is_float16(cells.type):
        cells = pc.cast(cells, pa.float32())
    if pa.types.is_duration(cells.type):
        ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[cells.type.unit]
        cells = pc.divide(pc.cast(pc.cast(cells, pa.int64()), pa.float64(), safe=False), ticks)
    return cells
