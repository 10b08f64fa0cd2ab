"""The paired bootstrap: against a slow one, its coverage, and groups that are kept whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import resampling
from bias_report import gate_numbers
from dataset import Columns, DataError, Facet, Split, Texts
from metrics import binary_metrics, regression_metrics
from paired_bootstrap import FEWEST, Paired
from served_model import Answers

FACETS = (Facet("city", "city"), Facet("age_gt_40", "age", threshold=40.0))
LEAST = 20


def split(labels: NDArray[np.float64], source: np.random.Generator, problem: str) -> Split:
    n = len(labels)
    columns = Columns(
        "id", "y", problem, 1, None if problem == "binary" else float(np.median(labels)), FACETS,
        None, ("city", "age"), ("x",),
    )  # fmt: skip
    context = {
        "city": Texts.of([*source.choice(["a", "b", "c", None], n, p=[0.4, 0.3, 0.28, 0.02])]),
        "age": Texts.of([str(age) for age in source.integers(18, 70, n)]),
    }
    ids, features = [f"{i}" for i in range(n)], np.zeros((n, 1), dtype=np.float32)
    return Split(columns, ids, labels, context, features)


def binary(n: int, seed: int = 3) -> Paired:
    """Two models of some quality; many of their scores are tied."""
    source = np.random.default_rng(seed)
    labels = (source.random(n) < 0.3).astype(np.float64)
    scores = [np.round(np.clip(0.3 + shift * labels + source.normal(0, 0.25, n), 0, 1), 2)
              for shift in (0.3, 0.2)]  # fmt: skip
    test = split(labels, source, "binary")
    answers = [Answers("", (s > 0.5).astype(np.float64), s) for s in scores]
    return Paired(test, answers[0], answers[1], LEAST)


def regression(n: int) -> Paired:
    source = np.random.default_rng(4)
    labels = source.normal(100, 20, n)
    answers = [Answers("", labels + source.normal(1, size, n), None) for size in (5, 8)]
    return Paired(split(labels, source, "regression"), answers[0], answers[1], LEAST)


def drawn(pair: Paired, answers: Answers, rows: NDArray[np.intp]) -> dict[str, float]:
    """Every metric of some rows, by its path: computed as the evaluation does, of the rows."""
    test = pair.test
    labels, predictions = test.labels[rows], answers.labels[rows]
    if answers.probabilities is None:
        section, metrics = "regression_metrics", regression_metrics(labels, predictions)
    else:
        section = "binary_classification_metrics"
        metrics = binary_metrics(labels, answers.probabilities[rows], predictions)
    context = {n: Texts(t.codes[rows], t.different) for n, t in test.context.items()}
    some = dataclasses.replace(test, labels=labels, context=context)
    numbers = gate_numbers(some, predictions, 1)  # those that count on the whole split do
    values = {f"{section}.{name}.value": value for name, value in metrics.items()}
    for name in ("worst_dppl", "worst_di", "worst_mean_residual"):
        if name in numbers:
            values[f"bias_metrics.{name}.value"] = numbers[name]["value"]
    for name in ("dppl", "di"):
        for key, one in numbers[name].items():
            values[f"bias_metrics.{name}.{key}.value"] = one["value"]
    return values


def slowly(pair: Paired) -> dict[str, list[float]]:
    """The intervals by taking the rows of each resample, one resample after the other."""
    differences: dict[str, list[float]] = {}
    for weights in resampling.weights(len(pair.test.labels), pair.groups):
        for one in weights:
            rows = np.repeat(np.arange(len(one)), one.astype(np.intp))
            new, old = (drawn(pair, answers, rows) for answers in (pair.challenger, pair.champion))
            for path, value in new.items():
                differences.setdefault(path, []).append(value - old[path])
    return {path: list(np.quantile(values, (0.025, 0.975))) for path, values in differences.items()}


@pytest.mark.parametrize("make", [binary, regression])
def test_every_metrics_interval_is_that_of_the_rows_themselves(
    make: Callable[[int], Paired], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "RESAMPLES", FEWEST)
    pair = make(240)
    expected = slowly(pair)
    assert len(expected) == {binary: 13, regression: 10}[make]
    got = pair.intervals([*expected])
    for path, interval in expected.items():
        assert got[path] == pytest.approx(interval, abs=1e-12), path
    assert got == pair.intervals([*expected])  # the same rows, the same interval


def test_the_interval_covers_the_true_difference_as_often_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of accuracies 0.8 and 0.75 of models that err together more often than by chance."""
    monkeypatch.setattr(resampling, "RESAMPLES", FEWEST)
    source, covered, alone, trials, n = np.random.default_rng(11), 0, 0, 300, 300
    path = "binary_classification_metrics.accuracy.value"
    for _ in range(trials):
        labels = (source.random(n) < 0.5).astype(np.float64)
        hard = source.random(n) < 0.4  # where either errs
        wrong = [hard & (source.random(n) < share) for share in (0.5, 0.625)]
        answers = [Answers("", np.abs(labels - w), np.zeros(n)) for w in wrong]
        pair = Paired(split(labels, source, "binary"), answers[0], answers[1], LEAST)
        interval = pair.intervals([path])[path]
        assert interval is not None
        covered += interval[0] <= 0.05 <= interval[1]
        alone += interval[0] <= 0.10 <= interval[1]
    assert 0.91 <= covered / trials <= 0.98
    assert alone / trials < 0.7  # it is not so wide that it covers anything


def test_rows_of_a_group_are_drawn_together() -> None:
    """Ten copies of each row say no more than one: taken for rows, they would be too sure."""
    pair = binary(100)
    rows = np.repeat(np.arange(100), 10)
    test = pair.test
    context = {n: Texts(t.codes[rows], t.different) for n, t in test.context.items()}
    copied = dataclasses.replace(
        test, ids=[test.ids[i] for i in rows], labels=test.labels[rows], context=context
    )
    new, old = (Answers("", a.labels[rows], a.probabilities[rows])  # type: ignore[index]
                for a in (pair.challenger, pair.champion))  # fmt: skip
    path = "binary_classification_metrics.auc.value"
    one = pair.intervals([path])[path]
    grouped = Paired(copied, new, old, LEAST, groups=rows).intervals([path])[path]
    apart = Paired(copied, new, old, LEAST).intervals([path])[path]
    assert one is not None and grouped is not None and apart is not None
    assert grouped == pytest.approx(one, abs=1e-12)
    assert apart[1] - apart[0] < (one[1] - one[0]) / 2


def test_a_metric_of_the_teams_own_gets_the_rows_that_were_drawn() -> None:
    def flagged(labels: object, predictions: NDArray[np.float64], scores: object) -> float:
        return float(predictions.mean())

    def fails(labels: object, predictions: object, scores: object) -> float:
        raise DataError("no")

    pair = dataclasses.replace(binary(240), own={"flags": flagged, "fails": fails})
    section = "binary_classification_metrics"
    paths = [f"{section}.{name}.value" for name in ("flags", "fails", "flagged_share")]
    flags, none, share = pair.intervals(paths).values()
    assert flags is not None and share is not None
    assert none is None
    assert flags == pytest.approx(share, abs=0.02)  # of fewer resamples


def test_large_splits_are_drawn_from_fewer_times() -> None:
    assert binary(300).as_json()["resamples"] == 1000
    large = Answers("", np.zeros(1), None)
    rows = dataclasses.replace(binary(10).test, labels=np.zeros(100_000))
    assert Paired(rows, large, large, LEAST).as_json()["resamples"] == 300
