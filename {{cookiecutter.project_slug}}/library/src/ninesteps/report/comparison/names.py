"""Names of what is compared: a number is a version, anything else is a run.

A version's number has at most nine digits and nothing else; a run's id has twelve characters, and
the beginning of one that has digits alone is given with one character more, or all twelve.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from ninesteps.errors import StateError
from ninesteps.report.comparison.side import Side

SERVING = "serving"
"""The version that the endpoint serves."""


def version_number(name: str) -> int | None:
    """The number, if the name is one of a version."""
    return int(name) if re.fullmatch(r"[1-9][0-9]{0,8}", name) else None


def is_version(name: str) -> bool:
    """Whether the name is a version's, and not a run's."""
    return name == SERVING or version_number(name) is not None


@dataclass(frozen=True)
class Located:
    """A run that was found, before anything is read of it."""

    run: str  # its id; in an account the execution's ARN
    name: str  # as a person calls it
    version: int | None = None  # that it registered, where that is known


class Places(Protocol):
    """Where runs and versions are: on this machine, or in an account."""

    def located(self, name: str) -> Located:
        """A run or version, by what a person calls it."""

    def read(self, located: Located) -> Side:
        """All that is compared of it."""


def two(places: Places, first: str, second: str) -> tuple[Side, Side]:
    """The two that are compared; both are found before either is read, which may take long.

    Raises:
        StateError: if they are the same run.
    """
    found = places.located(first), places.located(second)
    if len({one.run for one in found}) == 1:
        names = list(dict.fromkeys(one.name for one in found))
        got = (
            f"{names[0]} twice"
            if len(names) == 1
            else f"{' and '.join(names)}, which are the same run"
        )
        raise StateError(f"expected two different runs to compare, got {got}")
    return places.read(found[0]), places.read(found[1])
