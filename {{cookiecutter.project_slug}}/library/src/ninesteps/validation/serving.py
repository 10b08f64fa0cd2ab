"""What serves the model: a container that finds its script."""

from __future__ import annotations

from collections.abc import Iterator

from ninesteps.definition.step_content import StepContent
from ninesteps.definition.values import function_of, places
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import quoted

CONTAINERS = ("PrimaryContainer", "Containers[]", "InferenceSpecification.Containers[]")
SCRIPT = ("SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY")
"""Which script of the archive the image serves by; the SDK's register() adds them empty."""


def check_serving(step: StepContent, _: Compiled) -> Iterator[str]:
    """A container without its script's name starts, and fails on its first request.

    Nobody starts a package before it is approved: nobody would have noticed.
    """
    if step.type not in ("Model", "RegisterModel"):
        return
    for path in CONTAINERS:
        for where, container in step.at(path):
            for name in SCRIPT:
                given = [value for _, value in places(container, f"Environment.{name}")]
                if not any(function_of(value) or str(value).strip() for value in given):
                    has = quoted(given[0]) if given else "none"
                    right = "the one of the script that serves"
                    yield f"{where}.Environment.{name}: expected {right}, got {has}"
