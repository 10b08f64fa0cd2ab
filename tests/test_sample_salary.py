"""The committed salary sample is what its generator writes, and holds what the generator says."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

import booster
import salary

MOST_BYTES = 2_000_000
FACETS = ("gender", "age", "ethnicity", "location")
PIPELINE = tomllib.loads((salary.SCENARIO / "pipeline.toml").read_text(encoding="utf-8"))
TYPES: dict[str, dict[str, Any]] = PIPELINE["data"]["columns"]
GATE = float(PIPELINE["gate"]["metric"].removeprefix("rmse < "))
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """The rows of the test split, with what plain XGBoost predicts for them."""

    rows: pd.DataFrame
    predicted: Floats
    median: float  # the training split's salary

    @property
    def rmse(self) -> float:
        return float(np.sqrt(np.mean((self.rows["salary"] - self.predicted) ** 2)))

    @property
    def r2(self) -> float:
        return 1 - self.rmse**2 / float(np.var(self.rows["salary"]))

    def groups(self) -> Iterator[tuple[tuple[str, object], Booleans]]:
        """The members of every group of every facet."""
        facets = self.rows[list(FACETS)].assign(age=self.rows["age"] >= 40)
        for facet in FACETS:
            for value in facets[facet].unique():
                yield (facet, value), (facets[facet] == value).to_numpy()

    def gaps(self) -> dict[tuple[str, object], float]:
        """Of each group, the share predicted above the median elsewhere less that in it."""
        above = self.predicted > self.median
        return {
            group: float(above[~members].mean() - above[members].mean())
            for group, members in self.groups()
        }


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """The committed file, with every cell as it is written."""
    return pd.read_csv(salary.OUTPUT, dtype=str, keep_default_na=False)


def test_the_committed_file_is_what_the_generator_writes(tmp_path: Path) -> None:
    salary.main(["--output", str(tmp_path / "salary.csv")])
    again = (tmp_path / "salary.csv").read_bytes()
    committed = salary.OUTPUT.read_bytes()
    assert again == committed, "run `python samples/salary.py`, and commit what it writes"


def test_the_committed_file_is_small_and_has_unix_lines() -> None:
    committed = salary.OUTPUT.read_bytes()
    assert len(committed) <= MOST_BYTES
    assert b"\r" not in committed


def test_another_seed_gives_another_table() -> None:
    assert not salary.salary(200, seed=1).equals(salary.salary(200, seed=2))


def test_the_table_has_the_shape_it_documents(table: pd.DataFrame) -> None:
    assert tuple(table) == salary.COLUMNS
    assert len(table) == salary.ROWS
    named = table["employee_id"][table["employee_id"] != ""]
    assert named.str.fullmatch(r"E\d{7}").all()
    assert table["salary"].str.fullmatch(r"\d+").all()
    assert set(table["collective"]) == {"0", "1"}
    assert set(table["weekly_hours"]) == set(map(str, salary.HOURS))
    assert set(table["target_percentile"]) == {"", *map(str, salary.PERCENTILES)}
    assert set(table["rating"]) == {"", *"12345"}
    assert table["age"].astype(int).between(18, salary.OLDEST).all()


def test_the_settings_name_every_column_and_every_value(table: pd.DataFrame) -> None:
    assert ("employee_id", "salary", *TYPES) == salary.COLUMNS
    for name, column in TYPES.items():
        if column["type"] == "category":
            assert set(table[name]) - {""} == set(column["values"]), name
        elif column["type"] == "number":
            assert table[name].str.fullmatch(r"\d*").all(), name


def test_dates_are_in_order_and_the_survey_is_closed_before_the_snapshot(
    table: pd.DataFrame,
) -> None:
    days = _days(table).dropna()
    first, last = map(str, salary.SURVEY_DAYS)
    assert days["surveyed"].between(first, last).all()
    assert last < PIPELINE["data"]["snapshot"]
    assert (days[["hired", "job_since"]].max(axis=1) <= days["surveyed"]).all()
    assert (days["hired"] >= str(salary.FIRST_DAY)).all()


def test_salaries_are_skewed(table: pd.DataFrame) -> None:
    salaries = table["salary"].astype(float)
    assert salaries.median() == pytest.approx(49_000, rel=0.03)
    assert salaries.mean() > 1.07 * salaries.median()


def test_blemishes_are_as_many_as_documented(table: pd.DataFrame) -> None:
    dates = table[list(salary.DATE_COLUMNS)]
    days = _days(table)
    named = table["employee_id"][table["employee_id"] != ""]
    assert dates.isin(salary.UNREADABLE_DATES).sum().sum() == 8
    assert days.isna().sum().sum() == 8
    assert (table["employee_id"] == "").sum() == 3
    assert named.duplicated().sum() == 4
    assert (days["job_since"] < days["hired"]).sum() == 3
    for column, share in salary.MISSING_SHARES.items():
        assert (table[column] == "").mean() == pytest.approx(share, abs=0.005)
    complete = set(table) - set(salary.MISSING_SHARES) - {"employee_id"}
    assert not (table[sorted(complete)] == "").to_numpy().any()


def test_a_repeated_employee_is_better_paid_and_otherwise_the_same(table: pd.DataFrame) -> None:
    repeated = table[table["employee_id"].duplicated(keep=False) & (table["employee_id"] != "")]
    for _, rows in repeated.groupby("employee_id"):
        earlier, later = rows.to_dict("records")
        assert int(later["salary"]) == pytest.approx(salary.RAISE * int(earlier["salary"]), abs=1)
        assert {**later, "salary": earlier["salary"]} == earlier


def test_a_larger_table_keeps_ids_apart_and_the_median_salary() -> None:
    large = salary.salary(100_000, seed=1)
    assert large["employee_id"].nunique() == 100_000 - 4 - 3 + 1  # the empty one counts as one
    assert large["salary"].median() == pytest.approx(49_000, rel=0.03)


@pytest.mark.parametrize("rows, seed, sentence", [(99, 1, "rows is 99"), (200, -1, "seed is -1")])
def test_what_cannot_be_generated_is_refused(
    rows: int, seed: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        salary.main(["--rows", str(rows), "--seed", str(seed)])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_smallest_table_holds_every_blemish() -> None:
    days = _days(salary.salary(salary.MIN_ROWS, seed=3))
    assert days.isna().sum().sum() == 8
    assert (days["job_since"] < days["hired"]).sum() == 3


@pytest.mark.parametrize("salt", ["a", "b", "c", "d"])
def test_the_biased_ethnicity_comes_out_worst_though_the_model_never_sees_it(salt: str) -> None:
    scored = _score(salary.salary(salary.ROWS, salary.SEED), salt)
    assert scored.rmse < GATE
    assert 0.80 <= scored.r2 <= 0.87
    _assert_biased_ethnicity_is_worst(scored)


def test_the_gate_is_a_tenth_above_plain_xgboost_on_the_pipelines_own_split() -> None:
    scored = _score(salary.salary(salary.ROWS, salary.SEED), PIPELINE["split"]["salt"])
    assert pytest.approx(1.10, abs=0.04) == GATE / scored.rmse
    _assert_biased_ethnicity_is_worst(scored)


def test_every_group_is_large_enough_to_count() -> None:
    scored = _score(salary.salary(salary.ROWS, salary.SEED), "a")
    assert min(members.sum() for _, members in scored.groups()) > 300


def test_no_group_outside_ethnicity_has_a_gap_worth_naming() -> None:
    gaps = _score(salary.salary(salary.ROWS, salary.SEED), "a").gaps()
    assert max(abs(gap) for (facet, _), gap in gaps.items() if facet != "ethnicity") < 0.10


def test_the_bias_does_not_hang_on_the_seed() -> None:
    _assert_biased_ethnicity_is_worst(_score(salary.salary(salary.ROWS, seed=1), "a"))


def test_without_lower_pay_there_is_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gap comes from the salaries, not from the jobs of that group."""
    monkeypatch.setattr(salary, "UNDERPAID_SHARE", 0.0)
    scored = _score(salary.salary(salary.ROWS, salary.SEED), "a")
    assert max(abs(gap) for gap in scored.gaps().values()) < salary.BIAS_GAP / 2


