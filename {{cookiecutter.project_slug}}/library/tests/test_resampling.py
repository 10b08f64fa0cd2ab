"""Intervals by bootstrap: their metrics are those of `metrics.py`, and they cover what they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

import metrics
import resampling
from resampling import Floats, Scored, intervals, measured, paired_intervals


def binary(seed: int, rows: int = 150, skill: float = 1.0) -> Scored:
    """A model's answers, with tied scores, on rows of one seed: its skill does not change them."""
    source = np.random.default_rng(seed)
    labels = (source.random(rows) < 0.3).astype(np.float64)
    scores = np.round(1 / (1 + np.exp(-skill * labels - source.normal(0, 1, rows))), 2)
    return Scored(labels, (scores >= 0.6).astype(np.float64), scores)


def numbers(seed: int, rows: int = 150) -> Scored:
    source = np.random.default_rng(seed)
    labels = source.normal(50_000, 9_000, rows)
    return Scored(labels, labels + source.normal(0, 3_000, rows))


def repeated(model: Scored, counts: Floats) -> dict[str, float]:
    """The metrics of a draw whose rows are written out."""
    rows = np.repeat(np.arange(len(counts)), counts.astype(int))
    labels, predictions = model.labels[rows], model.predictions[rows]
    if model.scores is None:
        return metrics.regression_metrics(labels, predictions)
    return metrics.binary_metrics(labels, model.scores[rows], predictions)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", [binary, numbers])
def test_a_draw_has_the_metrics_of_its_rows_written_out(kind: type, seed: int) -> None:
    model = kind(seed)
    counts = next(resampling.draws(150))[:10]
    found = measured(model, counts)
    for place, draw in enumerate(counts):
        own = {name: values[place] for name, values in found.items()}
        assert own == pytest.approx(repeated(model, draw), rel=1e-9)


def test_a_draw_without_positives_does_not_count_in_what_it_cannot_have() -> None:
    few = Scored(np.array([1.0, 0, 0, 0]), np.array([1.0, 0, 0, 0]), np.array([0.9, 0.1, 0.2, 0.3]))
    assert intervals(few)["auc"] == (1, 1)
    none = measured(few, np.array([[0.0, 2, 1, 1]]))
    assert np.isnan(none["auc"][0]) and np.isnan(none["average_precision"][0])
    assert none["recall"][0] == 0


def test_an_interval_is_scipys() -> None:
    model = binary(3, rows=400)
    oracle = bootstrap(
        (model.labels, model.scores), metrics.auc, paired=True, vectorized=False,
        n_resamples=1000, method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert intervals(model)["auc"] == pytest.approx((oracle.low, oracle.high), abs=0.006)


def test_a_paired_interval_is_narrower_than_what_either_varies_by() -> None:
    first, second = binary(1, rows=600, skill=1.5), binary(1, rows=600, skill=1.6)
    found = paired_intervals(first, second)["auc"]
    width = found.difference[1] - found.difference[0]
    assert width < 0.5 * (found.first[1] - found.first[0])
    assert found.is_beyond_chance
    assert found.difference[0] > 0


def test_two_models_of_one_skill_differ_by_chance_about_as_often_as_is_said() -> None:
    """Their errors are independent, so 5 in 100 intervals leave out nought."""
    source, beyond = np.random.default_rng(7), 0
    for _ in range(100):
        labels = source.normal(0, 1, 100)
        first, second = (Scored(labels, labels + source.normal(0, 1, 100)) for _ in range(2))
        beyond += paired_intervals(first, second)["rmse"].is_beyond_chance
    assert 1 <= beyond <= 12


def test_the_same_answers_differ_by_nothing() -> None:
    model = binary(5)
    for paired in paired_intervals(model, model).values():
        assert paired.difference == (0, 0)
        assert not paired.is_beyond_chance


def test_rows_with_other_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="the same labels"):
        paired_intervals(binary(1), binary(2))


def test_of_many_rows_there_are_fewer_draws_and_no_more_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resampling, "ROWS_DRAWN", 30_000)
    monkeypatch.setattr(resampling, "AT_ONCE", 3_000)
    parts = list(resampling.draws(100))
    assert sum(len(part) for part in parts) == 300
    assert max(part.size for part in parts) <= 3_000
    assert all((part.sum(axis=1) == 100).all() for part in parts)
    assert sum(len(part) for part in resampling.draws(1_000)) == resampling.FEWEST_DRAWS
