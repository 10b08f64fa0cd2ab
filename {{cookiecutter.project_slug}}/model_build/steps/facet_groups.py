"""The groups of a facet: who is compared with everybody else."""

from __future__ import annotations

import math
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
        known = numbers[~np.isnan(numbers)]
        top = float(known.max()) if known.size else math.nan
        yield Group(facet, _interval(facet.threshold, top), numbers > facet.threshold)
    elif facet.values:
        wanted = np.array(facet.values, dtype=object)
        yield Group(facet, ",".join(facet.values), np.isin(values, wanted))
    else:
        present = sorted({str(value) for value in values if value is not None})
        for value in present:
            yield Group(facet, value, values == value)


def _interval(threshold: float, top: float) -> str:
    """`(40, 75]`; `[40, 75]` where the threshold is the number just below 40, as `>=` writes it."""
    least = math.nextafter(threshold, math.inf)
    if len(repr(least)) < len(repr(threshold)):
        return f"[{_shortest(least)}, {_shortest(top)}]"
    return f"({_shortest(threshold)}, {_shortest(top)}]"


def _shortest(number: float) -> str:
    return repr(number + 0.0).removesuffix(".0")  # of -0.0, adding makes 0.0


def _numbers(facet: Facet, values: NDArray[np.object_]) -> NDArray[np.float64]:
    try:
        return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)
    except ValueError as error:
        raise DataError(f"the facet {facet.key} compares numbers, but {error}") from None
