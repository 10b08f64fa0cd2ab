"""Checks that a record's features depend on its own row only.

A feature that uses other rows, such as a mean of the table, has another value when the model is
asked about a single record; and it uses rows of the test split and of the future.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ninesteps.feature_store.computed import as_numbers, compute

TOGETHER, ALONE = 20, 3
"""How many evenly spaced rows are computed again: together, and each alone."""

CLOSE = 1e-6
"""The relative difference allowed, since a sum may be added up in another order."""


def check_row_wise(
    team: Any,
    rows: pd.DataFrame,
    ids: Sequence[str],
    categories: Mapping[str, tuple[str, ...]],
    computed: pd.DataFrame,
) -> None:
    """Check some rows of a table.

    Args:
        team: the team's module `feature_store/features.py`.
        rows: the rows that features were computed from, and their record ids.
        computed: their features.

    Raises:
        ValueError: naming a feature and a record.
    """
    some = np.unique(np.linspace(0, len(rows) - 1, min(TOGETHER, len(rows))).astype(np.intp))
    few = some[np.unique(np.linspace(0, len(some) - 1, min(ALONE, len(some))).astype(np.intp))]
    for places in (some, *(np.array([place]) for place in few)):
        again = compute(team, rows.iloc[places].copy(), categories)
        check_same_features(computed.columns, again.columns)
        before, after = as_numbers(computed.iloc[places]), as_numbers(again)
        is_same = np.isclose(after, before, rtol=CLOSE, atol=0, equal_nan=True)
        if not is_same.all():
            row, feature = np.argwhere(~is_same)[0]
            others = "alone" if len(places) == 1 else f"with {len(places) - 1} others"
            raise ValueError(
                f"{computed.columns[feature]!r}: expected {before[row, feature]:g} for the record "
                f"{ids[places[row]]!r} {others}, as in the whole table, got "
                f"{after[row, feature]:g}: compute a feature from its own row only"
            )


def check_same_features(expected: pd.Index[Any], got: pd.Index[Any]) -> None:
    """Check that all rows have the same features, since they are columns of one store.

    Raises:
        ValueError: naming those that only some rows have.
    """
    if not got.equals(expected):
        others = ", ".join(map(repr, expected.symmetric_difference(got)))
        raise ValueError(
            "expected the same features of any rows, in the same order, got "
            f"{others or 'another order'} of some rows alone"
        )
