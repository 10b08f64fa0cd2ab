"""An execution in an account, as botocore's Stubber answers for SageMaker, for several tests.

The Stubber validates what is asked and what is answered, and the order of it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.stub import Stubber

from accounts import ACCOUNT, REGION
from ninesteps.report.account_run import AccountRun
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from reports import CAME_FROM, GATE, SEARCH

ROOT = Path(__file__).resolve().parents[2]
PROD = Environment(ACCOUNT, REGION, bucket="bucket", name="prod")
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
EVALUATED = "s3://bucket/pets/executions/one/Evaluate/evaluation/evaluation.json"
RECORDED = "s3://bucket/pets/deployments/v3/re-1/evidence.json"
INGEST = {"at": "2026-01-01T00:00:00Z", "table": CAME_FROM["table"]}
EVIDENCE = json.dumps({
    "origin": {**{name: value for name, value in CAME_FROM.items() if name != "table"},
               "protected": {"sex": "agreed by the board"}},
    "ingests": [INGEST], "older_ingests": 0,
}).encode()  # fmt: skip
"""What the state machine has recorded of the version: as far as a report reads it."""

ENDED = BEGAN + timedelta(minutes=31)
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
OUTPUTS = {
    "Process": ("train", "validation", "test", "bias"),
    "Evaluate": ("evaluation",),
    "Config": ("config",),
    "Clarify": ("analysis_result",),
}


def pipeline(settings: Settings) -> str:
    return PROD.named(settings.project.pipeline)


def execution_arn(settings: Settings, name: str = "one") -> str:
    return f"{ARN}:pipeline/{pipeline(settings)}/execution/{name}"


def definition() -> str:
    """Nine steps, as small as a definition may be."""

    def job(name: str, kind: str, after: list[str], **arguments: Any) -> dict[str, Any]:
        return {"Name": name, "Type": kind, "Arguments": arguments, "DependsOn": after}

    image = {"AppSpecification": {"ImageUri": "image"}}
    register = job(
        "Register",
        "RegisterModel",
        [],
        ModelPackageGroupName="pets",
        InferenceSpecification={"Containers": []},
        ModelApprovalStatus="PendingManualApproval",
    )
    gate = {
        **GATE,
        "LeftValue": {
            "Std:JsonGet": {
                "PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.E"},
                "Path": "binary_classification_metrics.auc.value",
            }
        },
    }
    evaluate = job(
        "Evaluate",
        "Processing",
        ["Tune"],
        **image,
        ProcessingOutputConfig={
            "Outputs": [
                {
                    "OutputName": "evaluation",
                    "S3Output": {"S3Uri": "s3://bucket/e", "LocalPath": "/e"},
                }
            ]
        },
    )
    file = {"PropertyFileName": "E", "OutputName": "evaluation", "FilePath": "evaluation.json"}
    steps = [
        job("Process", "Processing", [], **image),
        job(
            "Tune",
            "Tuning",
            ["Process"],
            HyperParameterTuningJobConfig=SEARCH["HyperParameterTuningJobConfig"],
        ),
        {**evaluate, "PropertyFiles": [file]},
        job("Create", "Model", ["Tune"], PrimaryContainer={"ModelDataUrl": "s3://bucket/m"}),
        job("Config", "Processing", ["Create"], **image),
        job("Transform", "Transform", ["Create"], ModelName="m"),
        job("Clarify", "Processing", ["Config", "Transform"], **image),
        job(
            "Check",
            "Condition",
            ["Evaluate", "Clarify"],
            Conditions=[gate],
            IfSteps=[register],
            ElseSteps=[],
        ),
    ]
    parameters = [
        {"Name": "AsOf", "Type": "String"},
        {"Name": "Count", "Type": "Integer", "DefaultValue": 1},
    ]
    return json.dumps(
        {"Version": "2020-12-01", "Metadata": {}, "Parameters": parameters, "Steps": steps}
    )


def job_arn(kind: str, name: str) -> str:
    return f"{ARN}:{kind}/{name}"


def processing(name: str, root: str = "s3://bucket/pets/executions/one") -> dict[str, Any]:
    """What Describe says of a processing job."""
    outputs = [
        {
            "OutputName": o,
            "S3Output": {
                "S3Uri": f"{root}/{name}/{o}",
                "LocalPath": f"/out/{o}",
                "S3UploadMode": "EndOfJob",
            },
        }
        for o in OUTPUTS[name]
    ]
    return {
        "ProcessingJobName": f"job-{name}",
        "ProcessingJobStatus": "Completed",
        "ProcessingJobArn": job_arn("processing-job", f"job-{name}"),
        "CreationTime": BEGAN,
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "VolumeSizeInGB": 30,
                "InstanceType": "ml.m5.large",
            }
        },
        "AppSpecification": {
            "ImageUri": f"{name}-image",
            "ContainerEntrypoint": ["python3", "/code/process.py"],
        },
        "ProcessingOutputConfig": {"Outputs": outputs},
    }


def began(name: str, status: str = "Succeeded", **metadata: Any) -> dict[str, Any]:
    return {
        "StepName": name,
        "StepStatus": status,
        "StartTime": BEGAN,
        "EndTime": BEGAN + timedelta(seconds=90),
        "Metadata": metadata,
    }


def of_job(name: str, kind: str = "ProcessingJob") -> dict[str, Any]:
    return began(name, **{kind: {"Arn": job_arn("processing-job", f"job-{name}")}})


_MAKE = boto3.Session.client  # which tests may put this one's clients in the place of


@cache
def client(service: str) -> Any:
    """boto3's client, made once: reading a service's model takes longer than any of the tests."""
    return _MAKE(boto3.Session(region_name=REGION), service)


class Service:
    """SageMaker as it answers, in the order that it is asked; the files in S3."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sagemaker = client("sagemaker")
        self.stub = Stubber(self.sagemaker)
        self.s3 = client("s3")

    def answer(self, operation: str, asked: dict[str, Any], **answer: Any) -> None:
        self.stub.add_response(operation, answer, asked)

    def execution(self, status: str = "Succeeded", name: str = "one") -> None:
        arn = {"PipelineExecutionArn": execution_arn(self.settings, name)}
        self.answer(
            "describe_pipeline_execution",
            arn,
            **arn,
            PipelineExecutionStatus=status,
            CreationTime=BEGAN,
            LastModifiedTime=ENDED,
            CreatedBy={"IamIdentity": {"Arn": "arn:aws:sts::1:assumed-role/Ops/jo"}},
        )
        self.answer(
            "describe_pipeline_definition_for_execution", arn, PipelineDefinition=definition()
        )

    def steps(self, *steps: dict[str, Any], name: str = "one") -> None:
        asked = {"PipelineExecutionArn": execution_arn(self.settings, name)}
        half = len(steps) // 2
        self.answer(
            "list_pipeline_execution_steps",
            asked,
            NextToken="more",  # pragma: allowlist secret
            PipelineExecutionSteps=list(steps[:half]),
        )
        self.answer(
            "list_pipeline_execution_steps",
            {**asked, "NextToken": "more"},  # pragma: allowlist secret
            PipelineExecutionSteps=list(steps[half:]),
        )

    def process_and_search(self) -> None:
        self.answer(
            "describe_processing_job", {"ProcessingJobName": "job-Process"}, **processing("Process")
        )
        self.search()

    def search(self) -> None:
        name = {"HyperParameterTuningJobName": "job-Tune"}
        counts = {
            "Completed": 2,
            "InProgress": 0,
            "RetryableError": 0,
            "NonRetryableError": 1,
            "Stopped": 1,
        }
        trials = [
            {
                **one,
                "TrainingJobArn": job_arn("training-job", one["TrainingJobName"]),
                "CreationTime": BEGAN + timedelta(minutes=n),
            }
            for n, one in enumerate(
                sorted(SEARCH["TrainingJobSummaries"], key=lambda one: str(one["TrainingJobName"]))
            )
        ]
        objective = {"Type": "Maximize", "MetricName": "validation:auc"}
        config = {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": objective,
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
        }
        self.answer(
            "describe_hyper_parameter_tuning_job",
            name,
            **name,
            CreationTime=BEGAN,
            HyperParameterTuningJobArn=job_arn("hyper-parameter-tuning-job", "job-Tune"),
            HyperParameterTuningJobStatus="Completed",
            HyperParameterTuningJobConfig=config,
            TrainingJobStatusCounters=counts,
            ObjectiveStatusCounters={"Succeeded": 2, "Pending": 0, "Failed": 0},
            BestTrainingJob=trials[1],
        )
        self.answer(
            "list_training_jobs_for_hyper_parameter_tuning_job",
            {**name, "SortBy": "CreationTime", "SortOrder": "Ascending"},
            TrainingJobSummaries=trials,
        )

    def others(self, *names: str) -> None:
        for name in names:
            self.answer(
                "describe_processing_job", {"ProcessingJobName": f"job-{name}"}, **processing(name)
            )

    def no_version_before(self) -> None:
        """Nothing serves, and no version is approved."""
        self.stub.add_client_error(
            "describe_endpoint", "ValidationException", "Could not find endpoint",
            expected_params={"EndpointName": pipeline(self.settings)},
        )  # fmt: skip
        self.approved()

    def approved(self, *packages: dict[str, Any]) -> None:
        group = self.run.environment.named(self.settings.model_package_group)
        self.answer(
            "list_model_packages",
            {"ModelPackageGroupName": group, "ModelApprovalStatus": "Approved",
             "SortBy": "CreationTime", "SortOrder": "Descending"},
            ModelPackageSummaryList=list(packages),
        )  # fmt: skip

    def no_earlier(self) -> None:
        self.no_version_before()
        self.answer(
            "list_pipeline_executions",
            {
                "PipelineName": pipeline(self.settings),
                "SortBy": "CreationTime",
                "SortOrder": "Descending",
            },
            PipelineExecutionSummaries=[],
        )

    def parameters(self) -> None:
        self.answer(
            "list_pipeline_parameters_for_execution",
            {"PipelineExecutionArn": execution_arn(self.settings)},
            PipelineParameters=[{"Name": "AsOf", "Value": "2026-01-01T00:00:00Z"}],
        )

    @property
    def run(self) -> AccountRun:
        return AccountRun(self.sagemaker, self.s3, PROD)


