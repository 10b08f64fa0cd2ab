"""Metrics of a model, from their definitions, without scikit-learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def binary_metrics(
    labels: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    predictions: NDArray[np.float64],
) -> dict[str, float]:
    """Every metric that a gate on a binary problem may name; all inputs are (n,).

    A ratio with denominator 0 (for example, no flagged rows) is 0, so that a gate on it fails.

    auc = area under the ROC curve, in [0, 1]. How often a positive outranks a negative, ties
        counting half: 0.5 is chance. No threshold plays a part.
    accuracy = right predictions / rows, in [0, 1]. It says little if positives are rare:
        predicting none is right nearly always.
    precision = positives flagged / rows flagged, in [0, 1]. The share of alarms that are true.
    recall = positives flagged / positives, in [0, 1]. The share of positives that are found.
    f1 = 2 precision recall / (precision + recall), in [0, 1]. High only if both are.
    average_precision = sum of (recall gained) (precision there) over all thresholds, in [0, 1].
        A random model has the share of positives; useful if positives are rare.
    flagged_share = rows flagged / rows, in [0, 1]. How much work or harm the flags cause.
    """
    positive, flagged = labels == 1, predictions == 1
    hits = float((positive & flagged).sum())
    precision = _ratio(hits, float(flagged.sum()))
    recall = _ratio(hits, float(positive.sum()))
    return {
        "auc": auc(labels, probabilities),
        "accuracy": float((labels == predictions).mean()),
        "precision": precision,
        "recall": recall,
        "f1": _ratio(2 * precision * recall, precision + recall),
        "average_precision": average_precision(labels, probabilities),
        "flagged_share": float(flagged.mean()),
    }


def regression_metrics(
    labels: NDArray[np.float64], predictions: NDArray[np.float64]
) -> dict[str, float]:
    """Every metric that a gate on a regression may name; inputs are (n,).

    If all labels are equal, r2 is 0.

    rmse = sqrt(mean of (prediction - label)^2), in [0, inf). In the label's unit; large errors
        count most.
    mae = mean of |prediction - label|, in [0, inf). In the label's unit; every error counts by its
        size.
    r2 = 1 - sum of (prediction - label)^2 / sum of (label - mean)^2, in (-inf, 1]. 1 is perfect,
        0 no better than always predicting the mean.
    """
    errors = predictions - labels
    squares, spread = float((errors**2).sum()), float(((labels - labels.mean()) ** 2).sum())
    return {
        "rmse": float(np.sqrt(squares / len(labels))),
        "mae": float(np.abs(errors).mean()),
        "r2": 1 - squares / spread if labels.min() < labels.max() else 0.0,
    }


def auc(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Area under the ROC curve: how often a positive outranks a negative, ties counting half."""
    positive = labels == 1
    count = int(positive.sum())
    others = len(labels) - count
    if not count or not others:
        raise ValueError("AUC needs both classes; only one is present")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_rank[inverse][positive].sum())
    return (rank_sum - count * (count + 1) / 2) / (count * others)


def average_precision(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Precision at each threshold, weighted by the recall gained there."""
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(labels[order] == 1)[last_of_tie]
    flagged = (np.arange(len(scores)) + 1)[last_of_tie]
    gained = np.diff(hits, prepend=0) / hits[-1]
    return float((gained * hits / flagged).sum())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
