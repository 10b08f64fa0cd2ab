"""The only module that imports the SageMaker Python SDK (version 3), and how it is used here.

The SDK has almost no types, needs a region when it is imported, and sends telemetry. This module
handles all three, so that `pipeline.py` contains only the nine steps.
"""

from __future__ import annotations

import functools
import gc
import logging
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


def _name_a_region(region: str) -> None:
    """Set a region for the sessions that the SDK makes for itself, if none is set.

    It makes some when it is imported and one for each processing step, and uses none of them for a
    definition; without a region they raise.
    """
    if not os.environ.get("AWS_DEFAULT_REGION"):
        os.environ["AWS_DEFAULT_REGION"] = region


_name_a_region("us-east-1")
# With a role the SDK would ask IAM about it.
os.environ.setdefault("SAGEMAKER_VALIDATE_ROLE", "false")
warnings.filterwarnings("ignore", module=r"(sagemaker|pydantic|botocore|boto3)(\..*)?")
# Imported objects stay: collecting garbage among a million new objects takes a second.
gc.disable()

import boto3
import botocore.session
from botocore.credentials import CredentialResolver
from sagemaker.core import image_uris
from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.model_registry import (
    create_model_package_from_containers,
    get_model_package_args,
)
from sagemaker.core.network import NetworkConfig
from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
from sagemaker.core.processing import Processor
from sagemaker.core.shapes import (
    MetricDefinition,
    OutputDataConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
    RetryStrategy,
    StoppingCondition,
)
from sagemaker.core.transformer import Transformer
from sagemaker.core.workflow.conditions import (
    ConditionGreaterThan,
    ConditionGreaterThanOrEqualTo,
    ConditionLessThan,
    ConditionLessThanOrEqualTo,
    ConditionNot,
    ConditionOr,
)
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterInteger, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import PropertyFile

from ninesteps.sdk.deferred import model_builder_deferred

with model_builder_deferred():
    from sagemaker.mlops.workflow import steps as sdk_steps
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.model_step import ModelStep
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.retry import (
        SageMakerJobExceptionTypeEnum,
        SageMakerJobStepRetryPolicy,
        StepExceptionTypeEnum,
        StepRetryPolicy,
    )
    from sagemaker.mlops.workflow.steps import (
        CacheConfig,
        ProcessingStep,
        TransformStep,
        TuningStep,
    )

from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, Networking
from sagemaker.train.tuner import HyperparameterTuner

from ninesteps.settings import gate as gates
from ninesteps.settings.environment import Environment
from ninesteps.settings.operation import LOCAL_DISKS
from ninesteps.settings.tuning import Range
from ninesteps.step_code.images import Image

gc.freeze()
gc.enable()
for name in ("sagemaker", "sagemaker.config"):
    logging.getLogger(name).setLevel(logging.ERROR)  # it warns of what it does as designed
logging.getLogger("botocore").setLevel(logging.WARNING)  # it lets all others tell of what they do

# Each step makes one to ask it for a method's name. Without a session it would make its own, which
# reads AWS's models and looks for credentials: this is a stand-in that nothing uses.
sdk_steps.LocalSagemakerClient = functools.partial(sdk_steps.LocalSagemakerClient, "no session")

__all__ = [
    "ComparingTuningStep",
    "ConditionStep",
    "ExecutionVariables",
    "Join",
    "ModelStep",
    "ParameterInteger",
    "ParameterString",
    "Pipeline",
    "PipelineVariable",
    "ProcessingStep",
    "PropertyFile",
    "Step",
    "TransformStep",
    "TuningStep",
]

Step = Any
"""One of the SDK's steps."""

PipelineVariable = Any
"""A text, or a placeholder whose value the execution knows: a parameter, a property, a Join."""

CACHE = CacheConfig(enable_caching=True, expire_after="P30D")
"""A job whose arguments were seen in the last 30 days is reused, not run again."""

