"""Computes the features that the model sees from the raw columns. Edit it for your own table.

`features` gets rows with the types of `[data.columns]` and returns numbers, one column per feature;
`findings` counts odd rows. Rows keep their order and number.

The endpoint calls `features` too, often for a single raw record: a feature must depend on its own
row only, which an ingest checks. Import only what the container has (NumPy, pandas, SciPy).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def features(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Customer behaviour as numbers; unknown values are missing (NaN)."""
    created, first, last = table["created"], table["firstorder"], table["lastorder"]
    sent = table["esent"]
    opened = sent * table["eopenrate"] / 100
    clicked = sent * table["eclickrate"] / 100
    span = _days(first, last)
    columns = {
        "esent": sent,
        "eopenrate": table["eopenrate"],
        "eclickrate": table["eclickrate"],
        "avgorder": table["avgorder"],
        "ordfreq": table["ordfreq"],
        "paperless": table["paperless"],
        "refill": table["refill"],
        "doorstep": table["doorstep"],
        "first_last_days_diff": span,
        "created_first_days_diff": _days(created, first),
        "opened": opened,
        "clicked": clicked,
        "click_to_open": clicked / opened.replace(0, np.nan),
        "never_mailed": _flag(sent == 0),
        "never_opened": _flag((sent > 0) & (table["eopenrate"] == 0)),
        "services": table[["paperless", "refill", "doorstep"]].sum(axis=1),
        "single_order": _flag(first == last),
        "ordered_before_account": _flag(first < created),
        "orders": table["ordfreq"] * span,
        "spend_rate": table["ordfreq"] * table["avgorder"],
        "created_month": created.dt.month.astype(float),
    }
    return pd.DataFrame({**columns, **_one_hot(table, categories)}, index=table.index, copy=False)


def findings(table: pd.DataFrame) -> dict[str, int]:
    """The number of odd rows of each kind; these rows are kept unchanged."""
    return {"first order after last order": int((table["firstorder"] > table["lastorder"]).sum())}


def _one_hot(
    table: pd.DataFrame, categories: dict[str, tuple[str, ...]]
) -> dict[str, pd.Series[Any]]:  # fmt: skip
    """A column of 0 and 1 for each known value: the same columns for every table."""
    return {
        f"{column}_{value}": _flag(table[column] == value)
        for column, values in categories.items()
        for value in values
    }


def _days(start: pd.Series[Any], end: pd.Series[Any]) -> pd.Series[Any]:
    return (end - start).dt.total_seconds() / 86400


def _flag(condition: pd.Series[Any]) -> pd.Series[Any]:
    return condition.astype("int64")
