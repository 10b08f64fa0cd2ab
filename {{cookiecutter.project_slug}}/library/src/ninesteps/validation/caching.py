"""What SageMaker's step cache compares, and what of a request it would not see change.

A step whose key is that of an earlier run is not run: its older result is taken over. The lists are
those of "Default cache key attributes by pipeline step type" in the developer guide
(https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html).
"""

from __future__ import annotations

from collections.abc import Iterator

from ninesteps.definition.step_content import StepContent
from ninesteps.definition.values import places
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import expected

_TRAINED = (
    "AlgorithmSpecification", "HyperParameterRanges", "InputDataConfig", "StaticHyperParameters",
    "TuningObjective",
)  # fmt: skip
_DEFINITIONS = ("TrainingJobDefinition", "TrainingJobDefinitions[]")
"""The guide lists members of the one, and of several nothing: they are held to the same."""

COMPARED: dict[str, tuple[str, ...]] = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification", "CheckpointConfig", "DebugHookConfig",
        "DebugRuleConfigurations", "Environment", "HyperParameters", "InputDataConfig",
    ),
    "Tuning": (
        "HyperParameterTuningJobConfig",
        *(f"{where}.{member}" for where in _DEFINITIONS for member in _TRAINED),
    ),
    "Transform": ("DataProcessing", "Environment", "ModelName", "TransformInput"),
}  # fmt: skip
"""The members of a request that are in the key, by step type."""

_OF_A_TRAINING = (
    "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining", "EnableNetworkIsolation",
    "OutputDataConfig", "ResourceConfig", "RetryStrategy", "RoleArn", "StoppingCondition",
    "VpcConfig",
)  # fmt: skip
OF_NO_EFFECT: dict[str, tuple[str, ...]] = {
    "Processing": (
        "ExperimentConfig", "NetworkConfig", "ProcessingJobName", "ProcessingOutputConfig",
        "ProcessingResources", "RoleArn", "StoppingCondition", "Tags",
    ),
    "Training": (
        *_OF_A_TRAINING, "ExperimentConfig", "InfraCheckConfig", "MlflowConfig",
        "ModelPackageConfig", "ProfilerConfig", "ProfilerRuleConfigurations", "RemoteDebugConfig",
        "Tags", "TensorBoardOutputConfig", "TrainingJobName",
    ),
    "Tuning": (
        "HyperParameterTuningJobName", "Tags",
        *(f"{where}.{member}" for where in _DEFINITIONS
          for member in (*_OF_A_TRAINING, "DefinitionName", "HyperParameterTuningResourceConfig")),
    ),
    "Transform": (
        "BatchStrategy", "DataCaptureConfig", "ExperimentConfig", "MaxConcurrentTransforms",
        "MaxPayloadInMB", "ModelClientConfig", "Tags", "TransformJobName", "TransformOutput",
        "TransformResources",
    ),
}  # fmt: skip
"""Members outside the key that say where, for whom, on what or how often, and not what is given.

What a transform writes is among them: its model's name is new in each execution, so that no older
result is taken over.
"""


def check_cache_key(step: StepContent, _: Compiled) -> Iterator[str]:
    """Of a cached step, nothing outside the key may change what it gives."""
    enabled = [value for _, value in places(step.content, "CacheConfig.Enabled")]
    if step.type in COMPARED and True in enabled:
        right = "nothing that changes a result and that SageMaker's step cache does not compare"
        for where, value in unseen(step):
            yield expected(where, right, value)


def unseen(step: StepContent) -> Iterator[tuple[str, object]]:
    """What a step's request has that is neither compared nor of no effect: where, and what.

    After a change of it SageMaker would take over a result of before the change.
    """
    known = {*COMPARED[step.type], *OF_NO_EFFECT[step.type], *_DEFINITIONS}
    holders = [("", "Arguments", step.arguments)]
    if step.type == "Tuning":
        holders += [(f"{path}.", *place) for path in _DEFINITIONS for place in step.at(path)]
    for prefix, where, holder in holders:
        for name, value in holder.items() if isinstance(holder, dict) else ():
            is_known = {f"{prefix}{name}", f"{prefix}{name}[]"} & known
            if not is_known and value not in (None, {}, [], "", False):
                yield f"{where}.{name}", value
