"""Kernel SHAP against Shapley's own formula, a linear model's closed form, and the axioms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from kernel_shap import Answer, coalitions, kernel_shap

SOURCE = np.random.default_rng(7)


def curved(features: np.ndarray) -> np.ndarray:
    """A model with interactions, a step and a missing value's own way, of six features."""
    x = features.astype(np.float64)
    last = np.where(np.isnan(x[:, 5]), 2.0, x[:, 5])
    return x[:, 0] * x[:, 1] + np.where(x[:, 2] > 0, 3, -1) * last + np.sin(x[:, 3]) + x[:, 4] ** 2


WEIGHTS = SOURCE.normal(size=40)


def linear(features: np.ndarray) -> np.ndarray:
    return features.astype(np.float64) @ WEIGHTS[: features.shape[1]] + 5


def shapley(answer: Answer, record: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Shapley's sum over all coalitions, term by term."""
    count = len(record)

    def worth(chosen: tuple[int, ...]) -> float:
        mixed = baseline.copy()
        mixed[:, list(chosen)] = record[list(chosen)]
        return float(answer(mixed).mean())

    values = np.zeros(count)
    for feature in range(count):
        others = [j for j in range(count) if j != feature]
        for size in range(count):
            share = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            for chosen in itertools.combinations(others, size):
                values[feature] += share * (worth((*chosen, feature)) - worth(chosen))
    return values


def people(n: int, features: int) -> np.ndarray:
    found = SOURCE.normal(size=(n, features)).astype(np.float32)
    found[0, -1] = np.nan
    return found


@pytest.mark.parametrize("rows", [1, 7])
def test_with_all_coalitions_the_values_are_shapleys(rows: int) -> None:
    records, baseline = people(5, 6), people(rows + 1, 6)[1:]
    values = kernel_shap(curved, records, baseline, samples=2**6 - 2, seed=0)
    right = np.array([shapley(curved, record, baseline) for record in records])
    np.testing.assert_allclose(values[:, :-1], right, atol=1e-9)
    np.testing.assert_allclose(values[:, -1], curved(baseline).mean())


@pytest.mark.parametrize("samples", [1, 100, 200])
def test_a_linear_models_values_are_exact_whatever_the_samples(samples: int) -> None:
    records, baseline = people(4, 40)[1:], people(4, 40)[1:]
    values = kernel_shap(linear, records, baseline, samples, seed=3)
    right = WEIGHTS * (records - baseline.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(values[:, :-1], right, atol=1e-5)


@pytest.mark.parametrize("samples", [12, 30, 62, 10_000])
@pytest.mark.parametrize("answer", [curved, linear])
def test_the_values_add_up_to_the_answer(
    answer: Callable[[np.ndarray], np.ndarray], samples: int
) -> None:
    records, baseline = people(5, 6)[1:], people(3, 6)[1:]
    values = kernel_shap(answer, records, baseline, samples, seed=1)
    np.testing.assert_allclose(values.sum(axis=1), answer(records), atol=1e-9)


def tangled(features: np.ndarray) -> np.ndarray:
    """Threes of features, which coalitions and their complements do not give away together."""
    x = features.astype(np.float64)
    return x[:, 0] * x[:, 1] * x[:, 2] + x[:, 2] * x[:, 3] * x[:, 4] + x[:, 5] * x[:, 6] * x[:, 7]


def test_more_samples_come_nearer() -> None:
    records, baseline = people(5, 8)[1:], people(2, 8)[1:]
    right = np.array([shapley(tangled, record, baseline) for record in records])
    far, near = (
        np.mean([np.abs(kernel_shap(tangled, records, baseline, samples, seed)[:, :-1] - right)
                 for seed in range(20)])
        for samples in (32, 200)
    )  # fmt: skip
    assert 0 < near < far / 2


def test_the_same_seed_gives_the_same_values_and_another_does_not() -> None:
    records, baseline = people(3, 6), people(2, 6)[1:]
    one, same, other = (kernel_shap(curved, records, baseline, 14, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_feature_in_which_nobody_differs_from_the_baseline_has_no_value() -> None:
    records, baseline = people(4, 6), people(2, 6)[1:]
    records[:, 1], records[:, 5], baseline[:, 5] = baseline[0, 1], np.nan, np.nan
    values = kernel_shap(curved, records, baseline, samples=20, seed=0)
    assert (values[:, [1, 5]] == 0).all()
    np.testing.assert_allclose(values.sum(axis=1), curved(records))
    alone = kernel_shap(curved, baseline, baseline, samples=20, seed=0)
    np.testing.assert_array_equal(alone[:, :-1], np.zeros((1, 6)))
    records = np.repeat(baseline, 2, axis=0)
    records[0, 0] += 1
    one = kernel_shap(curved, records, baseline, samples=20, seed=0)
    np.testing.assert_allclose(one[0, 0], curved(records)[0] - curved(baseline)[0])


@pytest.mark.parametrize("features", range(2, 13))
@pytest.mark.parametrize("samples", [1, 50, 300])
def test_coalitions_weigh_by_size_as_shapleys_kernel_does(features: int, samples: int) -> None:
    """Whole sizes exactly, the others together; none is empty or whole; complements go in pairs."""
    members, weights = coalitions(features, samples, seed=2)
    sizes = members.sum(axis=1)
    assert len(members) <= max(samples, 4 * features)
    assert sizes.min() >= 1
    assert sizes.max() <= features - 1
    total = sum((features - 1) / (size * (features - size)) for size in range(1, features))
    assert weights.sum() == pytest.approx(total)
    for size in (1, features - 1):
        own = (features - 1) / (size * (features - size))
        assert weights[sizes == size].sum() == pytest.approx(own)
    pairs = {row.tobytes() for row in members}
    assert {(~row).tobytes() for row in members} == pairs
    if 2**features - 2 <= samples:
        assert len(pairs) == len(members) == 2**features - 2
