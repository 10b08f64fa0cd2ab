"""The committed sample table is what its generator writes, and holds what the generator says."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import xgboost
from sklearn.metrics import roc_auc_score

import churn

MOST_BYTES = 2_000_000
BEHAVIOUR = ("esent", "eopenrate", "eclickrate", "avgorder", "ordfreq", "paperless", "refill")
Booleans = npt.NDArray[np.bool_]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """The committed file, with every cell as it is written."""
    return pd.read_csv(churn.OUTPUT, dtype=str, keep_default_na=False)


def test_the_committed_file_is_what_the_generator_writes(tmp_path: Path) -> None:
    churn.main(["--output", str(tmp_path / "churn.csv")])
    again = (tmp_path / "churn.csv").read_bytes()
    committed = churn.OUTPUT.read_bytes()
    assert again == committed, "run `python samples/churn.py`, and commit what it writes"


def test_the_committed_file_is_small_and_has_unix_lines() -> None:
    committed = churn.OUTPUT.read_bytes()
    assert len(committed) <= MOST_BYTES
    assert b"\r" not in committed


def test_another_seed_gives_another_table() -> None:
    assert not churn.churn(200, seed=1).equals(churn.churn(200, seed=2))


def test_the_table_has_the_shape_it_documents(table: pd.DataFrame) -> None:
    assert tuple(table) == churn.COLUMNS
    assert len(table) == churn.ROWS
    named = table["custid"][table["custid"] != ""]
    assert named.str.fullmatch("[A-Z0-9]{6}").all()
    assert set(table["city"]) == set(churn.CITIES)
    assert set(table["favday"]) == set(churn.WEEKDAYS)
    assert table["esent"].str.fullmatch(r"\d+").all()
    assert table["avgorder"].str.fullmatch(r"(\d+\.\d\d)?").all()
    for flag in ("retained", *churn.SERVICES):
        assert set(table[flag]) == {"0", "1"}
    for rate in ("eopenrate", "eclickrate"):
        assert pd.to_numeric(table[rate]).dropna().between(0, 100).all()


def test_dates_are_unpadded_and_within_the_period(table: pd.DataFrame) -> None:
    for column in churn.DATE_COLUMNS:
        readable = table[column][~table[column].isin(churn.UNREADABLE_DATES)]
        assert readable.str.fullmatch(r"[1-9]\d?/[1-9]\d?/20\d\d").all()
        days = pd.to_datetime(readable, format="%m/%d/%Y")
        assert days.between(str(churn.FIRST_DAY), str(churn.LAST_DAY)).all()


def test_customers_of_one_order_have_no_order_frequency(table: pd.DataFrame) -> None:
    days = _days(table)
    one_order = days["firstorder"] == days["lastorder"]
    several = days["firstorder"] < days["lastorder"]
    ordfreq = table["ordfreq"].astype(float)
    assert (ordfreq[one_order] == 0).all()
    assert (ordfreq[several] > 0).all()


def test_groups_are_large_enough_to_compare(table: pd.DataFrame) -> None:
    assert (table["city"].value_counts(normalize=True) >= 0.15).all()
    assert (table["doorstep"] == "1").mean() >= 0.20


def test_about_78_per_cent_are_retained(table: pd.DataFrame) -> None:
    assert (table["retained"] == "1").mean() == pytest.approx(0.78, abs=0.015)


def test_blemishes_are_as_many_as_documented(table: pd.DataFrame) -> None:
    dates = table[list(churn.DATE_COLUMNS)]
    days = _days(table)
    named = table["custid"][table["custid"] != ""]
    assert dates.isin(churn.UNREADABLE_DATES).sum().sum() == 8
    assert (table["custid"] == "").sum() == 3
    assert named.duplicated().sum() == 4
    assert (days["firstorder"] > days["lastorder"]).sum() == 3
    for column, share in churn.MISSING_SHARES.items():
        assert (table[column] == "").mean() == pytest.approx(share, abs=0.005)


def test_a_repeated_customer_has_changed_values(table: pd.DataFrame) -> None:
    repeated = table[table["custid"].duplicated(keep=False) & (table["custid"] != "")]
    for _, rows in repeated.groupby("custid"):
        earlier, later = rows.to_dict("records")
        assert int(later["esent"]) > int(earlier["esent"])
        assert later["city"] == earlier["city"]


def test_a_larger_table_keeps_custids_apart_and_the_share_retained() -> None:
    large = churn.churn(100_000, seed=1)
    assert large["custid"].nunique() == 100_000 - 4 - 3 + 1  # the empty one counts as one
    assert large["retained"].mean() == pytest.approx(0.78, abs=0.015)


@pytest.mark.parametrize("rows, seed, sentence", [(99, 1, "rows is 99"), (200, -1, "seed is -1")])
def test_what_cannot_be_generated_is_refused(
    rows: int, seed: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        churn.main(["--rows", str(rows), "--seed", str(seed)])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("salt", ["a", "b", "c", "d"])
def test_the_biased_city_comes_out_worst(salt: str) -> None:
    """With city and doorstep among the features."""
    scores = _train(churn.churn(churn.ROWS, churn.SEED), salt, with_facets=True)
    assert 0.86 <= roc_auc_score(scores["retained"], scores["probability"]) <= 0.94
    _assert_biased_city_is_worst(scores)


@pytest.mark.parametrize("salt", ["a", "b", "c", "d"])
def test_leaving_the_facets_out_of_the_features_does_not_cure_it(salt: str) -> None:
    _assert_biased_city_is_worst(
        _train(churn.churn(churn.ROWS, churn.SEED), salt, with_facets=False)
    )


def test_the_bias_does_not_hang_on_the_seed() -> None:
    _assert_biased_city_is_worst(_train(churn.churn(churn.ROWS, seed=1), "a", with_facets=True))


def test_without_turned_labels_there_is_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gap comes from the labels, not from what customers of that city do."""
    monkeypatch.setattr(churn, "FLIPPED_SHARE", 0.0)
    scores = _train(churn.churn(churn.ROWS, churn.SEED), "a", with_facets=True)
    assert max(abs(gap) for gap in _gaps(scores).values()) < churn.BIAS_GAP


