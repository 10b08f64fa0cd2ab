"""The report of an execution in an account: what is asked of AWS, and what becomes of the answers.

Calls of SageMaker are answered by botocore's Stubber, which validates what is asked and answered;
the files lie in moto's S3.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from accounts import ACCOUNT, REGION, sign_in
from ninesteps.errors import AccountError
from ninesteps.report import account_run as account_evidence
from ninesteps.report.account_run import AccountRun, write_account_report
from ninesteps.report.page import build
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from page_structure import check_structure
from reports import GATE, PROFILE, SEARCH, files

ROOT = Path(__file__).resolve().parents[2]
PROD = Environment(ACCOUNT, REGION, bucket="bucket", name="prod")
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
EVALUATED = "s3://bucket/pets/executions/one/Evaluate/evaluation/evaluation.json"
ENDED = BEGAN + timedelta(minutes=31)
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
OUTPUTS = {
    "Process": ("train", "validation", "test", "bias"),
    "Evaluate": ("evaluation",),
    "Config": ("config",),
    "Clarify": ("analysis_result",),
}


@pytest.fixture
def settings() -> Settings:
    return pipeline_settings.load(ROOT)


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


class Service:
    """SageMaker as it answers, in the order that it is asked; the files in S3."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sagemaker = boto3.client("sagemaker", region_name=REGION)
        self.stub = Stubber(self.sagemaker)
        self.s3 = boto3.client("s3", region_name=REGION)
        self.stub.activate()

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

    def no_earlier(self) -> None:
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


@pytest.fixture
def service(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Service]:
    sign_in(monkeypatch, tmp_path)
    with mock_aws():
        made = Service(settings)
        where = {"LocationConstraint": REGION}
        made.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=where)
        for uri, content in files().content.items():
            made.s3.put_object(Bucket="bucket", Key=uri.removeprefix("s3://bucket/"), Body=content)
        yield made


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
                "approved_by": "arn:aws:sts::1:assumed-role/Approver/jo",
                "approved_name": "Jo",
                "approved_why": "as agreed",
                "approved_at": "2026-01-01T00:31:00Z",
                "evaluation_sha256": "0" * 64,
            }
            if status == "Approved"
            else {},
        )
    service.no_earlier()
    service.parameters()


def test_an_execution_has_the_same_page_as_a_run_here(service: Service) -> None:
    completed(service)
    facts = service.run.facts(service.settings, "one")
    page = check_structure(build(facts, service.run).html)
    service.stub.assert_no_pending_responses()
    absent = [one.text for one in page.elements if one.attributes.get("class") == "absent"]
    assert len(absent) == 1
    assert "there is nothing to compare with" in absent[0]
    assert page.root.all("h1")[0].text.endswith("The model was registered")
    for said in (
        "arn:aws:sts::1:assumed-role/Ops/jo",
        f"account {ACCOUNT}",
        "31 min 0 s",
        "Process-image",
        "/aws/sagemaker/ProcessingJobs",
    ):
        assert said in page.html, said
    assert "Of 4 trials, number 2 is the best" in page.section("search").text
    assert "has the same outcome" in page.section("gate").text
    approval = page.section("approval").text
    said = "Jo (arn:aws:sts::1:assumed-role/Approver/jo) set the version to Approved on 1 January"
    assert f"{said} 2026, 00:31 UTC: as agreed, <both> of us" in approval
    assert "evaluation.json changed after the step had ended" in page.section("evidence").text


def test_a_version_that_waits_has_no_approval(service: Service) -> None:
    completed(service, status="PendingManualApproval")
    facts = service.run.facts(service.settings, "one")
    assert facts.changes == ()
    assert facts.registered == "pets version 3"


def test_what_a_refusal_passes_over_says_why(service: Service) -> None:
    completed(service, outcome="false")
    facts = service.run.facts(service.settings, "one")
    steps = {step.name: step for step in facts.steps}
    assert (steps["Register"].status, steps["Register"].reason) == (
        "Skipped",
        "Check came out false",
    )
    assert steps["Check"].outcome is False
    assert facts.registered == ""
    assert [step.name for step in facts.steps][-1] == "Check"


def test_a_step_that_failed_and_those_after_it_say_so(service: Service) -> None:
    service.execution(status="Failed")
    failed = {**of_job("Evaluate"), "StepStatus": "Failed", "FailureReason": "ClientError: no auc"}
    service.steps(of_job("Process"), of_job("Tune", "TuningJob"), failed)
    service.process_and_search()
    service.others("Evaluate")
    service.no_earlier()
    service.parameters()
    facts = service.run.facts(service.settings, "one")
    page = check_structure(build(facts, service.run).html)
    assert page.root.all("h1")[0].text.endswith("The run failed")
    assert "ClientError: no auc" in page.section("gate").text
    assert "the execution is failed" in page.by_id("step-7").text
    assert page.section("data").all("table")


