"""Computes and checks the team's features, for tables and for the endpoint's raw records.

The library imports this module too, so it imports no other module of this folder.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

AT_ONCE = 10_000
"""Rows checked at a time, so that a large table is not in memory twice."""


class FeatureError(ValueError):
    """The team's features cannot be used; the message gives the reason."""


def compute(
    team: Any,
    rows: pd.DataFrame,
    categories: Mapping[str, tuple[str, ...]],
    withheld: Iterable[str] = (),
) -> pd.DataFrame:
    """The checked features of typed rows, one column per feature.

    Args:
        team: the team's module `feature_store/features.py`.
        rows: the columns that features may use, and `event_time`.
        categories: the known values of each category.
        withheld: columns that features do not get, for the message if one is used.

    Raises:
        FeatureError: if a feature group or a model cannot use them.
    """
    computed = call(team, "features", rows, dict(categories), withheld=withheld)
    if not isinstance(computed, pd.DataFrame) or not computed.index.equals(rows.index):
        shape = f"{len(computed):,} rows" if isinstance(computed, pd.DataFrame) else repr(computed)
        raise FeatureError(f"expected the table's {len(rows):,} rows in their order, got {shape}")
    for name, kind in zip(computed.columns, computed.dtypes, strict=True):
        if kind.kind not in "iuf":
            raise FeatureError(f"{name!r}: expected numbers, got {kind}")
    too_large = np.zeros(len(computed.columns), dtype=np.int64)
    for start in range(0, len(computed), AT_ONCE):
        numbers = as_numbers(computed.iloc[start : start + AT_ONCE])
        too_large += (np.abs(numbers) > np.finfo(np.float32).max).sum(axis=0)
    if too_large.any():
        first = int(too_large.argmax())
        raise FeatureError(
            f"{computed.columns[first]!r}: expected finite numbers within single precision, got "
            f"others in {too_large[first]:,} of {len(computed):,} rows"
        )
    return computed


def as_numbers(computed: pd.DataFrame) -> NDArray[np.float64]:
    """Features as one array, (n, features); NaN for a missing value."""
    numbers: NDArray[np.float64] = computed.to_numpy(dtype="float64", na_value=np.nan)
    return numbers


def call(team: Any, function: str, *arguments: object, withheld: Iterable[str] = ()) -> Any:
    """Call the team's own code, and turn its errors into one sentence with the line.

    An exit is an error too: otherwise the caller would end as if it had succeeded.

    Raises:
        FeatureError: instead of the code's own error.
    """
    try:
        return getattr(team, function)(*arguments)
    except (Exception, SystemExit) as error:
        if isinstance(error, KeyError | AttributeError):
            for name in withheld:
                if repr(name) in str(error):
                    raise FeatureError(
                        f"needs {name!r}, which [model] exclude withholds"
                    ) from error
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f.lineno for f in reversed(frames) if f.filename == team.__file__), "?")
        raise FeatureError(f"line {line}: {type(error).__name__}: {error}") from error
