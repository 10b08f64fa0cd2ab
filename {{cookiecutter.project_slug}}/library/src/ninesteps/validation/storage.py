"""Where executions write and read: no key is written twice, and no input is guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ninesteps.definition.reader import Compiled, Step, text_of

EXECUTION = ("Execution.PipelineExecutionId", "Execution.PipelineExecutionArn")
"""What tells one execution from another."""

INPUTS = {
    "ProcessingInputs",
    "ContainerArguments",
    "InputDataConfig",
    "TransformInput",
    "ModelDataUrl",
    "ModelMetrics",
}
"""The fields of requests below which stands what a step reads."""

OUTPUTS = (
    "ProcessingOutputConfig.Outputs[].S3Output.S3Uri",
    "OutputDataConfig.S3OutputPath",
    "TrainingJobDefinition.OutputDataConfig.S3OutputPath",
    "TrainingJobDefinitions[].OutputDataConfig.S3OutputPath",
    "TransformOutput.S3OutputPath",
)
"""Where requests say what is written to."""


def check_inputs(step: Step, _: Compiled) -> Iterator[str]:
    """An input is a property of the step that wrote it, never put together a second time.

    After a cache hit it lies under the prefix of the older execution that wrote it.
    """
    for where, function, operand in step.expressions():
        if function == "Get" and operand in EXECUTION and INPUTS & {*re.split(r"[.\[]", where)}:
            right = "a property of the step that wrote it is right: after a cache hit it lies " \
                    "under an older execution's prefix"  # fmt: skip
            yield f"{where} is composed from {operand}, where {right}"


def check_outputs(step: Step, compiled: Compiled) -> Iterator[str]:
    """Every output has a place of its own in every execution.

    The training definitions of one search may share theirs: each job writes below its name.
    """
    earlier = [(uri, f"{other.name}'s {where}")
               for other in compiled.steps[: compiled.steps.index(step)]
               for uri, where in _outputs(other)]  # fmt: skip
    for uri, where in _outputs(step):
        if not any(name in uri for name in EXECUTION):
            right = f"{EXECUTION[0]} is a part of it: two executions share a key"
            yield f"{where} is {uri}, where {right}"
        for other, whose in earlier:
            if f"{uri}/".startswith(f"{other}/") or f"{other}/".startswith(f"{uri}/"):
                yield f"{where} is {uri}, where another place than that of {whose} is right"
        if "TrainingJobDefinitions" not in where:
            earlier.append((uri, where))


def _outputs(step: Step) -> Iterator[tuple[str, str]]:
    for path in OUTPUTS:
        for where, value in step.at(path):
            yield text_of(value).rstrip("/"), where
