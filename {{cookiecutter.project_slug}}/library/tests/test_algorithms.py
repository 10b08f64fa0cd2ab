"""The two algorithms, side by side: what they print, predict, explain, save and refuse."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as oracle

import booster
from algorithms import algorithm
from dataset import Columns, Split
from hidden_imports import hidden
from lightgbm_model import NAMES, own_parameters
from ninesteps.settings.tuning import Tuning
from training import PLAIN, LabelScale, Training

TASKS = {"binary": "binary:logistic", "regression": "reg:squarederror"}
ALGORITHMS = Tuning.BY_PROBLEM["binary"]  # those that learn from tables
ROUNDS = {"num_round": "5", "max_depth": "3", "eta": "0.4"}


def split(problem: str, n: int, seed: int, steps: int = 0) -> Split:
    """Three features with gaps, of few values if `steps` says so; the label hangs on their sum."""
    source = np.random.default_rng(seed)
    features = source.random((n, 3))
    if steps:
        features = np.round(features * steps) / steps
    total = features.sum(axis=1) + 0.3 * source.normal(size=n)
    labels = (total > 1.5).astype(np.float64) if problem == "binary" else 1_000 * total
    features[source.random((n, 3)) < 0.1] = np.nan
    threshold = None if problem == "binary" else 1_500.0
    columns = Columns("id", "y", problem, 1, threshold, (), None, (), ("a", "b", "c"))
    return Split(columns, list(map(str, range(n))), labels, {}, features.astype(np.float32))


def trained(name: str, problem: str, steps: int = 0, **hyperparameters: str) -> Training:
    metric = {"binary": "auc", "regression": "rmse"}[problem]
    given = {"objective": TASKS[problem], "eval_metric": metric, **ROUNDS, **hyperparameters}
    return algorithm(name).fit(
        split(problem, 500, 1, steps), split(problem, 300, 2, steps), given, threads=1
    )


@pytest.mark.parametrize("kind", ["gbtree", "dart", "gblinear"])
def test_every_booster_predicts_as_xgboosts_own_predict_to_the_last_bit(kind: str) -> None:
    given = {"rate_drop": "0.5"} if kind == "dart" else {}
    model = trained("xgboost", "regression", booster=kind, **given).model
    features = split("regression", 200, 3).features
    expected = model.booster.predict(booster.DMatrix(features))
    np.testing.assert_array_equal(model.predict(features), expected)


def log_loss(labels: np.ndarray, scores: np.ndarray) -> float:
    return float(oracle.log_loss(labels, scores))


ORACLES = {
    "auc": oracle.roc_auc_score,
    "map": oracle.average_precision_score,
    "logloss": log_loss,
    "rmse": oracle.root_mean_squared_error,
    "mae": oracle.mean_absolute_error,
}
OBJECTIVES = [(problem, objective.removeprefix("validation:"))
              for problem in TASKS for objective in Tuning.OBJECTIVES[problem]]  # fmt: skip


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize(("problem", "metric"), OBJECTIVES)
@pytest.mark.parametrize("steps", [0, 2])
def test_what_is_printed_is_the_metric_of_that_name(
    name: str, problem: str, metric: str, steps: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """On both splits, in every round, in one form; with many ties (two steps) and with few."""
    training = trained(name, problem, steps, eval_metric=metric)
    lines = capfd.readouterr().out.splitlines()
    number = r"(\d+\.\d{5})"
    form = rf"\[(\d+)\]\ttrain-{metric}:{number}\tvalidation-{metric}:{number}"
    matches = [re.fullmatch(form, line) for line in lines]
    assert [match and int(match[1]) for match in matches] == [0, 1, 2, 3, 4]
    assert matches[-1] is not None
    for printed, (n, seed) in zip(matches[-1].groups()[1:], ((500, 1), (300, 2)), strict=True):
        rows = split(problem, n, seed, steps)
        value = ORACLES[metric](rows.labels, training.model.predict(rows.features))
        assert float(printed) == pytest.approx(value, abs=6e-6, rel=1e-6)
    assert training.value == pytest.approx(value, abs=1e-6, rel=1e-6)


def test_average_precision_is_not_xgboosts_own_map(capfd: pytest.CaptureFixture[str]) -> None:
    """Which says 1 of any table. No second metric is printed beside ours either."""
    value = trained("xgboost", "binary", eval_metric="map").value
    assert 0.6 < value < 0.95
    assert "logloss" not in capfd.readouterr().out


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("problem", TASKS)
def test_contributions_and_the_expected_value_add_up_to_the_prediction(
    name: str, problem: str
) -> None:
    model, rows = trained(name, problem).model, split(problem, 300, 2)
    predicted, parts = model.predict(rows.features), model.contributions(rows.features)
    assert parts.shape == (300, 4)
    raw = np.log(predicted / (1 - predicted)) if problem == "binary" else predicted
    np.testing.assert_allclose(parts.sum(axis=1), raw, atol=2e-5 * np.abs(raw).max())
    assert set(parts[:, -1].tolist()) == {parts[0, -1]}  # what is expected is the same of each
    assert (np.abs(parts[:, :-1]).mean(axis=0) > 0).all()


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("problem", TASKS)
def test_a_model_that_was_saved_and_read_predicts_the_same(
    name: str, problem: str, tmp_path: Path
) -> None:
    model, features = trained(name, problem).model, split(problem, 300, 2).features
    model.save(tmp_path)
    read = algorithm(name).load(tmp_path)
    np.testing.assert_array_equal(read.predict(features), model.predict(features))
    np.testing.assert_array_equal(read.contributions(features), model.contributions(features))
    assert read.predict(features).dtype == np.float64


@pytest.mark.parametrize("name", ALGORITHMS)
def test_probabilities_are_of_the_positive_class(name: str) -> None:
    model, rows = trained(name, "binary").model, split("binary", 300, 2)
    predicted = model.predict(rows.features)
    assert ((predicted > 0) & (predicted < 1)).all()
    assert predicted[rows.labels == 1].mean() > predicted[rows.labels == 0].mean() + 0.2


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_validation_split_teaches_nothing(name: str) -> None:
    hyperparameters = {"objective": "binary:logistic", "eval_metric": "auc", **ROUNDS}
    train, features = split("binary", 500, 1), split("binary", 300, 2).features
    predicted = [
        algorithm(name)
        .fit(train, split("binary", 200, seed), hyperparameters, 1)
        .model.predict(features)
        for seed in (3, 4)
    ]
    np.testing.assert_array_equal(*predicted)


# Labels of any scale


def moved(split: Split, centre: float, spread: float) -> Split:
    """The same split with labels in another unit."""
    return dataclasses.replace(split, labels=centre + spread * split.labels)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize(
    ("centre", "spread"),
    [(0, 1e-9), (1e-6, 1e-10), (0, 1e-15), (0, 1e12), (0, 1e22), (1e9, 1e-3), (-7, 1e-5)],
)
def test_labels_of_any_scale_are_learnt_as_well(
    name: str, centre: float, spread: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train, test = split("regression", 500, 1), split("regression", 300, 2)
    given = {"objective": TASKS["regression"], "eval_metric": "rmse", "alpha": "1", **ROUNDS}
    usual = algorithm(name).fit(train, test, given, threads=1)
    capfd.readouterr()
    splits = (moved(train, centre, spread), moved(test, centre, spread))
    done = algorithm(name).fit(*splits, given, threads=1)
    predicted = done.model.predict(test.features)
    error = np.sqrt(np.mean((predicted - splits[1].labels) ** 2))
    assert done.value == pytest.approx(error, rel=1e-4)
    assert done.value == pytest.approx(usual.value * spread, rel=0.02)
    last = capfd.readouterr().out.splitlines()[-1]
    match = re.search(r"\tvalidation-rmse:([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)$", last)
    assert match and float(match[1]) == pytest.approx(done.value, rel=1e-5)
    shap = done.model.contributions(test.features)
    assert shap is not None
    np.testing.assert_allclose(shap.sum(axis=1), predicted, rtol=1e-5, atol=1e-4 * error)
    done.model.save(tmp_path)
    again = algorithm(name).load(tmp_path)
    np.testing.assert_array_equal(again.predict(test.features), predicted)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("problem", TASKS)
def test_usual_labels_are_learnt_as_they_are(name: str, problem: str, tmp_path: Path) -> None:
    model = trained(name, problem).model
    model.save(tmp_path)
    (file,) = tmp_path.iterdir()
    assert "spread" not in file.read_text("utf-8")


@pytest.mark.parametrize(
    ("labels", "scale"),
    [([1.0, 3.0, 8.0], PLAIN), ([20_000.0, 90_000.0], PLAIN), ([0.0, 1e-6], (0, 2.0**-21)),
     ([5.0, 5.0], PLAIN), ([0.0, 0.0], PLAIN), ([0.0, 1e300], (0, 2.0**995)),
     ([1e6, 1e6 + 2], (1e6 + 1, 1))],
)  # fmt: skip
def test_the_scale_is_of_the_spread_and_its_centre_of_labels_far_from_0(
    labels: list[float], scale: LabelScale | tuple[float, float]
) -> None:
    expected = scale if isinstance(scale, LabelScale) else LabelScale(*scale)
    assert LabelScale.of(np.array(labels), TASKS["regression"]) == expected
    assert LabelScale.of(np.array(labels), "count:poisson") == PLAIN


def test_there_is_no_other_algorithm() -> None:
    with pytest.raises(ValueError, match="expected xgboost or lightgbm, got 'forest'"):
        algorithm("forest")


# LightGBM under XGBoost's names


def test_lightgbm_takes_xgboosts_hyperparameters_under_its_own_names() -> None:
    given = {
        "objective": "binary:logistic",
        "eval_metric": "map",
        "alpha": "0.25",
        "colsample_bytree": "0.5",
        "eta": "0.1",
        "gamma": "2",
        "lambda": "1.5",
        "max_depth": "6",
        "min_child_weight": "3",
        "num_round": "50",
        "subsample": "0.75",
    }
    own = own_parameters(given)
    assert own == {
        "objective": "binary",
        "metric": "average_precision",
        "lambda_l1": 0.25,
        "feature_fraction": 0.5,
        "learning_rate": 0.1,
        "min_gain_to_split": 2,
        "lambda_l2": 1.5,
        "max_depth": 6,
        "min_sum_hessian_in_leaf": 3,
        "num_iterations": 50,
        "bagging_fraction": 0.75,
        "bagging_freq": 1,
    }
    assert {type(own[name]) for name in ("max_depth", "num_iterations")} == {int}


@pytest.mark.parametrize(
    ("name", "value"), [("scale_pos_weight", "2"), ("tree_method", "hist"), ("learning_rate", "1"),
                        ("objective", "binary:hinge"), ("eval_metric", "error")],
)  # fmt: skip
def test_what_lightgbm_has_not_is_refused_with_what_it_has(name: str, value: str) -> None:
    with pytest.raises(
        ValueError, match=r"expected settings that LightGBM supports too .*mae; .*subsample.*, got "
    ) as no:
        trained("lightgbm", "binary", **{name: value})
    got = str(no.value).partition(", got ")[2]
    assert name in got or value in got


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        ("alpha", "50"), ("colsample_bytree", "0.3"), ("eta", "0.1"), ("gamma", "20"),
        ("lambda", "50"), ("max_depth", "1"), ("min_child_weight", "40"), ("num_round", "2"),
        ("subsample", "0.3"),
    ],
)  # fmt: skip
def test_each_hyperparameter_reaches_lightgbm(changed: str, value: str) -> None:
    features = split("binary", 300, 2).features
    before = trained("lightgbm", "binary").model.predict(features)
    after = trained("lightgbm", "binary", **{changed: value}).model.predict(features)
    assert np.abs(after - before).max() > 1e-3


# Imports that a library can do without


def test_a_hidden_package_cannot_be_imported_until_it_is_shown_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_slow_package.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with hidden("a_slow_package", "no_package_at_all"), pytest.raises(ImportError):
        import a_slow_package
    assert "a_slow_package" not in sys.modules
    assert "no_package_at_all" not in sys.modules
    import a_slow_package

    with hidden("a_slow_package"):  # what is there already is left alone
        import a_slow_package as again
    assert again is sys.modules.pop("a_slow_package") is a_slow_package


def test_a_hidden_package_is_shown_again_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), hidden("no_package_at_all"):
        raise ZeroDivisionError
    assert "no_package_at_all" not in sys.modules


def test_the_settings_know_which_hyperparameters_both_algorithms_have() -> None:
    assert set(Tuning.SHARED) == set(NAMES)
    assert set(Tuning.SHARED) <= set(Tuning.TUNABLE)
