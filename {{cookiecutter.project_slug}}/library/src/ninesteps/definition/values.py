"""Searches a definition's JSON: paths, function calls, and strings.

Searching never fails: anything missing or of another type has no result.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Call(NamedTuple):
    """A function call, such as `{"Get": "Parameters.AsOf"}`, in a definition."""

    where: str  # a nested call has the outermost call's place
    function: str  # Get, or a function of Std:
    operand: Any


def calls(value: Any, where: str = "") -> list[Call]:
    """All function calls in a value, an outer call before its nested calls."""
    result: list[Call] = []
    _collect(value, where, False, result)
    return result


def function_of(value: Any) -> str | None:
    """The function that a value calls: `Get`, or one of `Std:`; None for other values."""
    if isinstance(value, dict) and len(value) == 1:
        (name,) = value
        if name == "Get" or str(name).startswith("Std:"):
            return str(name)
    return None


def places(value: Any, path: str, where: str = "") -> Iterator[tuple[str, Any]]:
    """The places that match a path such as `Outputs[].S3Output.S3Uri`, with their values; `*`
    matches any name.

    Missing values, and values of an unexpected type, have no match.
    """
    if not path:
        yield where, value
        return
    name, _, rest = path.partition(".")
    is_list = name.endswith("[]")
    name = name.removesuffix("[]")
    fields = value if isinstance(value, dict) else {}
    for key in fields if name == "*" else [name] if name in fields else []:
        inner = f"{where}.{key}".lstrip(".")
        if not is_list:
            yield from places(fields[key], rest, inner)
        elif isinstance(fields[key], list):
            for number, item in enumerate(fields[key]):
                yield from places(item, rest, f"{inner}[{number}]")


def field_names(value: Any) -> set[str]:
    """The names of all fields in a value, at any depth."""
    if isinstance(value, dict):
        return {*value}.union(*map(field_names, value.values()))
    return set().union(*map(field_names, value)) if isinstance(value, list) else set()


def named_values(value: Any, name: str) -> Iterator[Any]:
    """The values of all fields with a name, at any depth."""
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        for inner in value.values():
            yield from named_values(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from named_values(inner, name)


def text_of(value: Any) -> str:
    """A string with its expressions in braces: `s3://bucket/{Execution.PipelineExecutionId}/x`."""
    function = function_of(value)
    if function == "Std:Join" and isinstance(value[function], dict):
        operand = value[function]
        parts = operand.get("Values")
        return str(operand.get("On")).join(map(text_of, parts if isinstance(parts, list) else []))
    return "{" + str(value[function]) + "}" if function else str(value)


def _collect(value: Any, where: str, is_operand: bool, result: list[Call]) -> None:
    """Add the calls in a value; nested calls get the place of the outermost call."""
    if function := function_of(value):
        result.append(Call(where, function, value[function]))
        _collect(value[function], where, True, result)
    elif isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, dict | list):
                inner = where if is_operand else f"{where}.{name}".lstrip(".")
                _collect(item, inner, is_operand, result)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if isinstance(item, dict | list):
                inner = where if is_operand else f"{where}[{number}]"
                _collect(item, inner, is_operand, result)
