"""Finds a step by its number, its name, or the beginning of its name."""

from __future__ import annotations

from collections.abc import Mapping

from ninesteps.errors import DefinitionError
from ninesteps.nearest import did_you_mean


def numbered(types: Mapping[str, str]) -> list[str]:
    """The names of steps in numbered order: a condition comes after the steps that it decides on.

    Args:
        types: each step's type, in the order of the definition.
    """
    return sorted(types, key=lambda name: types[name] == "Condition")


def step_name(asked: str, names: list[str]) -> str:
    """The full name of the step.

    Args:
        names: the steps' names in numbered order, from 1.

    Raises:
        DefinitionError: if no step matches, or more than one.
    """
    if asked in names:
        return asked
    if asked.isascii() and asked.isdigit() and 0 < int(asked) <= len(names):
        return names[int(asked) - 1]
    matches = [name for name in names if name.casefold().startswith(asked.casefold())]
    if asked and len(matches) == 1:
        return matches[0]
    if asked and matches:
        listed = ", ".join(matches)
        raise DefinitionError(f"expected one step, got {asked!r}, which begins {listed}")
    listed = ", ".join(f"{number} {name}" for number, name in enumerate(names, 1))
    raise DefinitionError(
        f"there is no step {asked!r}; there is {listed or 'none'}{did_you_mean(asked, names)}"
    )
