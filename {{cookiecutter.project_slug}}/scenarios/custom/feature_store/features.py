"""Computes the features that the model sees from the raw columns. Edit it for your own table.

`features` gets rows with the types of `[data.columns]`, without the columns in `[model] exclude`,
and returns numbers, one column per feature, with any names; `findings` counts odd rows. Rows keep
their order and number. This version works with any table: add your own features here.

The endpoint calls `features` too, often for a single raw record: a feature must depend on its own
row only, which an ingest checks. Import only what the container has (NumPy, pandas, SciPy).
"""

from __future__ import annotations

from typing import Any

import pandas as pd


def features(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Numbers unchanged, dates as days before the row's moment, a column for each category."""
    moment = _dates(table["event_time"].str.removesuffix("Z"))
    columns: dict[str, pd.Series[Any]] = {}
    for name in table.columns.drop("event_time"):
        column = table[name]
        if column.dtype.kind == "f":
            columns[name] = column
        elif column.dtype.kind == "M":
            columns[f"{name} (days ago)"] = (moment - _dates(column)).dt.total_seconds() / 86400
        for value in categories.get(name, ()):
            columns[f"{name}={value}"] = (column == value).astype("int64")
    return pd.DataFrame(columns, index=table.index, copy=False)


def _dates(column: pd.Series[Any]) -> pd.Series[Any]:
    """Dates in microseconds: nanoseconds do not reach 9999-12-31, which may mean "no end"."""
    return column.astype("datetime64[us]")


def findings(table: pd.DataFrame) -> dict[str, int]:
    """The number of odd rows of each kind; these rows are kept unchanged."""
    return {}
