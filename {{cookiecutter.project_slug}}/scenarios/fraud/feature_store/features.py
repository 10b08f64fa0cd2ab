"""Computes the features that the model sees from the raw columns. Edit it for your own table.

`features` gets rows with the types of `[data.columns]`, and their moments as `event_time` (texts
such as 2025-03-03T00:16:00.000Z). It returns numbers, one column per feature; `findings` counts odd
rows. Rows keep their order and number.

The endpoint calls `features` too, often for a single raw record: a feature must depend on its own
row only, which an ingest checks. Import only what the container has (NumPy, pandas, SciPy).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

ONE_HOT = ("channel", "merchant")
DAYTIME = (8, 22)  # first and last hour in which most payments are made


def features(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """One payment as numbers, compared with what its customer usually pays.

    Unknown values are missing (NaN). The customer's age and region are not features.
    """
    amount, usual = table["amount"], table["usual"]
    hour = _moments(table).dt.hour
    columns = {
        "amount": amount,
        "usual": usual,
        "amount_to_usual": amount / usual.replace(0, np.nan),
        "above_usual": amount - usual,
        "attempts": table["attempts"],
        "distance": table["distance"],
        "new_device": table["new_device"],
        "attempts_on_new_device": table["attempts"] * table["new_device"],
        "hour_of_day": hour.astype(float),
        "night": _flag(~hour.between(*DAYTIME)),
        "days_since_issue": _days(table["issued"], _moments(table)),
    }
    return pd.DataFrame({**columns, **_one_hot(table, categories)}, index=table.index, copy=False)


def findings(table: pd.DataFrame) -> dict[str, int]:
    """The number of odd rows of each kind; these rows are kept unchanged."""
    return {"card issued after the payment": int((table["issued"] > _moments(table)).sum())}


def _moments(table: pd.DataFrame) -> pd.Series[Any]:
    """The payments' moments, in UTC like the months of issue."""
    return table["event_time"].str.removesuffix("Z").astype("datetime64[us]")


def _days(start: pd.Series[Any], end: pd.Series[Any]) -> pd.Series[Any]:
    # In microseconds: nanoseconds do not reach 9999-12-31.
    return (end - start.astype("datetime64[us]")).dt.total_seconds() / 86400


def _one_hot(
    table: pd.DataFrame, categories: dict[str, tuple[str, ...]]
) -> dict[str, pd.Series[Any]]:  # fmt: skip
    """A column of 0 and 1 for each known value: the same columns for every table."""
    return {
        f"{column}_{value}": _flag(table[column] == value)
        for column in ONE_HOT
        for value in categories[column]
    }


def _flag(condition: pd.Series[Any]) -> pd.Series[Any]:
    return condition.astype("int64")
