"""A pipeline definition: its parameters and steps, and which step waits for which."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ninesteps.definition.known_fields import (
    CONDITIONS,
    EXECUTION_VARIABLES,
    FUNCTIONS,
    PARAMETER_TYPES,
    PIPELINE_FIELDS,
    STEP_FIELDS,
    argument_fields,
    check_fields,
)
from ninesteps.errors import DefinitionError

PROPERTY_FILE = re.compile(r"Steps\.([^.\[]+)\.PropertyFiles\.(.+)")
_STEP = re.compile(r"Steps\.([^.\[]+)")
_DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_STEP_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BRANCHES = {"IfSteps": True, "ElseSteps": False}


@dataclass(frozen=True)
class Step:
    """One step as the definition has it."""

    name: str
    type: str
    arguments: dict[str, Any]
    waits_for: frozenset[str]  # steps that must have succeeded, named or referred to
    property_files: dict[str, tuple[str, str]]  # name -> (output name, file path)
    branch: tuple[str, bool] | None = None  # the condition step, and the outcome that runs this
    max_age: float | None = None  # seconds in which it is taken over; None: it always runs
    retries: tuple[dict[str, Any], ...] = ()  # RetryPolicies


@dataclass(frozen=True)
class Definition:
    """A definition that this machine can run."""

    parameters: dict[str, dict[str, Any]]
    steps: dict[str, Step] = field(default_factory=dict)
    text: str = ""  # the JSON that it was read from

    def ancestors(self, step: str) -> set[str]:
        """A step and every step that must have run before it.

        Raises:
            DefinitionError: if there is no such step.
        """
        if step not in self.steps:
            has = ", ".join(self.steps)
            raise DefinitionError(f"there is no step {step!r}; there is {has}")
        found, waiting = set(), [step]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.steps[name].waits_for
        return found

    def check_can_run(self, only: str = "") -> None:
        """Refuse a job that only its image could run: it names no program of its own.

        Args:
            only: of the steps, this one and those that it needs.

        Raises:
            DefinitionError: that names the step.
        """
        for name in self.ancestors(only) if only else self.steps:
            step = self.steps[name]
            if step.type == "Processing" and not step.arguments["AppSpecification"].get(
                "ContainerEntrypoint"
            ):
                raise DefinitionError(
                    f"step {name}: it names no ContainerEntrypoint, and its image's own program "
                    "runs on SageMaker alone"
                )

    def parameter_values(self, given: dict[str, str]) -> dict[str, Any]:
        """Every parameter's value, from texts given and from defaults.

        Raises:
            DefinitionError: for an unknown name, a wrong type, a value that is missing.
        """
        for name in given:
            if name not in self.parameters:
                has = ", ".join(self.parameters) or "none"
                raise DefinitionError(f"there is no pipeline parameter {name!r}; there is {has}")
        for name, spec in self.parameters.items():
            if name not in given and "DefaultValue" not in spec:
                raise DefinitionError(f"the pipeline parameter {name} has no value; give it one")
        return {
            name: _typed(spec, given[name]) if name in given else spec["DefaultValue"]
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
    definition = Definition({}, text=text)
    for spec in content.get("Parameters", []):
        if spec["Name"] in definition.parameters:
            raise DefinitionError(f"two parameters are named {spec['Name']}")
        if "DefaultValue" in spec:
            _check_value(spec, spec["DefaultValue"])
        definition.parameters[spec["Name"]] = spec
    for step in _steps(content["Steps"], branch=None):
        if step.name in definition.steps:
            raise DefinitionError(f"two steps are named {step.name}")
        definition.steps[step.name] = step
    _check_graph(definition)
    for step in definition.steps.values():
        _check_step(step, definition)
    return definition


def _steps(contents: list[Any], branch: tuple[str, bool] | None) -> Iterator[Step]:
    """The steps of a list, and those inside their conditions' branches."""
    for content in contents:
        name: Any = content.get("Name") if isinstance(content, dict) else None
        check_fields(content, STEP_FIELDS, f"step {name}")
        if not _STEP_NAME.fullmatch(name):
            raise DefinitionError(f"step {name}: a name has letters, digits, - and _, at most 64")
        arguments = content["Arguments"]
        fields = argument_fields(content["Type"], arguments)
        check_fields(arguments, fields, f"step {name}: Arguments")
        own = {key: value for key, value in arguments.items() if key not in _BRANCHES}
        waits_for = {*content.get("DependsOn", []), *_referred(own)}
        if branch:
            waits_for.add(branch[0])
        files = content.get("PropertyFiles", [])
        yield Step(
            name=name,
            type=content["Type"],
            arguments=own,
            waits_for=frozenset(waits_for),
            property_files={f["PropertyFileName"]: (f["OutputName"], f["FilePath"]) for f in files},
            branch=branch,
            max_age=_max_age(content.get("CacheConfig", {}), f"step {name}"),
            retries=tuple(content.get("RetryPolicies", [])),
        )
        for key, outcome in _BRANCHES.items():
            yield from _steps(arguments.get(key, []), (name, outcome))


