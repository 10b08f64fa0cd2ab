"""How well one column alone ranks the label: one that does so almost perfectly may leak it.

A column that was written down after the outcome (a score, a status, a reason of leaving) makes
every metric look good, and is not there when the model has to predict.

Step 1 asks this of features. The library imports the same functions (`feature_store/leaks.py`)
and asks it of the columns of a raw table, so this module imports nothing but numpy when it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dataset import Split

SUSPICIOUS = 0.99
"""From this ranking power on a column or feature is named."""

GLANCED_AT, WORTH_A_LOOK = 1_000, 0.9
"""Of so many rows a feature has to reach this before more are ranked: most reach far less."""

MOST_ROWS = 20_000  # of a larger table as many are drawn
FEWEST_ROWS, FEWEST_OF_A_CLASS = 30, 5  # of fewer, some column ranks the label by chance
MOST_VALUES = 50  # groups that a column is cut into


def suspicious_features(train: Split) -> dict[str, float]:
    """The features that alone rank the labels almost perfectly, with how well, the best first."""
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
    """The rows to judge by, in a random order that is the same each time.

    Args:
        labels: (n,); rows without one (NaN) do not count.
    """
    known = np.flatnonzero(~np.isnan(labels))
    return np.random.default_rng(0).permutation(known)[:MOST_ROWS]


def ranking_power(
    codes: NDArray[np.intp], labels: NDArray[np.float64], is_ordered: bool = True
) -> float:
    """How well a column alone ranks the label: 1 is perfectly, in either direction.

    Two ways are tried and the better one counts: the column's own order (numbers and dates), and
    the mean label of each of its values, or groups of values, learnt on one half of the rows and
    judged on the other; no value is a group too. So a code, a reason that is there or not, and a
    score that is high at both ends are seen as well.

    Args:
        codes: where each row's value stands among the different ones, (n,), from 0 on; -1 for no
            value. The rows are in random order.
        labels: (n,), each known.
        is_ordered: whether the order of the codes means something; that of texts does not.

    Returns:
        Of a label with two values the area under the ROC curve, of numbers the absolute rank
        correlation (Spearman); 0 where there are too few rows to judge by.
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
    """Some of the rows to take a glance at: of the commonest label as many as of all others.

    So a rare class is seen too; the ROC curve does not depend on how frequent it is.
    """
    places = np.unique(labels[rows], return_inverse=True)[1]
    common = places == np.bincount(places).argmax()
    each = [rows[part][: GLANCED_AT // 2] for part in (common, ~common)]
    return np.random.default_rng(0).permutation(np.concatenate(each))


def _codes(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """Where each number stands among the different ones, (n,); -1 for none (NaN)."""
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
    """The groups, (n,); where they are too many, neighbours together in groups of a like size."""
    if len(standing) - 1 <= MOST_VALUES:
        return groups
    present = np.count_nonzero(groups)
    fewer = np.ceil(standing / present * MOST_VALUES).astype(np.intp)
    fewer[0] = 0
    cut: NDArray[np.intp] = fewer[groups]
    return cut


def _means(groups: NDArray[np.intp], labels: NDArray[np.float64], count: int) -> NDArray[Any]:
    """The mean label of each group; of one without rows that of all."""
    rows = np.bincount(groups, minlength=count)
    sums = np.bincount(groups, weights=labels, minlength=count)
    return np.where(rows, sums / np.maximum(rows, 1), labels.mean())


def _agreement(ranks: NDArray[np.float64], others: NDArray[np.float64], is_binary: bool) -> float:
    """AUC or Spearman's correlation of the label's ranks and others, whichever the direction."""
    if not np.ptp(ranks) or not np.ptp(others):
        return 0.5 if is_binary else 0.0
    if not is_binary:
        return abs(float(np.corrcoef(ranks, others)[0, 1]))
    positive = ranks == ranks.max()
    count = int(positive.sum())
    area = (others[positive].sum() - count * (count + 1) / 2) / (count * (len(ranks) - count))
    return float(max(area, 1 - area))


def _ranks(groups: NDArray[np.intp], scores: NDArray[Any]) -> NDArray[np.float64]:
    """The rank of each row by its group's score, (n,), from 1 on; ties share their mean."""
    places = np.unique(scores, return_inverse=True)[1][groups]
    counts = np.bincount(places)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks
