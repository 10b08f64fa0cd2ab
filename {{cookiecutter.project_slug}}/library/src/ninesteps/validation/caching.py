"""Knows what SageMaker's step cache compares, and finds what it would not notice changing.

A step with the cache key of an earlier run is not run: its older result is reused. The lists are
from "Default cache key attributes by pipeline step type" in the developer guide
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
"""The guide lists members for one training definition, and nothing for several: the same are
assumed."""

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
"""The members of a request in the key, by step type."""

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
"""Members outside the key about where, for whom, on what or how often, which do not affect the
result.

A transform's output settings are among them: its model's name is new in each execution, so no older
result is ever reused.
"""


def check_cache_key(step: StepContent, _: Compiled) -> Iterator[str]:
    """Nothing outside the key may change the result of a cached step."""
    enabled = [value for _, value in places(step.content, "CacheConfig.Enabled")]
    if step.type in COMPARED and True in enabled:
        right = "nothing that changes the result without SageMaker's step cache comparing it"
        for where, value in unseen(step):
            yield expected(where, right, value)


def unseen(step: StepContent) -> Iterator[tuple[str, object]]:
    """The members of a step's request that affect the result but are not compared: place and value.

    After a change of one, SageMaker would reuse a result from before the change.
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
