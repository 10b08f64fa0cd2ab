"""SageMaker's own schema of model cards, and whether a card meets it.

`model_card.schema.json` is made from AWS's resource schema by `tools/model_card_schema.py` of the
template.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from ninesteps.errors import RegistryError

MOST_CHARACTERS = 100_000
"""Of a card as JSON (`Content` of CreateModelCard)."""


@cache
def schema() -> dict[str, Any]:
    """The schema, a JSON schema of draft 7."""
    file = resources.files("ninesteps.model_card") / "model_card.schema.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))


def as_text(content: dict[str, Any]) -> str:
    """A card as SageMaker takes it: one line of JSON.

    Raises:
        RegistryError: if it does not meet the schema, or is too long.
    """
    from jsonschema import Draft7Validator  # which few commands need

    fault = next(iter(Draft7Validator(schema()).iter_errors(content)), None)
    if fault:
        place = ".".join(str(part) for part in fault.absolute_path)
        raise RegistryError(f"the model card does not meet SageMaker's schema: {place}: "
                            f"{fault.message}")  # fmt: skip
    text = json.dumps(content)
    if len(text) > MOST_CHARACTERS:
        raise RegistryError(
            f"expected a model card of at most {MOST_CHARACTERS:,} characters, got {len(text):,}"
        )
    return text
