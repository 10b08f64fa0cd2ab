"""Finds the steps in any definition's JSON, without checking it.

Anything missing or of another type is left out; callers check what they need.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ninesteps.definition.values import Call, calls, places

BRANCHES = {"IfSteps": True, "ElseSteps": False}
"""The fields of a condition's arguments with steps, and the outcome that runs them."""

STEP_REFERENCE = re.compile(r"Steps\.([^.\[]+)")
"""The prefix of a reference to a step."""


@dataclass(frozen=True)
class StepContent:
    """The JSON of one step, anywhere in the definition."""

    name: str  # or its place, for a step without a name
    type: str
    content: dict[str, Any]  # including the steps of its branches
    branch: tuple[str, bool] | None = None  # the condition step, and the outcome that runs this

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """Its request, or a condition's comparisons, without the steps in branches."""
        arguments = self.content.get("Arguments")
        if not isinstance(arguments, dict):
            return {}
        return {name: value for name, value in arguments.items() if name not in BRANCHES}

    def at(self, path: str) -> Iterator[tuple[str, Any]]:
        """The places in its arguments that match a path, with their values."""
        return places(self.arguments, path, "Arguments")

    @cached_property
    def calls(self) -> list[Call]:
        """All function calls in its arguments."""
        return calls(self.arguments, "Arguments")

    @cached_property
    def waits_for(self) -> frozenset[str]:
        """The steps that must have ended first: named, referenced, and its condition."""
        named = {name for _, name in places(self.content, "DependsOn[]") if isinstance(name, str)}
        referred = {
            match[1]
            for _, function, operand in self.calls
            if function == "Get" and (match := STEP_REFERENCE.match(str(operand)))
        }
        return frozenset(named | referred | ({self.branch[0]} if self.branch else set()))


def step_contents(definition: Mapping[str, Any]) -> Iterator[StepContent]:
    """All steps of a definition in order: a condition, then the steps in its branches.

    Each step is yielded before its branches are read.
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