def completed(service: Service, outcome: str = "true", status: str = "Approved") -> None:
    """An execution that came to its end, with all that is asked of it, in order."""
    service.execution()
    checked = began("Check", Condition={"Outcome": outcome})
    package = job_arn("model-package", "pets/3")
    registered = [began("Register", RegisterModel={"Arn": package})] if outcome == "true" else []
    service.steps(
        of_job("Process"),
        of_job("Tune", "TuningJob"),
        of_job("Evaluate"),
        of_job("Config"),
        of_job("Clarify"),
        checked,
        *registered,
    )
    service.process_and_search()
    service.others("Evaluate", "Config", "Clarify")
    if registered:
        service.answer(
            "describe_model_package",
            {"ModelPackageName": package},
            ModelPackageName=package,
            ModelPackageArn=package,
            ModelPackageGroupName="pets",
            ModelPackageVersion=3,
            CreationTime=BEGAN,
            ModelPackageStatus="Completed",
            ModelApprovalStatus=status,
            ModelPackageStatusDetails={"ValidationStatuses": []},
            LastModifiedTime=ENDED,
            ApprovalDescription="Jo: as agreed, <both> of us",
            ModelMetrics={
                "ModelQuality": {
                    "Statistics": {"S3Uri": EVALUATED, "ContentType": "application/json"}
                }
            },
            CustomerMetadataProperties={
                "evidence_uri": RECORDED,
                "evidence_sha256": hashlib.sha256(EVIDENCE).hexdigest(),
                "same_model_as": "2",
                "approved_by": "arn:aws:sts::1:assumed-role/Approver/jo",
                "approved_name": "Jo",
                "approved_why": "as agreed",
                "approved_at": "2026-01-01T00:31:00Z",
                "evaluation_sha256": "0" * 64,
            }
            if status == "Approved"
            else {},
        )
    service.parameters()


