"""The metrics that a gate names, against scikit-learn's, and where those have no value."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as oracle

from metrics import auc, average_precision, binary_metrics, regression_metrics
from ninesteps.settings.gate import METRICS

Floats = NDArray[np.float64]


def random_scores(seed: int) -> tuple[Floats, Floats, Floats]:
    """Labels, scores with none, some or nearly only ties, predictions; both classes occur."""
    source = np.random.default_rng(seed)
    n = int(source.integers(2, 200))
    labels = (source.random(n) < source.uniform(0.05, 0.95)).astype(np.float64)
    labels[source.permutation(n)[:2]] = 0, 1
    scores = source.random(n) + 0.3 * labels
    steps = int(source.choice([2, 5, 50, 10**9]))
    scores = np.round(scores * steps) / steps
    return labels, scores, (scores >= source.random()).astype(np.float64)


@pytest.mark.parametrize("seed", range(100))
def test_every_metric_is_scikit_learns(seed: int) -> None:
    labels, scores, predictions = random_scores(seed)
    assert binary_metrics(labels, scores, predictions) == pytest.approx(
        {
            "auc": oracle.roc_auc_score(labels, scores),
            "accuracy": oracle.accuracy_score(labels, predictions),
            "precision": oracle.precision_score(labels, predictions, zero_division=0),
            "recall": oracle.recall_score(labels, predictions),
            "f1": oracle.f1_score(labels, predictions),
            "average_precision": oracle.average_precision_score(labels, scores),
            "flagged_share": predictions.mean(),
        },
        abs=1e-12,
    )


def test_a_gate_can_name_these_and_no_others() -> None:
    assert set(binary_metrics(*random_scores(0))) == set(METRICS["binary"])


def random_numbers(seed: int) -> tuple[Floats, Floats]:
    """Numbers of any size and sign, and estimates of them, good or bad."""
    source = np.random.default_rng(seed)
    n = int(source.integers(2, 200))
    labels = source.normal(source.uniform(-5, 5), 1, n) * 10.0 ** source.integers(-6, 7)
    return labels, labels + labels.std() * source.normal(0, source.uniform(0, 2), n)


@pytest.mark.parametrize("seed", range(50))
def test_every_metric_of_a_regression_is_scikit_learns(seed: int) -> None:
    labels, predictions = random_numbers(seed)
    assert regression_metrics(labels, predictions) == pytest.approx(
        {
            "rmse": oracle.root_mean_squared_error(labels, predictions),
            "mae": oracle.mean_absolute_error(labels, predictions),
            "r2": oracle.r2_score(labels, predictions),
        },
        rel=1e-9,
    )


def test_errors_of_three_numbers() -> None:
    """Errors of 3, 0 and -1; the labels lie 2, 0 and 2 from their mean."""
    values = regression_metrics(np.array([1.0, 3, 5]), np.array([4.0, 3, 4]))
    assert values == pytest.approx({"rmse": (10 / 3) ** 0.5, "mae": 4 / 3, "r2": 1 - 10 / 8})


def test_numbers_that_are_all_the_same_have_an_r2_of_nought() -> None:
    for predictions in (np.full(4, 7.0), np.full(4, 8.0)):
        assert regression_metrics(np.full(4, 7.0), predictions)["r2"] == 0


def test_a_gate_on_a_regression_can_name_these_and_no_others() -> None:
    assert set(regression_metrics(*random_numbers(0))) == set(METRICS["regression"])


def test_values_are_plain_finite_floats_that_json_can_hold() -> None:
    found = binary_metrics(*random_scores(1)) | regression_metrics(*random_numbers(1))
    for value in found.values():
        assert type(value) is float
        assert math.isfinite(value)


def test_ties_count_half() -> None:
    labels = np.array([0.0, 1, 0, 1])
    assert auc(labels, np.full(4, 0.5)) == 0.5
    assert auc(labels, np.array([0.1, 0.5, 0.5, 0.9])) == 0.875
    assert average_precision(labels, np.full(4, 0.5)) == 0.5


def test_a_perfect_and_a_perverse_order() -> None:
    labels = np.array([0.0, 0, 1, 1])
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    assert (auc(labels, scores), average_precision(labels, scores)) == (1, 1)
    assert auc(labels, -scores) == 0


def test_only_the_order_of_scores_matters() -> None:
    labels, scores, _ = random_scores(3)
    assert auc(labels, scores) == auc(labels, np.exp(scores) * 1e6)
    assert average_precision(labels, scores) == average_precision(labels, scores * 1e-300)


def test_neighbouring_scores_are_no_ties() -> None:
    labels, low = np.array([0.0, 1]), 0.1
    assert auc(labels, np.array([low, np.nextafter(low, 1)])) == 1


def test_nothing_flagged_has_a_precision_that_fails_a_gate() -> None:
    labels = np.array([0.0, 1, 1])
    values = binary_metrics(labels, np.array([0.1, 0.2, 0.3]), np.zeros(3))
    assert (values["precision"], values["recall"], values["f1"]) == (0, 0, 0)
    assert values["flagged_share"] == 0


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_auc(label: int) -> None:
    with pytest.raises(ValueError, match="AUC needs both classes"):
        auc(np.full(3, float(label)), np.array([0.1, 0.2, 0.3]))
