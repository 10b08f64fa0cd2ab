"""Compares every request with SageMaker's own model: names, types, lengths, numbers, patterns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ninesteps.definition.step_content import StepContent
from ninesteps.definition.values import function_of, places
from ninesteps.validation import service
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import expected, quoted
from ninesteps.validation.lengths import longest
from ninesteps.validation.properties import property_shape

_KINDS: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "structure": ("an object", dict),
    "map": ("an object", dict),
    "list": ("a list", list),
    "string": ("a string", str),
    "blob": ("a string", str),
    "timestamp": ("a string", str),
    "boolean": ("true or false", bool),
    "integer": ("a whole number", int),
    "long": ("a whole number", int),
    "float": ("a number", (int, float)),
    "double": ("a number", (int, float)),
}
"""Each shape type's name, and its Python type."""

_MOST_INTEGER = 2**31 - 1  # the service's integers have 32 bits, its longs 64

_OF_PARAMETERS = {
    "String": "a string",
    "Integer": "a whole number",
    "Float": "a number",
    "Boolean": "true or false",
}


def check_request(step: StepContent, compiled: Compiled) -> Iterator[str]:
    """A step's request is valid; SageMaker would check it only when the step's turn comes."""
    if step.type in service.CALLS:
        request = {service.CALLS[step.type].given: "given", **step.arguments}
        yield from mismatches(request, service.request(step.type), "Arguments", compiled)


def mismatches(value: Any, shape: Any, where: str, compiled: Compiled) -> Iterator[str]:
    """The parts of a value that its shape does not allow, one sentence each."""
    if function_of(value):
        yield from _stand_in(value, shape, where, compiled)
        return
    right, types = _KINDS[shape.type_name]
    is_right: bool = isinstance(value, types) and (types is bool or not isinstance(value, bool))
    if not is_right:
        yield expected(where, right, value)
        return
    if shape.type_name == "structure":
        yield from _members(value, shape, where, compiled)
        return
    yield from _limits(value, shape, where)
    if shape.type_name == "list":
        for number, item in enumerate(value):
            yield from mismatches(item, shape.member, f"{where}[{number}]", compiled)
    elif shape.type_name == "map":
        for name, item in value.items():
            yield from _limits(name, shape.key, f"the name of {where}.{name}")
            yield from mismatches(item, shape.value, f"{where}.{name}", compiled)


def _members(value: Any, shape: Any, where: str, compiled: Compiled) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            yield f"{where}.{name}: expected a value, which {shape.name} requires, got none"
    for name, item in value.items():
        if name in shape.members:
            yield from mismatches(item, shape.members[name], f"{where}.{name}", compiled)
        else:
            right = service.nearest(name, shape.members)
            yield f"{where}.{name}: unknown field of {shape.name}, expected {right}"


def _limits(value: Any, shape: Any, where: str) -> Iterator[str]:
    """Limits of numbers, lengths and item counts; listed values, and patterns."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    is_number = isinstance(value, int | float)
    size = value if is_number else len(value)
    if most is None and shape.type_name == "integer" and size > _MOST_INTEGER:
        most = _MOST_INTEGER
    if (least is not None and size < least) or (most is not None and size > most):
        unit = "" if is_number else " characters" if isinstance(value, str) else " items"
        right = f"{least or 0} or more" if most is None else f"{least or 0} to {most}"
        yield f"{where}: expected {right}{unit}, got {size}"
    if isinstance(value, str):
        pattern = shape.metadata.get("pattern", "")
        if shape.enum and value not in shape.enum:
            yield expected(where, service.nearest(value, shape.enum), value)
        elif pattern and not service.matches(pattern, value):
            yield expected(where, f"a string that matches {pattern}", value)


def _stand_in(value: Any, shape: Any, where: str, compiled: Compiled) -> Iterator[str]:
    """An expression has the type of the value, and a parameter's default keeps the limits.

    SageMaker does not convert a number to a string; Std:Join does, and always returns a string.
    """
    right = _KINDS[shape.type_name][0]
    kind = _kind_of(value, compiled)
    if kind is not None and kind != right and (kind, right) != ("a whole number", "a number"):
        yield f"{where}: expected {right}, got {quoted(value)}, which is {kind}"
    elif spec := parameter(value, compiled):
        choices = [*places(spec, "DefaultValue"), *places(spec, "EnumValues[]")]
        for _, choice in choices:
            whose = f"{where} {by_parameter(spec['Name'])}"
            yield from mismatches(choice, shape, whose, compiled)
    elif (
        shape.type_name == "string"
        and (most := shape.metadata.get("max"))
        and (size := longest(value, compiled)) > most
    ):
        yield f"{where}: expected at most {most} characters, got up to {size}: {quoted(value)}"


def _kind_of(value: Any, compiled: Compiled) -> str | None:
    """The type of an expression's value; None if unknown or missing."""
    function = function_of(value)
    reference = str(value[function]) if function == "Get" else ""
    if function == "Std:Join" or reference.startswith("Execution."):
        return "a string"
    if spec := parameter(value, compiled):
        return _OF_PARAMETERS.get(str(spec.get("Type")))
    kind, _, rest = reference.partition(".")
    name, _, path = rest.partition(".")
    step: StepContent | None = compiled.by_name.get(name)
    if kind != "Steps" or step is None:
        return None
    try:
        return _KINDS[property_shape(step, path).type_name][0]
    except LookupError:  # another rule reports it
        return None


def by_parameter(name: str) -> str:
    """How a message says that a value comes from a parameter."""
    return f"(by the parameter {name})"


def parameter(value: Any, compiled: Compiled) -> dict[str, Any] | None:
    """The declaration of the parameter in an expression; None if it is not a parameter."""
    kind, _, name = str(value.get("Get")).partition(".")
    return compiled.parameters.get(name) if kind == "Parameters" else None
