"""A pipeline definition that this machine can run: its parameters, its steps, and their order."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ninesteps.definition.known_fields import (
    CONDITIONS,
    EXECUTION_VARIABLES,
    FUNCTIONS,
    PIPELINE_FIELDS,
    STEP_FIELDS,
    argument_fields,
    check_fields,
)
from ninesteps.definition.order import check_order, steps_before
from ninesteps.definition.parameters import Parameters, parameter_values, read_parameters
from ninesteps.definition.step_content import STEP_REFERENCE, StepContent, step_contents
from ninesteps.definition.step_names import numbered, step_name
from ninesteps.errors import DefinitionError

PROPERTY_FILE = re.compile(r"Steps\.([^.\[]+)\.PropertyFiles\.(.+)")
_DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_STEP_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Step:
    """One step that this machine can run."""

    name: str
    type: str
    arguments: dict[str, Any]
    waits_for: frozenset[str]  # steps that must have succeeded: named or referenced
    property_files: dict[str, tuple[str, str]]  # name -> (output name, file path)
    branch: tuple[str, bool] | None = None  # the condition step, and the outcome that runs this
    max_age: float | None = None  # seconds for which its outputs are reused; None: it always runs
    retries: tuple[dict[str, Any], ...] = ()  # RetryPolicies


@dataclass(frozen=True)
class Definition:
    """A definition that this machine can run."""

    parameters: Parameters
    steps: dict[str, Step] = field(default_factory=dict)
    text: str = ""  # its JSON

    @property
    def waits_for(self) -> dict[str, frozenset[str]]:
        """For each step, the steps that must have succeeded before it."""
        return {name: step.waits_for for name, step in self.steps.items()}

    def step_name(self, asked: str) -> str:
        """The name of a step, found by number, name or the beginning of its name.

        Raises:
            DefinitionError: if there is no such step, or more than one.
        """
        return step_name(asked, numbered({name: step.type for name, step in self.steps.items()}))

    def ancestors(self, step: str) -> set[str]:
        """A step and every step that must have run before it.

        Raises:
            DefinitionError: if there is no such step.
        """
        if step not in self.steps:
            step = self.step_name(step)
        return {step} | steps_before(step, self.waits_for)

    def check_can_run(self, only: str = "") -> None:
        """Refuse a job without an entrypoint, which only its image could run.

        Args:
            only: check only this step and the steps that it needs.

        Raises:
            DefinitionError: naming the step.
        """
        for name in self.ancestors(only) if only else self.steps:
            step = self.steps[name]
            if step.type == "Processing" and not step.arguments["AppSpecification"].get(
                "ContainerEntrypoint"
            ):
                raise DefinitionError(
                    f"step {name}: expected a ContainerEntrypoint, got none: its image's own "
                    "program runs on SageMaker only"
                )

    def parameter_values(self, given: dict[str, str]) -> dict[str, Any]:
        """Every parameter's value, from given strings and from defaults.

        Raises:
            DefinitionError: for an unknown name, a wrong type or a missing value.
        """
        return parameter_values(self.parameters, given)


def read_definition(text: str) -> Definition:
    """Read a definition's JSON.

    Raises:
        DefinitionError: naming anything that this machine does not support.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise DefinitionError(f"the definition is not valid JSON: {error}") from None
    check_fields(content, PIPELINE_FIELDS, "the definition")
    definition = Definition(read_parameters(content.get("Parameters", [])), text=text)
    contents = []
    for step in step_contents(content):
        runnable = _step(step)
        if step.name in definition.steps:
            raise DefinitionError(f"two steps are named {step.name}")
        definition.steps[step.name] = runnable
        contents.append(step)
    check_order(definition.waits_for)
    for step in contents:
        _check_arguments(step, definition)
    return definition


