"""Checks that a table has enough rows for three splits, before any step runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ninesteps.errors import RawTableError
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEVIATIONS = 5
"""No random split exceeds its expected size by more standard deviations than this."""


def rows_by_class(labels: NDArray[np.float64], settings: Settings) -> dict[str, int]:
    """The rows that count for [split] min_positives: each class's, or all of a regression."""
    if settings.project.problem == "regression":
        return {"rows": len(labels)}
    positives = int(labels.sum())
    return {"rows that count as 1": positives, "rows that count as 0": len(labels) - positives}


def check_split_sizes(classes: dict[str, int], settings: Settings, file: Path) -> None:
    """Refuse a table if one split is certain to have fewer rows than `min_positives`.

    Step 1 counts exactly; what it would certainly refuse is refused here already.

    Raises:
        RawTableError: saying how many rows are needed.
    """
    split = settings.split
    share = min(split.train, split.validation, split.test)
    is_by_chance = split.by == "hash" and not split.group
    for what, count in classes.items():
        expected = share * count
        most = expected + DEVIATIONS * (expected * (1 - share)) ** 0.5 if is_by_chance else count
        if count < 3 * split.min_positives or most < split.min_positives:
            raise RawTableError(
                f"{file}: expected at least {split.min_positives} {what} in each split ([split] "
                f"min_positives), got {count} in all, of which about {expected:.0f} would be in "
                "the smallest"
            )
