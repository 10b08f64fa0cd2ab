"""The committed sample table is what its generator writes, and holds what the generator says."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import xgboost
from scipy.stats import beta
from sklearn.metrics import average_precision_score

import fraud

MOST_BYTES = 2_000_000
CODE = "[0-9BCDFGHJKLMNPQRSTVWXYZ]"
NUMBERS = ("amount", "usual", "attempts", "distance", "new_device", "age")
CATEGORIES = {"channel": fraud.CHANNELS, "merchant": fraud.MERCHANTS}
SHARES = (0.50, 0.25, 0.25)  # of the customers, in train, validation and test
TARGET = 0.95
CONFIDENCE = 0.90
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """The committed file, with every cell as it is written."""
    return pd.read_csv(fraud.OUTPUT, dtype=str, keep_default_na=False)


def test_the_committed_file_is_what_the_generator_writes(tmp_path: Path) -> None:
    fraud.main(["--output", str(tmp_path / "fraud.csv")])
    again = (tmp_path / "fraud.csv").read_bytes()
    committed = fraud.OUTPUT.read_bytes()
    assert again == committed, "run `python samples/fraud.py`, and commit what it writes"


def test_the_committed_file_is_small_and_has_unix_lines() -> None:
    committed = fraud.OUTPUT.read_bytes()
    assert len(committed) <= MOST_BYTES
    assert b"\r" not in committed


def test_another_seed_gives_another_table() -> None:
    assert not fraud.fraud(200, seed=1).equals(fraud.fraud(200, seed=2))


def test_the_table_has_the_shape_it_documents(table: pd.DataFrame) -> None:
    assert tuple(table) == fraud.COLUMNS
    assert len(table) == fraud.ROWS
    named = table["transaction_id"][table["transaction_id"] != ""]
    assert named.str.fullmatch(CODE + "{5}").all()
    assert table["customer_id"].str.fullmatch(CODE + "{4}").all()
    for flag in ("is_fraud", "new_device"):
        assert set(table[flag]) == {"0", "1"}
    for column in NUMBERS:
        may_be_empty = "?" if column in fraud.MISSING_SHARES else ""
        assert table[column].str.fullmatch(rf"(\d{{1,4}}){may_be_empty}").all()
    assert table["age"].astype(int).between(*fraud.AGES).all()
    assert set(table["channel"]) == set(fraud.CHANNELS)
    assert set(table["merchant"]) == set(fraud.MERCHANTS)
    assert set(table["region"]) == set(fraud.REGIONS)


def test_moments_are_to_the_minute_and_in_every_hour_of_the_period(table: pd.DataFrame) -> None:
    assert table["time"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ").all()
    moments = pd.to_datetime(table["time"])
    assert moments.min() >= fraud.FIRST_MOMENT
    assert moments.max() < fraud.FIRST_MOMENT + timedelta(days=fraud.DAYS)
    assert moments.dt.floor("h").nunique() == 24 * fraud.DAYS


def test_rows_stand_in_the_order_of_their_moments_but_for_corrections(table: pd.DataFrame) -> None:
    corrections = table["transaction_id"].duplicated() & (table["transaction_id"] != "")
    assert table["time"][~corrections].is_monotonic_increasing


def test_months_of_issue_are_as_on_a_card(table: pd.DataFrame) -> None:
    readable = table["issued"][~table["issued"].isin(fraud.UNREADABLE_DATES)]
    assert readable.str.fullmatch(r"(0[1-9]|1[0-2])/2\d").all()


def test_a_customer_is_the_same_in_all_payments_and_pays_for_three_days_at_most(
    table: pd.DataFrame,
) -> None:
    payments = table.replace("", np.nan).groupby("customer_id")
    assert (payments[["age", "region", "usual"]].nunique() <= 1).all(axis=None)
    days = pd.to_datetime(table["time"]).dt.day.groupby(table["customer_id"])
    assert (days.max() - days.min()).max() == max(fraud.TRIP_DAYS) - 1


def test_groups_are_large_enough_to_compare(table: pd.DataFrame) -> None:
    assert (table["region"].value_counts(normalize=True) >= 0.20).all()
    assert (table["age"].astype(int) >= fraud.OLDER).mean() >= 0.30


def test_the_proxy_gives_the_biased_region_away(table: pd.DataFrame) -> None:
    at_proxy = table["merchant"] == fraud.PROXY_MERCHANT
    biased = table["region"] == fraud.BIASED_REGION
    assert biased[at_proxy].mean() >= 0.95
    assert at_proxy[biased].mean() == pytest.approx(fraud.PROXY_SHARE_BIASED, abs=0.02)


def test_between_4_and_5_per_cent_are_fraud(table: pd.DataFrame) -> None:
    assert 0.04 <= (table["is_fraud"] == "1").mean() <= 0.05


def test_blemishes_are_as_many_as_documented(table: pd.DataFrame) -> None:
    named = table["transaction_id"][table["transaction_id"] != ""]
    issued = pd.to_datetime(table["issued"], format="%m/%y", errors="coerce", utc=True)
    assert table["issued"].isin(fraud.UNREADABLE_DATES).sum() == issued.isna().sum() == 8
    assert (table["transaction_id"] == "").sum() == 3
    assert named.duplicated().sum() == 4
    assert (issued > pd.to_datetime(table["time"])).sum() == 3
    for column, share in fraud.MISSING_SHARES.items():
        assert (table[column] == "").mean() == pytest.approx(share, abs=0.003)


def test_a_repeated_payment_is_the_same_but_for_a_larger_amount(table: pd.DataFrame) -> None:
    named = table[table["transaction_id"] != ""]
    repeated = named[named["transaction_id"].duplicated(keep=False)]
    for _, rows in repeated.groupby("transaction_id"):
        earlier, later = rows.to_dict("records")
        assert int(later.pop("amount")) > int(earlier.pop("amount"))
        assert later == earlier


def test_a_larger_table_keeps_ids_apart_and_the_share_of_fraud() -> None:
    large = fraud.fraud(100_000, seed=1)
    assert large["transaction_id"].nunique() == 100_000 - 4 - 3 + 1  # the empty one counts as one
    assert 0.04 <= large["is_fraud"].mean() <= 0.052


@pytest.mark.parametrize("rows, seed, sentence", [(99, 1, "rows is 99"), (200, -1, "seed is -1")])
def test_what_cannot_be_generated_is_refused(
    rows: int, seed: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        fraud.main(["--rows", str(rows), "--seed", str(seed)])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_split_by_time_leaves_few_rows_out_and_enough_frauds_in() -> None:
    rows = _usable(fraud.fraud(fraud.ROWS, fraud.SEED))
    splits = [rows[members] for members in _split(rows)]
    customers = [set(split["customer_id"]) for split in splits]
    assert sum(map(len, customers)) == len(set.union(*customers))
    for earlier, later in pairwise(splits):
        assert earlier["time"].max() < later["time"].min()
    assert sum(map(len, splits)) >= 0.90 * len(rows)
    assert min(split["is_fraud"].sum() for split in splits) >= 300


def test_a_high_recall_costs_some_honest_payments_and_not_all() -> None:
    scores = _train(fraud.SEED)
    flagged, is_fraud = scores["flagged"], scores["is_fraud"] == 1
    assert 0.82 <= average_precision_score(is_fraud, scores["probability"]) <= 0.92
    assert flagged[is_fraud].mean() > TARGET
    assert 0.08 <= flagged.mean() <= 0.25
    assert 0.20 <= is_fraud[flagged].mean() <= 0.50


def test_the_biased_region_comes_out_worst() -> None:
    _assert_biased_region_is_worst(_train(fraud.SEED))


def test_the_bias_is_there_with_the_facets_among_the_features_too() -> None:
    _assert_biased_region_is_worst(_train(fraud.SEED, with_facets=True))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_bias_does_not_hang_on_the_seed(seed: int) -> None:
    _assert_biased_region_is_worst(_train(seed))


def test_without_turned_labels_there_is_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gap comes from the labels, not from what customers of that region do."""
    monkeypatch.setattr(fraud, "FLIPPED_SHARE", 0.0)
    assert max(abs(gap) for gap in _gaps(_train(fraud.SEED)).values()) < 0.05


