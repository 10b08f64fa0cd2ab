"""What step 7 says of a model: SHAP with trees and without, local values, partial dependence."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explanations
import inference
from algorithms import algorithm
from dataset import Columns, DataError, Split
from decision import DecisionThreshold
from training import Fitted

FEATURES = ("age", "income", "is_member", "nothing")
METHODS: dict[str, Any] = {
    "shap": {"baseline": [[40.0, 2.0, 1.0, None]], "num_samples": 100, "seed": 1,
             "agg_method": "mean_abs", "save_local_shap_values": True},
    "pdp": {"grid_resolution": 8, "top_k_features": 3},
}  # fmt: skip
TREES = {"num_round": "12", "eta": "0.3", "max_depth": "3"}
LINEAR = {"num_round": "40", "eta": "0.5", "booster": "gblinear", "updater": "coord_descent"}


def split(problem: str, n: int = 400) -> Split:
    source = np.random.default_rng(3)
    age = source.integers(18, 76, n).astype(np.float32)
    income, member = source.normal(2, 1, n), source.integers(0, 2, n)
    features = np.column_stack([age, income, member, np.full(n, np.nan)]).astype(np.float32)
    features[::9, 1] = np.nan
    score = (age - 45) / 20 + np.nan_to_num(features[:, 1]) - 2 + member + source.normal(size=n) / 2
    labels = (score > 0).astype(np.float64) if problem == "binary" else 100 + 10 * score
    threshold = None if problem == "binary" else 100.0
    columns = Columns("id", "y", problem, 1, threshold, (), None, (), FEATURES)
    return Split(columns, list(map(str, range(n))), labels.astype(np.float64), {}, features)


def trained(problem: str, name: str, **hyperparameters: str) -> tuple[inference.Model, Split]:
    test = split(problem)
    task, metric = (
        ("binary:logistic", "auc") if problem == "binary" else ("reg:squarederror", "rmse")
    )
    given = {"objective": task, "eval_metric": metric, **hyperparameters}
    fitted = algorithm(name).fit(test, test, given, threads=1).model
    return model_of(fitted, test, name), test


def model_of(fitted: Fitted, test: Split, name: str) -> inference.Model:
    decision = None if test.columns.is_regression else DecisionThreshold("accuracy", 0.5)
    description = inference.Description(name, "validation:auc", 0.5, {}, decision)
    return inference.Model(fitted, description, test.columns)


def margin(model: inference.Model, features: np.ndarray) -> np.ndarray:
    answers = model.fitted.predict(features)
    return answers if model.columns.is_regression else np.log(answers / (1 - answers))


def changed(**shap: Any) -> dict[str, Any]:
    return {**METHODS, "shap": {**METHODS["shap"], **shap}}


KINDS = [("xgboost", "binary", TREES), ("xgboost", "regression", TREES),
         ("lightgbm", "binary", TREES), ("lightgbm", "regression", TREES),
         ("xgboost", "binary", LINEAR), ("xgboost", "regression", LINEAR)]  # fmt: skip


@pytest.mark.parametrize(("name", "problem", "hyperparameters"), KINDS)
def test_values_add_up_to_the_models_margin(
    name: str, problem: str, hyperparameters: dict[str, str]
) -> None:
    model, test = trained(problem, name, **hyperparameters)
    shap = explanations.shap_values(METHODS["shap"], model, test)
    right = margin(model, test.features[shap.rows])
    np.testing.assert_allclose(shap.local.sum(axis=1) + shap.expected, right, rtol=1e-5, atol=2e-5)
    assert (shap.local[:, 3] == 0).all()  # a feature without a value
    assert np.abs(shap.local[:, :3]).mean(axis=0).min() > 0.05


def test_a_model_without_trees_is_asked_and_compared_with_the_baseline() -> None:
    """A linear model in closed form: weight times the difference, where no value is missing."""
    model, test = trained("regression", "xgboost", **LINEAR)
    shap = explanations.shap_values(METHODS["shap"], model, test)
    assert shap.method.startswith("kernel SHAP of xgboost, which has no trees, in the unit of the")
    baseline = np.array([[40.0, 2.0, 1.0, np.nan]], dtype=np.float32)
    assert shap.expected == pytest.approx(float(model.fitted.predict(baseline)[0]))
    steps = np.repeat(baseline, 3, axis=0) + np.eye(3, 4, dtype=np.float32)
    weights = model.fitted.predict(steps) - model.fitted.predict(baseline)
    whole = ~np.isnan(test.features[shap.rows, 1])
    right = (test.features[shap.rows][:, :3] - baseline[:, :3]) * weights
    np.testing.assert_allclose(shap.local[whole][:, :3], right[whole], rtol=1e-3, atol=1e-3)


class Sure:
    """A model that knows: probabilities of 0 and 1."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        return (features[:, 0] > 40).astype(np.float64)

    def contributions(self, features: np.ndarray) -> None:
        return None

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def test_any_function_that_predicts_is_explained_and_certainty_has_a_number() -> None:
    """What a team's own training step may bring, though its log-odds had no end."""
    test = split("binary")
    shap = explanations.shap_values(METHODS["shap"], model_of(Sure(), test, "sure"), test)
    most = 2 * math.log((1 - explanations.CERTAIN) / explanations.CERTAIN)
    older = test.features[shap.rows, 0] > 40
    np.testing.assert_allclose(shap.local[older, 0], most)
    assert (np.abs(shap.local[:, 1:]) < 1e-6).all()


