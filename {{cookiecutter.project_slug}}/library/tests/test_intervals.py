"""Intervals of shares: by the binomial's own tails, and how often they hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from intervals import CONFIDENCE, interval, lower_bound


def at_least(hits: int, rows: int, share: float) -> float:
    """The chance of so many hits or more: the binomial's upper tail, term by term."""
    chances = [math.comb(rows, k) * share**k * (1 - share) ** (rows - k) for k in range(rows + 1)]
    return math.fsum(chances[hits:])


@pytest.mark.parametrize(("hits", "rows"), [(1, 1), (3, 10), (9, 10), (40, 120), (119, 120)])
def test_either_end_leaves_a_fortieth_beyond_it(hits: int, rows: int) -> None:
    bounds = interval(hits, rows)
    assert bounds is not None
    low, high = bounds
    assert low < hits / rows <= high
    assert at_least(hits, rows, low) == pytest.approx((1 - CONFIDENCE) / 2)
    if hits < rows:
        assert 1 - at_least(hits + 1, rows, high) == pytest.approx((1 - CONFIDENCE) / 2)


def test_none_of_ten_and_ten_of_ten_are_not_certain() -> None:
    # Worked by hand: (1 - high)^10 = 0.025
    assert interval(0, 10) == pytest.approx([0.0, 1 - 0.025**0.1])
    assert interval(10, 10) == pytest.approx([0.025**0.1, 1.0])
    assert interval(0, 0) is None


def test_an_interval_holds_the_share_at_least_as_often_as_it_says() -> None:
    random = np.random.default_rng(20)
    for share, rows in ((0.1, 40), (0.5, 100), (0.9, 250)):
        drawn: NDArray[np.int64] = random.binomial(rows, share, 2_000)
        held = [low <= share <= high for low, high in map(_known, drawn, [rows] * len(drawn))]
        assert CONFIDENCE - 0.01 < np.mean(held) < 0.995


def _known(hits: np.int64, rows: int) -> list[float]:
    bounds = interval(float(hits), rows)
    assert bounds is not None
    return bounds


def test_more_hits_have_a_higher_bound() -> None:
    bounds = lower_bound(np.arange(11, dtype=np.float64), 10.0, 0.9)
    assert bounds[0] == 0
    assert np.all(np.diff(bounds) > 0)
