"""The features of a customer: edit these tests along with features.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from feature_store.features import features, findings

CATEGORIES = {"favday": ("Monday", "Friday"), "city": ("BLR", "DEL")}
CUSTOMER = {
    "created": "2017-01-01",
    "firstorder": "2017-01-11",
    "lastorder": "2017-03-02",
    "esent": 40.0,
    "eopenrate": 50.0,
    "eclickrate": 5.0,
    "avgorder": 30.0,
    "ordfreq": 0.1,
    "paperless": 1.0,
    "refill": 0.0,
    "doorstep": 1.0,
    "favday": "Friday",
    "city": "DEL",
}


def table(*customers: dict[str, Any]) -> pd.DataFrame:
    """One customer a row, with what differs from CUSTOMER; rows are numbered from 7."""
    rows = pd.DataFrame([{**CUSTOMER, **customer} for customer in customers])
    for name in ("created", "firstorder", "lastorder"):
        rows[name] = pd.to_datetime(rows[name])
    return rows.set_index(pd.RangeIndex(7, 7 + len(rows)))


def of(**customer: Any) -> dict[str, float]:
    """The features of one customer."""
    computed: dict[str, float] = features(table(customer), CATEGORIES).iloc[0].to_dict()
    return computed


def test_days_lie_between_account_first_and_last_order() -> None:
    computed = of()
    assert computed["created_first_days_diff"] == 10
    assert computed["first_last_days_diff"] == 50
    assert computed["orders"] == pytest.approx(5)  # 0.1 a day in 50 days
    assert computed["created_month"] == 1


def test_mails_opened_and_clicked_are_counts_of_those_sent() -> None:
    computed = of()
    assert (computed["opened"], computed["clicked"]) == (20, 2)
    assert computed["click_to_open"] == pytest.approx(0.1)


def test_who_was_never_mailed_has_no_click_rate_and_is_not_taken_for_one_who_never_opens() -> None:
    computed = of(esent=0.0, eopenrate=0.0, eclickrate=0.0)
    assert np.isnan(computed["click_to_open"])
    assert (computed["never_mailed"], computed["never_opened"]) == (1, 0)
    clicked_unopened = of(eopenrate=0.0)
    assert clicked_unopened["never_opened"] == 1
    assert np.isnan(clicked_unopened["click_to_open"])


def test_an_unreadable_date_leaves_what_hangs_on_it_missing() -> None:
    computed = of(firstorder=None)
    missing = {name for name, value in computed.items() if np.isnan(value)}
    assert missing == {"first_last_days_diff", "created_first_days_diff", "orders"}
    assert (computed["single_order"], computed["ordered_before_account"]) == (0, 0)


def test_orders_of_one_day_and_orders_before_the_account_are_marked() -> None:
    assert of(lastorder="2017-01-11")["single_order"] == 1
    assert of(created="2017-02-01")["ordered_before_account"] == 1
    assert of()["single_order"] == of()["ordered_before_account"] == 0


def test_each_known_value_is_a_column_and_an_unknown_one_is_none_of_them() -> None:
    computed = features(table({}, {"city": "XXX"}, {"city": None}), CATEGORIES)
    assert computed["city_DEL"].tolist() == [1, 0, 0]
    assert computed["city_BLR"].tolist() == [0, 0, 0]


def test_every_table_has_the_same_columns_all_of_them_numbers() -> None:
    one = features(table({"city": "BLR"}), CATEGORIES)
    other = features(table({"city": None, "esent": np.nan}, {}), CATEGORIES)
    assert list(one.columns) == list(other.columns)
    assert {dtype.kind for dtype in other.dtypes} <= {"i", "f"}


def test_rows_keep_their_order_and_number() -> None:
    computed = features(table({"esent": 3.0}, {"esent": 1.0}, {"esent": 2.0}), CATEGORIES)
    assert computed["esent"].to_dict() == {7: 3.0, 8: 1.0, 9: 2.0}


def test_a_first_order_after_the_last_one_is_counted() -> None:
    rows = table({}, {}, {"firstorder": "2018-01-01"}, {"firstorder": None})
    assert findings(rows) == {"first order after last order": 1}