CALL_RETRIES = [
    StepRetryPolicy(
        exception_types=[StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING],
        interval_seconds=10,
        backoff_rate=2.0,
        max_attempts=5,
    )
]
"""Retries of a step that only calls SageMaker's API."""


def _job_retries(*failures: SageMakerJobExceptionTypeEnum) -> list[Any]:
    """Retries after faults of the service, not of the script."""
    return [
        *CALL_RETRIES,
        SageMakerJobStepRetryPolicy(
            exception_types=[SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT],
            failure_reason_types=list(failures),
            interval_seconds=60,
            backoff_rate=2.0,
            max_attempts=5,
        ),
    ]


JOB_RETRIES = _job_retries(
    SageMakerJobExceptionTypeEnum.INTERNAL_ERROR, SageMakerJobExceptionTypeEnum.CAPACITY_ERROR
)
"""Retries of a step that starts a job."""

SEARCH_RETRIES = _job_retries(SageMakerJobExceptionTypeEnum.CAPACITY_ERROR)
"""Retries of a Tuning step: SageMaker does not retry it for the internal error of a trial."""

TRIAL_ATTEMPTS = 3
"""How often a search retries a trial after such an error."""

LONGEST_ANSWER = 3600
"""The most seconds that a transform may wait for the answer to one request: SageMaker's limit."""

CLARIFY_VERSION = "1.0"


def session(environment: Environment) -> Any:
    """A session that records requests; it is given its bucket, so it does not look for one.

    Defaults from a `config.yaml` of this machine are ignored: the same settings must give the same
    definition on every machine.
    """
    recording = PipelineSession(
        boto_session=_boto_session(environment.region), default_bucket=environment.bucket_name
    )
    recording.sagemaker_config = {}
    return recording


@functools.cache
def _boto_session(region: str) -> boto3.Session:
    """A session that makes no requests; it reads botocore's models, which are large, once.

    It does not look for credentials either: the last place to look is EC2's metadata address, which
    times out on other machines.
    """
    asks_nobody = botocore.session.get_session()
    asks_nobody.register_component("credential_provider", CredentialResolver(providers=[]))
    return boto3.Session(region_name=region, botocore_session=asks_nobody)


def image_uri(image: Image, region: str, instance_type: str) -> str:
    """The URI of an image, in the build for the instance: with a GPU or without."""
    return str(
        image_uris.retrieve(
            image.framework,
            region=region,
            version=image.version,
            base_framework_version=image.base_framework or None,
            image_scope=image.scope or None,
            instance_type=instance_type,
        )
    )


def clarify_image(region: str) -> str:
    """The image of the bias step's managed backend, which contains its own program."""
    return str(image_uris.retrieve("clarify", region=region, version=CLARIFY_VERSION))


@dataclass(frozen=True)
class JobDefaults:
    """What every job of one pipeline has in common."""

    session: Any
    role: str
    image: str
    tags: tuple[dict[str, str], ...]
    processing_seconds: int  # a processing job's time limit
    training_seconds: int  # ... and a trial's, with its retries after a fault
    kms_key: str = ""  # empty: AWS's own
    subnets: tuple[str, ...] = ()  # none: SageMaker's own network
    security_groups: tuple[str, ...] = ()


def s3_input(name: str, uri: PipelineVariable, local_path: str) -> Any:
    """Objects under an S3 prefix, copied to a folder of the container."""
    source = ProcessingS3Input(
        s3_uri=uri,
        local_path=local_path,
        s3_data_type="S3Prefix",
        s3_input_mode="File",
        s3_data_distribution_type="FullyReplicated",
    )
    return ProcessingInput(input_name=name, s3_input=source)


def s3_output(name: str, uri: PipelineVariable, local_path: str) -> Any:
    """A folder of the container, copied to S3 when the job has ended."""
    target = ProcessingS3Output(s3_uri=uri, local_path=local_path, s3_upload_mode="EndOfJob")
    return ProcessingOutput(output_name=name, s3_output=target)


