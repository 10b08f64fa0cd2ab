"""The team's features, computed as the endpoint computes them, for a whole table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ninesteps.errors import FeaturesError

if TYPE_CHECKING:  # mypy knows a module that travels with the scripts by the name they import
    from computed_features import as_numbers, call, compute
else:
    from ninesteps.containers.computed_features import as_numbers, call, compute

__all__ = ["as_numbers", "call", "compute", "told_of_the_file"]


@contextmanager
def told_of_the_file() -> Iterator[None]:
    """What is wrong with features, for the team: with the file that they come from.

    Raises:
        FeaturesError: in place of a ValueError.
    """
    try:
        yield
    except ValueError as error:
        raise FeaturesError(f"feature_store/features.py: {error}") from error
