"""Metrics of resampled rows, for many bootstrap resamples at once.

A resample says how often each row was drawn; rows of one group, such as a customer's, are drawn
together. A metric's interval is given by its percentiles over the resamples (Efron and Tibshirani
1993, An Introduction to the Bootstrap, chapter 13; of groups: Field and Welsh 2007, Bootstrapping
Clustered Data, J. R. Stat. Soc. B 69). Two models are measured on the same resamples, so that easy
resamples are easy for both. It imports only NumPy, since the library uses it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weights = NDArray[np.float64]
"""How often each row was drawn, (resamples, n)."""

Statistic = Callable[[Weights], Floats]
"""A metric on each resample, (resamples,); NaN where it is undefined."""

RESAMPLES, FEWEST = 1_000, 200
"""The number of resamples, and for large splits; the book recommends a thousand for percentiles."""

MOST_DRAWN = 30_000_000
"""The total number of drawn rows, so that a rank metric takes about a second."""

AT_ONCE = 200_000
"""Weights in memory at a time, few enough for a processor's cache."""

SEED = 1979
"""A fixed seed, the year of the bootstrap: the same rows give the same interval."""

AT_THRESHOLD = ("accuracy", "precision", "recall", "f1", "flagged_share")
OF_NUMBERS = ("rmse", "mae", "r2")


@dataclass(frozen=True)
class Scored:
    """A model's predictions for labelled rows; all (n,), in the order of the rows."""

    labels: Floats
    predictions: Floats  # labels, or the numbers of a regression
    scores: Floats | None = None  # probabilities of the positive class; None: a regression

    @property
    def metrics(self) -> tuple[str, ...]:
        """Its metrics from `metrics.py`."""
        return OF_NUMBERS if self.scores is None else (*RANKED, *AT_THRESHOLD)

    def statistic(self, metric: str) -> Statistic:
        """One of them."""
        return statistic(metric, self.labels, self.predictions, self.scores)

    def value(self, metric: str) -> float:
        """The metric on the original rows."""
        return float(self.statistic(metric)(np.ones((1, len(self.labels))))[0])


def values(model: Scored, groups: NDArray[np.intp] | None = None) -> dict[str, Floats]:
    """Each metric of a model on all resamples."""
    statistics = [model.statistic(metric) for metric in model.metrics]
    found = _of_resamples(statistics, len(model.labels), groups)
    return dict(zip(model.metrics, found, strict=True))


def differences(
    pairs: Sequence[tuple[Statistic, Statistic]], rows: int, groups: NDArray[np.intp] | None = None
) -> list[Floats]:
    """The first minus the second of each pair, on all resamples."""
    less = [lambda weights, new=new, old=old: new(weights) - old(weights) for new, old in pairs]
    return _of_resamples(less, rows, groups)


def _of_resamples(
    statistics: Sequence[Statistic], rows: int, groups: NDArray[np.intp] | None
) -> list[Floats]:
    parts = [[of(drawn) for of in statistics] for drawn in weights(rows, groups)]
    return [np.concatenate(of_one) for of_one in zip(*parts, strict=True)]


