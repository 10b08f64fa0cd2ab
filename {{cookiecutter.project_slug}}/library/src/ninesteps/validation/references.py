"""What a definition refers to: nobody else looks it up before the step's turn has come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ninesteps.definition.definition import PROPERTY_FILE
from ninesteps.definition.known_fields import EXECUTION_VARIABLES, FUNCTIONS
from ninesteps.definition.reader import Compiled, Step, expressions, places
from ninesteps.validation import service
from ninesteps.validation.finding import either, read
from ninesteps.validation.properties import property_shape


def check_references(step: Step, compiled: Compiled) -> Iterator[str]:
    """What a value stands for is there: functions, parameters, properties, property files."""
    yield from _calls(step.expressions(), compiled)


def check_pipeline_references(compiled: Compiled) -> Iterator[str]:
    """The same of what stands beside the steps, such as the experiment's names."""
    rest = {name: value for name, value in compiled.content.items() if name != "Steps"}
    yield from _calls(expressions(rest), compiled)


def check_waiting(step: Step, compiled: Compiled) -> Iterator[str]:
    """Steps wait for steps that there are, and none for itself, by whatever detour."""
    for where, name in places(step.content, "DependsOn[]"):
        if str(name) not in compiled.by_name:
            right = service.nearest(str(name), compiled.by_name)
            yield f"{where} is {read(name)}, where {right} is right"
    before = compiled.waits_for(step.name)
    if step.name in before:
        known = sorted(compiled.by_name.keys() & before - {step.name})
        others = [name for name in known if step.name in compiled.waits_for(name)]
        way = f" by way of {' and '.join(others)}" if others else ""
        yield f"it waits for itself{way}, where a step waits for others alone"


def _calls(calls: Iterator[tuple[str, str, Any]], compiled: Compiled) -> Iterator[str]:
    for where, function, operand in calls:
        if function not in FUNCTIONS:
            right = service.nearest(function, FUNCTIONS)
            yield f"{where} calls {function}, where {right} is right"
        elif function == "Get":
            if right := _right_reference(str(operand), compiled):
                yield f"{where} is {read(operand)}, where {right}"
        elif right := _right_operand(function, operand):
            yield f"{where} calls {function} of {read(operand)}, where {right} are right"


def _right_reference(reference: str, compiled: Compiled) -> str:
    """What would be right in a reference's place; none if it stands for something."""
    kind, _, name = reference.partition(".")
    known = {"Parameters": list(compiled.parameters), "Execution": list(EXECUTION_VARIABLES)}
    if kind in known:
        what = "parameter" if kind == "Parameters" else "execution variable"
        is_known = name in known[kind]
        return "" if is_known else f"there is the {what} {service.nearest(name, known[kind])}"
    if kind != "Steps":
        return "a reference begins with Parameters, Execution or Steps"
    name, _, path = name.partition(".")
    step = compiled.by_name.get(name)
    if step is None:
        return f"there is the step {service.nearest(name, compiled.by_name)}"
    if file := PROPERTY_FILE.fullmatch(reference):
        files = [n for _, n in places(step.content, "PropertyFiles[].PropertyFileName")]
        return "" if file[2] in files else f"{name} declares the property file {either(files)}"
    try:
        property_shape(step, path)
    except LookupError as error:
        return f"{name} is a {step.type} step and {error}"
    return ""


def _right_operand(function: str, operand: Any) -> str:
    """What Std:Join and Std:JsonGet should be given; none if they are."""
    fields = operand if isinstance(operand, dict) else {}
    if function == "Std:Join":
        is_right = isinstance(fields.get("On"), str) and isinstance(fields.get("Values"), list)
        return "" if is_right else "On, a text, and Values, a list,"
    files = {"PropertyFile", "S3Uri"} & fields.keys()
    is_right = isinstance(fields.get("Path"), str) and len(files) == 1
    return "" if is_right else "a Path and either a PropertyFile or an S3Uri"
