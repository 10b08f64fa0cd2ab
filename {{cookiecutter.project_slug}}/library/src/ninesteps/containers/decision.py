"""The decision threshold: the probability from which the positive class is predicted.

It is chosen on the validation split, saved with the model, and used by evaluation, transform, bias
step and endpoint.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intervals import lower_bound

Counts = NDArray[np.float64]

CONFIDENCE = 0.9
"""The one-sided confidence of the recall rule's lower bound."""


@dataclass(frozen=True)
class DecisionThreshold:
    """A threshold, and how it was chosen."""

    rule: str  # "accuracy", "f1" or "recall"
    threshold: float
    recall_target: float | None = None  # the gate's requirement
    recall_lower_bound: float | None = None  # of recall on the validation split, at the threshold
    reached: bool = True  # whether the bound is above the target

    def as_json(self) -> dict[str, Any]:
        """The JSON saved with the model, without values that the rule does not have."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class _Candidates:
    """The thresholds between neighbouring probabilities, with what each flags: all (k,)."""

    thresholds: Counts
    hits: Counts  # positives flagged
    flagged: Counts
    positives: float
    rows: float


def choose_threshold(
    rule: str,
    labels: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    recall_target: float | None = None,
) -> DecisionThreshold:
    """The best threshold by a rule; among equals, the nearest to 0.5.

    A row is predicted positive if its probability is at or above the threshold. Thresholds are
    half-way between neighbouring probabilities, so that rounding decides nothing.

    "accuracy" and "f1" choose the highest value of the metric. "recall" chooses the best precision
    among the thresholds whose lower bound of recall is above the target: with recall exactly at the
    target, it would fail on the test split half the time. If there is no such threshold, it uses
    the highest recall with the fewest flagged rows, and sets `reached` to false.
    """
    candidates = _candidates(labels, probabilities)
    if rule == "recall":
        if recall_target is None:
            raise ValueError("the rule 'recall' needs the recall that the gate asks for")
        return _recall_threshold(candidates, recall_target)
    scores = {"accuracy": _accuracy, "f1": _f1}[rule](candidates)
    return DecisionThreshold(rule, float(candidates.thresholds[_best(candidates, scores)]))


def _candidates(labels: NDArray[np.float64], probabilities: NDArray[np.float64]) -> _Candidates:
    values, inverse = np.unique(probabilities, return_inverse=True)
    positives = np.bincount(inverse, weights=labels == 1, minlength=len(values))
    rows = np.bincount(inverse, minlength=len(values))
    middles = (values[1:] + values[:-1]) / 2
    return _Candidates(
        thresholds=np.concatenate([[0.0], middles, [np.nextafter(1.0, 2.0)]]),
        # The i-th threshold is just below values[i]: it flags that value and all above it.
        hits=np.append(np.cumsum(positives[::-1])[::-1], 0.0),
        flagged=np.append(np.cumsum(rows[::-1])[::-1], 0.0).astype(np.float64),
        positives=float(positives.sum()),
        rows=float(len(labels)),
    )


def _best(candidates: _Candidates, scores: Counts) -> int:
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return int(best[np.argmin(np.abs(candidates.thresholds[best] - 0.5))])


def _accuracy(c: _Candidates) -> Counts:
    return (c.hits + (c.rows - c.positives) - (c.flagged - c.hits)) / c.rows


def _f1(c: _Candidates) -> Counts:
    found_or_flagged: Counts = np.maximum(c.flagged + c.positives, 1.0)
    return 2 * c.hits / found_or_flagged


def _recall_threshold(c: _Candidates, target: float) -> DecisionThreshold:
    bounds = lower_bound(c.hits, c.positives, CONFIDENCE)
    reached = bounds > target
    precision = c.hits / np.maximum(c.flagged, 1.0)
    if reached.any():
        index = _best(c, np.where(reached, precision, -1.0))
    else:
        index = _best(c, np.where(c.hits == c.hits.max(), -c.flagged, -np.inf))
    threshold, bound = float(c.thresholds[index]), float(bounds[index])
    return DecisionThreshold("recall", threshold, target, bound, bool(reached[index]))
