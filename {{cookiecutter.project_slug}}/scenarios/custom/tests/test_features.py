"""The features that work with any table: edit these tests along with features.py."""

from __future__ import annotations

import pandas as pd

from feature_store.features import features, findings

CATEGORIES = {"plan": ("basic", "plus")}


def table(**replaced: object) -> pd.DataFrame:
    """Two rows, numbered from 7."""
    columns: dict[str, object] = {
        "age": [41.0, None],
        "joined": pd.to_datetime(["2026-01-01", None]),
        "plan": ["plus", None],
        "note": ["anything", "else"],
        "event_time": ["2026-01-31T00:00:00Z", "2026-01-31T12:00:00Z"],
        **replaced,
    }
    return pd.DataFrame(columns, index=[7, 8])


def test_numbers_stay_dates_become_days_and_each_category_a_column() -> None:
    computed = features(table(), CATEGORIES)
    assert computed.loc[7].to_dict() == {
        "age": 41, "joined (days ago)": 30, "plan=basic": 0, "plan=plus": 1
    }  # fmt: skip
    assert computed.loc[8, ["plan=basic", "plan=plus"]].tolist() == [0, 0]
    assert computed.loc[8, ["age", "joined (days ago)"]].isna().all()


def test_a_date_of_any_year_becomes_days() -> None:
    joined = pd.Series(["9999-12-31", "0001-01-01"], [7, 8]).astype("datetime64[us]")
    days = features(table(joined=joined), CATEGORIES)["joined (days ago)"]
    assert days.tolist() == [-2_912_412, 739_646.5]


def test_columns_keep_their_names_whatever_they_are() -> None:
    odd = table(**{"Net pay ($)": [1.0, 2.0], "year": [3.0, 4.0], "年収": [5.0, 6.0]})
    computed = features(odd, {})
    assert computed["Net pay ($)"].tolist() == [1, 2]
    assert computed["year"].tolist() == [3, 4]
    assert computed["年収"].tolist() == [5, 6]


def test_rows_keep_their_order_and_number() -> None:
    assert features(table(), CATEGORIES).index.tolist() == [7, 8]


def test_nothing_is_found_odd_yet() -> None:
    assert findings(table()) == {}
