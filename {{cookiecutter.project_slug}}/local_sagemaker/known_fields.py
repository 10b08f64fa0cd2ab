"""The definition's fields that this machine knows; any other is an error that names it.

A table mirrors the JSON: a nested table where fields are looked at one by one, ANY where the
content is used as it stands or has a meaning on AWS alone (roles, tags, instances, networks).
"""

from __future__ import annotations

from typing import Any

from local_sagemaker.errors import DefinitionError

ANY: Any = object()
Fields = dict[str, Any]

PIPELINE_FIELDS: Fields = {
    "Version": ANY,
    "Metadata": ANY,
    "Parameters": {"Name": ANY, "Type": ANY, "DefaultValue": ANY, "EnumValues": ANY},
    "PipelineExperimentConfig": ANY,
    "MlflowConfig": ANY,
    "Steps": ANY,
}

STEP_FIELDS: Fields = {
    "Name": ANY,
    "Type": ANY,
    "Arguments": ANY,
    "DependsOn": ANY,
    "DisplayName": ANY,
    "Description": ANY,
    "CacheConfig": {"Enabled": ANY, "ExpireAfter": ANY},
    "RetryPolicies": {
        "ExceptionType": ANY,
        "BackoffRate": ANY,
        "IntervalSeconds": ANY,
        "MaxAttempts": ANY,
        "ExpireAfterMin": ANY,
    },
    "PropertyFiles": {"PropertyFileName": ANY, "OutputName": ANY, "FilePath": ANY},
}

_S3_INPUT: Fields = {
    "S3Uri": ANY,
    "LocalPath": ANY,
    "S3DataType": ANY,
    "S3InputMode": ANY,
    "S3DataDistributionType": ANY,
    "S3CompressionType": ANY,
}
_ATHENA: Fields = {
    "Catalog": ANY,
    "Database": ANY,
    "QueryString": ANY,
    "OutputS3Uri": ANY,
    "OutputFormat": ANY,
    "WorkGroup": ANY,
    "KmsKeyId": ANY,
}
_PROCESSING: Fields = {
    "ProcessingResources": ANY,
    "AppSpecification": {"ImageUri": ANY, "ContainerEntrypoint": ANY, "ContainerArguments": ANY},
    "RoleArn": ANY,
    "Environment": ANY,
    "ProcessingInputs": {
        "InputName": ANY,
        "S3Input": _S3_INPUT,
        "DatasetDefinition": {
            "AthenaDatasetDefinition": _ATHENA,
            "LocalPath": ANY,
            "DataDistributionType": ANY,
            "InputMode": ANY,
        },
    },
    "ProcessingOutputConfig": {
        "Outputs": {
            "OutputName": ANY,
            "S3Output": {"S3Uri": ANY, "LocalPath": ANY, "S3UploadMode": ANY},
        },
        "KmsKeyId": ANY,
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": ANY},
    "NetworkConfig": ANY,
    "Tags": ANY,
}
_S3_SOURCE: Fields = {
    "S3DataSource": {"S3DataType": ANY, "S3Uri": ANY, "S3DataDistributionType": ANY}
}
_TRAINING_JOB: Fields = {
    "AlgorithmSpecification": {
        "TrainingImage": ANY,
        "TrainingInputMode": ANY,
        "MetricDefinitions": {"Name": ANY, "Regex": ANY},
    },
    "RoleArn": ANY,
    "InputDataConfig": {
        "ChannelName": ANY,
        "DataSource": _S3_SOURCE,
        "ContentType": ANY,
        "InputMode": ANY,
    },
    "OutputDataConfig": {"S3OutputPath": ANY, "KmsKeyId": ANY},
    "ResourceConfig": ANY,
    "StoppingCondition": {"MaxRuntimeInSeconds": ANY},
    "VpcConfig": ANY,
    "EnableNetworkIsolation": ANY,
    "Environment": ANY,
}
_TRAINING: Fields = {**_TRAINING_JOB, "HyperParameters": ANY, "Tags": ANY}
_TUNING: Fields = {
    "HyperParameterTuningJobConfig": {
        "Strategy": ANY,
        "ResourceLimits": {"MaxParallelTrainingJobs": ANY, "MaxNumberOfTrainingJobs": ANY},
        "HyperParameterTuningJobObjective": {"Type": ANY, "MetricName": ANY},
        "ParameterRanges": {
            "IntegerParameterRanges": ANY,
            "ContinuousParameterRanges": ANY,
            "CategoricalParameterRanges": ANY,
        },
        "TrainingJobEarlyStoppingType": ANY,
        "RandomSeed": ANY,
    },
    "TrainingJobDefinition": {**_TRAINING_JOB, "StaticHyperParameters": ANY},
    "Tags": ANY,
}
_CONTAINER: Fields = {"Image": ANY, "ModelDataUrl": ANY, "Environment": ANY}
_MODEL: Fields = {
    "ExecutionRoleArn": ANY,
    "PrimaryContainer": _CONTAINER,
    "EnableNetworkIsolation": ANY,
    "VpcConfig": ANY,
    "Tags": ANY,
}
_TRANSFORM: Fields = {
    "ModelName": ANY,
    "TransformInput": {"DataSource": _S3_SOURCE, "ContentType": ANY, "SplitType": ANY},
    "TransformOutput": {"S3OutputPath": ANY, "Accept": ANY, "AssembleWith": ANY, "KmsKeyId": ANY},
    "TransformResources": ANY,
    "BatchStrategy": ANY,
    "MaxPayloadInMB": ANY,
    "Environment": ANY,
    "DataProcessing": {"InputFilter": ANY, "OutputFilter": ANY, "JoinSource": ANY},
    "Tags": ANY,
}
_REGISTER: Fields = {
    "ModelPackageGroupName": ANY,
    "ModelPackageDescription": ANY,
    "ModelMetrics": ANY,
    "CustomerMetadataProperties": ANY,
    "InferenceSpecification": {
        "Containers": _CONTAINER,
        "SupportedContentTypes": ANY,
        "SupportedResponseMIMETypes": ANY,
        "SupportedRealtimeInferenceInstanceTypes": ANY,
        "SupportedTransformInstanceTypes": ANY,
    },
    "ModelApprovalStatus": ANY,
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
    "Condition": {"Conditions": ANY, "IfSteps": ANY, "ElseSteps": ANY},
    "Fail": {"ErrorMessage": ANY},
}
"""The step types that run here, with the fields of their arguments."""


def check_fields(content: object, known: Fields, where: str) -> None:
    """Refuse a field that is not in the table, wherever in the content it stands."""
    if isinstance(content, list):
        for item in content:
            check_fields(item, known, where)
        return
    if not isinstance(content, dict):
        raise DefinitionError(f"{where}: {content!r} was read, where fields are right")
    for name, value in content.items():
        if name not in known:
            raise DefinitionError(f"{where}: the field {name!r} is not known here")
        if known[name] is not ANY:
            check_fields(value, known[name], f"{where}.{name}")
