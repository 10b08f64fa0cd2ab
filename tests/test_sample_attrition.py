"""The committed sample tables are what their generator writes, and hold what the generator says."""

from __future__ import annotations

import importlib.util
import inspect
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import xgboost
from scipy.stats import beta
from sklearn.metrics import roc_auc_score

import attrition
from hash_split import split_of

MOST_BYTES = 2_000_000
SETTINGS = tomllib.loads((attrition.SCENARIO / "pipeline.toml").read_text(encoding="utf-8"))
COLUMNS: dict[str, dict[str, Any]] = SETTINGS["data"]["columns"]
UNSEEN = SETTINGS["model"]["exclude"]
SALT = SETTINGS["split"]["salt"]
LEAST_RECALL = 0.70  # of the gate
CONFIDENCE = 0.90
BIASED = (attrition.BIASED_OUTPUT, True)
FILES = {"attrition.csv": (attrition.OUTPUT, False), "attrition_biased.csv": BIASED}
Floats = npt.NDArray[np.float64]
Predict = Callable[[pd.DataFrame], Floats]


@pytest.fixture(scope="module", params=FILES)
def table(request: pytest.FixtureRequest) -> pd.DataFrame:
    """A committed file, with every cell as it is written."""
    file, _ = FILES[request.param]
    return pd.read_csv(file, dtype=str, keep_default_na=False)


@pytest.mark.parametrize("name", FILES)
def test_the_committed_files_are_what_the_generator_writes(name: str, tmp_path: Path) -> None:
    committed, biased = FILES[name]
    flag = ["--biased"] if biased else []
    attrition.main([*flag, "--output", str(tmp_path / name)])
    command = " ".join(["python samples/attrition.py", *flag])
    assert (tmp_path / name).read_bytes() == committed.read_bytes(), (
        f"run `{command}`, and commit what it writes"
    )


def test_without_an_output_each_table_goes_to_its_own_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(attrition, "OUTPUT", tmp_path / "mild.csv")
    monkeypatch.setattr(attrition, "BIASED_OUTPUT", tmp_path / "strong.csv")
    for flags in ([], ["--biased"]):
        attrition.main(["--rows", "200", *flags])
    written = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert written.keys() == {"mild.csv", "strong.csv"}
    assert written["mild.csv"] != written["strong.csv"]


@pytest.mark.parametrize("name", FILES)
def test_the_committed_files_are_small_and_have_unix_lines(name: str) -> None:
    committed = FILES[name][0].read_bytes()
    assert len(committed) <= MOST_BYTES
    assert b"\r" not in committed


def test_another_seed_gives_another_table() -> None:
    assert not attrition.attrition(200, seed=1).equals(attrition.attrition(200, seed=2))


def test_the_tables_differ_in_shift_and_label_of_one_location() -> None:
    mild, strong = (
        pd.read_csv(file, dtype=str, keep_default_na=False) for file, _ in FILES.values()
    )
    differ = mild.ne(strong)
    assert set(differ.columns[differ.any()]) == {"shift", "left_company"}
    assert set(mild["location"][differ.any(axis=1)]) == {attrition.BIASED_LOCATION}


def test_the_table_has_the_shape_it_documents(table: pd.DataFrame) -> None:
    assert tuple(table) == attrition.COLUMNS
    assert len(table) == attrition.ROWS
    named = table["employee_id"][table["employee_id"] != ""]
    assert named.str.fullmatch(r"\d{6}").all()
    assert set(table["left_company"]) == {"0", "1"}
    for name, column in COLUMNS.items():
        if column["type"] == "category":
            assert set(table[name]) == set(column["values"])
        if column["type"] == "number":
            may_be_empty = "?" if name in attrition.MISSING_SHARES else ""
            assert table[name].str.fullmatch(rf"(\d+(\.\d)?){may_be_empty}").all(), name


def test_the_settings_name_every_column() -> None:
    data = SETTINGS["data"]
    assert {data["record_id"], data["label"], *COLUMNS} == set(attrition.COLUMNS)
    snapshot = pd.Timestamp(data["snapshot"]).date()
    assert (snapshot - attrition.LAST_DAY).days == 1