def test_the_docstring_names_the_bias_and_every_column() -> None:
    text = inspect.getdoc(churn) or ""
    assert all(column in text for column in churn.COLUMNS)
    assert "BIASED_CITY" in text


def _assert_biased_city_is_worst(scores: pd.DataFrame) -> None:
    gaps = _gaps(scores)
    biased = gaps.pop(("city", churn.BIASED_CITY))
    assert biased >= churn.BIAS_GAP
    assert biased - max(abs(gap) for gap in gaps.values()) >= churn.BIAS_MARGIN


def _gaps(scores: pd.DataFrame) -> dict[tuple[str, object], float]:
    """For each group, the share predicted retained of everybody else less that of the group."""
    predicted = scores["probability"] > 0.5
    return {
        (facet, value): predicted[scores[facet] != value].mean()
        - predicted[scores[facet] == value].mean()
        for facet in ("city", "doorstep")
        for value in scores[facet].unique()
    }


def _train(table: pd.DataFrame, salt: str, with_facets: bool) -> pd.DataFrame:
    """The test rows of a 70/15/15 split, with the `probability` that plain XGBoost gives them."""
    features = _features(table, with_facets)
    place = _place(table["custid"], salt)
    train, test = place < 0.70, place >= 0.85
    booster = xgboost.train(
        {"objective": "binary:logistic", "eta": 0.3, "nthread": 1, "seed": 0},
        xgboost.DMatrix(features[train], table["retained"][train]),
        num_boost_round=100,
    )
    return table[test].assign(probability=booster.predict(xgboost.DMatrix(features[test])))


def _features(table: pd.DataFrame, with_facets: bool) -> pd.DataFrame:
    days = _days(table)
    numbers = table[[*BEHAVIOUR, *(["doorstep"] if with_facets else [])]].astype(float)
    return numbers.assign(
        first_last_days_diff=(days["lastorder"] - days["firstorder"]).dt.days,
        created_first_days_diff=(days["firstorder"] - days["created"]).dt.days,
    ).join(pd.get_dummies(table[["favday", *(["city"] if with_facets else [])]], dtype=float))


def _days(table: pd.DataFrame) -> pd.DataFrame:
    """The three dates, an unreadable one as NaT."""
    dates = table[list(churn.DATE_COLUMNS)]
    return dates.apply(pd.to_datetime, format="%m/%d/%Y", errors="coerce")


def _place(custids: pd.Series, salt: str) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each customer, by hash."""
    digests = [hashlib.sha256(f"{salt}{custid}".encode()).hexdigest() for custid in custids]
    return np.array([int(digest[:8], 16) / 2**32 for digest in digests])