def test_the_docstring_names_the_bias_and_every_column() -> None:
    text = inspect.getdoc(fraud) or ""
    assert all(column in text for column in fraud.COLUMNS)
    assert "BIASED_REGION" in text


def _assert_biased_region_is_worst(scores: pd.DataFrame) -> None:
    gaps = _gaps(scores)
    biased = gaps.pop(fraud.BIASED_REGION)
    assert biased >= fraud.BIAS_GAP
    assert biased - max(abs(gap) for gap in gaps.values()) >= fraud.BIAS_MARGIN


def _gaps(scores: pd.DataFrame) -> dict[str, float]:
    """For each group, the share let through of everybody else less that of the group."""
    groups = {region: scores["region"] == region for region in fraud.REGIONS}
    groups["older"] = scores["age"] >= fraud.OLDER
    favourable = ~scores["flagged"]
    return {
        name: favourable[~members].mean() - favourable[members].mean()
        for name, members in groups.items()
    }


def _train(seed: int, with_facets: bool = False) -> pd.DataFrame:
    """The test rows, with the `probability` that plain XGBoost gives them, and what is `flagged`.

    `with_facets` adds age and region to what `features.py` makes.
    """
    rows = _usable(fraud.fraud(fraud.ROWS, seed))
    features = _features()(rows, CATEGORIES)
    if with_facets:
        features = features.join([rows["age"], pd.get_dummies(rows["region"], dtype=float)])
    train, validation, test = _split(rows)
    booster = xgboost.train(
        {"objective": "binary:logistic", "eta": 0.3, "nthread": 1, "seed": 0},
        xgboost.DMatrix(features[train], rows["is_fraud"][train]),
        num_boost_round=100,
    )
    probability = booster.predict(xgboost.DMatrix(features))
    threshold = _threshold(rows["is_fraud"][validation].to_numpy(), probability[validation])
    scores = rows.assign(probability=probability, flagged=probability >= threshold)
    return scores[test]


