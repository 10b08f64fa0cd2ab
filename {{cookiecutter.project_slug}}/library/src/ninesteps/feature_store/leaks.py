"""Measures how well one raw column alone ranks the label, as step 1 does for features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:  # mypy knows a module that is packed with the scripts by its flat name
    import leaks
    from leaks import SUSPICIOUS, chosen_rows
else:
    from ninesteps.containers import leaks
    from ninesteps.containers.leaks import SUSPICIOUS, chosen_rows

__all__ = ["SUSPICIOUS", "chosen_rows", "power_of", "ranking_power"]


def ranking_power(column: pd.Series[Any], labels: NDArray[np.float64]) -> float:
    """How well a column alone ranks the label: see `leaks.ranking_power` of the containers.

    Args:
        column: numbers, dates or texts, (n,), with pandas' missing values.
        labels: (n,); rows without a label (NaN) are ignored.
    """
    rows = chosen_rows(labels)
    return power_of(column.iloc[rows], labels[rows])


def power_of(column: pd.Series[Any], labels: NDArray[np.float64]) -> float:
    """The same for rows chosen by `chosen_rows`."""
    is_ordered = column.dtype.kind in "iufmMb"
    codes, _ = pd.factorize(column, sort=is_ordered)
    return leaks.ranking_power(codes, labels, is_ordered)
