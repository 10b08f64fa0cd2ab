"""Computes the team's features for a whole table, just as the endpoint does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ninesteps.errors import FeaturesError

if TYPE_CHECKING:  # mypy knows a module that is packed with the scripts by its flat name
    from computed_features import as_numbers, call, compute
else:
    from ninesteps.containers.computed_features import as_numbers, call, compute

__all__ = ["as_numbers", "call", "compute", "told_of_the_file"]


@contextmanager
def told_of_the_file() -> Iterator[None]:
    """Turn an error of the team's features into one that names their file.

    Raises:
        FeaturesError: instead of a ValueError.
    """
    try:
        yield
    except ValueError as error:
        raise FeaturesError(f"feature_store/features.py: {error}") from error
