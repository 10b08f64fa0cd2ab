"""Writes the schema of SageMaker's model cards, which the library validates each card by.

AWS publishes it as the resource schema of `AWS::SageMaker::ModelCard`, which cfn-lint carries: the
content of a card is the same there but for the spelling of its keys (`ModelOverview` in
CloudFormation, `model_overview` in the API; "Model card JSON schema" in the SageMaker developer
guide). Run it after an update of cfn-lint.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

ROOT = Path(__file__).resolve().parents[1]
FILE = (
    ROOT
    / "{{cookiecutter.project_slug}}/library/src/ninesteps/model_card"
    / "model_card.schema.json"
)
RESOURCE, REGION = "AWS::SageMaker::ModelCard", "us-east-1"
CONTENT = "Content"
_OF_CLOUDFORMATION = ("insertionOrder", "arrayType")


def text() -> str:
    """The schema as the file has it."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, RESOURCE).schema
    definitions = {name: _in_the_api(part) for name, part in schema["definitions"].items()}
    content = definitions.pop(CONTENT)
    used = _used(content, definitions)
    made = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"The content of a model card, as {RESOURCE} has it",
        **content,
        "definitions": {name: definitions[name] for name in sorted(used)},
    }
    return json.dumps(made, indent=1) + "\n"


def _in_the_api(part: Any) -> Any:
    """A part of the schema with the API's spelling of keys."""
    if isinstance(part, list):
        return [_in_the_api(item) for item in part]
    if not isinstance(part, dict):
        return part
    made = {key: _in_the_api(value) for key, value in part.items() if key not in _OF_CLOUDFORMATION}
    if isinstance(made.get("properties"), dict):
        made["properties"] = {_snake(key): value for key, value in made["properties"].items()}
    if isinstance(made.get("required"), list):
        made["required"] = [_snake(key) for key in made["required"]]
    return made


def _snake(name: str) -> str:
    """`ModelOverview` -> `model_overview`, `XAxisName` -> `x_axis_name`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _used(part: Any, definitions: dict[str, Any]) -> set[str]:
    """The definitions that a part refers to, directly or not."""
    found = set(re.findall(r'"#/definitions/(\w+)"', json.dumps(part)))
    while (
        more := {
            name
            for used in found
            for name in re.findall(r'"#/definitions/(\w+)"', json.dumps(definitions[used]))
        }
        - found
    ):
        found |= more
    return found


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8", newline="\n")
