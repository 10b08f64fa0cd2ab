"""From the raw table's columns to the features that the model sees: the team's own file.

`features` gets the rows as `[data.columns]` types them, less what `[model] exclude` withholds, and
gives numbers, one column a feature; `findings` counts what in the rows is odd. Rows keep their
order and number. This is a beginning that fits any table: what your team knows goes here.
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd


def features(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Numbers as they are, dates as days before the row's moment, a column for each category."""
    moment = pd.to_datetime(table["event_time"], utc=True).dt.tz_localize(None)
    columns: dict[str, pd.Series[Any]] = {}
    for name in table.columns.drop("event_time"):
        column = table[name]
        if column.dtype.kind == "f":
            columns[_feature_name(name, columns)] = column
        elif column.dtype.kind == "M":
            days = (moment - column).dt.total_seconds() / 86400
            columns[_feature_name(f"{name}_days_ago", columns)] = days
        for value in categories.get(name, ()):
            flag = (column == value).astype("int64")
            columns[_feature_name(f"{name}_{value}", columns)] = flag
    return pd.DataFrame(columns, index=table.index, copy=False)


def findings(table: pd.DataFrame) -> dict[str, int]:
    """What is odd in the rows, counted; these rows are kept as they are."""
    return {}


def _feature_name(text: str, taken: dict[str, Any]) -> str:
    """A name that a feature group takes, and that no other column has in any spelling."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:60].strip("_") or "feature"
    lower = {other.lower() for other in taken}
    number, numbered = 1, name
    while numbered.lower() in lower:
        number += 1
        numbered = f"{name}_{number}"
    return numbered
