"""The data for the report's charts of a model's errors on the test split: `curves.json`.

Its size is bounded. It has only counts, shares and curves: no person's row, and nothing about
groups that are too small.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset import Split
from decision import Counts
from facet_groups import groups
from intervals import CONFIDENCE, interval, reach

MOST_POINTS = 100
"""The number of points of a curve along each axis."""

BINS = 10
"""The number of bins of a calibration, with equally many rows except for ties."""

CELLS = 24
"""The number of cells of a histogram, and along each side of predicted against actual."""

OUTERMOST = 0.005
"""The share at each end that a regression's charts leave out, since it may be single people."""


def binary_curves(
    labels: Counts, probabilities: Counts, predictions: Counts, threshold: float
) -> dict[str, Any]:
    """The curves of a binary label, all inputs (n,): ROC, precision-recall, calibration, confusion.

    `roc` is a list of (false positive rate, recall), `precision_recall` of (recall, precision),
    from the strictest threshold to the loosest.
    """
    values, inverse = np.unique(-probabilities, return_inverse=True)
    hits = np.cumsum(np.bincount(inverse, weights=labels == 1, minlength=len(values)))
    flagged = np.cumsum(np.bincount(inverse, minlength=len(values)))
    recall, precision = hits / hits[-1], hits / flagged
    false_alarms = (flagged - hits) / (flagged[-1] - hits[-1])
    return {
        "rows": len(labels),
        "threshold": threshold,
        "roc": _thinned(np.append(0.0, false_alarms), np.append(0.0, recall)),
        "precision_recall": _thinned(recall, precision),
        "calibration": _calibration(labels, probabilities),
        "histogram": _histogram(labels, probabilities),
        **_confusion(labels == 1, predictions == 1),
        "confidence": CONFIDENCE,
    }


def regression_curves(test: Split, predictions: Counts, min_group_size: int) -> dict[str, Any]:
    """The charts of a regression's errors, predictions (n,): prediction minus label, in its unit.

    A group smaller than `min_group_size` is listed with its number of rows only.
    """
    labels, errors = test.labels, predictions - test.labels
    edges = _edges(np.concatenate([labels, predictions]))
    counts, _, _ = np.histogram2d(labels, predictions, bins=(edges, edges))
    error_edges = _edges(errors)
    within, _ = np.histogram(errors, error_edges)
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    return {
        "rows": len(labels),
        "predicted_actual": {
            "edges": edges.tolist(),
            "counts": counts.astype(int).tolist(),  # [actual][predicted]
            "outside": int(len(labels) - counts.sum()),
        },
        "residuals": {
            "edges": error_edges.tolist(),
            "counts": within.tolist(),
            "outside": int(len(labels) - within.sum()),
            "quantiles": dict(zip(map(str, shares), np.quantile(errors, shares).tolist(),
                                  strict=True)),
        },
        "calibration": _levels(labels, predictions),
        "by_group": {
            facet.key: [
                _group_error(name, errors[members], min_group_size)
                for name, members in groups(facet, test.context[facet.column])
            ]
            for facet in test.columns.facets
        },
        "confidence": CONFIDENCE,
    }  # fmt: skip


def _thinned(x: Counts, y: Counts) -> list[list[float]]:
    """The points of a curve nearest to even steps along either axis, in order."""
    steps = np.linspace(0, 1, MOST_POINTS)
    kept = {0, len(x) - 1}
    for axis in (x, y):
        order = np.argsort(axis, kind="stable")
        positions = np.searchsorted(axis[order], steps)
        kept |= set(order[np.minimum(positions, len(axis) - 1)].tolist())
    return [[round(float(x[i]), 5), round(float(y[i]), 5)] for i in sorted(kept)]


def _bins(values: Counts) -> NDArray[np.int64]:
    """The bin of each value, (n,), with equally many rows; equal values share a bin."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def _calibration(labels: Counts, probabilities: Counts) -> list[dict[str, Any]]:
    """The share of positives against the predicted probability."""
    bins, points = _bins(probabilities), []
    for number in np.unique(bins):
        inside = bins == number
        hits, rows = int((labels[inside] == 1).sum()), int(inside.sum())
        points.append({"rows": rows, "said": float(probabilities[inside].mean()),
                      "true": hits / rows, "interval": interval(hits, rows)})  # fmt: skip
    return points


def _levels(labels: Counts, predictions: Counts) -> list[dict[str, Any]]:
    """The mean label of rows with similar predictions."""
    bins, points = _bins(predictions), []
    for number in np.unique(bins):
        inside = bins == number
        points.append({"rows": int(inside.sum()), "said": float(predictions[inside].mean()),
                      "true": float(labels[inside].mean()),
                      "interval": _mean_interval(labels[inside])})  # fmt: skip
    return points


def _histogram(labels: Counts, probabilities: Counts) -> dict[str, Any]:
    edges = np.linspace(0, 1, CELLS + 1)
    return {
        "edges": edges.tolist(),
        "positive": np.histogram(probabilities[labels == 1], edges)[0].tolist(),
        "negative": np.histogram(probabilities[labels != 1], edges)[0].tolist(),
    }


def _confusion(positive: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> dict[str, Any]:
    """The four counts at the threshold, and the derived shares with their intervals."""
    hits, alarms = int((positive & flagged).sum()), int((~positive & flagged).sum())
    missed, passed = int((positive & ~flagged).sum()), int((~positive & ~flagged).sum())
    shares = {
        "recall": (hits, hits + missed),
        "precision": (hits, hits + alarms),
        "specificity": (passed, passed + alarms),
    }
    return {
        "confusion": {"true_positive": hits, "false_positive": alarms,
                      "false_negative": missed, "true_negative": passed},
        "at_threshold": {
            name: {"value": part / whole if whole else None, "interval": interval(part, whole),
                   "part": part, "rows": whole}
            for name, (part, whole) in shares.items()
        },
    }  # fmt: skip


def _edges(values: Counts) -> Counts:
    """The edges of a regression's cells, (CELLS + 1,)."""
    low, high = np.quantile(values, [OUTERMOST, 1 - OUTERMOST])
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges: Counts = np.linspace(low, high, CELLS + 1)
    return edges


def _group_error(value: str, errors: Counts, least: int) -> dict[str, Any]:
    rows = len(errors)
    if rows < max(least, 2):
        return {"value": value, "rows": rows}
    mean, absolute = float(errors.mean()), float(np.abs(errors).mean())
    return {"value": value, "rows": rows, "mean": mean, "interval": _mean_interval(errors),
            "absolute": absolute}  # fmt: skip


def _mean_interval(values: Counts) -> list[float] | None:
    """The interval of a mean, by the normal distribution; None for a single value."""
    if len(values) < 2:
        return None
    middle = float(values.mean())
    half = reach(float(values.std(ddof=1)) / math.sqrt(len(values)))
    return [middle - half, middle + half]
