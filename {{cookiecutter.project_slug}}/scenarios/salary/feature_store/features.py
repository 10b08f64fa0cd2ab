"""Computes the features that the model sees from the raw columns. Edit it for your own table.

`features` gets rows with the types of `[data.columns]` and returns numbers, one column per feature;
`findings` counts odd rows. Rows keep their order and number.

The endpoint calls `features` too, often for a single raw record: a feature must depend on its own
row only, which an ingest checks. Import only what the container has (NumPy, pandas, SciPy).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

LEVELS = ("L1", "L2", "L3", "L4", "L5", "L6")
EDUCATIONS = ("school", "vocational", "bachelor", "master", "doctorate")
FULL_TIME = 40  # hours a week


def features(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Job, location, market and person as numbers; unknown values are missing (NaN)."""
    tenure = _years(table["hired"], table["surveyed"])
    years_in_job = _years(table["job_since"], table["surveyed"])
    full_time_share = table["weekly_hours"] / FULL_TIME
    market_pay = table["market_median"] * full_time_share
    columns = {
        "weekly_hours": table["weekly_hours"],
        "reports": table["reports"],
        "market_median": table["market_median"],
        "target_percentile": table["target_percentile"],
        "firm_size": table["firm_size"],
        "collective": table["collective"],
        "certificates": table["certificates"],
        "experience": table["experience"],
        "rating": table["rating"],
        "home_days": table["home_days"],
        "tenure": tenure,
        "years_in_job": years_in_job,
        "years_before_job": tenure - years_in_job,
        "experience_before_firm": table["experience"] - tenure,
        "job_before_hired": _flag(table["job_since"] < table["hired"]),
        "market_pay": market_pay,
        "level": _rank(table["job_level"], LEVELS),
        "education_rank": _rank(table["education"], EDUCATIONS),
        "manages": _flag(table["reports"] > 0),
        "part_time": _flag(full_time_share < 0.9),
    }
    return pd.DataFrame({**columns, **_one_hot(table, categories)}, index=table.index, copy=False)


def findings(table: pd.DataFrame) -> dict[str, int]:
    """The number of odd rows of each kind; these rows are kept unchanged."""
    return {"in the job before hired": int((table["job_since"] < table["hired"]).sum())}


def _one_hot(
    table: pd.DataFrame, categories: dict[str, tuple[str, ...]]
) -> dict[str, pd.Series[Any]]:  # fmt: skip
    """A column of 0 and 1 for each known value: the same columns for every table."""
    return {
        f"{column}_{value}": _flag(table[column] == value)
        for column, values in categories.items()
        for value in values
    }


def _rank(values: pd.Series[Any], order: tuple[str, ...]) -> pd.Series[Any]:
    """The rank of each value, from 1; missing for an unknown value."""
    return values.map({value: place for place, value in enumerate(order, start=1)}).astype(float)


def _years(start: pd.Series[Any], end: pd.Series[Any]) -> pd.Series[Any]:
    return (end - start).dt.total_seconds() / 86400 / 365.25


def _flag(condition: pd.Series[Any]) -> pd.Series[Any]:
    return condition.astype("int64")
