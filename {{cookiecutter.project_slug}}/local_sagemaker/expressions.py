"""What stands for a value until an execution knows it: Get, Std:Join, Std:JsonGet, conditions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local_sagemaker.definition import Definition
from local_sagemaker.errors import StepError
from local_sagemaker.storage import Storage

_PART = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\['([^']+)'\]")
_NAMED_BY = ("OutputName", "InputName", "ChannelName")
"""The fields that name the items of a list, for references such as Outputs['train']."""


@dataclass
class Values:
    """What an execution knows by now."""

    definition: Definition
    storage: Storage
    parameters: dict[str, Any]
    execution: dict[str, str]  # PipelineExecutionId and the like
    properties: dict[str, Any] = field(default_factory=dict)  # by step, as Describe calls answer

    def resolve(self, value: Any) -> Any:
        """A JSON value with every expression in it replaced by what it stands for."""
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, operand),) = value.items()
            if name == "Get":
                return self._get(operand)
            if name == "Std:Join":
                return operand["On"].join(_text(self.resolve(v)) for v in operand["Values"])
            if name == "Std:JsonGet":
                return self._json_get(operand)
            if name.startswith("Std:"):
                raise StepError(f"the function {name} is not known here")
        return {name: self.resolve(item) for name, item in value.items()}

    def _get(self, reference: str) -> Any:
        kind, _, rest = reference.partition(".")
        if kind == "Parameters" and rest in self.parameters:
            return self.parameters[rest]
        if kind == "Execution" and rest in self.execution:
            return self.execution[rest]
        if kind == "Steps":
            step, _, path = rest.partition(".")
            if step in self.properties:
                return _walk(self.properties[step], path, reference)
        raise StepError(f"{reference!r} stands for nothing that is known here")

    def _json_get(self, operand: dict[str, Any]) -> Any:
        path = operand["Path"]
        if "S3Uri" in operand:
            uri = self.resolve(operand["S3Uri"])
        else:
            reference = operand["PropertyFile"]["Get"]
            _, step, _, name = reference.split(".", 3)
            output, file_path = self.definition.steps[step].property_files[name]
            outputs = self.properties[step]["ProcessingOutputConfig"]["Outputs"]
            folder = _walk(outputs, f"['{output}'].S3Output.S3Uri", reference)
            uri = f"{folder}/{file_path}"
        try:
            content = json.loads(self.storage.path(uri).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StepError(f"{uri} cannot be read as JSON: {error}") from None
        return _walk(content, path, uri)


@dataclass(frozen=True)
class Compared:
    """One comparison of a condition, as it came out."""

    left_name: str
    left: Any
    sign: str
    right: Any
    holds: bool


_SIGNS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "Equals": ("==", lambda left, right: bool(left == right)),
    "GreaterThan": (">", lambda left, right: bool(left > right)),
    "GreaterThanOrEqualTo": (">=", lambda left, right: bool(left >= right)),
    "LessThan": ("<", lambda left, right: bool(left < right)),
    "LessThanOrEqualTo": ("<=", lambda left, right: bool(left <= right)),
}


def evaluate(condition: dict[str, Any], values: Values, compared: list[Compared]) -> bool:
    """Whether a condition holds; each comparison made is noted, none is left out.

    Raises:
        StepError: for a condition that is not known or cannot be evaluated: that is never "no".
    """
    kind = condition.get("Type")
    if kind == "Not":
        return not evaluate(condition["Expression"], values, compared)
    if kind == "Or":
        outcomes = [evaluate(part, values, compared) for part in condition["Conditions"]]
        return any(outcomes)
    if kind == "In":
        left, right = values.resolve(condition["QueryValue"]), values.resolve(condition["Values"])
        compared.append(Compared(_name(condition["QueryValue"]), left, "in", right, left in right))
        return compared[-1].holds
    if kind not in _SIGNS:
        raise StepError(f"the condition type {kind!r} is not known here")
    sign, holds = _SIGNS[kind]
    left = values.resolve(condition["LeftValue"])
    right = values.resolve(condition["RightValue"])
    if sign != "==" and not (_is_number(left) and _is_number(right)):
        raise StepError(f"{left!r} {sign} {right!r} cannot be compared: both must be numbers")
    compared.append(Compared(_name(condition["LeftValue"]), left, sign, right, holds(left, right)))
    return compared[-1].holds


def _name(value: Any) -> str:
    """What a person calls the left side: the path in a file, the reference, or the value."""
    if isinstance(value, dict):
        if "Std:JsonGet" in value:
            return str(value["Std:JsonGet"]["Path"])
        if "Get" in value:
            return str(value["Get"])
    return json.dumps(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _walk(content: Any, path: str, where: str) -> Any:
    """Follow a path such as `a.b[0]['c']` into a JSON value."""
    position = 0
    while position < len(path):
        part = _PART.match(path, position)
        if part is None:
            raise StepError(f"{where}: the path {path!r} cannot be read")
        name, index, key = part.groups()
        try:
            content = content[int(index)] if index else _item(content, name or key)
        except (KeyError, IndexError, TypeError):
            raise StepError(f"{where} has nothing at {path!r}") from None
        position = part.end()
    return content


def _item(content: Any, key: str) -> Any:
    if isinstance(content, list):
        named = [item for item in content if key in (item.get(field) for field in _NAMED_BY)]
        return named[0]
    return content[key]
