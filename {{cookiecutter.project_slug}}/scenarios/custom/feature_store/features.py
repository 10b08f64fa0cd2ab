"""From the raw table's columns to the features that the model sees: the team's own file.

`features` gets the rows as `[data.columns]` types them, less what `[model] exclude` withholds, and
gives numbers, one column a feature, of any name; `findings` counts what in the rows is odd. Rows
keep their order and number. This beginning fits any table: what your team knows goes here.

The endpoint calls `features` too, for raw records, often for one alone: a feature comes from its
own row only. An ingest checks that. Import only what the container has (NumPy, pandas, SciPy).
"""

from __future__ import annotations

from typing import Any

import pandas as pd


def features(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Numbers as they are, dates as days before the row's moment, a column for each category."""
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
    """Dates in microseconds: nanoseconds do not reach 9999-12-31, which may mean "for good"."""
    return column.astype("datetime64[us]")


def findings(table: pd.DataFrame) -> dict[str, int]:
    """What is odd in the rows, counted; these rows are kept as they are."""
    return {}
