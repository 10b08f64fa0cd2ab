"""The properties of a step: SageMaker's Describe answer for what the step has created."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ninesteps.definition.step_content import StepContent
from ninesteps.definition.values import function_of
from ninesteps.validation import service
from ninesteps.validation.finding import either

NAMED_BY = ("OutputName", "InputName", "ChannelName")
"""The fields that name list items, for references such as Outputs['train']."""

_PART = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\['([^']+)'\]")


def path_parts(path: str) -> list[str | int]:
    """The parts of a path such as `a.b[0]['c']`.

    Raises:
        LookupError: if it is malformed.
    """
    parts: list[str | int] = []
    position = 0
    while position < len(path) or not path:
        part = _PART.match(path, position)
        if part is None:
            raise LookupError(f"the path {path!r} cannot be read")
        parts.append(int(part[2]) if part[2] else part[1] or part[3])
        position = part.end()
    return parts


def property_shape(step: StepContent, path: str) -> Any:
    """The shape of a step's property.

    Raises:
        LookupError: if there is no such property; the message lists those that exist.
    """
    if step.type not in service.CALLS:
        raise LookupError("it has no properties")
    first, *rest = path_parts(path)
    known = service.properties(step.type)
    if first not in known:
        raise LookupError(f"it has no {first}, but {service.nearest(str(first), known)}")
    shape, request = known[first], step.arguments.get(str(first))
    asked = first in service.request(step.type).members and first != service.CALLS[step.type].given
    if asked and request is None and shape.type_name in ("structure", "list", "map"):
        raise LookupError(f"its request gives no {first}")
    for part in rest:
        shape, request = _within(shape, part), _item(request, part)
    return shape


def request_value(step: StepContent, path: str) -> Any:
    """The value of a property in the step's request; None if unknown.

    Raises:
        LookupError: if the path is malformed, or the request has no such item.
    """
    value: Any = step.arguments
    for part in path_parts(path):
        value = _item(value, part)
    return value


def _within(shape: Any, part: str | int) -> Any:
    """The shape of a part of a value."""
    if shape.type_name == "list":
        return shape.member
    if shape.type_name == "map":
        return shape.value
    members = getattr(shape, "members", {})
    if part not in members:
        has = service.nearest(str(part), members) if members else "no properties"
        raise LookupError(f"{shape.name} has no {part}, but {has}")
    return members[part]


def _item(request: Any, part: str | int) -> Any:
    """The request's value there; None if unknown."""
    if isinstance(request, dict):
        return None if function_of(request) else request.get(str(part))
    if not isinstance(request, list):
        return None
    if isinstance(part, int):
        if part >= len(request):
            raise LookupError(f"its request gives {len(request)} items and no [{part}]")
        return request[part]
    named = dict(_named(request))
    if part not in named:
        raise LookupError(f"its request gives no {part!r}, but {either(named)}")
    return named[part]


def _named(items: list[Any]) -> Iterator[tuple[str, Any]]:
    for item in items:
        for field in NAMED_BY:
            if isinstance(item, dict) and isinstance(item.get(field), str):
                yield item[field], item
