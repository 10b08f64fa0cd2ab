"""What a person calls what is compared: a version by its number, anything else is a run.

A version's number has at most nine digits and nothing else; a run's id has twelve characters, and
the beginning of one that has digits alone is given with one character more, or all twelve.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ninesteps.errors import StateError
from ninesteps.report.comparison.side import Side

SERVING = "serving"
"""The version that the endpoint serves."""


def version_number(name: str) -> int | None:
    """The number, if the name is one of a version."""
    return int(name) if re.fullmatch(r"[1-9][0-9]{0,8}", name) else None


def two(find: Callable[[str], Side], first: str, second: str) -> tuple[Side, Side]:
    """The two that are compared.

    Raises:
        StateError: if they are the same run.
    """
    sides = find(first), find(second)
    if len({side.subject.run for side in sides}) == 1:
        names = list(dict.fromkeys(side.name for side in sides))
        got = f"{names[0]} twice" if len(names) == 1 else f"{' and '.join(names)}, which are one"
        raise StateError(f"expected two different runs to compare, got {got}")
    return sides
