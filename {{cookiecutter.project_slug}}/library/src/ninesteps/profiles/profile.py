"""A profile: the floors, or minimum requirements, that a pipeline's settings must meet.

Profiles are files of this library, so that a team cannot change one in passing. Standard library
only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ninesteps.errors import SettingsError
from ninesteps.nearest import did_you_mean
from ninesteps.settings import gate as gates
from ninesteps.settings import toml
from ninesteps.settings.facets import Facet

FOLDER = Path(__file__).resolve().parent

MOST_DPPL = 0.2
"""The largest gap between shares of favourable predictions that a mandatory gate may allow."""

LEAST_DI = 0.8
"""The lowest ratio of these shares that it may allow."""


@dataclass(frozen=True)
class Profile:
    """The floors of one kind of pipeline."""

    problem: str = ""  # the only problem type allowed; empty: any
    metric_gate: str = ""  # the floor: a team's gate must be at least as strict
    most_recall: float = 1.0  # the largest recall that a metric gate may ask for
    bias_gate: bool = False  # the bias gate is mandatory and covers every facet
    facets: tuple[str, ...] = ()  # columns whose values must each be compared with the others
    most_group_size: int = 0  # the largest min_group_size; 0: any
    protected_columns: tuple[str, ...] = ()  # raw columns that no feature may use

    def floor(self, problem: str) -> gates.Gate | None:
        """`metric_gate`, parsed; None if there is none.

        Raises:
            GateError: if it is not a gate of that problem type.
        """
        return gates.parse(self.metric_gate, problem) if self.metric_gate else None


@dataclass(frozen=True)
class _File:
    """The content of a profile's file."""

    profile: Profile = field(default_factory=Profile)


def names(folder: Path = FOLDER) -> list[str]:
    """The profiles that this library has."""
    return sorted(file.stem for file in folder.glob("*.toml"))


def load(name: str, folder: Path = FOLDER) -> Profile:
    """The profile with a name.

    Raises:
        SettingsError: if there is no such profile.
    """
    if name not in names(folder):
        known = ", ".join(names(folder))
        near = did_you_mean(name, names(folder))
        raise SettingsError(f"expected one of {known}, got {name!r}{near}", "project", "profile")
    return toml.load(_File, folder.parent, f"{folder.name}/{name}.toml").profile


def digest(name: str, folder: Path = FOLDER) -> str:
    """SHA-256 of a profile's file, hexadecimal."""
    content = (folder / f"{name}.toml").read_bytes().replace(b"\r\n", b"\n")
    return hashlib.sha256(content).hexdigest()


def missing_facets(profile: Profile, facets: tuple[Facet, ...]) -> list[str]:
    """The columns that a profile requires but no facet compares value by value.

    A group of several values could hide the value with the worst outcomes.
    """
    compared = {facet.column for facet in facets if not facet.values}
    return [name for name in profile.facets if name not in compared]


def uncovered(gate: gates.Gate | None, facets: tuple[Facet, ...]) -> Iterator[Facet]:
    """The facets whose bias a gate does not limit."""
    for facet in facets:
        if gate is None or not _covers(gate, facet):
            yield facet


def _covers(gate: gates.Gate, facet: Facet) -> bool:
    """Whether passing a gate limits the facet's bias: one term of an `and` is enough; an `or` needs
    all."""
    if isinstance(gate, gates.AllOf):
        return any(_covers(part, facet) for part in gate.parts)
    if isinstance(gate, gates.AnyOf):
        return all(_covers(part, facet) for part in gate.parts)
    if gate.facet not in (None, facet.key) or gate.is_of_champion:
        return False
    if gate.metric in ("dppl", "worst_dppl"):
        return gate.sign in ("<", "<=") and 0 < gate.number <= MOST_DPPL
    if gate.metric in ("di", "worst_di"):
        return gate.sign in (">", ">=") and LEAST_DI <= gate.number < 1
    return False
