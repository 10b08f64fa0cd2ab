"""Evaluates expressions during an execution: Get, Std:Join, Std:JsonGet, conditions.

Functions, references and condition types were checked when the definition was read.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ninesteps.definition.definition import PROPERTY_FILE, Definition
from ninesteps.errors import ScriptError, StepError
from ninesteps.local.storage import Storage

_PART = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\['([^']+)'\]")
_NAMED_BY = ("OutputName", "InputName", "ChannelName")
"""The fields that name list items, for references such as Outputs['train']."""


@dataclass
class Values:
    """The values known to an execution so far."""

    definition: Definition
    storage: Storage
    parameters: dict[str, Any]
    execution: dict[str, str]  # PipelineExecutionId and others
    properties: dict[str, Any] = field(default_factory=dict)  # by step, as Describe calls answer

    def resolve(self, value: Any) -> Any:
        """A JSON value with every expression replaced by its value."""
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
        return {name: self.resolve(item) for name, item in value.items()}

    def _get(self, reference: str) -> Any:
        kind, _, rest = reference.partition(".")
        if kind == "Parameters":
            return self.parameters[rest]
        if kind == "Execution":
            return self.execution[rest]
        step, _, path = rest.partition(".")
        return _walk(self.properties[step], path, reference)

    def _json_get(self, operand: dict[str, Any]) -> Any:
        if "S3Uri" in operand:
            uri = self.resolve(operand["S3Uri"])
        else:
            ((step, name),) = PROPERTY_FILE.findall(operand["PropertyFile"]["Get"])
            output, file_path = self.definition.steps[step].property_files[name]
            outputs = f"Steps.{step}.ProcessingOutputConfig.Outputs"
            folder = self._get(f"{outputs}['{output}'].S3Output.S3Uri")
            uri = f"{folder}/{file_path}"
        try:
            text = self.storage.file(uri).read_text(encoding="utf-8")
            content = json.loads(text, parse_constant=_no_number)
        except (OSError, ValueError) as error:
            raise StepError(f"{uri} cannot be read as JSON: {error}") from None
        return _walk(content, operand["Path"], uri)


@dataclass(frozen=True)
class Compared:
    """One comparison of a condition, with its outcome."""

    left_name: str
    left: Any
    sign: str
    right: Any
    holds: bool


_SIGNS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "Equals": ("==", operator.eq),
    "GreaterThan": (">", operator.gt),
    "GreaterThanOrEqualTo": (">=", operator.ge),
    "LessThan": ("<", operator.lt),
    "LessThanOrEqualTo": ("<=", operator.le),
}


def evaluate(condition: dict[str, Any], values: Values, compared: list[Compared]) -> bool:
    """Whether a condition is true; all of its comparisons are made and recorded.

    Raises:
        StepError: for a condition that cannot be evaluated, which never counts as false.
    """
    kind = condition["Type"]
    if kind == "Not":
        return not evaluate(condition["Condition"], values, compared)
    if kind == "Or":
        outcomes = [evaluate(part, values, compared) for part in condition["Conditions"]]
        return any(outcomes)
    if kind == "In":
        sign, compare, named = "in", operator.eq, condition["QueryValue"]
        right = others = values.resolve(condition["Values"])
    else:
        (sign, compare), named = _SIGNS[kind], condition["LeftValue"]
        right = values.resolve(condition["RightValue"])
        others = [right]
    left = values.resolve(named)
    for other in others:
        _check_comparable(left, sign, other)
    holds = any(compare(left, other) for other in others)
    compared.append(Compared(_name(named), left, sign, right, holds))
    return holds


def _check_comparable(left: Any, sign: str, right: Any) -> None:
    """Check the operands: two numbers; for equality, also two strings or two booleans."""
    kinds = {"number" if _is_number(value) else type(value) for value in (left, right)}
    if kinds != {"number"} and (sign not in ("==", "in") or kinds not in ({str}, {bool})):
        raise ScriptError(f"cannot compare {left!r} {sign} {right!r}: expected two numbers")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(value: Any) -> str:
    """The left side for display: the path in a file, the reference, or the value."""
    if isinstance(value, dict):
        if "Std:JsonGet" in value:
            return str(value["Std:JsonGet"]["Path"])
        if "Get" in value:
            return str(value["Get"])
    return json.dumps(value)


def _no_number(constant: str) -> None:
    raise ValueError(f"expected a number, got {constant}")


def _text(value: object) -> str:
    if not isinstance(value, str | int | float):
        raise ScriptError(f"Std:Join: expected texts and numbers, got {value!r:.80}")
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _walk(content: Any, path: str, where: str) -> Any:
    """Follow a path such as `a.b[0]['c']` into a JSON value."""
    position = 0
    while position < len(path):
        part = _PART.match(path, position)
        if part is None:
            raise ScriptError(f"{where}: the path {path!r} cannot be read")
        name, index, key = part.groups()
        try:
            content = _item(content, int(index) if index else name or key)
        except (KeyError, IndexError):
            raise ScriptError(f"{where} has nothing at {path!r}") from None
        position = part.end()
    return content


def _item(content: Any, key: str | int) -> Any:
    """An object's value by name; a list's item by position, or by the field that names it."""
    if isinstance(content, list):
        if isinstance(key, int):
            return content[key]
        for item in content:
            if isinstance(item, dict) and key in (item.get(field) for field in _NAMED_BY):
                return item
    if isinstance(content, dict):
        return content[key]
    raise KeyError(key)
