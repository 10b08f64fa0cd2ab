"""The floor of a metric gate: whether every model that passes a team's gate also passes the floor.

Standard library only: the template's hook reads it before anything is installed.
"""

from __future__ import annotations

from dataclasses import dataclass

from ninesteps.settings.gate import AllOf, AnyOf, Comparison, Gate, comparisons, ways


@dataclass(frozen=True)
class Shortfall:
    """A part of the floor that a gate does not ensure."""

    asked: Gate
    weaker: Comparison | None  # the gate's own limit on the same metric, if any
    way: tuple[Comparison, ...]  # the comparisons that let such a model through
    is_only_way: bool

    def __str__(self) -> str:
        fault = f"`{self.weaker}` is weaker than" if self.weaker else "there is no"
        if self.is_only_way:
            return f"{fault} `{self.asked}`"
        return f"{fault} `{self.asked}` and `{AllOf(self.way)}` is enough"


def implies(gate: Gate, floor: Gate) -> bool:
    """Whether every model that passes the gate provably meets the floor."""
    return shortfall(gate, floor) is None


def shortfall(gate: Gate, floor: Gate) -> Shortfall | None:
    """The first part of the floor that the gate does not ensure; None if it ensures all.

    Checks one comparison of one metric at a time, so it does not see what two metrics imply
    together, such as an f1 from precision and recall. The time grows with the ways through the
    gate: a gate that fits into a model package has at most a few thousand.
    """
    all_ways = list(ways(gate))
    for way in all_ways:
        for asked in floor.parts if isinstance(floor, AllOf) else (floor,):
            if not _ensures(way, asked):
                return Shortfall(asked, _weaker(way, asked), way, is_only_way=len(all_ways) == 1)
    return None


def _ensures(way: tuple[Comparison, ...], asked: Gate) -> bool:
    """Whether a model that passes all these comparisons passes this part of the floor."""
    if isinstance(asked, AllOf):
        return all(_ensures(way, part) for part in asked.parts)
    if isinstance(asked, AnyOf):
        return any(_ensures(way, part) for part in asked.parts)
    return any(_is_as_strict(comparison, asked) for comparison in way)


def _is_as_strict(comparison: Comparison, other: Comparison) -> bool:
    if not _is_alike(comparison, other):
        return False
    if comparison.number == other.number:
        return "=" not in comparison.sign or "=" in other.sign
    return (comparison.number > other.number) == (comparison.sign[0] == ">")


def _is_alike(a: Comparison, b: Comparison) -> bool:
    """Whether both limit the same number on the same side.

    A comparison with the champion never does: if no version serves, every model passes it.
    """
    if a.is_of_champion or b.is_of_champion:
        return False
    return (a.metric, a.facet, a.sign[0]) == (b.metric, b.facet, b.sign[0])


def _weaker(way: tuple[Comparison, ...], asked: Gate) -> Comparison | None:
    alike = (c for c in way if any(_is_alike(c, part) for part in comparisons(asked)))
    return next(alike, None)
