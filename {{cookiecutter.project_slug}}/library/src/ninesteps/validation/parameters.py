"""What concerns the pipeline as a whole: its version and its parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ninesteps.definition.known_fields import PARAMETER_TYPES
from ninesteps.definition.reader import Compiled, expressions, places
from ninesteps.validation import service
from ninesteps.validation.finding import either, read
from ninesteps.validation.requests import mismatches

_VERSION = "2020-12-01"


def check_pipeline(compiled: Compiled) -> Iterator[str]:
    """The definition is of the one version that there is, and has steps."""
    version = compiled.content.get("Version")
    if version != _VERSION:
        yield f"Version is {read(version)}, where {_VERSION!r} is right"
    if not compiled.steps:
        yield "Steps has no step, where one or more are right"


def check_parameters(compiled: Compiled) -> Iterator[str]:
    """Parameters have names of their own, a type, a default of that type, and a use."""
    found = places(compiled.content, "Parameters[].Name")
    for name, count in Counter(str(name) for _, name in found).items():
        if count > 1:
            yield f"{count} parameters are named {name}, where one is right"
    used = {operand for _, function, operand in expressions(compiled.content)
            if function == "Get" and isinstance(operand, str)}  # fmt: skip
    for name, spec in compiled.parameters.items():
        shape = service.model().shape_for("PipelineParameterName")
        yield from mismatches(spec.get("Name"), shape, "the name of a parameter", compiled)
        yield from _values(name, spec)
        if f"Parameters.{name}" not in used:
            yield f"the parameter {name} is used nowhere, where each has to change something"


def _values(name: str, spec: dict[str, Any]) -> Iterator[str]:
    kind = PARAMETER_TYPES.get(str(spec.get("Type")))
    if kind is None:
        right = f"{either(PARAMETER_TYPES)} is right"
        yield f"the parameter {name} has the Type {read(spec.get('Type'))}, where {right}"
        return
    types = (int, float) if kind is float else (kind,)
    for where, value in (*places(spec, "DefaultValue"), *places(spec, "EnumValues[]")):
        if type(value) not in types:
            right = spec["Type"]
            yield f"the parameter {name} has the {where} {read(value)}, where {right} is right"