# Versions beside it, and what serves


def serves(service: Service, version: int | None) -> None:
    """What the endpoint serves; None: there is none; 0: a model of no registered version."""
    name = {"EndpointName": "customer-churn-prod"}
    if version is None:
        service.stub.add_client_error("describe_endpoint", "ValidationException", "Could not find")
        return
    config = {"EndpointConfigName": f"customer-churn-prod-v{version}"}
    model = {"ModelName": f"customer-churn-prod-v{version}"}
    variant = {**model, "VariantName": "main", "InitialInstanceCount": 2}
    arn = job_arn("model-package", f"pets/{version}")
    container = {"ModelPackageName": arn} if version else {"Image": "image"}
    service.answer("describe_endpoint", name, **name, **config, EndpointStatus="InService",
                   EndpointArn=job_arn("endpoint", "e"), CreationTime=BEGAN,
                   LastModifiedTime=BEGAN)  # fmt: skip
    service.answer("describe_endpoint_config", config, **config, CreationTime=BEGAN,
                   EndpointConfigArn=job_arn("endpoint-config", "e"),
                   ProductionVariants=[variant])  # fmt: skip
    service.answer("describe_model", model, **model, CreationTime=BEGAN,
                   ModelArn=job_arn("model", "m"), ExecutionRoleArn=job_arn("role", "roleroler"),
                   PrimaryContainer=container)  # fmt: skip


