"""Simulates A/B tests, many at a time: how often and when the bets of `ab_decision` decide.

The same numbers as `ABTest`'s, computed for all users of a test at once; a unit test checks that
they are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # as in feature_store/leaks.py
    import ab_decision
else:
    from ninesteps.containers import ab_decision

Numbers = NDArray[np.float64]

AT_ONCE = 1_000_000
"""Users simulated at a time, over all tests: a few hundred MB of memory at most."""


@dataclass(frozen=True)
class Ends:
    """When simulated tests end, in counted users, (runs,) each; 0: not within their users."""

    better: NDArray[np.int64]
    worse: NDArray[np.int64]

    def is_better_within(self, users: float) -> NDArray[np.bool_]:
        """Whether a test ends as better within so many users, and not as worse before, (runs,)."""
        return self._is_first(self.better, self.worse, users)

    def is_worse_within(self, users: float) -> NDArray[np.bool_]:
        """The same for worse."""
        return self._is_first(self.worse, self.better, users)

    @staticmethod
    def _is_first(
        own: NDArray[np.int64], other: NDArray[np.int64], users: float
    ) -> NDArray[np.bool_]:
        is_first: NDArray[np.bool_] = (other == 0) | (own < other)
        is_within: NDArray[np.bool_] = (own > 0) & (own <= users)
        return is_within & is_first


def shares(rules: ab_decision.Rules, users: int, late: int = 0) -> Numbers:
    """The challenger's share of each user in a test, (users,), between 0 and 1.

    Args:
        late: users who arrive before the outcome of one is known; they delay the growth of the
            share.
    """
    ramp = np.arange(users) < rules.first_users + late
    return np.where(ramp, rules.first_share, rules.share) / 100


def simulate(
    rules: ab_decision.Rules,
    rates: tuple[Numbers | float, Numbers | float],
    w: Numbers,
    runs: int,
    seed: int,
    week: int = 0,
) -> Ends:
    """Simulate tests.

    Args:
        rates: the true ones of main and of the challenger; for each user, (users,), if they drift.
        w: the challenger's share of each user, (users,).
        week: users in a week; before that no version is found better.
    """
    chance = np.random.default_rng(seed)
    better, worse = [], []
    threshold = np.log(2 / rules.alpha)
    for number in _portions(runs, len(w)):
        arms = chance.random((number, len(w))) < w
        values = chance.random(arms.shape) < np.where(arms, rates[1], rates[0])
        e_better, e_worse = evidence(rules, arms, values, w)
        counted = np.cumsum(arms, 1)
        both = np.minimum(counted, np.arange(1, len(w) + 1) - counted) >= rules.min_users
        both[:, :week] = False
        better.append(_first((e_better >= threshold) & both))
        worse.append(_first(e_worse >= threshold))
    return Ends(np.concatenate(better), np.concatenate(worse))


def evidence(
    rules: ab_decision.Rules, arms: NDArray[np.bool_], values: NDArray[np.bool_], w: Numbers
) -> tuple[Numbers, Numbers]:
    """The natural logarithms of the evidence for better and worse after each user, (runs, users).

    Args:
        arms: whether a user is the challenger's, (runs, users).
        values: whether the outcome is good, (runs, users).
        w: the challenger's share of each user, (users,).
    """
    before: NDArray[np.int64] = np.cumsum(values, 1) - values
    q = (before + 1) / (np.arange(len(w)) + 2)
    z = (values - q) * np.where(arms, 1 / w, -1 / (1 - w))
    e_better, e_worse = np.full(z.shape, -np.inf), np.full(z.shape, -np.inf)
    for part, for_better, for_worse in _stakes(rules, q, w):
        for total, won in ((e_better, for_better * (z + rules.margin)), (e_worse, -for_worse * z)):
            np.logaddexp(total, np.log(part) + np.cumsum(np.log1p(won), 1), out=total)
    return e_better, e_worse


def _stakes(
    rules: ab_decision.Rules, q: Numbers, w: Numbers | float
) -> Iterator[tuple[float, Numbers, Numbers]]:
    """For each distance its weight, and the bets on better and on worse, each in the shape of q."""
    scale = 2 * w * (1 - w) / np.sqrt(q * (1 - q))
    losses = np.maximum(q / w, (1 - q) / (1 - w))
    gains = np.maximum((1 - q) / w, q / (1 - w))
    cap = ab_decision.LARGEST_LOSS
    most_better, most_worse = cap / np.maximum(losses - rules.margin, 1e-9), cap / gains
    for distance, part in ab_decision.DISTANCES.items():
        yield (
            part,
            np.minimum(distance * scale, most_better),
            np.minimum(distance * scale, most_worse),
        )


def simulate_blocks(
    rules: ab_decision.Rules,
    rates: tuple[float, float],
    w: Numbers,
    blocks: NDArray[np.int64],
    runs: int,
    seed: int,
    week: int = 0,
) -> Ends:
    """Simulate tests with many users in blocks; the evidence is evaluated after each block.

    Within a block the bets stay the same, so that the four kinds of users are counted and not drawn
    one by one. It is the same test with fewer looks.

    Args:
        w: the challenger's share of each block, (blocks,).
        blocks: the users in each, (blocks,).
        week: as in `simulate`, in users.

    Returns:
        The ends, in counted users.
    """
    chance = np.random.default_rng(seed)
    parts = len(ab_decision.DISTANCES)
    e = np.log(np.tile([*ab_decision.DISTANCES.values()], (2, runs, 1)))  # of both sides
    users, good = np.zeros((2, runs)), np.zeros((2, runs))  # of both arms
    ends = np.zeros((2, runs), np.int64)
    threshold = np.log(2 / rules.alpha)
    for share, block, so_far in zip(w, blocks, np.cumsum(blocks), strict=True):
        q = (good.sum(0) + 1) / (users.sum(0) + 2)
        n1 = chance.binomial(block, share, runs)
        n = np.stack([block - n1, n1])
        y = chance.binomial(n, np.array(rates)[:, None])
        for index, (_, for_better, for_worse) in enumerate(_stakes(rules, q, share)):
            for arm, weight in ((0, -1 / (1 - share)), (1, 1 / share)):
                for value, count in ((1, y[arm]), (0, n[arm] - y[arm])):
                    z = (value - q) * weight
                    e[0, :, index] += count * np.log1p(for_better * (z + rules.margin))
                    e[1, :, index] += count * np.log1p(-for_worse * z)
        users, good = users + n, good + y
        reached = np.logaddexp.reduce(e.reshape(2, runs, parts), axis=2) >= threshold
        reached[0] &= (users.min(0) >= rules.min_users) & (so_far > week)
        ends[(ends == 0) & reached] = so_far
    return Ends(*ends)


def _portions(runs: int, users: int) -> Iterator[int]:
    """How many runs are simulated at a time."""
    at_once = max(1, AT_ONCE // users)
    for begin in range(0, runs, at_once):
        yield min(at_once, runs - begin)


def _first(is_reached: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The first user, from 1, at which each run reaches the limit; 0 if none."""
    return np.where(is_reached.any(1), is_reached.argmax(1) + 1, 0).astype(np.int64)
