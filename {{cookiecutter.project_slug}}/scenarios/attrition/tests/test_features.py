"""The features of an employee: edit these tests along with features.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from feature_store.features import AS_THEY_ARE, features, findings

CATEGORIES = {"job_level": ("J1", "J2"), "shift": ("day", "night")}
DATES = ("hired", "level_since", "manager_since", "last_raise")
EMPLOYEE = {
    **dict.fromkeys(AS_THEY_ARE, 1.0),
    "hired": "2021-01-01",
    "level_since": "2023-01-01",
    "manager_since": "2024-09-01",
    "last_raise": "2024-01-01",
    "salary": 45_000.0,
    "band_mid": 50_000.0,
    "bonus": 2_000.0,
    "bonus_target": 2_500.0,
    "equity": 9.0,
    "raise_pct": 3.0,
    "rating": 3.1,
    "rating_before": 3.6,
    "goals_set": 8.0,
    "goals_met": 6.0,
    "surveys_sent": 10.0,
    "surveys_answered": 4.0,
    "job_level": "J2",
    "shift": "day",
    "event_time": "2025-01-01T00:00:00Z",
}


def table(*employees: dict[str, Any]) -> pd.DataFrame:
    """One employee a row, with what differs from EMPLOYEE; rows are numbered from 7."""
    rows = pd.DataFrame([{**EMPLOYEE, **employee} for employee in employees])
    for name in DATES:
        rows[name] = pd.to_datetime(rows[name])
    return rows.set_index(pd.RangeIndex(7, 7 + len(rows)))


def of(**employee: Any) -> dict[str, float]:
    """The features of one employee."""
    computed: dict[str, float] = features(table(employee), CATEGORIES).iloc[0].to_dict()
    return computed


def test_months_run_up_to_the_moment_that_the_row_describes() -> None:
    computed = of()
    assert computed["tenure_months"] == pytest.approx(48, abs=0.1)
    assert computed["months_since_promotion"] == pytest.approx(24, abs=0.1)
    assert computed["months_since_raise"] == pytest.approx(12, abs=0.1)
    assert computed["months_with_manager"] == pytest.approx(4, abs=0.1)
    assert computed["months_to_level"] == pytest.approx(24, abs=0.1)
    assert computed["in_level_share"] == pytest.approx(0.5, abs=0.01)
    later = of(event_time="2026-01-01T00:00:00Z")
    assert later["months_since_promotion"] == pytest.approx(36, abs=0.1)


def test_a_date_of_any_year_is_so_many_months_away() -> None:
    employees = table({}).astype(dict.fromkeys(DATES, "datetime64[us]"))
    employees["hired"] = np.datetime64("9999-12-31", "us")
    assert features(employees, CATEGORIES)["tenure_months"].iloc[0] < -95_000


def test_pay_is_seen_against_the_band_and_the_target() -> None:
    computed = of()
    assert computed["compa_ratio"] == pytest.approx(0.9)
    assert computed["bonus_ratio"] == pytest.approx(0.8)
    assert computed["bonus_share"] == pytest.approx(2 / 45)
    assert computed["equity_share"] == pytest.approx(0.2)  # equity is in thousands
    assert computed["raise_a_year"] == pytest.approx(3, abs=0.05)
    assert (computed["below_band"], of(salary=44_000.0)["below_band"]) == (0, 1)


def test_performance_is_seen_against_what_was_asked_and_what_was_before() -> None:
    computed = of()
    assert computed["rating_change"] == pytest.approx(-0.5)
    assert computed["goals_ratio"] == pytest.approx(0.75)
    assert computed["survey_ratio"] == pytest.approx(0.4)
    assert computed["surveys_unanswered"] == 6


def test_newcomers_new_managers_and_those_never_promoted_are_marked() -> None:
    marks = ("first_year", "never_promoted", "new_manager")
    computed = of()
    assert [computed[mark] for mark in marks] == [0, 0, 1]
    newcomer = of(hired="2024-03-01", level_since="2024-03-01", manager_since="2024-03-01")
    assert [newcomer[mark] for mark in marks] == [1, 1, 0]


def test_a_share_of_nothing_is_missing() -> None:
    computed = of(goals_set=0.0, goals_met=0.0, surveys_sent=0.0, bonus_target=0.0)
    missing = {name for name, value in computed.items() if np.isnan(value)}
    assert missing == {"goals_ratio", "survey_ratio", "bonus_ratio"}


def test_an_unreadable_date_leaves_what_hangs_on_it_missing() -> None:
    computed = of(level_since=None)
    missing = {name for name, value in computed.items() if np.isnan(value)}
    assert missing == {"months_since_promotion", "months_to_level", "in_level_share"}
    assert computed["never_promoted"] == 0


def test_each_known_value_is_a_column_and_an_unknown_one_is_none_of_them() -> None:
    computed = features(table({}, {"job_level": "J9"}, {"job_level": None}), CATEGORIES)
    assert computed["job_level_J2"].tolist() == [1, 0, 0]
    assert computed["job_level_J1"].tolist() == [0, 0, 0]


def test_every_table_has_the_same_columns_all_of_them_numbers() -> None:
    one = features(table({"shift": "night"}), CATEGORIES)
    other = features(table({"shift": None, "engagement": np.nan}, {}), CATEGORIES)
    assert list(one.columns) == list(other.columns)
    assert {dtype.kind for dtype in other.dtypes} <= {"i", "f"}


def test_who_somebody_is_makes_no_feature() -> None:
    """`exclude` withholds these columns; if they did arrive, no feature would use them."""
    rows = table({}, {})
    sensitive = rows.assign(gender="X", age=50.0, ethnicity="A", location="L1")
    pd.testing.assert_frame_equal(features(sensitive, CATEGORIES), features(rows, CATEGORIES))


def test_rows_keep_their_order_and_number() -> None:
    computed = features(table({"rating": 3.0}, {"rating": 1.0}, {"rating": 2.0}), CATEGORIES)
    assert computed["rating"].to_dict() == {7: 3.0, 8: 1.0, 9: 2.0}


def test_a_level_reached_before_the_day_of_hiring_is_counted() -> None:
    rows = table({}, {}, {"level_since": "2020-01-01"}, {"level_since": None})
    assert findings(rows) == {"level reached before hired": 1}
