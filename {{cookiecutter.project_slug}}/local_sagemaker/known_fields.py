"""The definition's fields that this machine knows; any other is an error that names it.

A table mirrors the JSON. A name that ends with `!` must be there; a tuple lists the texts that
are known; `str` is any text, but no expression; "*" is any other name. ANY is used as it stands,
or has a meaning on AWS alone (roles, tags, instances, networks).
"""

from __future__ import annotations

from typing import Any

from local_sagemaker.errors import DefinitionError

ANY: Any = object()
Fields = dict[str, Any]

PARAMETER_TYPES = {"String": str, "Integer": int, "Float": float, "Boolean": bool}
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
"""Faults of the service that SageMaker retries: none of them can happen on this machine."""

FUNCTIONS: Fields = {
    "Get": str,
    "Std:Join": {"On!": str, "Values!": [ANY]},
    "Std:JsonGet": {"Path!": str, "S3Uri": ANY, "PropertyFile": {"Get!": str}},
}
_COMPARISON: Fields = {"Type!": ANY, "LeftValue!": ANY, "RightValue!": ANY}
CONDITIONS: Fields = {
    "Equals": _COMPARISON,
    "GreaterThan": _COMPARISON,
    "GreaterThanOrEqualTo": _COMPARISON,
    "LessThan": _COMPARISON,
    "LessThanOrEqualTo": _COMPARISON,
    "In": {"Type!": ANY, "QueryValue!": ANY, "Values!": [ANY]},
    "Or": {"Type!": ANY, "Conditions!": [ANY]},
    "Not": {"Type!": ANY, "Condition!": ANY},
}

_S3_INPUT: Fields = {
    "S3Uri!": ANY,
    "LocalPath!": ANY,
    "S3DataType": ("S3Prefix",),
    "S3InputMode": ("File",),
    "S3DataDistributionType": ANY,
    "S3CompressionType": ("None",),
}
_ATHENA: Fields = {
    "Catalog": ANY,
    "Database!": ANY,
    "QueryString!": ANY,
    "OutputS3Uri": ANY,
    "OutputFormat!": ("PARQUET",),
    "WorkGroup": ANY,
    "KmsKeyId": ANY,
}
_DATASET: Fields = {
    "AthenaDatasetDefinition!": _ATHENA,
    "LocalPath!": ANY,
    "DataDistributionType": ANY,
    "InputMode": ("File",),
}
_S3_OUTPUT: Fields = {"S3Uri!": ANY, "LocalPath!": ANY, "S3UploadMode": ("EndOfJob",)}
_STOPPING: Fields = {"MaxRuntimeInSeconds": ANY}
_PROCESSING: Fields = {
    "ProcessingResources": ANY,
    "AppSpecification!": {
        "ImageUri": ANY,
        "ContainerEntrypoint!": [ANY],
        "ContainerArguments": [ANY],
    },
    "RoleArn": ANY,
    "Environment": {"*": ANY},
    "ProcessingInputs": [{"InputName!": str, "S3Input": _S3_INPUT, "DatasetDefinition": _DATASET}],
    "ProcessingOutputConfig": {
        "Outputs!": [{"OutputName!": str, "S3Output!": _S3_OUTPUT}],
        "KmsKeyId": ANY,
    },
    "StoppingCondition": _STOPPING,
    "NetworkConfig": ANY,
    "Tags": ANY,
}
_S3_SOURCE: Fields = {
    "S3DataSource!": {
        "S3DataType": ("S3Prefix",),
        "S3Uri!": ANY,
        "S3DataDistributionType": ANY,
    }
}
_HYPERPARAMETERS: Fields = {
    "sagemaker_program!": ANY,
    "sagemaker_submit_directory!": ANY,
    "*": ANY,
}
_TRAINING_JOB: Fields = {
    "AlgorithmSpecification!": {
        "TrainingImage": ANY,
        "TrainingInputMode": ("File",),
        "MetricDefinitions": [{"Name!": str, "Regex!": str}],
    },
    "RoleArn": ANY,
    "InputDataConfig": [
        {
            "ChannelName!": str,
            "DataSource!": _S3_SOURCE,
            "ContentType": ANY,
            "InputMode": ("File",),
        }
    ],
    "OutputDataConfig!": {"S3OutputPath!": ANY, "KmsKeyId": ANY},
    "ResourceConfig": ANY,
    "StoppingCondition": _STOPPING,
    "VpcConfig": ANY,
    "EnableNetworkIsolation": ANY,
    "Environment": {"*": ANY},
}
_TRAINING: Fields = {**_TRAINING_JOB, "HyperParameters!": _HYPERPARAMETERS, "Tags": ANY}
_RANGE: Fields = {
    "Name!": str,
    "MinValue!": ANY,
    "MaxValue!": ANY,
    "ScalingType": ("Auto", "Linear", "Logarithmic"),
}
_TUNING: Fields = {
    "HyperParameterTuningJobConfig!": {
        "Strategy!": ("Bayesian", "Random"),
        "ResourceLimits!": {"MaxParallelTrainingJobs!": ANY, "MaxNumberOfTrainingJobs!": ANY},
        "HyperParameterTuningJobObjective!": {
            "Type!": ("Maximize", "Minimize"),
            "MetricName!": str,
        },
        "ParameterRanges!": {
            "IntegerParameterRanges": [_RANGE],
            "ContinuousParameterRanges": [_RANGE],
            "CategoricalParameterRanges": [{"Name!": str, "Values!": [ANY]}],
        },
        "TrainingJobEarlyStoppingType": ("Off", "Auto"),
        "RandomSeed": ANY,
    },
    "TrainingJobDefinition!": {**_TRAINING_JOB, "StaticHyperParameters!": _HYPERPARAMETERS},
    "Tags": ANY,
}
_CONTAINER: Fields = {"Image": ANY, "ModelDataUrl!": ANY, "Environment": {"*": ANY}}
_MODEL: Fields = {
    "ExecutionRoleArn": ANY,
    "PrimaryContainer!": _CONTAINER,
    "EnableNetworkIsolation": ANY,
    "VpcConfig": ANY,
    "Tags": ANY,
}
_TRANSFORM: Fields = {
    "ModelName!": ANY,
    "TransformInput!": {
        "DataSource!": _S3_SOURCE,
        "ContentType!": ("text/csv",),
        "SplitType!": ("Line",),
    },
    "TransformOutput!": {
        "S3OutputPath!": ANY,
        "Accept": ("text/csv",),
        "AssembleWith!": ("Line",),
        "KmsKeyId": ANY,
    },
    "TransformResources": ANY,
    "BatchStrategy": ("MultiRecord", "SingleRecord"),
    "MaxPayloadInMB": ANY,
    "Environment": {"*": ANY},
    "DataProcessing": {"InputFilter": str, "OutputFilter": str, "JoinSource": ("Input", "None")},
    "Tags": ANY,
}
_REGISTER: Fields = {
    "ModelPackageGroupName!": ANY,
    "ModelPackageDescription": ANY,
    "ModelMetrics": ANY,
    "CustomerMetadataProperties": ANY,
    "InferenceSpecification!": {
        "Containers!": [_CONTAINER],
        "SupportedContentTypes": ANY,
        "SupportedResponseMIMETypes": ANY,
        "SupportedRealtimeInferenceInstanceTypes": ANY,
        "SupportedTransformInstanceTypes": ANY,
    },
    "ModelApprovalStatus!": ("PendingManualApproval", "Approved", "Rejected"),
    "SkipModelValidation": ANY,
    "Tags": ANY,
}