def processing(
    job: JobDefaults,
    instance_type: PipelineVariable,
    instance_count: PipelineVariable,
    entrypoint: Sequence[str],
    arguments: Sequence[PipelineVariable],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
) -> Any:
    """The request of a processing job; without an entrypoint the image's own program runs."""
    processor = Processor(
        role=job.role,
        image_uri=job.image,
        instance_type=instance_type,
        instance_count=instance_count,
        entrypoint=list(entrypoint) or None,
        max_runtime_in_seconds=job.processing_seconds,
        sagemaker_session=job.session,
        tags=list(job.tags),
        volume_kms_key=_volume_key(job, instance_type) or None,
        output_kms_key=job.kms_key or None,
        network_config=_processing_network(job),
    )
    return processor.run(
        inputs=list(inputs), outputs=list(outputs), arguments=list(arguments) or None
    )


def _volume_key(job: JobDefaults, instance_type: PipelineVariable) -> str:
    """The key of a job's disks: none for instances that bring disks of their own, encrypted."""
    default = getattr(instance_type, "default_value", instance_type)
    return "" if re.fullmatch(LOCAL_DISKS, str(default)) else job.kms_key


def _processing_network(job: JobDefaults) -> Any:
    if not job.subnets:
        return None
    return NetworkConfig(subnets=list(job.subnets), security_group_ids=list(job.security_groups))


@dataclass(frozen=True)
class TuningRequest:
    """A search for hyperparameters, as `[tuning]` of the settings has it."""

    objective: str
    direction: str  # Maximize or Minimize
    ranges: Mapping[str, Range]
    jobs: int
    parallel: int
    seed: int
    printed: str = ""  # the regular expression for the objective in the log; empty: the image's
    early_stopping: bool = True  # of a trial that is worse, round by round, than earlier trials


class _Tuner(HyperparameterTuner):  # type: ignore[misc]
    """A search with what the SDK (3.27) leaves out: its metrics, and the key of its disks.

    The search itself retries a trial that fails through a fault of the service.
    """

    def _build_training_job_definition(self, inputs: Any) -> Any:
        definition = super()._build_training_job_definition(inputs)
        if self.metric_definitions:
            named = [MetricDefinition(**metric) for metric in self.metric_definitions]
            definition.algorithm_specification.metric_definitions = named
        definition.retry_strategy = RetryStrategy(maximum_retry_attempts=TRIAL_ATTEMPTS)
        if key := self.model_trainer.compute.volume_kms_key_id:
            definition.resource_config.volume_kms_key_id = key
        return definition


def tuning(
    job: JobDefaults,
    search: TuningRequest,
    instance_type: PipelineVariable,
    instance_count: PipelineVariable,
    hyperparameters: Mapping[str, str],
    channels: Mapping[str, tuple[PipelineVariable, str]],
    output_path: PipelineVariable,
) -> Any:
    """The request of a tuning job, with a URI and a content type for each channel.

    It sets no environment variables: SageMaker's cache key would not include them.
    """
    trainer = ModelTrainer(
        training_image=job.image,
        training_input_mode="File",
        role=job.role,
        sagemaker_session=job.session,
        compute=Compute(
            instance_type=instance_type,
            instance_count=instance_count,
            volume_size_in_gb=30,
            enable_managed_spot_training=False,
            **({"volume_kms_key_id": key} if (key := _volume_key(job, instance_type)) else {}),
        ),
        networking=_training_network(job),
        hyperparameters=dict(hyperparameters),
        output_data_config=OutputDataConfig(
            s3_output_path=output_path, **({"kms_key_id": job.kms_key} if job.kms_key else {})
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=job.training_seconds),
    )
    tuner = _Tuner(
        model_trainer=trainer,
        objective_metric_name=search.objective,
        objective_type=search.direction,
        hyperparameter_ranges={name: _range(r) for name, r in search.ranges.items()},
        strategy="Bayesian",
        metric_definitions=[{"name": search.objective, "regex": search.printed}]
        if search.printed
        else None,
        early_stopping_type="Auto" if search.early_stopping else "Off",
        max_jobs=search.jobs,
        max_parallel_jobs=search.parallel,
        random_seed=search.seed,
        tags=list(job.tags),
    )
    inputs = [
        InputData(channel_name=name, data_source=uri, content_type=kind)
        for name, (uri, kind) in channels.items()
    ]
    return tuner.tune(inputs=inputs, wait=False)


