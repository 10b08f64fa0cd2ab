"""A pipeline's parameters: their declarations, and the values for an execution."""

from __future__ import annotations

import contextlib
import math
from typing import Any

from ninesteps.definition.known_fields import PARAMETER_TYPES
from ninesteps.errors import DefinitionError
from ninesteps.nearest import did_you_mean

Parameters = dict[str, dict[str, Any]]
"""For each name, the fields of its declaration."""


def read_parameters(declarations: list[dict[str, Any]]) -> Parameters:
    """The parameters of a definition, whose fields were checked.

    Raises:
        DefinitionError: if two have the same name, or a default has the wrong type.
    """
    parameters: Parameters = {}
    for declared in declarations:
        if declared["Name"] in parameters:
            raise DefinitionError(f"two parameters are named {declared['Name']}")
        if "DefaultValue" in declared:
            _check_value(declared, declared["DefaultValue"])
        parameters[declared["Name"]] = declared
    return parameters


def parameter_values(parameters: Parameters, given: dict[str, str]) -> dict[str, Any]:
    """Every parameter's value, from given strings and from defaults.

    Raises:
        DefinitionError: for an unknown name, a wrong type or a missing value.
    """
    for name in given:
        if name not in parameters:
            has = ", ".join(parameters) or "none"
            near = did_you_mean(name, parameters)
            raise DefinitionError(f"there is no pipeline parameter {name!r}; there is {has}{near}")
    for name, declared in parameters.items():
        if name not in given and "DefaultValue" not in declared:
            raise DefinitionError(f"the pipeline parameter {name} has no value; give it one")
    return {
        name: _typed(declared, given[name]) if name in given else declared["DefaultValue"]
        for name, declared in parameters.items()
    }


def _typed(declared: dict[str, Any], text: str) -> Any:
    """A parameter's value, from a string."""
    kind: Any = PARAMETER_TYPES[declared["Type"]]
    value: Any = {"true": True, "false": False}.get(text.lower(), text) if kind is bool else text
    if kind is not bool:
        with contextlib.suppress(ValueError):
            value = kind(text)
    _check_value(declared, value)
    return value


def _check_value(declared: dict[str, Any], value: Any) -> None:
    where, kind = f"parameter {declared['Name']}", declared["Type"]
    types = (int, float) if kind == "Float" else (PARAMETER_TYPES[kind],)
    if type(value) not in types or (kind == "Float" and not math.isfinite(value)):
        raise DefinitionError(f"{where}: expected {kind}, got {value!r:.80}")
    choices = declared.get("EnumValues", [value])
    if value not in choices:
        listed = ", ".join(map(str, choices))
        raise DefinitionError(f"{where}: expected one of {listed}, got {value!r:.80}")
