"""Intervals of metrics, and of the difference between two models on the same rows, by bootstrap.

Rows are drawn with replacement (Efron, 1979), and both models are measured on the same draws: what
makes a draw easy for one makes it easy for the other, so that their difference varies less than
either. A draw is a number of times for each row, by which metrics of many draws are computed at
once. The seed is fixed: the same rows give the same intervals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
"""Of every interval: two-sided, by percentiles of the draws."""

MOST_DRAWS, FEWEST_DRAWS = 1000, 200
ROWS_DRAWN = 5_000_000
"""In all: of so many rows that they are drawn more often than this, there are fewer draws."""

AT_ONCE = 200_000
"""Numbers held in memory at once: draws times rows."""

Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Scored:
    """What a model said of rows whose labels are known; all (n,), in the order of the rows."""

    labels: Floats
    predictions: Floats  # labels, or the numbers of a regression
    scores: Floats | None = None  # probabilities of the positive class; None: a regression


@dataclass(frozen=True)
class Paired:
    """A metric of two models on the same rows; the difference is the second less the first."""

    first: Interval
    second: Interval
    difference: Interval

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the interval of the difference leaves out nought."""
        return self.difference[0] > 0 or self.difference[1] < 0


def intervals(model: Scored) -> dict[str, Interval]:
    """The interval of each metric of a model; none of those that a draw cannot have."""
    return {name: _interval(values) for name, values in _resampled([model])[0].items()}


def paired_intervals(first: Scored, second: Scored) -> dict[str, Paired]:
    """The intervals of each metric of two models, and of its difference.

    Raises:
        ValueError: if their rows have other labels.
    """
    if not np.array_equal(first.labels, second.labels):
        raise ValueError("expected the same labels in the same order")
    of_first, of_second = _resampled([first, second])
    return {
        name: Paired(
            _interval(values), _interval(of_second[name]), _interval(of_second[name] - values)
        )
        for name, values in of_first.items()
    }


def draws(rows: int) -> Iterator[Floats]:
    """How often each row is drawn, (draws, rows), in parts that memory holds."""
    source = np.random.default_rng(0)
    left = max(FEWEST_DRAWS, min(MOST_DRAWS, ROWS_DRAWN // rows))
    while left:
        part = min(left, max(1, AT_ONCE // rows))
        yield np.stack(
            [np.bincount(source.integers(0, rows, rows), minlength=rows) for _ in range(part)]
        ).astype(np.float64)
        left -= part


def measured(model: Scored, counts: Floats) -> dict[str, Floats]:
    """Every metric of `metrics.py` on draws of the rows, (draws,); counts are (draws, rows).

    Of a draw without positives, or without negatives, AUC and average precision are NaN.
    """
    if model.scores is None:
        return _regression(model, counts)
    positive, flagged = model.labels == 1, model.predictions == 1
    shown = np.stack([positive & flagged, flagged, positive, positive == flagged], axis=1)
    hits, flags, positives, right = (counts @ shown.astype(np.float64)).T
    rows = counts.sum(axis=1)
    precision, recall = _ratio(hits, flags), _ratio(hits, positives)
    return {
        **_ranked(positive, model.scores, counts),
        "accuracy": right / rows,
        "precision": precision,
        "recall": recall,
        "f1": _ratio(2 * precision * recall, precision + recall),
        "flagged_share": flags / rows,
    }


def _ranked(positive: NDArray[np.bool_], scores: Floats, counts: Floats) -> dict[str, Floats]:
    """AUC and average precision, rows of equal scores counting as one step."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    drawn = counts[:, order]
    every = np.add.reduceat(drawn, starts, axis=1)
    hits = np.add.reduceat(drawn * positive[order], starts, axis=1)
    others = every - hits
    positives, negatives = hits.sum(axis=1), others.sum(axis=1)
    outranked = (hits * (np.cumsum(others, axis=1) - others / 2)).sum(axis=1)
    above = every[:, ::-1].cumsum(axis=1)[:, ::-1]  # rows scored at least so high
    hits_above = hits[:, ::-1].cumsum(axis=1)[:, ::-1]
    precise = (hits * _ratio(hits_above, above)).sum(axis=1)
    has_both = (positives > 0) & (negatives > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "auc": np.where(has_both, outranked / (positives * negatives), np.nan),
            "average_precision": np.where(has_both, precise / positives, np.nan),
        }


def _regression(model: Scored, counts: Floats) -> dict[str, Floats]:
    errors, rows = model.predictions - model.labels, counts.sum(axis=1)
    centred = model.labels - model.labels.mean()
    shown = np.stack([errors**2, np.abs(errors), centred, centred**2], axis=1)
    squares, absolute, sums, square_sums = (counts @ shown).T
    spread = square_sums - sums**2 / rows
    return {
        "rmse": np.sqrt(squares / rows),
        "mae": absolute / rows,
        "r2": np.where(spread > 0, 1 - squares / np.where(spread > 0, spread, 1), 0.0),
    }


def _resampled(models: list[Scored]) -> list[dict[str, Floats]]:
    """Each model's metrics on the same draws, (draws,)."""
    parts = [[measured(model, counts) for model in models]
             for counts in draws(len(models[0].labels))]  # fmt: skip
    return [
        {name: np.concatenate([part[place][name] for part in parts]) for name in parts[0][place]}
        for place in range(len(models))
    ]


def _interval(values: Floats) -> Interval:
    """Two-sided, of the draws that have the metric."""
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """A ratio whose denominator is nought is 0, as in `metrics.py`."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
