"""Checks the pipeline as a whole: its version and its parameters."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ninesteps.definition.known_fields import PARAMETER_TYPES
from ninesteps.definition.values import calls, places
from ninesteps.validation import service
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import either, expected
from ninesteps.validation.requests import mismatches

_VERSION = "2020-12-01"


def check_pipeline(compiled: Compiled) -> Iterator[str]:
    """The definition has the only known version, has steps, and creates no experiment."""
    version = compiled.content.get("Version")
    if version != _VERSION:
        yield expected("Version", repr(_VERSION), version)
    if not compiled.steps:
        yield "Steps: expected one or more steps, got none"
    most = service.model().shape_for("PipelineDefinition").metadata["max"]
    if (size := len(json.dumps(compiled.content))) > most:
        yield f"the definition: expected at most {most} characters, got {size}"
    for where, config in places(compiled.content, "PipelineExperimentConfig"):
        if config is not None:
            right = "none (each execution would first create an experiment and a trial, which the "
            yield expected(where, f"{right}pipeline's role must not)", config)


def check_parameters(compiled: Compiled) -> Iterator[str]:
    """Parameters have unique names, a type, a default of that type, and a use."""
    names = (str(name) for _, name in places(compiled.content, "Parameters[].Name"))
    for name, count in Counter(names).items():
        if count > 1:
            yield f"parameter {name}: expected one parameter of this name, got {count}"
    used = {operand for _, function, operand in calls(compiled.content)
            if function == "Get" and isinstance(operand, str)}  # fmt: skip
    for name, spec in compiled.parameters.items():
        shape = service.model().shape_for("PipelineParameterName")
        yield from mismatches(spec.get("Name"), shape, "the name of a parameter", compiled)
        yield from _values(name, spec)
        if f"Parameters.{name}" not in used:
            yield f"parameter {name}: not used, expected one or more uses"


def _values(name: str, spec: dict[str, Any]) -> Iterator[str]:
    kind = PARAMETER_TYPES.get(str(spec.get("Type")))
    if kind is None:
        yield expected(f"parameter {name}: Type", either(PARAMETER_TYPES), spec.get("Type"))
        return
    types = (int, float) if kind is float else (kind,)
    for where, value in (*places(spec, "DefaultValue"), *places(spec, "EnumValues[]")):
        if type(value) not in types:
            yield expected(f"parameter {name}: {where}", spec["Type"], value)
