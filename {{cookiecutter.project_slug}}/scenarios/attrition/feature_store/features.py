"""Computes the features that the model sees from the raw columns. Edit it for your own table.

`features` gets rows with the types of `[data.columns]` and returns numbers, one column per feature;
`findings` counts odd rows. Rows keep their order and number. Neither gets the columns in `[model]
exclude`: gender, age, ethnicity and location.

The endpoint calls `features` too, often for a single raw record: a feature must depend on its own
row only, which an ingest checks. Import only what the container has (NumPy, pandas, SciPy).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

AS_THEY_ARE = (
    "team_size", "remote_pct", "commute_km", "absence_days", "applications", "salary", "band_mid",
    "bonus", "bonus_target", "equity", "overtime_hours", "raise_pct", "rating", "rating_before",
    "goals_set", "goals_met", "training_days", "surveys_sent", "surveys_answered", "engagement",
    "one_on_ones",
)  # fmt: skip
"""Raw numbers that are used as features unchanged."""


def features(table: pd.DataFrame, categories: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """An employee as numbers; unknown values are missing (NaN)."""
    now = table["event_time"].str.removesuffix("Z").astype("datetime64[us]")
    hired, level_since = table["hired"], table["level_since"]
    tenure, in_level = _months(hired, now), _months(level_since, now)
    columns = {
        **{name: table[name] for name in AS_THEY_ARE},
        # from the HRIS
        "tenure_months": tenure,
        "months_since_promotion": in_level,
        "months_with_manager": _months(table["manager_since"], now),
        "months_to_level": _months(hired, level_since),
        "in_level_share": _ratio(in_level, tenure),
        "first_year": _flag(tenure < 12),
        "never_promoted": _flag(level_since == hired),
        "new_manager": _flag(_months(table["manager_since"], now) < 6),
        # from compensation
        "compa_ratio": _ratio(table["salary"], table["band_mid"]),
        "bonus_ratio": _ratio(table["bonus"], table["bonus_target"]),
        "bonus_share": _ratio(table["bonus"], table["salary"]),
        "equity_share": _ratio(1000 * table["equity"], table["salary"]),
        "months_since_raise": _months(table["last_raise"], now),
        "raise_a_year": _ratio(12 * table["raise_pct"], _months(table["last_raise"], now)),
        "below_band": _flag(table["salary"] < 0.9 * table["band_mid"]),
        # from performance
        "rating_change": table["rating"] - table["rating_before"],
        "goals_ratio": _ratio(table["goals_met"], table["goals_set"]),
        "survey_ratio": _ratio(table["surveys_answered"], table["surveys_sent"]),
        "surveys_unanswered": table["surveys_sent"] - table["surveys_answered"],
    }
    return pd.DataFrame({**columns, **_one_hot(table, categories)}, index=table.index, copy=False)


def findings(table: pd.DataFrame) -> dict[str, int]:
    """The number of odd rows of each kind; these rows are kept unchanged."""
    return {"level reached before hired": int((table["level_since"] < table["hired"]).sum())}


def _one_hot(
    table: pd.DataFrame, categories: dict[str, tuple[str, ...]]
) -> dict[str, pd.Series[Any]]:  # fmt: skip
    """A column of 0 and 1 for each known value: the same columns for every table."""
    return {
        f"{column}_{value}": _flag(table[column] == value)
        for column, values in categories.items()
        for value in values
    }


def _months(start: pd.Series[Any], end: pd.Series[Any]) -> pd.Series[Any]:
    # In microseconds: nanoseconds do not reach 9999-12-31.
    return (end.astype("datetime64[us]") - start.astype("datetime64[us]")).dt.days / 30.4375


def _ratio(part: pd.Series[Any], whole: pd.Series[Any]) -> pd.Series[Any]:
    return part / whole.replace(0, np.nan)


def _flag(condition: pd.Series[Any]) -> pd.Series[Any]:
    return condition.astype("int64")
