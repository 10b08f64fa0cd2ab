"""How well one column alone ranks the label: one that does so almost perfectly may leak it.

A column that was written down after the outcome (a score, a status, a reason of leaving) makes
every metric look good and is not there when the model has to predict.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SUSPICIOUS = 0.99
"""From this ranking power on a column is named to the person who brought the table."""

MOST_ROWS = 20_000  # of a larger table as many are drawn
FEWEST_ROWS, FEWEST_OF_A_CLASS = 30, 5  # of fewer, some column ranks the label by chance
MOST_VALUES = 50  # groups that a column is cut into


def ranking_power(column: pd.Series[Any], labels: NDArray[np.float64]) -> float:
    """How well a column alone ranks the label: 1 is perfectly, in either direction.

    Two ways are tried and the better one counts: the column's own order (numbers and dates), and
    the mean label of each of its values, or groups of values, learnt on one half of the rows and
    judged on the other; no value is a group too. So a code, a reason that is there or not, and a
    score that is high at both ends are seen as well.

    Args:
        column: numbers, dates or texts, (n,); missing as pandas writes it.
        labels: (n,); rows without one (NaN) do not count.

    Returns:
        Of a label with two values the area under the ROC curve, of numbers the absolute rank
        correlation (Spearman); 0 where there are too few rows to judge by.
    """
    known = np.flatnonzero(~np.isnan(labels))
    chosen = np.random.default_rng(0).permutation(known)[:MOST_ROWS]
    labels = labels[chosen]
    classes, counts = np.unique(labels, return_counts=True)
    is_binary = len(classes) == 2
    too_few = counts.min() < FEWEST_OF_A_CLASS if is_binary else len(classes) < 2
    if len(labels) < FEWEST_ROWS or too_few:
        return 0.0
    ranks = _ranks(labels == classes[1] if is_binary else labels)
    column = column.iloc[chosen]
    powers = [_agreement(ranks, scores, is_binary) for scores in _own_order(column)]
    half = len(labels) // 2
    groups = _groups(column)
    for learnt, judged in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
        means = _means(groups[learnt], labels[learnt], int(groups.max()) + 1)
        powers.append(_agreement(_ranks(labels[judged]), means[groups[judged]], is_binary))
    *own, first, second = powers
    return max(*own, (first + second) / 2, 0.0)


def _own_order(column: pd.Series[Any]) -> list[NDArray[np.float64]]:
    """The values as scores, a missing one in the middle; none of texts."""
    if column.dtype.kind not in "iufmMb":
        return []
    ranks = column.rank().to_numpy(dtype="float64", na_value=np.nan)
    return [np.nan_to_num(ranks, nan=float(column.count() + 1) / 2)]


def _groups(column: pd.Series[Any]) -> NDArray[np.int64]:
    """The group of each row, (n,), from 0 (no value) on: its value, or values of a like size."""
    codes, values = pd.factorize(column, sort=column.dtype.kind in "iufmMb")
    if len(values) > MOST_VALUES and column.dtype.kind in "iufmMb":
        ranks = column.rank(pct=True).to_numpy(dtype="float64", na_value=np.nan)
        codes = np.nan_to_num(np.ceil(ranks * MOST_VALUES) - 1, nan=-1)
    return codes.astype(np.int64) + 1


def _means(groups: NDArray[np.int64], labels: NDArray[np.float64], count: int) -> NDArray[Any]:
    """The mean label of each group; of one without rows that of all."""
    rows = np.bincount(groups, minlength=count)
    sums = np.bincount(groups, weights=labels, minlength=count)
    return np.where(rows, sums / np.maximum(rows, 1), labels.mean())


def _agreement(ranks: NDArray[np.float64], scores: NDArray[Any], is_binary: bool) -> float:
    """AUC or Spearman's correlation, whichever the direction."""
    others = _ranks(scores)
    if not ranks.std() or not others.std():
        return 0.5 if is_binary else 0.0
    if not is_binary:
        return abs(float(np.corrcoef(ranks, others)[0, 1]))
    positive = ranks == ranks.max()
    count = int(positive.sum())
    area = (others[positive].sum() - count * (count + 1) / 2) / (count * (len(ranks) - count))
    return float(max(area, 1 - area))


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks from 1 on; ties share their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks
