"""Kernel SHAP: Shapley values of any model, from its answers alone.

Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions" (NeurIPS 2017), theorem 2.
A coalition is a set of features that a record keeps; the others come from the baseline. The Shapley
values are the weighted least-squares fit to the coalitions' values, under the constraint that
together they give the model's answer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Answer = Callable[[NDArray[np.float32]], Floats]
"""A model: (n, features) -> (n,)."""


MOST_ASKED = 50_000
"""Rows per call of the model, which need some megabytes of memory."""


def kernel_shap(
    answer: Answer,
    records: NDArray[np.float32],
    baseline: NDArray[np.float32],
    samples: int,
    seed: int,
) -> Floats:
    """SHAP values, (n, features + 1), in the answer's unit; the expected value last.

    A feature in which no record differs from the baseline is left out, with value 0.

    Args:
        records: (n, features).
        baseline: (rows, features); the expected value is the mean answer to them.
        samples: the most coalitions to evaluate per record and row of the baseline; at least four
            per feature. If there are no more than this, 2^features - 2, the values are exact.
    """
    expected, answers = answer(baseline).mean(), answer(records)
    values = np.zeros((len(records), records.shape[1] + 1))
    values[:, -1] = expected
    free = np.flatnonzero(
        [_differs(records[:, [j]], baseline[:, j]) for j in range(values.shape[1] - 1)]
    )
    if len(free) < 2:
        values[:, free] = (answers - expected)[:, np.newaxis]
        return values
    members, weights = coalitions(len(free), samples, seed)
    keeps = np.zeros((len(members), records.shape[1]), dtype=bool)
    keeps[:, free] = members
    worth = _worths(answer, records, baseline, keeps)
    values[:, free] = _fit(members, weights, worth - expected, answers - expected)
    return values


def coalitions(features: int, samples: int, seed: int) -> tuple[Bools, Floats]:
    """Coalitions of features, (k, features), and the weight of each, (k,).

    Complete sizes come first while they fit, the smallest and their complements first, since these
    have the largest weights; the remaining samples are drawn at random from the other sizes, each
    with its complement.
    """
    left = max(samples, 4 * features)
    parts: list[Bools] = []
    weights: list[Floats] = []
    sizes = list(range(1, features // 2 + 1))
    while sizes and (count := _both(features, sizes[0]) * math.comb(features, sizes[0])) <= left:
        size = sizes.pop(0)
        subsets = _mirrored(np.array(list(_all(features, size))), features, size)
        parts.append(subsets)
        weights.append(np.full(len(subsets), _weight(features, size) / len(subsets)))
        left -= count
    if sizes and left >= 2:
        random = np.random.default_rng(seed)
        total = np.array([_weight(features, size) for size in sizes])
        drawn = random.choice(sizes, size=left // 2, p=total / total.sum())
        ranks = random.random((len(drawn), features)).argsort(axis=1)
        some = ranks < drawn[:, np.newaxis]
        parts.append(np.concatenate([some, ~some]))
        weights.append(np.full(2 * len(drawn), total.sum() / (2 * len(drawn))))
    return np.concatenate(parts), np.concatenate(weights)


def _both(features: int, size: int) -> int:
    """The number of sizes among a size and its complement's: 1 or 2."""
    return 1 if 2 * size == features else 2


def _weight(features: int, size: int) -> float:
    """The Shapley kernel's weight of all coalitions of a size and of its complement's."""
    return _both(features, size) * (features - 1) / (size * (features - size))


def _all(features: int, size: int) -> Iterator[Bools]:
    for chosen in itertools.combinations(range(features), size):
        yield np.isin(np.arange(features), chosen)


def _mirrored(members: Bools, features: int, size: int) -> Bools:
    return members if _both(features, size) == 1 else np.concatenate([members, ~members])


def _differs(column: NDArray[np.float32], baseline: NDArray[np.float32]) -> bool:
    """Whether a value, (n, 1), differs from a baseline row's, (rows,); missing counts as a
    value."""
    same = (column == baseline) | (np.isnan(column) & np.isnan(baseline))
    return not bool(same.all())


def _worths(
    answer: Answer, records: NDArray[np.float32], baseline: NDArray[np.float32], keeps: Bools
) -> Floats:
    """The mean answer if a coalition keeps a record's values, (k, n)."""
    worths = np.empty((len(keeps), len(records)))
    at_once = max(1, MOST_ASKED // (len(keeps) * len(baseline)))
    for start in range(0, len(records), at_once):
        some = records[start : start + at_once, np.newaxis, np.newaxis, :]
        mixed = np.where(keeps[:, np.newaxis, :], some, baseline)  # (some, k, rows, features)
        answers = answer(mixed.reshape(-1, records.shape[1])).reshape(mixed.shape[:3])
        worths[:, start : start + at_once] = answers.mean(axis=2).T
    return worths


def _fit(members: Bools, weights: Floats, worth: Floats, whole: Floats) -> Floats:
    """The least-squares fit, (n, features), of the worths, (k, n), that adds up to (n,)."""
    z, root = members.astype(np.float64), np.sqrt(weights)[:, np.newaxis]
    last = z[:, -1:]  # determined by the constraint: the total minus the others
    fitted = np.linalg.lstsq(root * (z[:, :-1] - last), root * (worth - last * whole), rcond=None)[
        0
    ]
    return np.concatenate([fitted, whole - fitted.sum(axis=0, keepdims=True)]).T