def test_it_is_the_hiring_channel_that_gives_the_group_away() -> None:
    scored = _score(salary.salary(salary.ROWS, salary.SEED), "a", without="hired_through")
    assert abs(scored.gaps()["ethnicity", salary.BIASED_ETHNICITY]) < salary.BIAS_GAP / 2


def test_the_docstring_names_the_bias_and_every_column() -> None:
    text = inspect.getdoc(salary) or ""
    assert all(column in text for column in salary.COLUMNS)
    assert "BIASED_ETHNICITY" in text


def _assert_biased_ethnicity_is_worst(scored: Scored) -> None:
    gaps = scored.gaps()
    biased = gaps.pop(("ethnicity", salary.BIASED_ETHNICITY))
    assert biased >= salary.BIAS_GAP
    assert biased - max(abs(gap) for gap in gaps.values()) >= salary.BIAS_MARGIN


def _score(table: pd.DataFrame, salt: str, without: str = "") -> Scored:
    """Plain XGBoost on the scenario's own features, split in the scenario's own shares."""
    rows = _typed(table)
    excluded = [*PIPELINE["model"]["exclude"], "employee_id", "salary"]
    categories = {
        name: tuple(column["values"])
        for name, column in TYPES.items()
        if column["type"] == "category" and name not in (*excluded, without)
    }
    features = _scenario_features().features(rows.drop(columns=excluded), categories)
    place = _place(rows["employee_id"], salt)
    split = PIPELINE["split"]
    train, test = place < split["train"], place >= split["train"] + split["validation"]
    model = booster.train(
        {"objective": "reg:squarederror", "eta": 0.3, "nthread": 1, "seed": 0},
        booster.DMatrix(features[train], rows["salary"][train]),
        num_boost_round=100,
    )
    predicted = model.predict(booster.DMatrix(features[test])).astype(np.float64)
    return Scored(rows[test], predicted, float(rows["salary"][train].median()))


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """The usable rows as `[data.columns]` types them."""
    numbers = ["salary", *(name for name, column in TYPES.items() if column["type"] == "number")]
    typed = table.assign(**_days(table)).astype(dict.fromkeys(numbers, "float64"))
    named = typed[typed["employee_id"] != ""]
    return named.drop_duplicates("employee_id", keep="last")


def _scenario_features() -> ModuleType:
    """The scenario's `features.py`, beside the one that stands in the template."""
    file = salary.SCENARIO / "feature_store" / "features.py"
    spec = importlib.util.spec_from_file_location("salary_features", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _days(table: pd.DataFrame) -> pd.DataFrame:
    """The three dates, an unreadable one as NaT."""
    dates = table[list(salary.DATE_COLUMNS)]
    return dates.apply(pd.to_datetime, format="%Y-%m-%d", errors="coerce")


def _place(ids: pd.Series, salt: str) -> Floats:
    """A number in [0, 1) for each employee, by hash."""
    digests = [hashlib.sha256(f"{salt}{id_}".encode()).hexdigest() for id_ in ids]
    return np.array([int(digest[:16], 16) / 2**64 for digest in digests])