def versions(service: Service, *numbers: int) -> None:
    group = "customer-churn-prod"
    packages = [
        {"ModelPackageArn": job_arn("model-package", f"{group}/{n}"), "ModelPackageVersion": n,
         "CreationTime": BEGAN, "ModelPackageStatus": "Completed"}
        for n in numbers
    ]  # fmt: skip
    asked = {"ModelPackageGroupName": group}
    service.answer("list_model_packages", asked, ModelPackageSummaryList=packages)


def version(service: Service, number: int, execution: str, **metadata: str) -> None:
    """A version as Describe has it."""
    group = "customer-churn-prod"
    arn = job_arn("model-package", f"{group}/{number}")
    service.answer(
        "describe_model_package", {"ModelPackageName": arn}, ModelPackageName=arn,
        ModelPackageGroupName=group, ModelPackageArn=arn, ModelPackageVersion=number,
        CreationTime=BEGAN,
        ModelPackageStatus="Completed", ModelApprovalStatus="Approved",
        ModelPackageStatusDetails={"ValidationStatuses": []},
        CustomerMetadataProperties={**({"execution": execution} if execution else {}), **metadata},
    )  # fmt: skip


def with_code(job: dict[str, Any], run: str) -> dict[str, Any]:
    """A processing job whose code lies at a place of its own."""
    given = {"S3Uri": f"s3://bucket/pets/code/of-{run}", "S3DataType": "S3Prefix",
             "LocalPath": "/code", "S3InputMode": "File"}  # fmt: skip
    return {**job, "ProcessingInputs": [{"InputName": "code", "S3Input": given}]}


def execution(service: Service, name: str, *more: dict[str, Any]) -> None:
    """An execution of steps 1 and 3."""
    service.execution(name=name)
    root = f"s3://bucket/pets/executions/{name}"
    service.steps(of_job("Process"), of_job("Evaluate"), *more, name=name)
    for step in ("Process", "Evaluate"):
        service.answer("describe_processing_job", {"ProcessingJobName": f"job-{step}"},
                       **with_code(processing(step, root), name))  # fmt: skip


def parameters(service: Service, name: str, as_of: str = "2026-01-01T00:00:00Z") -> None:
    service.answer(
        "list_pipeline_parameters_for_execution",
        {"PipelineExecutionArn": execution_arn(service.settings, name)},
        PipelineParameters=[{"Name": "AsOf", "Value": as_of}],
    )