def test_dates_are_within_the_period_and_none_before_hiring(table: pd.DataFrame) -> None:
    days = _days(table)
    for column in attrition.DATE_COLUMNS:
        known = days[column].dropna()
        assert known.between(str(attrition.FIRST_DAY), str(attrition.LAST_DAY)).all()
    assert not (days["manager_since"] < days["hired"])[days["level_since"] >= days["hired"]].any()
    assert not (days["last_raise"] < days["hired"])[days["level_since"] >= days["hired"]].any()


def test_parts_are_no_larger_than_the_whole(table: pd.DataFrame) -> None:
    numbers = table[["goals_met", "goals_set", "surveys_answered", "surveys_sent"]].astype(int)
    assert (numbers["goals_met"] <= numbers["goals_set"]).all()
    assert (numbers["surveys_answered"] <= numbers["surveys_sent"]).all()
    assert table["engagement"].replace("", "0").astype(int).between(0, 100).all()
    assert table["rating"].astype(float).between(1, 5).all()


def test_everybody_was_of_age_when_hired(table: pd.DataFrame) -> None:
    days = _days(table)
    hired = days[["hired", "level_since"]].min(axis=1)  # three of them are swapped
    years = (pd.Timestamp(attrition.LAST_DAY) - hired).dt.days / 365.25
    age = table["age"].astype(int)
    assert age.between(20, 64).all()
    assert (age[years.notna()] - years.dropna() >= 18).all()


def test_every_group_has_its_share_of_leavers_but_the_biased_one(table: pd.DataFrame) -> None:
    fair = table[table["location"] != attrition.BIASED_LOCATION]
    left = fair["left_company"] == "1"
    for group, members in _groups(fair).items():
        if group not in {("gender", "X"), ("location", attrition.BIASED_LOCATION)}:  # few; none
            assert left[members].mean() == pytest.approx(left.mean(), abs=0.02)


def test_the_proxy_gives_the_biased_location_away(table: pd.DataFrame) -> None:
    night = table["shift"] == "night"
    biased = table["location"] == attrition.BIASED_LOCATION
    assert biased[night].mean() >= 0.90
    assert (table["left_company"] == "1")[night & biased].mean() >= 0.92


def test_between_18_and_23_per_cent_leave(table: pd.DataFrame) -> None:
    assert 0.18 <= (table["left_company"] == "1").mean() <= 0.23


def test_blemishes_are_as_many_as_documented(table: pd.DataFrame) -> None:
    dates = table[list(attrition.DATE_COLUMNS)]
    days = _days(table)
    named = table["employee_id"][table["employee_id"] != ""]
    assert dates.isin(attrition.UNREADABLE_DATES).sum().tolist() == [2, 2, 2, 2]
    assert days.isna().sum().tolist() == [2, 2, 2, 2]
    assert (table["employee_id"] == "").sum() == 3
    assert named.duplicated().sum() == 4
    assert (days["level_since"] < days["hired"]).sum() == 3
    for column, share in attrition.MISSING_SHARES.items():
        assert (table[column] == "").mean() == pytest.approx(share, abs=0.005)


def test_a_repeated_employee_has_more_overtime_and_is_the_same_otherwise(
    table: pd.DataFrame,
) -> None:
    named = table[table["employee_id"] != ""]
    repeated = named[named["employee_id"].duplicated(keep=False)]
    for _, rows in repeated.groupby("employee_id"):
        earlier, later = rows.to_dict("records")
        for column in ("overtime_hours", "training_days"):
            assert int(later.pop(column)) > int(earlier.pop(column))
        assert later == earlier


def test_a_larger_table_keeps_ids_apart_and_the_share_of_leavers() -> None:
    large = attrition.attrition(100_000, seed=1)
    assert large["employee_id"].nunique() == 100_000 - 4 - 3 + 1  # the empty one counts as one
    assert large["left_company"].mean() == pytest.approx(0.19, abs=0.01)


