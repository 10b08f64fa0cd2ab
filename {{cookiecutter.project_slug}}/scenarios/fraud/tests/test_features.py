"""The features of a payment: edit these tests along with features.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from feature_store.features import features, findings

CATEGORIES = {"channel": ("pos", "web"), "merchant": ("food", "kiosk"), "region": ("N", "W")}
PAYMENT = {
    "event_time": "2025-03-11T12:30:00Z",
    "amount": 60.0,
    "usual": 20.0,
    "channel": "web",
    "merchant": "food",
    "attempts": 2.0,
    "distance": 35.0,
    "new_device": 1.0,
    "issued": "2025-03-01",
}


def table(*payments: dict[str, Any]) -> pd.DataFrame:
    """One payment a row, with what differs from PAYMENT; rows are numbered from 7."""
    rows = pd.DataFrame([{**PAYMENT, **payment} for payment in payments])
    rows["issued"] = pd.to_datetime(rows["issued"])
    return rows.set_index(pd.RangeIndex(7, 7 + len(rows)))


def of(**payment: Any) -> dict[str, float]:
    """The features of one payment."""
    computed: dict[str, float] = features(table(payment), CATEGORIES).iloc[0].to_dict()
    return computed


def test_an_amount_is_compared_with_what_the_customer_usually_pays() -> None:
    computed = of()
    assert computed["amount_to_usual"] == 3
    assert computed["above_usual"] == 40


@pytest.mark.parametrize("usual", [0.0, np.nan])
def test_of_a_customer_without_a_usual_amount_the_ratio_is_missing(usual: float) -> None:
    assert np.isnan(of(usual=usual)["amount_to_usual"])


def test_attempts_on_a_new_device_are_told_from_those_on_a_known_one() -> None:
    assert of()["attempts_on_new_device"] == 2
    assert of(new_device=0.0)["attempts_on_new_device"] == 0


def test_days_are_counted_from_the_first_of_the_month_of_issue_to_the_payment() -> None:
    assert of()["days_since_issue"] == pytest.approx(10 + 12.5 / 24)


def test_a_month_of_any_year_is_so_many_days_away() -> None:
    payments = table({})
    payments["issued"] = np.datetime64("9999-12-01", "us")
    assert features(payments, CATEGORIES)["days_since_issue"].iloc[0] < -2_900_000


@pytest.mark.parametrize(
    "time, hour, night",
    [("00:00:00", 0, 1), ("07:59:59", 7, 1), ("08:00:00", 8, 0), ("22:59:00", 22, 0),
     ("23:00:00", 23, 1)],
)  # fmt: skip
def test_the_hour_is_that_of_the_moment_and_night_lies_outside_daytime(
    time: str, hour: int, night: int
) -> None:
    computed = of(event_time=f"2025-03-11T{time}Z")
    assert (computed["hour_of_day"], computed["night"]) == (hour, night)


def test_what_is_unreadable_or_empty_leaves_what_hangs_on_it_missing() -> None:
    computed = of(issued=None, distance=np.nan, usual=np.nan)
    missing = {name for name, value in computed.items() if np.isnan(value)}
    assert missing == {"days_since_issue", "distance", "usual", "amount_to_usual", "above_usual"}


def test_each_known_value_is_a_column_and_an_unknown_one_is_none_of_them() -> None:
    computed = features(table({}, {"merchant": "XXX"}, {"merchant": None}), CATEGORIES)
    assert computed["merchant_food"].tolist() == [1, 0, 0]
    assert computed["merchant_kiosk"].tolist() == [0, 0, 0]


def test_neither_age_nor_region_is_a_feature() -> None:
    names = features(table({"age": 70.0, "region": "W"}), CATEGORIES).columns
    assert not [name for name in names if name.startswith(("age", "region"))]


def test_every_table_has_the_same_columns_all_of_them_numbers() -> None:
    one = features(table({"channel": "pos"}), CATEGORIES)
    other = features(table({"channel": None, "amount": np.nan}, {}), CATEGORIES)
    assert list(one.columns) == list(other.columns)
    assert {dtype.kind for dtype in other.dtypes} <= {"i", "f"}


def test_rows_keep_their_order_and_number() -> None:
    computed = features(table({"amount": 3.0}, {"amount": 1.0}, {"amount": 2.0}), CATEGORIES)
    assert computed["amount"].to_dict() == {7: 3.0, 8: 1.0, 9: 2.0}


def test_a_card_issued_after_the_payment_is_counted() -> None:
    rows = table({}, {}, {"issued": "2025-04-01"}, {"issued": None})
    assert findings(rows) == {"card issued after the payment": 1}