def resamples(rows: int) -> int:
    """The number of resamples for this many rows."""
    return int(np.clip(MOST_DRAWN // rows, FEWEST, RESAMPLES))


def weights(rows: int, groups: NDArray[np.intp] | None = None) -> Iterator[Weights]:
    """All resamples of rows, some at a time.

    Args:
        groups: (n,), codes from 0 of rows that belong together; None: each row separately.
    """
    units = rows if groups is None else int(groups.max()) + 1
    source, left = np.random.default_rng(SEED), resamples(rows)
    most = max(1, AT_ONCE // rows)
    while left:
        count = min(left, most)
        drawn = source.integers(0, units, (count, units))
        drawn += np.arange(count)[:, None] * units
        counted = np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units)
        yield (counted if groups is None else counted[:, groups]).astype(np.float64)
        left -= count


def percentiles(values: Floats, confidence: float) -> list[float] | None:
    """The two-sided interval; None if too few values are defined."""
    defined = values[np.isfinite(values)]
    if len(defined) < FEWEST // 2:
        return None
    outside = (1 - confidence) / 2
    low, high = np.quantile(defined, (outside, 1 - outside))
    return [float(low), float(high)]


def statistic(metric: str, labels: Floats, predictions: Floats, scores: Floats | None) -> Statistic:
    """A metric of `metrics.py`; all are (n,), and a regression has no scores."""
    if scores is None:
        return _regression(metric, labels, predictions)
    if metric in RANKED:
        return partial(RANKED[metric], _Ranks.of(labels == 1, scores))
    return _classified(metric, labels == 1, predictions == 1)


def _regression(metric: str, labels: Floats, predictions: Floats) -> Statistic:
    """rmse, mae or r2."""
    errors, centred = predictions - labels, labels - labels.mean()

    def statistic(weights: Weights) -> Floats:
        rows = weights.sum(axis=1)
        if metric == "mae":
            return ratio(weights @ np.abs(errors), rows, np.nan)
        squares: Floats = weights @ errors**2
        if metric == "rmse":
            return ratio(squares, rows, np.nan) ** 0.5
        spread = weights @ centred**2 - (weights @ centred) ** 2 / rows
        return 1 - ratio(squares, spread, 1.0)

    return statistic


def _classified(metric: str, positive: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> Statistic:
    """A metric at the decision threshold."""
    columns = np.column_stack([positive & flagged, positive, flagged, positive == flagged])
    as_numbers = columns.astype(np.float64)

    def statistic(weights: Weights) -> Floats:
        hits, positives, flags, right = (weights @ as_numbers).T
        rows = weights.sum(axis=1)
        precision, recall = ratio(hits, flags, 0.0), ratio(hits, positives, 0.0)
        by_name: dict[str, Floats] = {
            "accuracy": right / rows,
            "precision": precision,
            "recall": recall,
            "f1": ratio(2 * precision * recall, precision + recall, 0.0),
            "flagged_share": flags / rows,
        }
        return by_name[metric]

    return statistic


@dataclass(frozen=True)
class _Ranks:
    """The rows in order of their scores, the highest first: positives, and all others."""

    positives: NDArray[np.intp]  # rows
    others: NDArray[np.intp]
    above: NDArray[np.intp]  # for each positive, the number of others with a higher score
    tied: NDArray[np.intp]  # ... or the same score
    last_tied: NDArray[np.intp]  # ... and the position of the last positive with the same score

    @staticmethod
    def of(positive: NDArray[np.bool_], scores: Floats) -> _Ranks:
        order = np.argsort(-scores, kind="stable")
        positives, others = order[positive[order]], order[~positive[order]]
        own, other = -scores[positives], -scores[others]
        above, tied = (np.searchsorted(other, own, side) for side in ("left", "right"))
        return _Ranks(positives, others, above, tied, np.searchsorted(own, own, "right") - 1)

    def auc(self, weights: Weights) -> Floats:
        """How often a positive outranks another, ties counting half."""
        hits, before = weights[:, self.positives], self._before(weights)
        outranked = before[:, self.above]
        if (self.above != self.tied).any():
            outranked = (outranked + before[:, self.tied]) / 2
        count, others = hits.sum(axis=1), before[:, -1]
        lost = np.einsum("ij,ij->i", hits, outranked)
        return ratio(count * others - lost, count * others, np.nan)

    def average_precision(self, weights: Weights) -> Floats:
        """Precision at each score, weighted by the recall gained there."""
        hits = weights[:, self.positives]
        found = np.cumsum(hits, axis=1)
        count = found[:, -1].copy()
        found = found[:, self.last_tied]
        precision = ratio(found, found + self._before(weights)[:, self.tied], 0.0)
        return ratio(np.einsum("ij,ij->i", hits, precision), count, np.nan)

    def _before(self, weights: Weights) -> Floats:
        """The weight of the others among the first 0, 1, 2 ... of them."""
        before = np.zeros((len(weights), len(self.others) + 1))
        np.cumsum(weights[:, self.others], axis=1, out=before[:, 1:])
        return before


RANKED: dict[str, Callable[[_Ranks, Weights], Floats]] = {
    "auc": _Ranks.auc, "average_precision": _Ranks.average_precision
}  # fmt: skip
"""Metrics of the order of the scores."""


def ratio(part: Floats, whole: Floats, of_nothing: float) -> Floats:
    """A ratio; a default if the denominator is 0."""
    out = np.full(np.shape(part), of_nothing)
    np.divide(part, whole, out=out, where=whole != 0)
    return out