def _step(step: StepContent) -> Step:
    """A runnable step, if its fields are known and its name is valid."""
    where = f"step {step.name}"
    check_fields(step.content, STEP_FIELDS, where)
    if not _STEP_NAME.fullmatch(step.name):
        right = "1 to 64 characters (letters, digits, - and _)"
        raise DefinitionError(f"{where}.Name: expected {right}, got {step.name!r}")
    arguments = step.content["Arguments"]
    check_fields(arguments, argument_fields(step.type, arguments), f"{where}: Arguments")
    files = step.content.get("PropertyFiles", [])
    return Step(
        name=step.name,
        type=step.type,
        arguments=step.arguments,
        waits_for=step.waits_for,
        property_files={f["PropertyFileName"]: (f["OutputName"], f["FilePath"]) for f in files},
        branch=step.branch,
        max_age=_max_age(step.content.get("CacheConfig", {}), where),
        retries=tuple(step.content.get("RetryPolicies", [])),
    )


def _max_age(config: dict[str, Any], where: str) -> float | None:
    """The greatest age in seconds of reused outputs, from a CacheConfig."""
    if not config.get("Enabled"):
        return None
    text = config.get("ExpireAfter")
    if text is None:
        return math.inf
    parts = _DURATION.fullmatch(str(text))
    if parts is None or not any(parts.groups()):
        right = "a duration such as P30D or PT1H"
        raise DefinitionError(f"{where}.CacheConfig.ExpireAfter: expected {right}, got {text!r}")
    units = ("weeks", "days", "hours", "minutes", "seconds")
    counts = {unit: int(count or 0) for unit, count in zip(units, parts.groups(), strict=True)}
    return timedelta(**counts).total_seconds()


def _check_arguments(step: StepContent, definition: Definition) -> None:
    """Check that a step's functions, references, conditions and property files are known."""
    for place, function, operand in step.calls:
        where = f"step {step.name}: {place}"
        if function not in FUNCTIONS:
            right = f"one of {', '.join(FUNCTIONS)}"
            raise DefinitionError(f"{where}: expected {right}, got the function {function!r}")
        check_fields(operand, FUNCTIONS[function], f"{where}: {function}")
        if function == "Get":
            _check_reference(operand, definition, where)
        elif function == "Std:JsonGet":
            file = operand.get("PropertyFile", {"Get": ""})["Get"]
            if bool(PROPERTY_FILE.fullmatch(file)) == ("S3Uri" in operand):
                right = "either a step's PropertyFile or an S3Uri"
                raise DefinitionError(f"{where}: {function}: expected {right}, got {operand!r:.80}")
    where = f"step {step.name}"
    for condition in step.arguments.get("Conditions", []):
        _check_condition(condition, where)
    outputs = [name for _, name in step.at("ProcessingOutputConfig.Outputs[].OutputName")]
    for name, (output, _) in definition.steps[step.name].property_files.items():
        if output not in outputs:
            right = f"one of the step's outputs ({', '.join(outputs) or 'none'})"
            raise DefinitionError(
                f"{where}: property file {name}: expected {right}, got {output!r}"
            )


def _check_reference(reference: str, definition: Definition, where: str) -> None:
    kind, _, name = reference.partition(".")
    known = {"Parameters": definition.parameters, "Execution": EXECUTION_VARIABLES}
    if file := PROPERTY_FILE.fullmatch(reference):
        is_known = file[2] in definition.steps[file[1]].property_files
    else:
        is_known = name in known.get(kind, ()) or bool(STEP_REFERENCE.match(reference))
    if not is_known:
        right = "a parameter, an execution variable, a property or property file of a step"
        raise DefinitionError(
            f"{where}: expected {right}, got {reference!r}, which is not known here"
        )


def _check_condition(condition: Any, where: str) -> None:
    kind: Any = condition.get("Type") if isinstance(condition, dict) else condition
    check_fields(kind, tuple(CONDITIONS), f"{where}: condition type")
    check_fields(condition, CONDITIONS[kind], f"{where}: {kind}")
    inner = {"Or": condition.get("Conditions"), "Not": [condition.get("Condition")]}
    for part in inner.get(kind, []):
        _check_condition(part, where)
