"""What the template holds a pipeline to, whatever its team sets: `standards.toml`.

Standard library alone: the template's hook reads it before anything is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from governance import gate as gates
from governance.facets import Facet

MOST_DPPL = 0.2
"""The widest gap between shares of favourable predictions that a mandatory gate may let through."""

LEAST_DI = 0.8
"""The lowest ratio of those shares that it may let through."""


@dataclass(frozen=True)
class Standards:
    """The standards of a pipeline."""

    problem: str = ""  # the problem type, where it may not be another
    metric_gate: str = ""  # the floor: a team's gate lets nothing through that this would not
    most_recall: float = 1.0  # the largest recall that a metric gate may ask for
    bias_gate: bool = False  # the bias gate is mandatory and covers every facet
    # columns each of whose values, or a number's two sides, are compared
    facets: tuple[str, ...] = ()
    most_group_size: int = 0  # the largest min_group_size, where there is one
    unseen: tuple[str, ...] = ()  # raw columns that no feature may be made of

    def floor(self, problem: str) -> gates.Gate | None:
        """`metric_gate`, read; None if there is none.

        Raises:
            GateError: if it is no gate of such a problem.
        """
        return gates.parse(self.metric_gate, problem) if self.metric_gate else None


@dataclass(frozen=True)
class StandardsFile:
    """All of `standards.toml`."""

    NAME: ClassVar = "governance/standards.toml"

    standards: Standards = field(default_factory=Standards)


def missing_facets(standards: Standards, facets: tuple[Facet, ...]) -> list[str]:
    """The columns that the standards ask for and no facet compares, value by value.

    Several values as one group could hide the one that fares worst among others.
    """
    compared = {facet.column for facet in facets if not facet.values}
    return [name for name in standards.facets if name not in compared]


def uncovered(gate: gates.Gate | None, facets: tuple[Facet, ...]) -> Iterator[Facet]:
    """The facets whose bias a gate does not limit."""
    for facet in facets:
        if gate is None or not _covers(gate, facet):
            yield facet


def _covers(gate: gates.Gate, facet: Facet) -> bool:
    """Whether a gate that holds limits the facet's bias: by one of all, by each of any."""
    if isinstance(gate, gates.All):
        return any(_covers(part, facet) for part in gate.parts)
    if isinstance(gate, gates.Any):
        return all(_covers(part, facet) for part in gate.parts)
    if gate.facet not in (None, facet.key):
        return False
    if gate.metric in ("dppl", "worst_dppl"):
        return gate.sign in ("<", "<=") and 0 < gate.number <= MOST_DPPL
    if gate.metric in ("di", "worst_di"):
        return gate.sign in (">", ">=") and LEAST_DI <= gate.number < 1
    return False
