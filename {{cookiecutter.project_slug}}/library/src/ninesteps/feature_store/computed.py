"""Computes the team's features for a whole table, just as the endpoint does."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ninesteps.errors import FeaturesError
from ninesteps.nearest import did_you_mean

if TYPE_CHECKING:  # mypy knows a module that is packed with the scripts by its flat name
    from computed_features import as_numbers, call, compute
else:
    from ninesteps.containers.computed_features import as_numbers, call, compute

__all__ = ["as_numbers", "call", "compute", "told_of_the_file"]


@contextmanager
def told_of_the_file(columns: Collection[str]) -> Iterator[None]:
    """Turn an error of the team's features into one that names their file.

    Args:
        columns: of the table; the nearest of them is named where a key is unknown.

    Raises:
        FeaturesError: instead of a ValueError.
    """
    try:
        yield
    except ValueError as error:
        own = error.__cause__
        key = own.args[0] if isinstance(own, KeyError) and own.args else None
        is_unknown = isinstance(key, str) and key not in columns
        near = did_you_mean(key, columns) if is_unknown else ""
        raise FeaturesError(f"feature_store/features.py: {error}{near}") from error
