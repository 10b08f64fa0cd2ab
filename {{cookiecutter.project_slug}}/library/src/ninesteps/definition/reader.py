"""A definition as the rules read it: its steps, what they refer to, and which waits for which.

Reading never fails: what is missing or of another type is left out here, and one rule reports it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

BRANCHES = ("IfSteps", "ElseSteps")

_STEP = re.compile(r"Steps\.([^.\[]+)")


@dataclass(frozen=True)
class Step:
    """A step, wherever in the definition it stands."""

    name: str
    type: str
    content: dict[str, Any]  # with the steps of its branches, if it has any
    branch: tuple[str, str] | None = None  # the condition's name, and IfSteps or ElseSteps

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """Its request, or what a condition compares; the steps in branches are steps themselves."""
        arguments = self.content.get("Arguments")
        if not isinstance(arguments, dict):
            return {}
        return {name: value for name, value in arguments.items() if name not in BRANCHES}

    def at(self, path: str) -> Iterator[tuple[str, Any]]:
        """The places of its arguments that a path leads to, and what is there."""
        return places(self.arguments, path, "Arguments")

    def expressions(self) -> Iterator[tuple[str, str, Any]]:
        """Every call of a function in its arguments."""
        return expressions(self.arguments, "Arguments")

    @cached_property
    def waits_for(self) -> set[str]:
        """The steps that must have ended, named or referred to, and its condition."""
        named = {name for _, name in places(self.content, "DependsOn[]") if isinstance(name, str)}
        referred = {
            match[1]
            for _, function, operand in self.expressions()
            if function == "Get" and (match := _STEP.match(str(operand)))
        }
        return named | referred | ({self.branch[0]} if self.branch else set())


@dataclass(frozen=True)
class Compiled:
    """A compiled definition, and an example of what its evaluation step writes."""

    content: dict[str, Any]
    evaluation: Mapping[str, Any]

    @cached_property
    def steps(self) -> list[Step]:
        """Every step, those in branches too, as they stand."""
        return list(_steps(self.content, "Steps[]", None))

    @cached_property
    def by_name(self) -> dict[str, Step]:
        """Every step by its name; of two with the same, the first."""
        return {step.name: step for step in reversed(self.steps)}

    @cached_property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Every parameter by its name."""
        found = (spec for _, spec in places(self.content, "Parameters[]") if isinstance(spec, dict))
        return {str(spec.get("Name")): spec for spec in found}

    def of_type(self, *types: str) -> Iterator[Step]:
        """The steps of some types."""
        return (step for step in self.steps if step.type in types)

    def waits_for(self, name: str) -> set[str]:
        """The steps that must have ended before one starts, and before those."""
        found: set[str] = set()
        new = self.by_name[name].waits_for
        while new:
            found |= new
            steps = (self.by_name[name] for name in new if name in self.by_name)
            new = {name for step in steps for name in step.waits_for} - found
        return found


def _steps(content: Any, path: str, branch: tuple[str, str] | None) -> Iterator[Step]:
    for where, found in places(content, path):
        if isinstance(found, dict):
            name = str(found.get("Name") or where)
            yield Step(name, str(found.get("Type")), found, branch)
            for outcome in BRANCHES:
                yield from _steps(found, f"Arguments.{outcome}[]", (name, outcome))


def function_of(value: Any) -> str | None:
    """The function that a value calls: `Get`, or one of `Std:`; None of a value that calls none."""
    if isinstance(value, dict) and len(value) == 1:
        (name,) = value
        if name == "Get" or str(name).startswith("Std:"):
            return str(name)
    return None


def expressions(value: Any, where: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every call of a function in a value: where it stands, the function, and its operand.

    One within another stands where that stands.
    """
    if function := function_of(value):
        yield where, function, value[function]
        for _, inner, operand in expressions(value[function]):
            yield where, inner, operand
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from expressions(item, f"{where}.{name}".lstrip("."))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from expressions(item, f"{where}[{number}]")


def places(value: Any, path: str, where: str = "") -> Iterator[tuple[str, Any]]:
    """Where a path such as `Outputs[].S3Output.S3Uri` leads to, and what is there; `*` is any name.

    What is not there, or is no object or list where one is right, gives nothing.
    """
    if not path:
        yield where, value
        return
    name, _, rest = path.partition(".")
    is_list = name.endswith("[]")
    name = name.removesuffix("[]")
    found = value if isinstance(value, dict) else {}
    for key in found if name == "*" else [name] if name in found else []:
        inner = f"{where}.{key}".lstrip(".")
        if not is_list:
            yield from places(found[key], rest, inner)
        elif isinstance(found[key], list):
            for number, item in enumerate(found[key]):
                yield from places(item, rest, f"{inner}[{number}]")


def text_of(value: Any) -> str:
    """A text with its expressions in braces: `s3://bucket/{Execution.PipelineExecutionId}/x`."""
    function = function_of(value)
    if function == "Std:Join" and isinstance(value[function], dict):
        operand = value[function]
        parts = operand.get("Values")
        return str(operand.get("On")).join(map(text_of, parts if isinstance(parts, list) else []))
    return "{" + str(value[function]) + "}" if function else str(value)
