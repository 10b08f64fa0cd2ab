"""A pipeline definition: its parameters and steps, and which step waits for which."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from local_sagemaker.errors import DefinitionError
from local_sagemaker.known_fields import PIPELINE_FIELDS, STEP_FIELDS, STEP_TYPES, check_fields

STEP_REFERENCE = re.compile(r"Steps\.([^.\[]+)")
RETRIED = frozenset(
    ("Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.JOB_INTERNAL_ERROR",
     "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT")
)  # fmt: skip
"""Faults of the service that SageMaker retries: none of them can happen on this machine."""


@dataclass(frozen=True)
class Step:
    """One step as the definition has it."""

    name: str
    type: str
    arguments: dict[str, Any]
    waits_for: frozenset[str]  # steps that must have succeeded, named or referred to
    property_files: dict[str, tuple[str, str]]  # name -> (output name, file path)
    branch: tuple[str, bool] | None = None  # the condition step, and the outcome that runs this


@dataclass(frozen=True)
class Definition:
    """A definition that this machine can run."""

    parameters: dict[str, dict[str, Any]]
    steps: dict[str, Step] = field(default_factory=dict)

    def parameter_values(self, given: dict[str, str]) -> dict[str, Any]:
        """Every parameter's value, from texts given and from defaults.

        Raises:
            DefinitionError: for an unknown name, a wrong type, a value that is missing.
        """
        for name in given:
            if name not in self.parameters:
                has = ", ".join(self.parameters) or "none"
                raise DefinitionError(f"there is no pipeline parameter {name!r}; there is {has}")
        return {
            name: _typed(spec, given[name]) if name in given else _default(spec)
            for name, spec in self.parameters.items()
        }


def read_definition(text: str) -> Definition:
    """Read a definition's JSON.

    Raises:
        DefinitionError: for whatever this machine does not know, by name.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise DefinitionError(f"the definition is no JSON: {error}") from None
    check_fields(content, PIPELINE_FIELDS, "the definition")
    parameters = {spec["Name"]: spec for spec in content.get("Parameters", [])}
    definition = Definition(parameters)
    for step in _steps(content["Steps"], branch=None):
        if step.name in definition.steps:
            raise DefinitionError(f"two steps are named {step.name}")
        definition.steps[step.name] = step
    _check_graph(definition)
    return definition


def _steps(contents: list[Any], branch: tuple[str, bool] | None) -> Iterator[Step]:
    """The steps of a list, and those inside their conditions' branches."""
    for content in contents:
        name, kind = str(content.get("Name")), content.get("Type")
        if kind not in STEP_TYPES:
            known = ", ".join(STEP_TYPES)
            raise DefinitionError(f"step {name}: type {kind!r} is not known here; known: {known}")
        check_fields(content, STEP_FIELDS, f"step {name}")
        arguments = content["Arguments"]
        check_fields(arguments, STEP_TYPES[kind], f"step {name}: Arguments")
        for policy in content.get("RetryPolicies", []):
            if unknown := set(policy["ExceptionType"]) - RETRIED:
                raise DefinitionError(f"step {name}: retry of {min(unknown)} is not known here")
        inner = {"IfSteps": True, "ElseSteps": False}
        own = {key: value for key, value in arguments.items() if key not in inner}
        waits_for = {*content.get("DependsOn", []), *_referred(own)}
        if branch:
            waits_for.add(branch[0])
        files = content.get("PropertyFiles", [])
        yield Step(
            name=name,
            type=kind,
            arguments=own,
            waits_for=frozenset(waits_for),
            property_files={f["PropertyFileName"]: (f["OutputName"], f["FilePath"]) for f in files},
            branch=branch,
        )
        for key, outcome in inner.items():
            yield from _steps(arguments.get(key, []), (name, outcome))


def _referred(value: object) -> Iterator[str]:
    """The steps that a value refers to by Get."""
    if isinstance(value, dict):
        reference = value.get("Get")
        if isinstance(reference, str) and (match := STEP_REFERENCE.match(reference)):
            yield match[1]
        for item in value.values():
            yield from _referred(item)
    elif isinstance(value, list):
        for item in value:
            yield from _referred(item)


def _check_graph(definition: Definition) -> None:
    """Every step that is waited for exists, and no step waits for itself in a circle."""
    for step in definition.steps.values():
        for name in sorted(step.waits_for):
            if name not in definition.steps:
                raise DefinitionError(f"step {step.name} waits for {name}, which does not exist")
    done: set[str] = set()
    while len(done) < len(definition.steps):
        ready = {n for n, s in definition.steps.items() if n not in done and s.waits_for <= done}
        if not ready:
            circle = ", ".join(sorted(definition.steps.keys() - done))
            raise DefinitionError(f"these steps wait for each other in a circle: {circle}")
        done |= ready


def _default(spec: dict[str, Any]) -> Any:
    if "DefaultValue" not in spec:
        name = spec["Name"]
        raise DefinitionError(f"the pipeline parameter {name} has no value; give it one")
    return spec["DefaultValue"]


def _typed(spec: dict[str, Any], text: str) -> Any:
    kinds = {"String": str, "Integer": int, "Float": float}
    name, kind = spec["Name"], spec["Type"]
    if kind == "Boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        value = kinds[kind](text)
    except (KeyError, ValueError):
        raise DefinitionError(f"parameter {name} is {text!r}, where {kind} is right") from None
    if "EnumValues" in spec and value not in spec["EnumValues"]:
        choices = ", ".join(map(str, spec["EnumValues"]))
        raise DefinitionError(f"parameter {name} is {text!r}, where one of {choices} is right")
    return value