def _max_age(config: dict[str, Any], where: str) -> float | None:
    """How many seconds old outputs may be that are taken over, by a CacheConfig."""
    if not config.get("Enabled"):
        return None
    text = config.get("ExpireAfter")
    if text is None:
        return math.inf
    parts = _DURATION.fullmatch(str(text))
    if parts is None or not any(parts.groups()):
        raise DefinitionError(f"{where}: {text!r} was read, where P30D or PT1H is right")
    units = ("weeks", "days", "hours", "minutes", "seconds")
    counts = {unit: int(count or 0) for unit, count in zip(units, parts.groups(), strict=True)}
    return timedelta(**counts).total_seconds()


def _functions(value: object) -> Iterator[tuple[str, Any]]:
    """Every function that a value calls, with what it is called with."""
    if isinstance(value, dict):
        for name, item in value.items():
            if len(value) == 1 and (name == "Get" or name.startswith("Std:")):
                yield name, item
            yield from _functions(item)
    elif isinstance(value, list):
        for item in value:
            yield from _functions(item)


def _referred(value: object) -> Iterator[str]:
    """The steps that a value refers to by Get."""
    for name, operand in _functions(value):
        if name == "Get" and (match := _STEP.match(str(operand))):
            yield match[1]


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
            circle = ", ".join(_circle(definition, definition.steps.keys() - done))
            raise DefinitionError(f"these steps wait for each other in a circle: {circle}")
        done |= ready


def _circle(definition: Definition, stuck: set[str]) -> list[str]:
    """A circle among steps each of which waits for another of them."""
    path = [min(stuck)]
    while (following := min(definition.steps[path[-1]].waits_for & stuck)) not in path:
        path.append(following)
    return path[path.index(following) :]


def _check_step(step: Step, definition: Definition) -> None:
    """What a step computes with is known: functions, references, conditions, property files."""
    where = f"step {step.name}"
    for function, operand in _functions(step.arguments):
        if function not in FUNCTIONS:
            raise DefinitionError(f"{where}: the function {function!r} is not known here")
        check_fields(operand, FUNCTIONS[function], f"{where}: {function}")
        if function == "Get":
            _check_reference(operand, definition, where)
        elif function == "Std:JsonGet":
            file = operand.get("PropertyFile", {"Get": ""})["Get"]
            if bool(PROPERTY_FILE.fullmatch(file)) == ("S3Uri" in operand):
                raise DefinitionError(f"{where}: Std:JsonGet reads a PropertyFile or an S3Uri")
    for condition in step.arguments.get("Conditions", []):
        _check_condition(condition, where)
    outputs = step.arguments.get("ProcessingOutputConfig", {}).get("Outputs", [])
    for name, (output, _) in step.property_files.items():
        if output not in [o["OutputName"] for o in outputs]:
            raise DefinitionError(f"{where}: property file {name}: there is no output {output!r}")


def _check_reference(reference: str, definition: Definition, where: str) -> None:
    kind, _, name = reference.partition(".")
    known = {"Parameters": definition.parameters, "Execution": EXECUTION_VARIABLES}
    if file := PROPERTY_FILE.fullmatch(reference):
        is_known = file[2] in definition.steps[file[1]].property_files
    else:
        is_known = name in known.get(kind, ()) or bool(_STEP.match(reference))
    if not is_known:
        raise DefinitionError(f"{where}: {reference!r} stands for nothing that is known here")


def _check_condition(condition: Any, where: str) -> None:
    kind: Any = condition.get("Type") if isinstance(condition, dict) else condition
    check_fields(kind, tuple(CONDITIONS), f"{where}: condition type")
    check_fields(condition, CONDITIONS[kind], f"{where}: {kind}")
    inner = {"Or": condition.get("Conditions"), "Not": [condition.get("Condition")]}
    for part in inner.get(kind, []):
        _check_condition(part, where)


def _typed(spec: dict[str, Any], text: str) -> Any:
    """A parameter's value from a text."""
    kind: Any = PARAMETER_TYPES[spec["Type"]]
    value: Any = {"true": True, "false": False}.get(text.lower(), text) if kind is bool else text
    if kind is not bool:
        with contextlib.suppress(ValueError):
            value = kind(text)
    _check_value(spec, value)
    return value


def _check_value(spec: dict[str, Any], value: Any) -> None:
    name, kind = spec["Name"], spec["Type"]
    types = (int, float) if kind == "Float" else (PARAMETER_TYPES[kind],)
    if type(value) not in types or (kind == "Float" and not math.isfinite(value)):
        raise DefinitionError(f"parameter {name} is {value!r}, where {kind} is right")
    choices = spec.get("EnumValues", [value])
    if value not in choices:
        one = ", ".join(map(str, choices))
        raise DefinitionError(f"parameter {name} is {value!r}, where one of {one} is right")
