"""Measures how well one column alone ranks the label: an almost perfect one may leak it.

A column that was recorded after the outcome (a score, a status, a reason for leaving) makes every
metric look good, but is unknown when the model has to predict.

Step 1 checks features. The library uses the same functions (`feature_store/leaks.py`) for the
columns of a raw table, so this module imports only numpy when it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dataset import Split

SUSPICIOUS = 0.99
"""The ranking power from which a column or feature is reported."""

GLANCED_AT, WORTH_A_LOOK = 1_000, 0.9
"""A feature must first reach this power on a small sample: most features have far less."""

MOST_ROWS = 20_000  # a larger table is sampled
FEWEST_ROWS, FEWEST_OF_A_CLASS = 30, 5  # with fewer, columns may rank the label by chance
MOST_VALUES = 50  # groups that a column is divided into


def suspicious_features(train: Split) -> dict[str, float]:
    """The features that alone rank the labels almost perfectly, with their power, the best
    first."""
    rows = chosen_rows(train.labels)
    few = _few(rows, train.labels)
    found = {}
    for position, name in enumerate(train.columns.features):
        values = train.features[:, position]
        if ranking_power(_codes(values[few]), train.labels[few]) >= WORTH_A_LOOK:
            power = ranking_power(_codes(values[rows]), train.labels[rows])
            if power >= SUSPICIOUS:
                found[name] = power
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def chosen_rows(labels: NDArray[np.float64]) -> NDArray[np.intp]:
    """The rows to use, in a fixed random order.

    Args:
        labels: (n,); rows without one (NaN) do not count.
    """
    known = np.flatnonzero(~np.isnan(labels))
    return np.random.default_rng(0).permutation(known)[:MOST_ROWS]


def ranking_power(
    codes: NDArray[np.intp], labels: NDArray[np.float64], is_ordered: bool = True
) -> float:
    """How well a column alone ranks the label: 1 is perfect, in either direction.

    Two methods are tried and the better one counts: the column's own order (numbers and dates), and
    the mean label of each value or group of values, learnt on one half of the rows and tested on
    the other; missing values are a group too. So codes, values that are present or missing, and
    scores that are high at both ends are detected as well.

    Args:
        codes: each row's position among the distinct values, (n,), from 0; -1 for no value. The
            rows are in random order.
        labels: (n,), each known.
        is_ordered: whether the order of the codes is meaningful; for texts it is not.

    Returns:
        For a label with two values, the area under the ROC curve; for numbers, the absolute rank
        correlation (Spearman); 0 with too few rows.
    """
    classes, label_codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    is_binary = len(classes) == 2
    too_few = counts.min() < FEWEST_OF_A_CLASS if is_binary else len(classes) < 2
    if len(labels) < FEWEST_ROWS or too_few:
        return 0.0
    places = np.arange(len(classes))
    groups, own = codes + 1, 0.0  # group 0: no value
    if is_ordered:
        standing = _standing(groups)
        own = _agreement(_ranks(label_codes, places), _ranks(groups, standing), is_binary)
        groups = _cut(standing, groups)
    half = len(labels) // 2
    powers = []
    for learnt, judged in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
        means = _means(groups[learnt], labels[learnt], int(groups.max()) + 1)
        ranks = _ranks(label_codes[judged], places)
        powers.append(_agreement(ranks, _ranks(groups[judged], means), is_binary))
    return max(own, sum(powers) / 2)


def _few(rows: NDArray[np.intp], labels: NDArray[np.float64]) -> NDArray[np.intp]:
    """A sample of the rows: with as many of the most common label as of all others.

    So it includes a rare class; the ROC curve does not depend on class frequencies.
    """
    places = np.unique(labels[rows], return_inverse=True)[1]
    common = places == np.bincount(places).argmax()
    each = [rows[part][: GLANCED_AT // 2] for part in (common, ~common)]
    return np.random.default_rng(0).permutation(np.concatenate(each))


def _codes(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """Each number's position among the distinct ones, (n,); -1 for NaN."""
    _, codes = np.unique(values, return_inverse=True)
    codes[np.isnan(values)] = -1
    return codes


def _standing(groups: NDArray[np.intp]) -> NDArray[np.float64]:
    """The mean rank of each group among the rows with a value; no value is in the middle."""
    counts = np.bincount(groups)
    counts[0] = 0
    standing: NDArray[np.float64] = np.cumsum(counts) - (counts - 1) / 2
    standing[0] = (counts.sum() + 1) / 2
    return standing


def _cut(standing: NDArray[np.float64], groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """The groups, (n,); if there are too many, neighbours are merged into groups of similar
    size."""
    if len(standing) - 1 <= MOST_VALUES:
        return groups
    present = np.count_nonzero(groups)
    fewer = np.ceil(standing / present * MOST_VALUES).astype(np.intp)
    fewer[0] = 0
    cut: NDArray[np.intp] = fewer[groups]
    return cut


def _means(groups: NDArray[np.intp], labels: NDArray[np.float64], count: int) -> NDArray[Any]:
    """The mean label of each group; for an empty group, the overall mean."""
    rows = np.bincount(groups, minlength=count)
    sums = np.bincount(groups, weights=labels, minlength=count)
    return np.where(rows, sums / np.maximum(rows, 1), labels.mean())


def _agreement(ranks: NDArray[np.float64], others: NDArray[np.float64], is_binary: bool) -> float:
    """AUC or Spearman's correlation of the label's ranks with others, in either direction."""
    if not np.ptp(ranks) or not np.ptp(others):
        return 0.5 if is_binary else 0.0
    if not is_binary:
        return abs(float(np.corrcoef(ranks, others)[0, 1]))
    positive = ranks == ranks.max()
    count = int(positive.sum())
    area = (others[positive].sum() - count * (count + 1) / 2) / (count * (len(ranks) - count))
    return float(max(area, 1 - area))


def _ranks(groups: NDArray[np.intp], scores: NDArray[Any]) -> NDArray[np.float64]:
    """The rank of each row by its group's score, (n,), from 1; ties share their mean."""
    places = np.unique(scores, return_inverse=True)[1][groups]
    counts = np.bincount(places)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks
