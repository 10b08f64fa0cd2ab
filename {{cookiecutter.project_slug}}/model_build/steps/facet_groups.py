"""The groups of a facet: who is compared with everybody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset import DataError, Facet


@dataclass(frozen=True)
class Group:
    """One group of a facet: `d` in Clarify's formulas, everybody else being `a`."""

    facet: Facet
    value: str  # as Clarify shows it: a value, several, or an interval such as (40, 75]
    members: NDArray[np.bool_]  # (n,)

    @property
    def size(self) -> int:
        """How many rows the group has."""
        return int(self.members.sum())


def groups(facet: Facet, values: NDArray[np.object_]) -> Iterator[Group]:
    """The groups of a facet, given its raw values, (n,) texts with None where there is none.

    Raises:
        DataError: if a facet with a threshold holds something else than numbers.
    """
    if facet.threshold is not None:
        numbers = _numbers(facet, values)
        members = numbers > facet.threshold
        top = np.nanmax(numbers) if numbers.size and not np.isnan(numbers).all() else np.nan
        yield Group(facet, f"({facet.threshold:g}, {top:g}]", members)
    elif facet.values:
        yield Group(facet, ",".join(facet.values), np.isin(values.astype(str), facet.values))
    else:
        present = sorted({str(value) for value in values if value is not None})
        for value in present:
            yield Group(facet, value, values == value)


def _numbers(facet: Facet, values: NDArray[np.object_]) -> NDArray[np.float64]:
    try:
        return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)
    except ValueError as error:
        raise DataError(f"the facet {facet.key} compares numbers, but {error}") from None