def _threshold(labels: npt.NDArray[np.int64], probabilities: Floats) -> float:
    """The probability from which on to flag: the best precision at which recall is safe.

    Safe is a recall whose one-sided Clopper-Pearson lower bound is above TARGET.
    """
    order = np.argsort(-probabilities, kind="stable")
    hits = np.cumsum(labels[order])
    bounds = np.zeros(len(hits))
    some = hits > 0
    bounds[some] = beta.ppf(1 - CONFIDENCE, hits[some], hits[-1] - hits[some] + 1)
    last_of_equals = np.diff(probabilities[order], append=-1.0) < 0
    precision = np.where((bounds > TARGET) & last_of_equals, hits / np.arange(1, len(hits) + 1), -1)
    assert precision.max() > 0, "no threshold is safe"
    return float(probabilities[order][precision.argmax()])


def _split(rows: pd.DataFrame) -> tuple[Booleans, Booleans, Booleans]:
    """Train, validation and test: by the period in which a customer was first seen.

    The payments of a customer that come after the end of its period are in none of them.
    """
    first = rows.groupby("customer_id")["time"].min()
    in_order = np.sort(first.to_numpy())
    t1, t2 = (in_order[int(share * len(in_order))] for share in np.cumsum(SHARES)[:-1])
    seen, time = rows["customer_id"].map(first).to_numpy(), rows["time"].to_numpy()
    return (
        (seen < t1) & (time < t1),
        (seen >= t1) & (seen < t2) & (time < t2),
        seen >= t2,
    )


def _usable(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that have an id, of a repeated one the last, typed as `[data.columns]` says."""
    rows = table[table["transaction_id"] != ""]
    rows = rows[~rows["transaction_id"].duplicated(keep="last")].reset_index(drop=True)
    return rows.assign(
        **rows[list(NUMBERS)].astype(float),
        issued=pd.to_datetime(rows["issued"], format="%m/%y", errors="coerce"),
        event_time=rows["time"].str.replace("Z", ":00Z"),
    )


@cache
def _features() -> Callable[[pd.DataFrame, dict[str, tuple[str, ...]]], pd.DataFrame]:
    """The scenario's own `features`, beside which churn's has the same module name."""
    file = fraud.SCENARIO / "feature_store" / "features.py"
    spec = importlib.util.spec_from_file_location("fraud_features", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    features: Callable[[pd.DataFrame, dict[str, tuple[str, ...]]], pd.DataFrame] = module.features
    return features
