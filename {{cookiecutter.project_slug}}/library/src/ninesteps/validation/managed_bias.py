"""What runs a processing job: a script that it names, or Clarify's image, which has its own."""

from __future__ import annotations

from collections.abc import Iterator

from ninesteps.definition.step_content import StepContent
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import expected

CLARIFY_IMAGE = "sagemaker-clarify"
"""In an image's name: SageMaker's own bias and explainability job."""

INPUTS, OUTPUTS = {"analysis_config", "dataset"}, {"analysis_result"}
"""The names by which that image finds what it reads and writes."""


def is_managed(step: StepContent) -> bool:
    """Whether a step is Clarify's image."""
    return any(CLARIFY_IMAGE in str(image) for _, image in step.at("AppSpecification.ImageUri"))


def check_program(step: StepContent, _: Compiled) -> Iterator[str]:
    """A job with nothing to run ends at once; Clarify's image refuses to be told what to run."""
    if step.type != "Processing":
        return
    if not is_managed(step):
        if not any(words for _, words in step.at("AppSpecification.ContainerEntrypoint")):
            yield "Arguments.AppSpecification.ContainerEntrypoint: expected a script, got none"
        return
    for name in ("ContainerEntrypoint", "ContainerArguments"):
        for where, words in step.at(f"AppSpecification.{name}"):
            yield expected(where, "none (Clarify's image has its own)", words)
    for path, right in (
        ("ProcessingInputs[].InputName", INPUTS),
        ("ProcessingOutputConfig.Outputs[].OutputName", OUTPUTS),
    ):
        names = {str(name) for _, name in step.at(path)}
        if names != right:
            has, expects = ", ".join(sorted(names)) or "none", " and ".join(sorted(right))
            yield f"Arguments.{path}: expected {expects} for Clarify's image, got {has}"
