"""Checks where executions write and read: no key is written twice, and no input is composed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ninesteps.definition.step_content import StepContent
from ninesteps.definition.values import text_of
from ninesteps.validation.compiled import Compiled

EXECUTION = ("Execution.PipelineExecutionId", "Execution.PipelineExecutionArn")
"""The variables that identify an execution."""

INPUTS = {
    "ProcessingInputs",
    "ContainerArguments",
    "InputDataConfig",
    "TransformInput",
    "ModelDataUrl",
    "ModelMetrics",
}
"""The fields of requests that contain a step's inputs."""

OUTPUTS = (
    "ProcessingOutputConfig.Outputs[].S3Output.S3Uri",
    "OutputDataConfig.S3OutputPath",
    "TrainingJobDefinition.OutputDataConfig.S3OutputPath",
    "TrainingJobDefinitions[].OutputDataConfig.S3OutputPath",
    "TransformOutput.S3OutputPath",
)
"""The fields of requests that contain a step's outputs."""


def check_inputs(step: StepContent, _: Compiled) -> Iterator[str]:
    """An input is a property of the step that wrote it, never composed again.

    After a cache hit it is under the prefix of the older execution that wrote it.
    """
    for where, _ in step.at("ProcessingInputs[].DatasetDefinition"):
        yield (
            f"{where}: expected S3Input, got DatasetDefinition: SageMaker would create tables in "
            "the Glue database sagemaker_processing, which the role must not, and executions would "
            "share its location; a job queries Athena itself (containers/athena.py)"
        )
    for where, function, operand in step.calls:
        if function == "Get" and operand in EXECUTION and INPUTS & {*re.split(r"[.\[]", where)}:
            right = "a property of the step that wrote it"
            why = "after a cache hit it is under an older execution's prefix"
            yield f"{where}: expected {right}, got a value composed from {operand}: {why}"


def check_outputs(step: StepContent, compiled: Compiled) -> Iterator[str]:
    """Every output has its own place in every execution.

    The training definitions of one search may share a place: each job writes under its own name.
    """
    earlier = [(uri, f"{other.name}'s {where}")
               for other in compiled.steps[: compiled.steps.index(step)]
               for uri, where in _outputs(other)]  # fmt: skip
    for uri, where in _outputs(step):
        if not any(name in uri for name in EXECUTION):
            right = f"{EXECUTION[0]} as a part of it"
            yield f"{where}: expected {right}, got {uri}, a key that executions share"
        for other, whose in earlier:
            if f"{uri}/".startswith(f"{other}/") or f"{other}/".startswith(f"{uri}/"):
                yield f"{where}: expected another place than that of {whose}, got {uri}"
        if "TrainingJobDefinitions" not in where:
            earlier.append((uri, where))


def _outputs(step: StepContent) -> Iterator[tuple[str, str]]:
    for path in OUTPUTS:
        for where, value in step.at(path):
            yield text_of(value).rstrip("/"), where