def _training_network(job: JobDefaults) -> Any:
    if not job.subnets:
        return None
    return Networking(subnets=list(job.subnets), security_group_ids=list(job.security_groups))


def _range(r: Range) -> Any:
    if r.integer:
        return IntegerParameter(int(r.min), int(r.max), scaling_type=r.scaling)
    return ContinuousParameter(r.min, r.max, scaling_type=r.scaling)


class ComparingTuningStep(TuningStep):  # type: ignore[misc]
    """A search over several training definitions, which the SDK (3.27) cannot build.

    They differ only in some hyperparameters. The objective and the ranges move from the search to
    each of them, and early stopping, which works for a single algorithm only, is off.
    """

    def __init__(self, own: Mapping[str, Mapping[str, str]], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._own = own  # hyperparameters, by definition name

    @property
    def arguments(self) -> Any:
        """The request of the tuning job."""
        request = dict(super().arguments)
        config = dict(request["HyperParameterTuningJobConfig"])
        shared = {
            **request.pop("TrainingJobDefinition"),
            "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
            "HyperParameterRanges": config.pop("ParameterRanges"),
        }
        static = shared["StaticHyperParameters"]
        definitions = [
            {"DefinitionName": name, **shared, "StaticHyperParameters": {**static, **own}}
            for name, own in self._own.items()
        ]
        config["TrainingJobEarlyStoppingType"] = "Off"
        return {
            "HyperParameterTuningJobConfig": config,
            "TrainingJobDefinitions": definitions,
            **{n: v for n, v in request.items() if n != "HyperParameterTuningJobConfig"},
        }


class _Transformer(Transformer):  # type: ignore[misc]
    """A transformer whose instance count may be a parameter, which the SDK (3.27) refuses."""

    def _get_transform_request(self, **arguments: Any) -> Any:
        counted = {**arguments["resource_config"], "instance_count": 1}
        request = super()._get_transform_request(**{**arguments, "resource_config": counted})
        request["TransformResources"] = {
            "InstanceType": self.instance_type,
            "InstanceCount": self.instance_count,
            **({"VolumeKmsKeyId": self.volume_kms_key} if self.volume_kms_key else {}),
        }
        return request


def transform(
    job: JobDefaults,
    model_name: PipelineVariable,
    instance_type: PipelineVariable,
    instance_count: PipelineVariable,
    data: PipelineVariable,
    content_type: str,
    input_filter: str,
    output_filter: str,
    output_path: PipelineVariable,
    answer_seconds: int = 0,
    request_mb: int = 6,
) -> Any:
    """The request of a batch transform over lines, each joined to the answer to it.

    Args:
        answer_seconds: how long it waits for the answer to one request; 0: SageMaker's default.
        request_mb: the largest size of a request of several lines, in MB.
    """
    transformer = _Transformer(
        model_name=model_name,
        instance_type=instance_type,
        instance_count=instance_count,
        strategy="MultiRecord",
        assemble_with="Line",
        accept=content_type,
        max_payload=request_mb,
        output_path=output_path,
        sagemaker_session=job.session,
        tags=list(job.tags),
        output_kms_key=job.kms_key or None,
        volume_kms_key=_volume_key(job, instance_type) or None,
    )
    return transformer.transform(
        data=data,
        content_type=content_type,
        split_type="Line",
        input_filter=input_filter,
        join_source="Input",
        output_filter=output_filter,
        model_client_config={"InvocationsTimeoutInSeconds": answer_seconds}
        if answer_seconds
        else None,
        wait=False,
        logs=False,
    )


def container(job: JobDefaults, model_uri: PipelineVariable, environment: Mapping[str, str]) -> Any:
    """A model archive with the image and the environment that serve it."""
    return {"Image": job.image, "ModelDataUrl": model_uri, "Environment": dict(environment)}


def model(job: JobDefaults, serving: Mapping[str, Any]) -> Any:
    """The request that creates a SageMaker Model.

    It is a plain request because `ModelBuilder.build()` would report to AWS, repack the archive,
    and add variables of its own to the environment.
    """
    request = {
        "ExecutionRoleArn": job.role,
        "PrimaryContainer": dict(serving),
        "Tags": list(job.tags),
        **_model_network(job),
    }
    _start_recording(job)
    return job.session._intercept_create_request(request, None, "create_model")


def _model_network(job: JobDefaults) -> dict[str, Any]:
    """The network of a model's containers, in an endpoint and in a transform."""
    if not job.subnets:
        return {}
    groups, subnets = list(job.security_groups), list(job.subnets)
    return {"VpcConfig": {"SecurityGroupIds": groups, "Subnets": subnets}}


def package(
    job: JobDefaults,
    serving: Mapping[str, Any],
    content_types: Sequence[str],
    group: str,
    endpoint_instance: str,
    transform_instance: str,
    metrics: Mapping[str, PipelineVariable],
    metadata: Mapping[str, PipelineVariable],
    description: str,
) -> Any:
    """The request that registers a version in a model package group, pending approval.

    The content types are those of requests and answers of the archive's `inference.py`.

    It calls the same functions as `ModelBuilder.register()`, without its empty serving variables.
    """
    sources = {
        name: MetricsSource(content_type="application/json", s3_uri=uri)
        for name, uri in metrics.items()
    }
    request = get_model_package_args(
        content_types=list(content_types),
        response_types=list(content_types),
        inference_instances=[endpoint_instance],
        transform_instances=[transform_instance],
        model_package_group_name=group,
        model_metrics=ModelMetrics(**sources),
        approval_status="PendingManualApproval",
        container_def_list=[dict(serving)],
        customer_metadata_properties=dict(metadata),
        description=description,
    )
    _start_recording(job)
    create_model_package_from_containers(job.session, **request)
    return job.session.context


@dataclass
class _Recorder:
    """What the SDK expects as "the model" of a model step: an object with a session."""

    sagemaker_session: Any


def _start_recording(job: JobDefaults) -> None:
    job.session.context = None
    job.session.init_model_step_arguments(_Recorder(job.session))


_SIGNS = {
    ">": ConditionGreaterThan,
    ">=": ConditionGreaterThanOrEqualTo,
    "<": ConditionLessThan,
    "<=": ConditionLessThanOrEqualTo,
}


def conditions(gate: gates.Gate, step_name: str, file: Any) -> list[Any]:
    """A gate as a list of SageMaker conditions, all of which must be true."""
    parts = gate.parts if isinstance(gate, gates.AllOf) else (gate,)
    return [_condition(part, step_name, file) for part in parts]


def _condition(gate: gates.Gate, step_name: str, file: Any) -> Any:
    if isinstance(gate, gates.Comparison):
        value = JsonGet(step_name=step_name, property_file=file, json_path=gate.json_path)
        return _SIGNS[gate.sign](left=value, right=gate.number)
    inner = [_condition(part, step_name, file) for part in gate.parts]
    if isinstance(gate, gates.AnyOf):
        return ConditionOr(conditions=inner)
    # SageMaker has no And below the top level: all are true if none is false.
    return ConditionNot(ConditionOr(conditions=[ConditionNot(part) for part in inner]))
