"""The decision threshold, against trying every one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score

from cli.settings import Model
from decision import RULES, choose_threshold

SCORES = {
    "accuracy": accuracy_score,
    "f1": lambda labels, flags: f1_score(labels, flags, zero_division=0),
}


def score(rule: str, labels: NDArray[np.int64], flagged: NDArray[np.bool_]) -> float:
    return float(SCORES[rule](labels, flagged.astype(np.int64)))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(25))
def test_no_threshold_is_better_and_none_as_good_is_nearer_to_a_half(rule: str, seed: int) -> None:
    source = np.random.default_rng(seed)
    n = int(source.integers(1, 40))
    labels = (source.random(n) < source.uniform(0.1, 0.9)).astype(np.int64)
    steps = int(source.choice([4, 10, 10**6]))
    probabilities = np.clip(np.round((source.random(n) * 0.8 + 0.2 * labels) * steps) / steps, 0, 1)
    threshold = choose_threshold(rule, labels, probabilities)
    reached = score(rule, labels, probabilities >= threshold)
    values = np.unique(probabilities)
    candidates = [0.0, *((values[1:] + values[:-1]) / 2), np.nextafter(1, 2)]
    scores = {t: score(rule, labels, probabilities >= t) for t in candidates}
    assert reached == pytest.approx(max(scores.values()), abs=1e-12)
    equals = [t for t, s in scores.items() if s == pytest.approx(reached, abs=1e-12)]
    assert abs(threshold - 0.5) == pytest.approx(min(abs(t - 0.5) for t in equals), abs=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_a_threshold_lies_between_probabilities_as_a_model_gives_them(rule: str) -> None:
    source = np.random.default_rng(1)
    for _ in range(20):
        probabilities = source.random(200).astype(np.float32).astype(np.float64)
        labels = (source.random(200) < probabilities).astype(np.int64)
        threshold = choose_threshold(rule, labels, probabilities)
        assert threshold not in probabilities
        assert ((probabilities * (1 + 1e-9) >= threshold) == (probabilities >= threshold)).all()


def test_the_two_rules_are_not_one() -> None:
    labels = np.array([0] * 8 + [1] * 2 + [0] * 4)
    probabilities = np.array([0.1] * 8 + [0.4] * 2 + [0.4] * 4)
    assert choose_threshold("accuracy", labels, probabilities) > 0.4  # nobody flagged: 12 of 14
    assert 0.1 < choose_threshold("f1", labels, probabilities) <= 0.4


def test_all_probabilities_alike_flag_all_or_none() -> None:
    many, few = np.array([1, 1, 0]), np.array([0, 0, 1])
    assert choose_threshold("accuracy", many, np.full(3, 0.7)) <= 0.7
    assert choose_threshold("accuracy", few, np.full(3, 0.7)) > 0.7


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_a_threshold_too(rule: str, label: int) -> None:
    probabilities = np.array([0.2, 0.6, 0.6])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threshold = choose_threshold(rule, np.full(3, label), probabilities)
    assert 0 <= threshold <= np.nextafter(1, 2)


def test_certainty_can_be_flagged_and_can_be_left_alone() -> None:
    assert choose_threshold("accuracy", np.array([0, 0, 0]), np.array([1.0, 1.0, 0.5])) > 1
    assert choose_threshold("accuracy", np.array([1, 1, 1]), np.array([0.0, 0.0, 0.5])) == 0


def test_the_settings_offer_the_rules_that_there_are() -> None:
    assert set(Model.THRESHOLDS) == set(RULES)
