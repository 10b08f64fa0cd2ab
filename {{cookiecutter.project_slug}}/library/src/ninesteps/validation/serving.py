"""What serves the model: a container that finds its script."""

from __future__ import annotations

from collections.abc import Iterator

from ninesteps.definition.reader import Compiled, Step, function_of, places
from ninesteps.validation.finding import read

CONTAINERS = ("PrimaryContainer", "Containers[]", "InferenceSpecification.Containers[]")
SCRIPT = ("SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY")
"""Which script of the archive the image serves by; the SDK's register() adds them empty."""


def check_serving(step: Step, _: Compiled) -> Iterator[str]:
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
                    has = read(given[0]) if given else "missing"
                    right = "that of the script that serves is right"
                    yield f"{where}.Environment.{name} is {has}, where {right}"
