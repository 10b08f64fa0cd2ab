"""Checks the serving container: it must find its script."""

from __future__ import annotations

from collections.abc import Iterator

from ninesteps.definition.step_content import StepContent
from ninesteps.definition.values import function_of, places
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import quoted

CONTAINERS = ("PrimaryContainer", "Containers[]", "InferenceSpecification.Containers[]")
SCRIPT = ("SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY")
"""The variables that name the archive's script; the SDK's register() adds them empty."""


def check_serving(step: StepContent, _: Compiled) -> Iterator[str]:
    """A container without its script's name starts, but fails on its first request.

    Nothing starts a package before it is approved, so nobody would notice earlier.
    """
    if step.type not in ("Model", "RegisterModel"):
        return
    for path in CONTAINERS:
        for where, container in step.at(path):
            for name in SCRIPT:
                given = [value for _, value in places(container, f"Environment.{name}")]
                if not any(function_of(value) or str(value).strip() for value in given):
                    has = quoted(given[0]) if given else "none"
                    right = "the name of the serving script"
                    yield f"{where}.Environment.{name}: expected {right}, got {has}"
