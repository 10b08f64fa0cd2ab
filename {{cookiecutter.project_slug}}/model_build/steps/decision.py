"""The decision threshold: which probability is enough to predict the positive class.

It is chosen on the validation split, saved with the model, and used by evaluation, transform, bias
step and endpoint alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]


def choose_threshold(
    rule: str, labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> float:
    """The threshold that is best by a rule, "accuracy" or "f1"; of equals, the nearest to 0.5.

    A row is predicted positive if its probability is at or above the threshold. Thresholds lie
    half-way between neighbouring probabilities, so that none decides by rounding.
    """
    score = RULES[rule]
    values, inverse = np.unique(probabilities, return_inverse=True)
    positives = np.bincount(inverse, weights=labels == 1, minlength=len(values))
    rows = np.bincount(inverse, minlength=len(values))
    # flagged[i]: what is predicted positive if the threshold is just below values[i]
    hits = np.append(np.cumsum(positives[::-1])[::-1], 0.0)
    flagged = np.append(np.cumsum(rows[::-1])[::-1], 0.0)
    scores = score(hits, flagged, float(positives.sum()), float(len(labels)))
    middles = (values[1:] + values[:-1]) / 2
    thresholds = np.concatenate([[0.0], middles, [np.nextafter(1.0, 2.0)]])
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return float(thresholds[best[np.argmin(np.abs(thresholds[best] - 0.5))]])


def _accuracy(hits: Counts, flagged: Counts, positives: float, rows: float) -> Counts:
    return (hits + (rows - positives) - (flagged - hits)) / rows


def _f1(hits: Counts, flagged: Counts, positives: float, rows: float) -> Counts:
    found_or_flagged: Counts = np.maximum(flagged + positives, 1.0)
    return 2 * hits / found_or_flagged


RULES: dict[str, Callable[[Counts, Counts, float, float], Counts]] = {
    "accuracy": _accuracy,
    "f1": _f1,
}
