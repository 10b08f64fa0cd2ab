"""Intervals: exact for shares, by Clopper and Pearson (1934); normal for means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
"""The confidence of all displayed intervals, two-sided."""


def interval(hits: float, rows: float) -> list[float] | None:
    """The exact, hence conservative, two-sided interval of a share of rows; None without rows."""
    if not rows:
        return None
    sure = (1 + CONFIDENCE) / 2
    low = lower_bound(np.array([float(hits)]), float(rows), sure)
    high = 1 - lower_bound(np.array([float(rows - hits)]), float(rows), sure)
    return [float(low[0]), float(high[0])]


def reach(deviation: float) -> float:
    """Half the width of a normal interval."""
    from scipy.special import ndtri

    return float(ndtri((1 + CONFIDENCE) / 2)) * deviation


def lower_bound(hits: NDArray[np.float64], rows: float, confidence: float) -> NDArray[np.float64]:
    """The one-sided lower bounds of shares of this many rows, (n,)."""
    from scipy.special import betaincinv  # many steps do not need it

    bounds: NDArray[np.float64] = np.zeros_like(hits)
    some = hits > 0
    bounds[some] = betaincinv(hits[some], rows - hits[some] + 1, 1 - confidence)
    return bounds
