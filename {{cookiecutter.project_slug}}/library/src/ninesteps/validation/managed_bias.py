"""Checks what a processing job runs: its own script, or Clarify's image, which has its own
program."""

from __future__ import annotations

from collections.abc import Iterator

from ninesteps.definition.step_content import StepContent
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import expected

CLARIFY_IMAGE = "sagemaker-clarify"
"""Part of an image's name: SageMaker's own bias and explainability job."""

INPUTS, OUTPUTS = {"analysis_config", "dataset"}, {"analysis_result"}
"""The names of the inputs and outputs that this image expects."""


def is_managed(step: StepContent) -> bool:
    """Whether a step runs Clarify's image."""
    return any(CLARIFY_IMAGE in str(image) for _, image in step.at("AppSpecification.ImageUri"))


def check_program(step: StepContent, _: Compiled) -> Iterator[str]:
    """A job without a program ends at once; Clarify's image accepts no entrypoint or arguments."""
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
