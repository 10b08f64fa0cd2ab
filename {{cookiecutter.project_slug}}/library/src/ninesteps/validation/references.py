"""Checks a definition's references, which SageMaker resolves only when a step's turn comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ninesteps.definition.definition import PROPERTY_FILE
from ninesteps.definition.known_fields import EXECUTION_VARIABLES, FUNCTIONS
from ninesteps.definition.step_content import StepContent
from ninesteps.definition.values import Call, calls, places
from ninesteps.validation import service
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import either, expected, quoted
from ninesteps.validation.properties import property_shape


def check_references(step: StepContent, compiled: Compiled) -> Iterator[str]:
    """References exist: functions, parameters, properties, property files."""
    yield from _calls(step.calls, compiled)


def check_pipeline_references(compiled: Compiled) -> Iterator[str]:
    """The same for references outside the steps, such as the experiment's names."""
    rest = {name: value for name, value in compiled.content.items() if name != "Steps"}
    yield from _calls(calls(rest), compiled)


def check_waiting(step: StepContent, compiled: Compiled) -> Iterator[str]:
    """Steps wait for existing steps, and never for themselves, directly or indirectly."""
    for where, name in places(step.content, "DependsOn[]"):
        if str(name) not in compiled.by_name:
            yield expected(where, service.nearest(str(name), compiled.by_name), name)
    before = compiled.waits_for(step.name)
    if step.name in before:
        known = sorted(compiled.by_name.keys() & before - {step.name})
        others = [name for name in known if step.name in compiled.waits_for(name)]
        way = f" through {' and '.join(others)}" if others else ""
        yield f"it waits for itself{way}, expected it to wait for other steps only"


def _calls(function_calls: Iterable[Call], compiled: Compiled) -> Iterator[str]:
    for where, function, operand in function_calls:
        if function not in FUNCTIONS:
            right = service.nearest(function, FUNCTIONS)
            yield f"{where}: expected {right}, got the function {function}"
        elif function == "Get":
            right, why = _expected_reference(str(operand), compiled)
            if right:
                yield f"{expected(where, right, operand)}{why}"
        elif right := _expected_operand(function, operand):
            yield f"{where}: {function}: expected {right}, got {quoted(operand)}"


def _expected_reference(reference: str, compiled: Compiled) -> tuple[str, str]:
    """What is expected instead of a reference, and why; empty if it is valid."""
    kind, _, name = reference.partition(".")
    known = {"Parameters": list(compiled.parameters), "Execution": list(EXECUTION_VARIABLES)}
    if kind in known:
        what = "parameter" if kind == "Parameters" else "execution variable"
        is_known = name in known[kind]
        right = f"the {what} {service.nearest(name, known[kind])}"
        return ("" if is_known else right), ""
    if kind != "Steps":
        return "a reference that begins with Parameters, Execution or Steps", ""
    name, _, path = name.partition(".")
    step = compiled.by_name.get(name)
    if step is None:
        return f"the step {service.nearest(name, compiled.by_name)}", ""
    if file := PROPERTY_FILE.fullmatch(reference):
        files = [n for _, n in places(step.content, "PropertyFiles[].PropertyFileName")]
        right = f"a property file that {name} declares ({either(files)})"
        return ("" if file[2] in files else right), ""
    try:
        property_shape(step, path)
    except LookupError as error:
        return f"a property of the {step.type} step {name}", f": {error}"
    return "", ""


def _expected_operand(function: str, operand: Any) -> str:
    """The operands that Std:Join and Std:JsonGet need; empty if they are valid."""
    fields = operand if isinstance(operand, dict) else {}
    if function == "Std:Join":
        is_right = isinstance(fields.get("On"), str) and isinstance(fields.get("Values"), list)
        return "" if is_right else "On, a string, and Values, a list"
    files = {"PropertyFile", "S3Uri"} & fields.keys()
    is_right = isinstance(fields.get("Path"), str) and len(files) == 1
    return "" if is_right else "a Path and either a PropertyFile or an S3Uri"