def test_a_cached_step_says_where_it_came_from(service: Service) -> None:
    service.execution(status="Executing")
    source = execution_arn(service.settings, "zero")
    cached = {**of_job("Process"), "CacheHitResult": {"SourcePipelineExecutionArn": source}}
    service.steps(cached, began("Tune", status="Executing"))
    service.answer(
        "describe_processing_job", {"ProcessingJobName": "job-Process"}, **processing("Process")
    )
    service.no_earlier()
    service.parameters()
    facts = service.run.facts(service.settings, "one")
    first, second, third = facts.steps[:3]
    assert (first.said, first.taken) == ("Cached", "Reused from execution zero.")
    assert (second.status, third.status) == ("Executing", "Waiting")
    assert (facts.ended, facts.took) == ("", "")
    check_structure(build(facts, service.run).html)


def test_drift_is_since_the_latest_execution_on_other_data(service: Service) -> None:
    """One that failed, and one on the same data, are passed over."""
    service.execution()
    service.steps(of_job("Process"), began("Tune"))
    service.answer(
        "describe_processing_job", {"ProcessingJobName": "job-Process"}, **processing("Process")
    )
    earlier = [
        {
            "PipelineExecutionArn": execution_arn(service.settings, name),
            "StartTime": at,
            "PipelineExecutionStatus": status,
        }
        for name, at, status in (
            ("later", BEGAN + timedelta(days=1), "Succeeded"),
            ("one", BEGAN, "Succeeded"),
            ("failed", BEGAN - timedelta(days=1), "Failed"),
            ("same", BEGAN - timedelta(days=2), "Succeeded"),
            ("other", BEGAN - timedelta(days=3), "Succeeded"),
        )
    ]
    asked = {
        "PipelineName": pipeline(service.settings),
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
    }
    service.answer("list_pipeline_executions", asked, PipelineExecutionSummaries=earlier)
    before = {**PROFILE, "rows": 999}
    for name, profile in (("same", PROFILE), ("other", before)):
        service.steps(of_job("Process"), began("Tune"), name=name)
        root = f"s3://bucket/pets/executions/{name}"
        service.answer(
            "describe_processing_job",
            {"ProcessingJobName": "job-Process"},
            **processing("Process", root),
        )
        service.s3.put_object(
            Bucket="bucket",
            Body=json.dumps(profile),
            Key=f"pets/executions/{name}/Process/train/profile.json",
        )
    service.parameters()
    facts = service.run.facts(service.settings, "one")
    service.stub.assert_no_pending_responses()
    assert facts.previous is not None
    assert (facts.previous.run, facts.previous.started) == ("other", "2025-12-29T00:00:00Z")
    assert json.loads(facts.previous.profile)["rows"] == 999


def test_a_job_that_was_deleted_leaves_its_part_empty(service: Service) -> None:
    service.execution()
    service.steps(of_job("Process"), began("Tune"))
    service.stub.add_client_error("describe_processing_job", "ResourceNotFound", "Could not find")
    service.parameters()
    facts = service.run.facts(service.settings, "one")
    page = check_structure(build(facts, service.run).html)
    assert "no step of this pipeline writes profile.json" in page.section("data").text.lower()


def test_a_large_file_and_one_that_is_not_there_are_none(service: Service) -> None:
    uri = "s3://bucket/pets/executions/one/Process/test/test.csv"
    assert service.run.read(uri, 10) is None
    assert service.run.read(uri, 10**6)
    assert service.run.read("s3://bucket/nowhere", 10) is None


def test_a_file_that_may_not_be_read_says_so(service: Service) -> None:
    with Stubber(service.s3) as stub:
        stub.add_client_error("get_object", "AccessDenied", "no", http_status_code=403)
        with pytest.raises(account_evidence.Absent, match="may not read s3://bucket/x"):
            service.run.read("s3://bucket/x", 10)


@pytest.fixture
def in_place(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The service in the place of the session's."""
    clients = {"sagemaker": service.sagemaker, "s3": service.s3}

    class Session:
        def client(self, name: str) -> Any:
            return clients[name]

    monkeypatch.setattr("ninesteps.infrastructure.account.session", lambda environment: Session())
    return service


def test_the_last_execution_is_found_and_its_page_written(
    in_place: Service, tmp_path: Path
) -> None:
    asked = {
        "PipelineName": pipeline(in_place.settings),
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
    }
    summary = {"PipelineExecutionArn": execution_arn(in_place.settings), "StartTime": BEGAN}
    in_place.answer("list_pipeline_executions", asked, PipelineExecutionSummaries=[summary])
    completed(in_place)
    page = write_account_report(tmp_path, in_place.settings, PROD, "last")
    assert page == tmp_path / "executions/prod/one/report.html"
    check_structure(page.read_text(encoding="utf-8"))
    summary_text = page.with_name("report.md").read_text(encoding="utf-8")
    assert "the model was registered" in summary_text


def test_an_execution_that_is_not_there_is_one_sentence(in_place: Service, tmp_path: Path) -> None:
    in_place.stub.add_client_error(
        "describe_pipeline_execution", "ResourceNotFound", "Pipeline execution does not exist"
    )
    with pytest.raises(AccountError, match="DescribePipelineExecution: ResourceNotFound"):
        write_account_report(tmp_path, in_place.settings, PROD, "none")
    assert not (tmp_path / "executions").exists()
