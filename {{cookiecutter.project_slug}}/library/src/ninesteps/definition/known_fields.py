"""The definition's fields that this machine supports; any other is an error that names it.

A table mirrors the JSON. A name that ends with `!` is required; a tuple lists the allowed strings;
`str` is any string, but not an expression; `dict` is any object; "*" is any other name. ANY is used
unchanged, or matters on AWS only (roles, tags, instances, networks).
"""

from __future__ import annotations

from typing import Any

from ninesteps.errors import DefinitionError

ANY: Any = object()
Fields = dict[str, Any]


def _any(names: str) -> Fields:
    return dict.fromkeys(names.split(), ANY)


PARAMETER_TYPES = {"String": str, "Integer": int, "Float": float, "Boolean": bool}
APPROVAL_STATUSES = ("PendingManualApproval", "Approved", "Rejected")
PENDING = APPROVAL_STATUSES[0]
"""The status of a version that waits for a person's approval."""

EXECUTION_VARIABLES = (
    "PipelineExecutionId",
    "PipelineExecutionArn",
    "PipelineName",
    "PipelineArn",
    "StartDateTime",
    "CurrentDateTime",
)
RETRIED = (
    "Step.SERVICE_FAULT",
    "Step.THROTTLING",
    "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR",
    "SageMaker.RESOURCE_LIMIT",
)
"""Faults of the service that SageMaker retries, and that cannot happen on this machine."""

FUNCTIONS: Fields = {
    "Get": str,
    "Std:Join": {"On!": str, "Values!": [ANY]},
    "Std:JsonGet": {"Path!": str, "S3Uri": ANY, "PropertyFile": {"Get!": str}},
}
_COMPARISON = _any("Type! LeftValue! RightValue!")
CONDITIONS: Fields = {
    "Equals": _COMPARISON,
    "GreaterThan": _COMPARISON,
    "GreaterThanOrEqualTo": _COMPARISON,
    "LessThan": _COMPARISON,
    "LessThanOrEqualTo": _COMPARISON,
    "In": {**_any("Type! QueryValue!"), "Values!": [ANY]},
    "Or": {"Type!": ANY, "Conditions!": [ANY]},
    "Not": _any("Type! Condition!"),
}

_S3_SOURCE: Fields = {
    "S3DataSource!": {
        **_any("S3Uri! S3DataDistributionType"),
        "S3DataType": ("S3Prefix",),
    }
}
_S3_INPUT: Fields = {
    **_any("S3Uri! LocalPath! S3DataDistributionType"),
    "S3DataType": ("S3Prefix",),
    "S3InputMode": ("File",),
    "S3CompressionType": ("None",),
}
_S3_OUTPUT: Fields = {**_any("S3Uri! LocalPath!"), "S3UploadMode": ("EndOfJob",)}
_PROCESSING: Fields = {
    **_any("ProcessingResources RoleArn NetworkConfig Tags"),
    "AppSpecification!": {
        "ImageUri": ANY,
        "ContainerEntrypoint": [ANY],
        "ContainerArguments": [ANY],
    },
    "Environment": {"*": ANY},
    "ProcessingInputs": [{"InputName!": str, "S3Input!": _S3_INPUT}],
    "ProcessingOutputConfig": {
        "Outputs!": [{"OutputName!": str, "S3Output!": _S3_OUTPUT}],
        "KmsKeyId": ANY,
    },
    "StoppingCondition": _any("MaxRuntimeInSeconds"),
}
_HYPERPARAMETERS = _any("sagemaker_program! sagemaker_submit_directory! *")
_TRAINING_JOB: Fields = {
    **_any("RoleArn ResourceConfig VpcConfig EnableNetworkIsolation RetryStrategy"),
    "AlgorithmSpecification!": {
        "TrainingImage": ANY,
        "TrainingInputMode": ("File", "FastFile"),
        "MetricDefinitions": [{"Name!": str, "Regex!": str}],
    },
    "InputDataConfig": [
        {
            "ChannelName!": str,
            "DataSource!": _S3_SOURCE,
            "ContentType": ANY,
            "InputMode": ("File", "FastFile"),
        }
    ],
    "OutputDataConfig!": _any("S3OutputPath! KmsKeyId"),
    "StoppingCondition": _any("MaxRuntimeInSeconds"),
    "Environment": {"*": ANY},
}
_TRAINING: Fields = {**_TRAINING_JOB, "HyperParameters!": _HYPERPARAMETERS, "Tags": ANY}
_RANGE: Fields = {
    **_any("MinValue! MaxValue!"),
    "Name!": str,
    "ScalingType": ("Auto", "Linear", "Logarithmic"),
}
_TUNED_JOB: Fields = {**_TRAINING_JOB, "StaticHyperParameters!": _HYPERPARAMETERS}
_OBJECTIVE: Fields = {"Type!": ("Maximize", "Minimize"), "MetricName!": str}
_RANGES: Fields = {
    "IntegerParameterRanges": [_RANGE],
    "ContinuousParameterRanges": [_RANGE],
    "CategoricalParameterRanges": [{"Name!": str, "Values!": [ANY]}],
}
_SEARCH: Fields = {
    "Strategy!": ("Bayesian", "Random"),
    "ResourceLimits!": _any("MaxParallelTrainingJobs! MaxNumberOfTrainingJobs!"),
    "RandomSeed": ANY,
}
_TUNING: Fields = {
    "HyperParameterTuningJobConfig!": {
        **_SEARCH,
        "HyperParameterTuningJobObjective!": _OBJECTIVE,
        "ParameterRanges!": _RANGES,
        "TrainingJobEarlyStoppingType": ("Off", "Auto"),
    },
    "TrainingJobDefinition!": _TUNED_JOB,
    "Tags": ANY,
}
_TUNING_OF_SEVERAL: Fields = {
    "HyperParameterTuningJobConfig!": {**_SEARCH, "TrainingJobEarlyStoppingType": ("Off",)},
    "TrainingJobDefinitions!": [
        {
            **_TUNED_JOB,
            "DefinitionName!": str,
            "TuningObjective!": _OBJECTIVE,
            "HyperParameterRanges!": _RANGES,
        }
    ],
    "Tags": ANY,
}
_CONTAINER: Fields = {**_any("Image ModelDataUrl!"), "Environment": {"*": ANY}}
_MODEL: Fields = {
    **_any("ExecutionRoleArn EnableNetworkIsolation VpcConfig Tags"),
    "PrimaryContainer!": _CONTAINER,
}
_TRANSFORM: Fields = {
    **_any("ModelName! TransformResources MaxPayloadInMB Tags"),
    "TransformInput!": {
        "DataSource!": _S3_SOURCE,
        "ContentType!": ("text/csv", "application/jsonlines"),
        "SplitType!": ("Line",),
    },
    "TransformOutput!": {
        **_any("S3OutputPath! KmsKeyId"),
        "Accept": ("text/csv", "application/jsonlines"),
        "AssembleWith!": ("Line",),
    },
    "BatchStrategy": ("MultiRecord", "SingleRecord"),
    "ModelClientConfig": _any("InvocationsTimeoutInSeconds"),  # there is no server in between here
    "Environment": {"*": ANY},
    "DataProcessing": {"InputFilter": str, "OutputFilter": str, "JoinSource": ("Input", "None")},
}
_REGISTER: Fields = {
    **_any("ModelPackageGroupName! ModelPackageDescription ModelMetrics Tags"),
    **_any("CustomerMetadataProperties SkipModelValidation"),
    "InferenceSpecification!": {
        **_any("SupportedContentTypes SupportedResponseMIMETypes"),
        **_any("SupportedRealtimeInferenceInstanceTypes SupportedTransformInstanceTypes"),
        "Containers!": [_CONTAINER],
    },
    "ModelApprovalStatus!": APPROVAL_STATUSES,
}

