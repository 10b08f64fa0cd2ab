"""Intervals: of a share exact, by Clopper and Pearson (1934); of a mean by the normal law."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
"""Of every interval that is shown: two-sided."""


def interval(hits: float, rows: float) -> list[float] | None:
    """The two-sided interval of a share of rows, cautious as it is exact; of no rows None."""
    if not rows:
        return None
    sure = (1 + CONFIDENCE) / 2
    low = lower_bound(np.array([float(hits)]), float(rows), sure)
    high = 1 - lower_bound(np.array([float(rows - hits)]), float(rows), sure)
    return [float(low[0]), float(high[0])]


def reach(deviation: float) -> float:
    """How far either end of a normal interval lies from its middle."""
    from scipy.special import ndtri

    return float(ndtri((1 + CONFIDENCE) / 2)) * deviation


def lower_bound(hits: NDArray[np.float64], rows: float, confidence: float) -> NDArray[np.float64]:
    """The one-sided lower bounds of shares of so many rows, (n,)."""
    from scipy.special import betaincinv  # many a step has no share to bound

    bounds: NDArray[np.float64] = np.zeros_like(hits)
    some = hits > 0
    bounds[some] = betaincinv(hits[some], rows - hits[some] + 1, 1 - confidence)
    return bounds