STEP_TYPES: dict[str, Fields] = {
    "Processing": _PROCESSING,
    "Training": _TRAINING,
    "Tuning": _TUNING,
    "Model": _MODEL,
    "Transform": _TRANSFORM,
    "RegisterModel": _REGISTER,
    "Condition": {"Conditions!": [ANY], "IfSteps": [ANY], "ElseSteps": [ANY]},
    "Fail": {"ErrorMessage!": ANY},
}
"""The step types that run here, with the fields of their arguments."""

STEP_FIELDS: Fields = {
    "Name!": str,
    "Type!": tuple(STEP_TYPES),
    "Arguments!": ANY,
    "DependsOn": [str],
    "DisplayName": ANY,
    "Description": ANY,
    "CacheConfig": {"Enabled": ANY, "ExpireAfter": ANY},
    "RetryPolicies": [
        {
            "ExceptionType!": [RETRIED],
            "BackoffRate": ANY,
            "IntervalSeconds": ANY,
            "MaxAttempts": ANY,
            "ExpireAfterMin": ANY,
        }
    ],
    "PropertyFiles": [{"PropertyFileName!": str, "OutputName!": str, "FilePath!": str}],
}

PIPELINE_FIELDS: Fields = {
    "Version": ANY,
    "Metadata": ANY,
    "Parameters": [
        {
            "Name!": str,
            "Type!": tuple(PARAMETER_TYPES),
            "DefaultValue": ANY,
            "EnumValues": [ANY],
        }
    ],
    "PipelineExperimentConfig": ANY,
    "MlflowConfig": ANY,
    "Steps!": [ANY],
}


def check_fields(content: object, known: Any, where: str) -> None:
    """Refuse what a table does not have, wherever in the content it stands."""
    read = f"{content!r:.80}"
    if isinstance(known, tuple) and content not in known:
        raise DefinitionError(f"{where}: {read} is not known here; known: {', '.join(known)}")
    for kind, name in ((str, "a text"), (list, "a list"), (dict, "an object")):
        if (known is kind or isinstance(known, kind)) and not isinstance(content, kind):
            raise DefinitionError(f"{where}: {read} was read, where {name} is right")
    if isinstance(known, list) and isinstance(content, list):
        for number, item in enumerate(content):
            check_fields(item, known[0], f"{where}[{number}]")
    elif isinstance(known, dict) and isinstance(content, dict):
        _check_names(content, known, where)


def _check_names(content: dict[str, Any], known: Fields, where: str) -> None:
    for name in known:
        if name.endswith("!") and content.get(name[:-1]) in (None, [], {}):
            raise DefinitionError(f"{where}: the field {name[:-1]!r} is missing or empty")
    for name, value in content.items():
        fields = known.get(name, known.get(f"{name}!", known.get("*")))
        if fields is None:
            raise DefinitionError(f"{where}: the field {name!r} is not known here")
        check_fields(value, fields, f"{where}.{name}")
