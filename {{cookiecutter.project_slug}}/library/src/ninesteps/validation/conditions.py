"""Checks what conditions compare, and the gate of a registration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from posixpath import basename
from typing import Any

from ninesteps.definition.definition import PROPERTY_FILE
from ninesteps.definition.known_fields import CONDITIONS
from ninesteps.definition.step_content import StepContent
from ninesteps.definition.values import function_of, places
from ninesteps.validation import service
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import expected
from ninesteps.validation.properties import path_parts

EVALUATION = "evaluation.json"
"""The evaluation step's file, which gates read."""


def check_conditions(step: StepContent, _: Compiled) -> Iterator[str]:
    """Conditions have known types and all their fields."""
    if step.type == "Condition" and not [*step.at("Conditions[]")]:
        yield "Arguments.Conditions: expected one or more conditions, got none"
    for where, condition in _all_conditions(step):
        kind = str(condition.get("Type")) if isinstance(condition, dict) else ""
        if kind not in CONDITIONS:
            yield expected(f"{where}.Type", service.nearest(kind, CONDITIONS), kind)
            continue
        for field in (name.removesuffix("!") for name in CONDITIONS[kind]):
            if field not in condition:
                yield f"{where}.{field}: expected a value for {kind} to compare, got none"


def check_evaluation_paths(step: StepContent, compiled: Compiled) -> Iterator[str]:
    """Values that conditions read from the evaluation exist.

    SageMaker looks only when the condition's turn comes: by then all models have been trained.
    """
    for where, function, operand in step.calls:
        files = [file for _, file in places(operand, "PropertyFile.Get")]
        if function != "Std:JsonGet" or not any(_is_evaluation(f, compiled) for f in files):
            continue
        path, content = str(operand.get("Path")), compiled.evaluation
        try:
            for part in path_parts(path):
                content = content[part]  # type: ignore[index]
        except (LookupError, TypeError):
            content = {}
        if isinstance(content, Mapping | list):
            values = service.nearest(path, _values(compiled.evaluation))
            yield expected(where, f"a value of {EVALUATION} ({values})", path)


def check_gate(step: StepContent, compiled: Compiled) -> Iterator[str]:
    """A gate compares a measured value with a number in the definition.

    If the number were a parameter, anyone who starts an execution could loosen the gate.
    """
    registered = [register.branch for register in compiled.of_type("RegisterModel")]
    if step.name not in [branch[0] for branch in registered if branch]:
        return
    for where, condition in _all_conditions(step):
        for path in ("LeftValue", "QueryValue"):
            for place, value in places(condition, path, where):
                if function_of(value) != "Std:JsonGet":
                    yield expected(place, "a value that the gate reads by Std:JsonGet", value)
        for path in ("RightValue", "Values[]"):
            for place, value in places(condition, path, where):
                if type(value) not in (int, float) or not math.isfinite(value):
                    yield expected(place, "a number, written out in the gate", value)


def _all_conditions(step: StepContent) -> Iterator[tuple[str, Any]]:
    """All conditions, including nested ones, with their places."""
    waiting = [*step.at("Conditions[]")]
    while waiting:
        where, condition = waiting.pop(0)
        yield where, condition
        waiting += places(condition, "Conditions[]", where)
        waiting += places(condition, "Condition", where)


def _is_evaluation(reference: Any, compiled: Compiled) -> bool:
    """Whether a property file is the evaluation's: the content of other files is not known here."""
    file = PROPERTY_FILE.fullmatch(str(reference))
    step = compiled.by_name.get(file[1]) if file else None
    if file is None or step is None:
        return False
    declared = [f for _, f in places(step.content, "PropertyFiles[]") if isinstance(f, dict)]
    paths = [str(f.get("FilePath")) for f in declared if f.get("PropertyFileName") == file[2]]
    return EVALUATION in map(basename, paths)


def _values(content: Any, path: str = "") -> Iterator[str]:
    """The paths of single values."""
    if isinstance(content, Mapping):
        for name, item in content.items():
            yield from _values(item, f"{path}.{name}".lstrip("."))
    elif not isinstance(content, list):
        yield path
