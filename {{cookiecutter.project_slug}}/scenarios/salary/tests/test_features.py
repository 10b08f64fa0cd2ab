"""The features of an employee: edit these tests along with features.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from feature_store.features import features, findings

CATEGORIES = {
    "job_level": ("L2", "L3"),
    "location": ("Z1", "Z2"),
    "education": ("vocational", "master"),
}
EMPLOYEE = {
    "job_level": "L3",
    "hired": "2016-10-15",
    "job_since": "2021-10-15",
    "surveyed": "2025-10-15",
    "weekly_hours": 30.0,
    "reports": 2.0,
    "location": "Z2",
    "market_median": 60_000.0,
    "target_percentile": 50.0,
    "firm_size": 300.0,
    "collective": 1.0,
    "education": "master",
    "certificates": 0.0,
    "experience": 12.0,
    "rating": 4.0,
    "home_days": 1.0,
}


def table(*employees: dict[str, Any]) -> pd.DataFrame:
    """One employee a row, with what differs from EMPLOYEE; rows are numbered from 7."""
    rows = pd.DataFrame([{**EMPLOYEE, **employee} for employee in employees])
    for name in ("hired", "job_since", "surveyed"):
        rows[name] = pd.to_datetime(rows[name])
    return rows.set_index(pd.RangeIndex(7, 7 + len(rows)))


def of(**employee: Any) -> dict[str, float]:
    """The features of one employee."""
    computed: dict[str, float] = features(table(employee), CATEGORIES).iloc[0].to_dict()
    return computed


def test_years_are_counted_back_from_the_survey() -> None:
    computed = of()
    assert computed["tenure"] == pytest.approx(9, abs=0.01)
    assert computed["years_in_job"] == pytest.approx(4, abs=0.01)
    assert computed["years_before_job"] == pytest.approx(5, abs=0.01)
    assert computed["experience_before_firm"] == pytest.approx(3, abs=0.01)


def test_an_unreadable_date_leaves_what_hangs_on_it_missing() -> None:
    from_hired = {"tenure", "years_before_job", "experience_before_firm"}
    from_job = {"years_in_job", "years_before_job"}
    for date, missing in (
        ("hired", from_hired),
        ("job_since", from_job),
        ("surveyed", from_hired | from_job),
    ):
        computed = of(**{date: None})
        assert {name for name, value in computed.items() if np.isnan(value)} == missing
        assert computed["job_before_hired"] == 0


def test_the_market_pays_part_time_in_proportion() -> None:
    assert of()["market_pay"] == 45_000
    assert of(weekly_hours=40.0)["market_pay"] == 60_000
    assert np.isnan(of(market_median=np.nan)["market_pay"])


def test_part_time_begins_below_36_hours() -> None:
    assert [of(weekly_hours=hours)["part_time"] for hours in (20.0, 32.0, 36.0, 40.0)] == [
        1,
        1,
        0,
        0,
    ]


def test_who_has_reports_manages() -> None:
    assert [of(reports=reports)["manages"] for reports in (0.0, 1.0, 7.0)] == [0, 1, 1]


def test_levels_and_educations_are_in_order_and_an_unknown_one_has_no_place() -> None:
    assert [of(job_level=level)["level"] for level in ("L1", "L3", "L6")] == [1, 3, 6]
    ranks = [of(education=e)["education_rank"] for e in ("school", "vocational", "doctorate")]
    assert ranks == [1, 2, 5]
    assert np.isnan(of(job_level="L9")["level"])
    assert np.isnan(of(education=None)["education_rank"])


def test_each_known_value_is_a_column_and_an_unknown_one_is_none_of_them() -> None:
    computed = features(table({}, {"location": "Z9"}, {"location": None}), CATEGORIES)
    assert computed["location_Z2"].tolist() == [1, 0, 0]
    assert computed["location_Z1"].tolist() == [0, 0, 0]


def test_every_table_has_the_same_columns_all_of_them_numbers() -> None:
    one = features(table({"location": "Z1"}), CATEGORIES)
    other = features(table({"education": None, "rating": np.nan}), CATEGORIES)
    assert list(one.columns) == list(other.columns)
    assert {dtype.kind for frame in (one, other) for dtype in frame.dtypes} <= {"i", "f"}


def test_gender_age_and_ethnicity_are_not_needed_and_make_no_feature() -> None:
    told = table({}).assign(gender="F", age=50.0, ethnicity="A")
    pd.testing.assert_frame_equal(features(told, CATEGORIES), features(table({}), CATEGORIES))


def test_rows_keep_their_order_and_number() -> None:
    computed = features(table({"rating": 3.0}, {"rating": 1.0}, {"rating": 2.0}), CATEGORIES)
    assert computed["rating"].to_dict() == {7: 3.0, 8: 1.0, 9: 2.0}


def test_a_job_from_before_the_hiring_is_marked_and_counted() -> None:
    assert of(job_since="2016-10-14")["job_before_hired"] == 1
    assert of(job_since="2016-10-15")["job_before_hired"] == 0
    rows = table({}, {}, {"job_since": "2016-10-14"}, {"job_since": None})
    assert findings(rows) == {"in the job before hired": 1}