STEP_TYPES: dict[str, Fields] = {
    "Processing": _PROCESSING,
    "Training": _TRAINING,
    "Tuning": _TUNING,
    "Model": _MODEL,
    "Transform": _TRANSFORM,
    "RegisterModel": _REGISTER,
    "Condition": {"Conditions!": [ANY], "IfSteps": [dict], "ElseSteps": [dict]},
    "Fail": _any("ErrorMessage!"),
}
"""The step types that run here, with the fields of their arguments."""


def argument_fields(step_type: str, arguments: Any) -> Fields:
    """The fields of a step's arguments; a search with several training definitions has its own."""
    if step_type == "Tuning" and isinstance(arguments, dict):
        return _TUNING_OF_SEVERAL if "TrainingJobDefinitions" in arguments else _TUNING
    return STEP_TYPES[step_type]


STEP_FIELDS: Fields = {
    **_any("Arguments! DisplayName Description"),
    "Name!": str,
    "Type!": tuple(STEP_TYPES),
    "DependsOn": [str],
    "CacheConfig": _any("Enabled ExpireAfter"),
    "RetryPolicies": [
        {
            **_any("BackoffRate IntervalSeconds MaxAttempts ExpireAfterMin"),
            "ExceptionType!": [RETRIED],
        }
    ],
    "PropertyFiles": [{"PropertyFileName!": str, "OutputName!": str, "FilePath!": str}],
}
PIPELINE_FIELDS: Fields = {
    **_any("Version Metadata PipelineExperimentConfig MlflowConfig"),
    "Parameters": [
        {
            "Name!": str,
            "Type!": tuple(PARAMETER_TYPES),
            "DefaultValue": ANY,
            "EnumValues": [ANY],
        }
    ],
    "Steps!": [dict],
}


def check_fields(content: object, known: Any, where: str) -> None:
    """Refuse anything that is not in a table, anywhere in the content.

    Raises:
        DefinitionError: saying where, what was expected and what was found.
    """
    if known is ANY:
        return
    if isinstance(known, tuple) and content not in known:
        right = known[0] if len(known) == 1 else f"one of {', '.join(known)}"
        raise DefinitionError(
            f"{where}: expected {right}, got {content!r:.80}, which is not known here"
        )
    for kind, name in ((str, "a string"), (list, "a list"), (dict, "an object")):
        if (known is kind or isinstance(known, kind)) and not isinstance(content, kind):
            raise DefinitionError(f"{where}: expected {name}, got {content!r:.80}")
    if isinstance(known, list) and isinstance(content, list):
        for number, item in enumerate(content):
            check_fields(item, known[0], f"{where}[{number}]")
    elif isinstance(known, dict) and isinstance(content, dict):
        _check_names(content, known, where)


def _check_names(content: dict[str, Any], known: Fields, where: str) -> None:
    table = {name.removesuffix("!"): fields for name, fields in known.items()}
    for name in table:
        if f"{name}!" in known and content.get(name) in (None, [], {}):
            raise DefinitionError(f"{where}: the field {name!r} is missing or empty")
    for name, value in content.items():
        if name not in table and "*" not in table:
            raise DefinitionError(f"{where}: the field {name!r} is not known here")
        check_fields(value, table.get(name, ANY), f"{where}.{name}")
