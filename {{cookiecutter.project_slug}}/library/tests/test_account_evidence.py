"""The report of an execution in an account: what is asked of AWS, and what becomes of the answers.

Calls of SageMaker are answered by botocore's Stubber, which validates what is asked and answered;
the files lie in moto's S3.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws

from account_runs import (
    BEGAN,
    EVIDENCE,
    PROD,
    RECORDED,
    ROOT,
    Service,
    began,
    completed,
    execution_arn,
    job_arn,
    of_job,
    pipeline,
    processing,
    serves,
    version,
)
from accounts import ACCOUNT, REGION, sign_in
from ninesteps.errors import AccountError
from ninesteps.report import account_run as account_evidence
from ninesteps.report.account_page import write_account_report
from ninesteps.report.page import build
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.settings import Settings
from page_structure import check_structure
from reports import EVALUATION, PROFILE, facts, files, steps

OTHER = "bbbbbbbbbbbb"
"""An earlier execution, by an id as the service makes them."""


@pytest.fixture
def settings() -> Settings:
    return pipeline_settings.load(ROOT)


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
        key = RECORDED.removeprefix("s3://bucket/")
        made.s3.put_object(Bucket="bucket", Key=key, Body=EVIDENCE)
        with made.stub:
            yield made


def test_an_execution_has_the_same_page_as_a_run_here(service: Service) -> None:
    completed(service)
    service.no_earlier()
    facts = service.run.facts(service.settings, execution_arn(service.settings))
    assert facts.protected_on_purpose == {"sex": "agreed by the board"}
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
    assert "the outcome is the same" in page.section("gate").text
    origin = page.section("origin").text
    assert f"1 file differs from commit {'0a' * 6}" in origin and "1 ingested table" in origin
    assert "It is pets version 3 (the same bytes as version 2)." in page.html
    approval = page.section("approval").text
    said = "Jo (arn:aws:sts::1:assumed-role/Approver/jo) set the version to Approved on 1 January"
    assert f"{said} 2026, 00:31 UTC: as agreed, <both> of us" in approval
    assert "evaluation.json changed after the step had ended" in page.section("evidence").text


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{}", f"{RECORDED} was changed since it was recorded"), (None, f"{RECORDED} is gone")],
)
def test_evidence_that_is_altered_or_gone_says_nothing_of_where_it_came_from(
    service: Service, content: bytes | None, said: str
) -> None:
    completed(service)
    service.no_earlier()
    place = {"Bucket": "bucket", "Key": RECORDED.removeprefix("s3://bucket/")}
    if content is None:
        service.s3.delete_object(**place)
    else:
        service.s3.put_object(**place, Body=content)
    facts = service.run.facts(service.settings, execution_arn(service.settings))
    assert facts.origin == {"unknown": said}


def test_a_version_that_waits_has_no_approval(service: Service) -> None:
    completed(service, status="PendingManualApproval")
    service.no_earlier()
    facts = service.run.facts(service.settings, execution_arn(service.settings))
    assert facts.changes == ()
    assert facts.registered == "pets version 3"
    assert facts.origin == {"unknown": "no evidence of where it came from is recorded"}


def test_what_a_refusal_passes_over_says_why(service: Service) -> None:
    completed(service, outcome="false")
    service.no_earlier()
    facts = service.run.facts(service.settings, execution_arn(service.settings))
    steps = {step.name: step for step in facts.steps}
    assert (steps["Register"].status, steps["Register"].reason) == (
        "Skipped",
        "the model fails the gate Check",
    )
    assert steps["Check"].outcome is False
    assert facts.registered == ""
    assert facts.origin == {"unknown": "no version was registered, so there is no evidence file"}
    assert [step.name for step in facts.steps][-1] == "Check"


def test_a_step_that_failed_and_those_after_it_say_so(service: Service) -> None:
    service.execution(status="Failed")
    failed = {**of_job("Evaluate"), "StepStatus": "Failed", "FailureReason": "ClientError: no auc"}
    service.steps(of_job("Process"), of_job("Tune", "TuningJob"), failed)
    service.process_and_search()
    service.others("Evaluate")
    service.parameters()
    service.no_earlier()
    facts = service.run.facts(service.settings, execution_arn(service.settings))
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
    service.parameters()
    service.no_earlier()
    facts = service.run.facts(service.settings, execution_arn(service.settings))
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
    service.parameters()
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
    service.no_version_before()
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
    facts = service.run.facts(service.settings, execution_arn(service.settings))
    service.stub.assert_no_pending_responses()
    assert facts.previous is not None
    assert (facts.previous.run, facts.previous.started) == ("other", "2025-12-29T00:00:00Z")
    assert json.loads(facts.previous.profile)["rows"] == 999


@pytest.mark.parametrize(
    ("serving", "is_same"), [(2, False), (2, True), (None, False), (None, True), (0, False)]
)
def test_drift_is_since_the_version_that_serves_else_the_newest_approved_one(
    service: Service, serving: int | None, is_same: bool
) -> None:
    service.execution()
    service.steps(of_job("Process"), began("Tune"))
    service.answer(
        "describe_processing_job", {"ProcessingJobName": "job-Process"}, **processing("Process")
    )
    service.parameters()
    serves(service, serving)
    if not serving:
        service.approved({
            "ModelPackageArn": job_arn("model-package", "customer-churn-prod/2"),
            "ModelPackageVersion": 2, "CreationTime": BEGAN - timedelta(days=1),
            "ModelPackageStatus": "Completed", "ModelApprovalStatus": "Approved",
        })  # fmt: skip
    version(service, 2, OTHER)
    service.steps(of_job("Process"), began("Tune"), name=OTHER)
    root = f"s3://bucket/pets/executions/{OTHER}"
    service.answer("describe_processing_job", {"ProcessingJobName": "job-Process"},
                   **processing("Process", root))  # fmt: skip
    service.s3.put_object(
        Bucket="bucket", Key=f"pets/executions/{OTHER}/Process/train/profile.json",
        Body=json.dumps(PROFILE if is_same else {**PROFILE, "rows": 999}),
    )  # fmt: skip
    facts = service.run.facts(service.settings, execution_arn(service.settings))
    service.stub.assert_no_pending_responses()
    why = "the version that serves" if serving else "the newest approved version before it"
    if is_same:
        assert facts.previous is None
        said = f"version 2, {why}, learnt from the same training data: there is no drift"
        assert facts.no_previous == said
    else:
        assert facts.previous is not None
        assert (facts.previous.run, facts.previous.name_and_why) == (OTHER, f"version 2 ({why})")
        assert json.loads(facts.previous.profile)["rows"] == 999


def test_a_job_that_was_deleted_leaves_its_part_empty(service: Service) -> None:
    service.execution()
    service.steps(of_job("Process"), began("Tune"))
    service.stub.add_client_error("describe_processing_job", "ResourceNotFound", "Could not find")
    service.parameters()
    facts = service.run.facts(service.settings, execution_arn(service.settings))
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
    in_place.no_earlier()
    in_place.stub.add_client_error("describe_feature_group", "ResourceNotFound", "no such group")
    page = write_account_report(tmp_path, in_place.settings, PROD, "last", pytest.fail)
    assert page == tmp_path / "executions/prod/one/report.html"
    check_structure(page.read_text(encoding="utf-8"))
    summary_text = page.with_name("report.md").read_text(encoding="utf-8")
    assert "the model was registered" in summary_text


def test_columns_are_shown_under_the_names_that_the_last_ingest_told(service: Service) -> None:
    place = "s3://pets/store/111122223333/sagemaker/eu-west-1/offline-store/pets-prod-1/data"
    service.answer(
        "describe_feature_group",
        {"FeatureGroupName": "pets-prod"},
        FeatureGroupArn="arn:aws:sagemaker:eu-west-1:111122223333:feature-group/pets-prod",
        FeatureGroupName="pets-prod",
        RecordIdentifierFeatureName="chip",
        EventTimeFeatureName="event_time",
        FeatureDefinitions=[{"FeatureName": "chip", "FeatureType": "String"}],
        CreationTime=BEGAN,
        NextToken="",
        OfflineStoreConfig={"S3StorageConfig": {"S3Uri": place, "ResolvedOutputS3Uri": place}},
    )
    with Stubber(service.s3) as stub:
        body = json.dumps({"names": {"species": "Species of pet"}}).encode()
        stub.add_response(
            "get_object",
            {"Body": StreamingBody(io.BytesIO(body), len(body))},
            {
                "Bucket": "pets",
                "Key": f"{place.removeprefix('s3://pets/').removesuffix('/data')}/ingested.json",
                "ExpectedBucketOwner": PROD.account,
            },
        )
        assert service.run.names("pets-prod") == {"species": "Species of pet"}


def test_an_execution_that_is_not_there_is_one_sentence(in_place: Service, tmp_path: Path) -> None:
    in_place.stub.add_client_error(
        "describe_pipeline_execution", "ResourceNotFound", "Pipeline execution does not exist"
    )
    with pytest.raises(AccountError, match="has no execution 'abcdefghijkl' in eu-west-1; `pipe"):
        write_account_report(tmp_path, in_place.settings, PROD, "abcdefghijkl", pytest.fail)
    assert not (tmp_path / "executions").exists()


def test_the_champions_version_is_told_by_the_digest_of_its_archive(service: Service) -> None:
    group = PROD.named(service.settings.model_package_group)
    section = {"outcome": "scored", "says": "", "uri": "s3://bucket/2/model.tar.gz",
               "sha256": "2" * 64}  # fmt: skip
    for uri, content in files(evaluation={**EVALUATION, "champion": section}).content.items():
        service.s3.put_object(Bucket="bucket", Key=uri.removeprefix("s3://bucket/"), Body=content)
    arns = {n: PROD.sagemaker_arn(f"model-package/{group}/{n}") for n in (1, 2)}
    summary = {"ModelPackageGroupName": group, "CreationTime": BEGAN,
               "ModelPackageStatus": "Completed"}  # fmt: skip
    listed = [{**summary, "ModelPackageArn": arns[n], "ModelPackageVersion": n} for n in arns]
    container = {"Image": "i", "ModelDataUrl": "s3://bucket/2/model.tar.gz"}
    service.answer("list_model_packages", {"ModelPackageGroupName": group},
                   ModelPackageSummaryList=listed)  # fmt: skip
    service.answer(
        "describe_model_package", {"ModelPackageName": arns[2]}, **listed[1],
        ModelPackageName=group, ModelPackageStatusDetails={"ValidationStatuses": []},
        InferenceSpecification={"Containers": [container]},
        CustomerMetadataProperties={"model_sha256": "2" * 64},
    )  # fmt: skip
    registered = [replace(step, answer={"ModelPackageVersion": 3})
                  if step.type == "RegisterModel" else step for step in steps()]  # fmt: skip
    parameters = {"AsOf": "2026-01-01T00:00:00Z", "ChampionModel": "s3://bucket/2/model.tar.gz"}
    run = facts(parameters=parameters, steps=tuple(registered))
    assert service.run.champion(service.settings, run) == 2
    service.stub.assert_no_pending_responses()
    service.stub.add_client_error("list_model_packages", "AccessDeniedException", "no")
    assert service.run.champion(service.settings, run) is None
    assert service.run.champion(service.settings, facts()) is None  # without a call
