"""Computes how long a string can get that an execution composes, since SageMaker limits it.

Unknown parts count as empty, so that no string is reported as longer than it can be.
"""

from __future__ import annotations

from typing import Any

from ninesteps.definition.values import function_of, places
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.properties import request_value

_EXECUTION = {"PipelineExecutionId": 12, "StartDateTime": 20, "CurrentDateTime": 20}
"""The lengths of an execution's variables; an id looks like `n6rxqo1h9b0r`."""

_NAMED_BY_SAGEMAKER = 63
"""The longest name of a job or a model, which SageMaker's generated names reach."""
_NAMES = ("ModelName", "ProcessingJobName", "TrainingJobName", "TransformJobName")

_DEEPEST = 20  # nested references: ends a circle


def longest(value: Any, compiled: Compiled, depth: int = 0) -> int:
    """The greatest length of a value, as far as known."""
    if isinstance(value, str):
        return len(value)
    function = function_of(value)
    if function == "Std:Join":
        join = value[function]
        parts = join.get("Values", []) if isinstance(join, dict) else []
        between = len(str(join.get("On", ""))) * max(0, len(parts) - 1) if parts else 0
        return between + sum(longest(part, compiled, depth + 1) for part in parts)
    if function == "Get" and depth < _DEEPEST:
        kind, _, rest = str(value[function]).partition(".")
        of_kind = {"Execution": _of_execution, "Parameters": _of_parameter, "Steps": _of_step}
        return of_kind[kind](rest, compiled, depth) if kind in of_kind else 0
    return 0


def _of_execution(name: str, compiled: Compiled, depth: int) -> int:
    return _EXECUTION.get(name, 0)


def _of_parameter(name: str, compiled: Compiled, depth: int) -> int:
    spec = compiled.parameters.get(name, {})
    values = [*places(spec, "DefaultValue"), *places(spec, "EnumValues[]")]
    return max((len(str(value)) for _, value in values), default=0)


def _of_step(reference: str, compiled: Compiled, depth: int) -> int:
    """A property of a step: from its request, or a name that SageMaker generates."""
    name, _, path = reference.partition(".")
    step = compiled.by_name.get(name)
    if step is None:
        return 0
    if path.rpartition(".")[2] in _NAMES:
        return _NAMED_BY_SAGEMAKER
    try:
        return longest(request_value(step, path), compiled, depth + 1)
    except LookupError:  # another rule reports it
        return 0