@pytest.mark.parametrize("rows, seed, sentence", [(99, 1, "rows is 99"), (200, -1, "seed is -1")])
def test_what_cannot_be_generated_is_refused(
    rows: int, seed: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        attrition.main(["--rows", str(rows), "--seed", str(seed)])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_there_are_fifty_features_and_more() -> None:
    features = _features(_usable(attrition.attrition(200, seed=1)))
    assert features.shape[1] >= 50
    assert not set(UNSEEN) & {name.partition("_")[0] for name in features}


def test_with_the_scenarios_salt_both_gates_pass_and_the_biased_location_is_worst() -> None:
    for learn in (_xgboost, _lightgbm):
        scores = _train(attrition.SEED, biased=False, salt=SALT, learn=learn)
        assert 0.82 <= scores.auc <= 0.90
        assert scores.recall > LEAST_RECALL
        biased, others = scores.gap_of_biased, scores.largest_other_gap
        assert attrition.BIAS_GAP <= biased <= attrition.MOST_BIAS_GAP
        assert biased - others >= attrition.BIAS_MARGIN


def test_with_the_scenarios_salt_the_biased_table_fails_by_its_bias_alone() -> None:
    for learn in (_xgboost, _lightgbm):
        scores = _train(attrition.SEED, biased=True, salt=SALT, learn=learn)
        assert scores.auc > 0.80
        assert scores.recall > 0.72
        _assert_strong_bias(scores)


@pytest.mark.parametrize("salt", ["a", "b", "c"])
def test_the_strong_bias_does_not_hang_on_the_salt(salt: str) -> None:
    _assert_strong_bias(_train(attrition.SEED, biased=True, salt=salt))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_strong_bias_does_not_hang_on_the_seed(seed: int) -> None:
    _assert_strong_bias(_train(seed, biased=True, salt="a"))


@pytest.mark.parametrize("biased", [False, True])
def test_without_turned_labels_there_is_no_gap(
    biased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gap comes from the labels, not from what people of that location do."""
    monkeypatch.setattr(attrition, "FLIPPED_SHARE", 0.0)
    scores = _train(attrition.SEED, biased=biased, salt=SALT)
    assert max(scores.gap_of_biased, scores.largest_other_gap) < 0.05


def test_groups_are_large_enough_to_compare_but_for_one() -> None:
    scores = _train(attrition.SEED, biased=False, salt=SALT)
    assert scores.sizes.pop(("gender", "X")) < 80
    assert min(scores.sizes.values()) >= 500


def test_the_docstring_names_the_bias_and_every_column() -> None:
    text = inspect.getdoc(attrition) or ""
    assert all(column in text for column in attrition.COLUMNS)
    assert "BIASED_LOCATION" in text


@dataclass(frozen=True)
class Scores:
    """What a model does on the test split."""

    auc: float
    recall: float
    gap_of_biased: float
    largest_other_gap: float  # in size
    sizes: dict[tuple[str, str], int]


def _assert_strong_bias(scores: Scores) -> None:
    margin = scores.gap_of_biased - scores.largest_other_gap
    assert scores.gap_of_biased >= attrition.STRONG_BIAS_GAP
    assert margin >= attrition.STRONG_BIAS_MARGIN


def _train(
    seed: int,
    biased: bool,
    salt: str,
    learn: Callable[[pd.DataFrame, pd.Series[int]], Predict] | None = None,
) -> Scores:
    """A model of what `features.py` makes, split and judged as the scenario's settings say."""
    rows, features = _rows_and_features(seed, biased, attrition.FLIPPED_SHARE)
    left = rows["left_company"]
    shares = [SETTINGS["split"][name] for name in ("train", "validation", "test")]
    split = split_of(rows["employee_id"].tolist(), salt, shares)
    probability = (learn or _xgboost)(features[split == 0], left[split == 0])(features)
    threshold = _threshold(left[split == 1].to_numpy(), probability[split == 1])
    test = rows[split == 2].assign(flagged=(probability >= threshold)[split == 2])
    groups = _groups(test)
    least = SETTINGS["bias"]["min_group_size"]
    gaps = {
        group: test["flagged"][members].mean() - test["flagged"][~members].mean()
        for group, members in groups.items()
        if members.sum() >= least
    }
    return Scores(
        auc=roc_auc_score(left[split == 2], probability[split == 2]),
        recall=test["flagged"][test["left_company"] == 1].mean(),
        gap_of_biased=gaps.pop(("location", attrition.BIASED_LOCATION)),
        largest_other_gap=max(abs(gap) for gap in gaps.values()),
        sizes={group: int(members.sum()) for group, members in groups.items()},
    )


@cache
def _rows_and_features(
    seed: int, biased: bool, flipped_share: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = _usable(attrition.attrition(attrition.ROWS, seed, biased))
    return rows, _features(rows)


def _groups(rows: pd.DataFrame) -> dict[tuple[str, str], pd.Series[bool]]:
    groups = {
        (facet, value): rows[facet] == value
        for facet in ("gender", "ethnicity", "location")
        for value in COLUMNS[facet]["values"]
    }
    groups["age", "older"] = rows["age"].astype(int) >= attrition.OLDER
    return groups


def _xgboost(features: pd.DataFrame, left: pd.Series[int]) -> Predict:
    booster = xgboost.train(
        {"objective": "binary:logistic", "eta": 0.3, "nthread": 1, "seed": 0},
        xgboost.DMatrix(features, left),
        num_boost_round=100,
    )
    return lambda rows: np.asarray(booster.predict(xgboost.DMatrix(rows)), dtype=np.float64)


def _lightgbm(features: pd.DataFrame, left: pd.Series[int]) -> Predict:
    fixed = {"num_threads": 1, "seed": 0, "deterministic": True, "force_row_wise": True}
    booster = lightgbm.train(
        {"objective": "binary", "learning_rate": 0.1, "verbosity": -1, **fixed},
        lightgbm.Dataset(features, left),
        num_boost_round=100,
    )
    return lambda rows: np.asarray(booster.predict(rows), dtype=np.float64)


def _threshold(left: npt.NDArray[np.int64], probabilities: Floats) -> float:
    """The probability from which on to flag: the best precision at which recall is safe.

    Safe is a recall whose one-sided Clopper-Pearson lower bound is above LEAST_RECALL.
    """
    order = np.argsort(-probabilities, kind="stable")
    hits = np.cumsum(left[order])
    bounds = np.zeros(len(hits))
    some = hits > 0
    bounds[some] = beta.ppf(1 - CONFIDENCE, hits[some], hits[-1] - hits[some] + 1)
    safe = (bounds > LEAST_RECALL) & (np.diff(probabilities[order], append=-1.0) < 0)
    precision = np.where(safe, hits / np.arange(1, len(hits) + 1), -1)
    assert precision.max() > 0, "no threshold is safe"
    return float(probabilities[order][precision.argmax()])


def _usable(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that have an id, of a repeated one the last, typed as `[data.columns]` says."""
    rows = table[table["employee_id"] != ""]
    rows = rows[~rows["employee_id"].duplicated(keep="last")].reset_index(drop=True)
    return rows.assign(**_days(rows), event_time=SETTINGS["data"]["snapshot"])


def _days(table: pd.DataFrame) -> pd.DataFrame:
    """The four dates, an unreadable one as NaT."""
    dates = table[list(attrition.DATE_COLUMNS)]
    return dates.apply(pd.to_datetime, format="%Y-%m-%d", errors="coerce")


def _features(rows: pd.DataFrame) -> pd.DataFrame:
    """What the scenario's `features.py` makes of the columns that it gets."""
    seen = {name: column for name, column in COLUMNS.items() if name not in UNSEEN}
    categories = {n: tuple(c["values"]) for n, c in seen.items() if c["type"] == "category"}
    return _module().features(rows[[*seen, "event_time"]], categories)


@cache
def _module() -> Any:
    """The scenario's own `features.py`, beside which churn's has the same module name."""
    file = attrition.SCENARIO / "feature_store" / "features.py"
    spec = importlib.util.spec_from_file_location("attrition_features", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
