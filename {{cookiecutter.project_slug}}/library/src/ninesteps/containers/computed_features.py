"""The team's features of typed rows, checked: tables and the endpoint's raw records call them here.

The library imports this module too, so it imports nothing that travels beside it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

AT_ONCE = 10_000
"""Rows that are looked at together, so that a large table is not in memory twice."""


class FeatureError(ValueError):
    """The team's features cannot be used; the message says why."""


def compute(
    team: Any,
    rows: pd.DataFrame,
    categories: Mapping[str, tuple[str, ...]],
    withheld: Iterable[str] = (),
) -> pd.DataFrame:
    """The features of typed rows, one column a feature, checked.

    Args:
        team: the team's module `feature_store/features.py`.
        rows: the columns that features are made of, and `event_time`.
        categories: of each such column, its known values.
        withheld: columns that features do not get, for the sentence about one that is missed.

    Raises:
        FeatureError: if they are not what a feature group and a model can take.
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
    """Call the team's own code: what it raises is one sentence with its line.

    An exit is an error too: whoever called would end there, and seem to have done its work.

    Raises:
        FeatureError: in its place.
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
