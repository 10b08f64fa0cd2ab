"""The groups of a facet: which rows are compared with all others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset import DataError, Facet, Texts

MOST_GROUPS = 1_000
"""A column with more values is a number, or identifies people."""


@dataclass(frozen=True)
class Grouping:
    """The groups of a facet among n rows; each in turn is `d` in Clarify's formulas."""

    facet: Facet
    names: tuple[str, ...]  # as in Clarify: a value, several, or an interval such as (40, 75]
    codes: NDArray[np.intp]  # (n,), each row's position in `names`; len(names): in no group

    def members(self, number: int) -> NDArray[np.bool_]:
        """Which rows are in a group, (n,)."""
        members: NDArray[np.bool_] = self.codes == number
        return members


def grouping(facet: Facet, values: Texts) -> Grouping:
    """Divide the rows of a column, (n,), into the groups of a facet.

    A facet that is only a name makes each value a group, compared with all other rows. As in
    Clarify, a row without a value is in no group, and counts among the others of each.

    Raises:
        DataError: if a facet with a threshold has other values than numbers, or one without
        conditions has more than MOST_GROUPS values.
    """
    names, of_value = _groups(facet, values.different)
    lookup = np.array([*of_value, len(names)], dtype=np.intp)  # the last is for code -1: no value
    return Grouping(facet, names, lookup[values.codes])


def groups(facet: Facet, values: Texts) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each group's name and members, (n,)."""
    grouped = grouping(facet, values)
    for number, name in enumerate(grouped.names):
        yield name, grouped.members(number)


def _groups(facet: Facet, different: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """The groups' names, and the group of each distinct value; beyond the last: none."""
    if facet.threshold is not None:
        numbers = _numbers(facet, different)
        top = max((n for n in numbers if not math.isnan(n)), default=math.nan)
        name = _interval(facet.threshold, top)
        return (name,), [0 if number > facet.threshold else 1 for number in numbers]
    if facet.values:
        return (",".join(facet.values),), [0 if v in facet.values else 1 for v in different]
    if len(different) > MOST_GROUPS:
        raise DataError(
            f"the facet {facet.key}: expected at most {MOST_GROUPS:,} different values, got "
            f"{len(different):,}; a threshold or a list of values makes groups too"
        )
    names = tuple(sorted(different))
    positions = {name: position for position, name in enumerate(names)}
    return names, [positions[value] for value in different]


def _interval(threshold: float, top: float) -> str:
    """`(40, 75]`; or `[40, 75]` if the threshold is the number just below 40, as for `>=`."""
    least = math.nextafter(threshold, math.inf)
    if len(repr(least)) < len(repr(threshold)):
        return f"[{_shortest(least)}, {_shortest(top)}]"
    return f"({_shortest(threshold)}, {_shortest(top)}]"


def _shortest(number: float) -> str:
    return repr(number + 0.0).removesuffix(".0")  # turns -0.0 into 0.0


def _numbers(facet: Facet, different: Sequence[str]) -> list[float]:
    try:
        return [float(value) for value in different]
    except ValueError as error:
        raise DataError(f"the facet {facet.key}: expected numbers, but {error}") from None
