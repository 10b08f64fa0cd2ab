"""Features that alone rank the label almost perfectly: most were written down after the outcome.

Such a feature makes every metric look good, and is not there when the model has to predict.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset import Split

SUSPICIOUS = 0.99
"""From this ranking power on a feature is named."""

GLANCED_AT, WORTH_A_LOOK = 1_000, 0.95
"""Of so many rows a feature has to reach this before all rows are ranked: most reach far less."""

MOST_VALUES, ROWS_A_VALUE = 20, 50
"""A column of few values, each of many rows, is ranked by their mean labels too, as codes are."""


def suspicious_features(train: Split) -> dict[str, float]:
    """The features that alone rank the labels almost perfectly, with how well, the best first."""
    rows = len(train.labels)
    few = np.arange(min(rows, GLANCED_AT)) * rows // min(rows, GLANCED_AT)
    is_binary, found = not train.columns.is_regression, {}
    for position, name in enumerate(train.columns.features):
        values = train.features[:, position]
        if ranking_power(values[few], train.labels[few], is_binary) >= WORTH_A_LOOK:
            power = ranking_power(values, train.labels, is_binary)
            if power >= SUSPICIOUS:
                found[name] = power
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def ranking_power(
    values: NDArray[np.float32], labels: NDArray[np.float64], is_binary: bool
) -> float:
    """How well a feature alone ranks the label: 1 is perfectly, in either direction.

    Of classes the area under the ROC curve, of numbers the absolute rank correlation (Spearman).
    No value (NaN) counts as the lowest one.

    Args:
        values: (n,).
        labels: (n,); of a binary problem 0 and 1.
    """
    known = np.where(np.isnan(values), -np.inf, values)
    different, codes = np.unique(known, return_inverse=True)
    power = _agreement(_ranks(codes), labels, is_binary)
    if 2 < len(different) <= min(MOST_VALUES, len(values) // ROWS_A_VALUE):
        means = np.bincount(codes, weights=labels) / np.bincount(codes)
        by_mean = np.unique(means[codes], return_inverse=True)[1]
        power = max(power, _agreement(_ranks(by_mean), labels, is_binary))
    return power


def _agreement(ranks: NDArray[Any], labels: NDArray[np.float64], is_binary: bool) -> float:
    if ranks[0] == ranks[-1] == ranks.mean():  # one value
        return 0.0
    if is_binary:
        positives = labels == 1
        count = int(positives.sum())
        if count in (0, len(labels)):
            return 0.0
        above = ranks[positives].sum() - count * (count + 1) / 2
        area = above / (count * (len(labels) - count))
        return float(max(area, 1 - area))
    others = _ranks(np.unique(labels, return_inverse=True)[1])
    if not others.std() or not ranks.std():
        return 0.0
    return abs(float(np.corrcoef(ranks, others)[0, 1]))


def _ranks(codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Ranks from 1 on of values told by their order; equal ones share their mean."""
    counts = np.bincount(codes)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    return ranks