def test_without_a_baseline_kernel_shap_has_nobody_to_compare_with() -> None:
    test, model = split("binary"), model_of(Sure(), split("binary"), "sure")
    asked = {k: v for k, v in METHODS["shap"].items() if k != "baseline"}
    with pytest.raises(DataError, match="expected a baseline for kernel SHAP, got none"):
        explanations.shap_values(asked, model, test)


def test_records_are_bounded_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = split("binary")
    monkeypatch.setattr(explanations, "MOST_EXPLAINED_BY_KERNEL", 30)
    told = explanations.explain(METHODS, model_of(Sure(), test, "sure"), test, tmp_path)
    assert told["records"] == {"explained": 30, "of": 400}
    assert told["method"].endswith("mean of absolute values over 30 of 400 records")
    rows = (tmp_path / "explanations_shap/out.csv").read_text("utf-8").splitlines()
    assert rows[0] == ",".join(f'"{name}_label0"' for name in FEATURES)
    assert len(rows) == 31


def test_local_values_are_written_only_where_they_are_asked_for(tmp_path: Path) -> None:
    model, test = trained("binary", "xgboost", **TREES)
    kept = explanations.explain(changed(save_local_shap_values=False), model, test, tmp_path)
    assert list(tmp_path.iterdir()) == []
    told = explanations.explain(METHODS, model, test, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["explanations_shap"]
    assert kept == told


@pytest.mark.parametrize("how", ["mean_abs", "mean_sq", "median"])
def test_global_values_are_put_together_as_asked(tmp_path: Path, how: str) -> None:
    model, test = trained("binary", "xgboost", **TREES)
    told = explanations.explain(changed(agg_method=how), model, test, tmp_path)
    local = np.loadtxt(tmp_path / "explanations_shap/out.csv", delimiter=",", skiprows=1)
    right = {"mean_abs": np.abs(local).mean(axis=0), "mean_sq": (local**2).mean(axis=0),
             "median": np.median(local, axis=0)}[how]  # fmt: skip
    values = told["kernel_shap"]["label0"]["global_shap_values"]
    np.testing.assert_allclose([values[name] for name in FEATURES], right, rtol=1e-5, atol=1e-7)
    with pytest.raises(
        DataError, match="agg_method: expected one of mean_abs, mean_sq, median, got 'sum'"
    ):
        explanations.explain(changed(agg_method="sum"), model, test, tmp_path)


# Partial dependence


@pytest.fixture(scope="module")
def dependences(tmp_path_factory: pytest.TempPathFactory) -> Any:
    model, test = trained("binary", "xgboost", **TREES)
    asked = {**METHODS, "pdp": {**METHODS["pdp"], "features": list(FEATURES)}}
    told = explanations.explain(asked, model, test, tmp_path_factory.mktemp("pdp"))
    return model, test, {one["feature_name"]: one for one in told["pdp"]}


def test_a_dependence_is_the_mean_prediction_if_everybody_had_the_value(dependences: Any) -> None:
    model, test, found = dependences
    for name, position in (("age", 0), ("is_member", 2)):
        (means,) = found[name]["model_predictions"]
        for value, mean in zip(found[name]["feature_values"], means, strict=True):
            features = test.features.copy()
            features[:, position] = value
            assert mean == pytest.approx(model.fitted.predict(features).mean())


def test_a_number_is_put_into_equal_parts_of_its_range_and_told_by_their_middles(
    dependences: Any,
) -> None:
    age = dependences[1].features[:, 0]
    found = dependences[2]["age"]
    width = (age.max() - age.min()) / 8
    assert found["data_type"] == "numerical"
    middles = [age.min() + width * (part + 0.5) for part in range(8)]
    assert found["feature_values"] == pytest.approx(middles)
    assert sum(found["data_distribution"]) == pytest.approx(1)
    assert found["data_distribution"][0] == pytest.approx((age < age.min() + width).mean())


def test_few_values_are_told_as_they_are_and_missing_ones_are_left_out(dependences: Any) -> None:
    member, income = dependences[2]["is_member"], dependences[2]["income"]
    assert (member["data_type"], member["feature_values"]) == ("categorical", [0.0, 1.0])
    assert sum(income["data_distribution"]) == pytest.approx(1)
    assert dependences[2]["nothing"] == {
        "feature_name": "nothing", "data_type": "numerical", "error": "it has no values"
    }  # fmt: skip


def test_the_weightiest_features_are_those_that_shap_says(tmp_path: Path) -> None:
    model, test = trained("binary", "lightgbm", **TREES)
    told = explanations.explain(METHODS, model, test, tmp_path)
    values = told["kernel_shap"]["label0"]["global_shap_values"]
    right = sorted(values, key=lambda name: -values[name])[:3]
    assert [one["feature_name"] for one in told["pdp"]] == right
    asked = {**METHODS, "pdp": {"grid_resolution": 3, "features": ["age", "size"]}}
    with pytest.raises(DataError, match="pdp: expected names of features, got size"):
        explanations.explain(asked, model, test, tmp_path)
