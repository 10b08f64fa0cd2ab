"""The steps of a definition as its JSON has them: of any definition, and without checking it.

What is missing or of another type is left out; whoever needs it checks it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ninesteps.definition.values import Call, calls, places

BRANCHES = {"IfSteps": True, "ElseSteps": False}
"""The fields of a condition's arguments in which steps stand, and the outcome that runs them."""

STEP_REFERENCE = re.compile(r"Steps\.([^.\[]+)")
"""How a reference to a step begins."""


@dataclass(frozen=True)
class StepContent:
    """What stands in the JSON for one step, wherever in the definition that is."""

    name: str  # of a step without one: its place
    type: str
    content: dict[str, Any]  # with the steps of its branches, if it has any
    branch: tuple[str, bool] | None = None  # the condition step, and the outcome that runs this

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """Its request, or what a condition compares, without the steps in branches."""
        arguments = self.content.get("Arguments")
        if not isinstance(arguments, dict):
            return {}
        return {name: value for name, value in arguments.items() if name not in BRANCHES}

    def at(self, path: str) -> Iterator[tuple[str, Any]]:
        """The places of its arguments that a path leads to, and what is there."""
        return places(self.arguments, path, "Arguments")

    @cached_property
    def calls(self) -> list[Call]:
        """Every call of a function in its arguments."""
        return calls(self.arguments, "Arguments")

    @cached_property
    def waits_for(self) -> frozenset[str]:
        """The steps that must have ended first: those it names or refers to, and its condition."""
        named = {name for _, name in places(self.content, "DependsOn[]") if isinstance(name, str)}
        referred = {
            match[1]
            for _, function, operand in self.calls
            if function == "Get" and (match := STEP_REFERENCE.match(str(operand)))
        }
        return frozenset(named | referred | ({self.branch[0]} if self.branch else set()))


def step_contents(definition: Mapping[str, Any]) -> Iterator[StepContent]:
    """Every step of a definition as it stands there: a condition, then the steps in its branches.

    Each is given before its branches are read.
    """
    return _steps(definition.get("Steps"), "Steps", None)


def _steps(contents: Any, where: str, branch: tuple[str, bool] | None) -> Iterator[StepContent]:
    for number, content in enumerate(contents if isinstance(contents, list) else []):
        if isinstance(content, dict):
            name = str(content.get("Name") or f"{where}[{number}]")
            yield StepContent(name, str(content.get("Type")), content, branch)
            arguments = content.get("Arguments")
            if isinstance(arguments, dict):
                for key, outcome in BRANCHES.items():
                    yield from _steps(arguments.get(key), f"Arguments.{key}", (name, outcome))
