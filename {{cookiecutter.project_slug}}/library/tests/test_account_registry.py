"""Versions in an account: what is read of them, what a decision writes, and who may take one.

The account is moto's; every request passes botocore's own validation first. What moto does
otherwise than AWS, or lacks, is put right in `like_aws`.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from moto import mock_aws
from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends

import ab_decisions
from accounts import ACCOUNT, REGION, recorded_calls, sign_in
from ninesteps.cli import here, main
from ninesteps.definition.metadata import writable
from ninesteps.infrastructure import permissions, serving
from ninesteps.registry.account import AccountRegistry
from ninesteps.registry.registry import Version
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from pets import changed
from pets import settings as pet_settings
from versions import NONE_SERVES, STAMPS, evaluation, package, scored

PROD = Environment(ACCOUNT, REGION, bucket="models")
INFRASTRUCTURE = Path(__file__).parents[2] / "model_deploy" / "infrastructure"
ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role"
SAM, JO = f"{ROLE}/Scientist/sam@example.com", f"{ROLE}/pets-prod-approver/jo@example.com"
BY_JO = ("--env", "prod", "--who", "Jo Doe", "--why", "auc > 0.9, as asked")


def client(service: str) -> Any:
    return client_of(service, os.environ["AWS_ACCESS_KEY_ID"])


@functools.cache
def client_of(service: str, key: str) -> Any:
    """A client of who is signed in with a key."""
    return boto3.Session(region_name=REGION).client(service)


def backend() -> Any:
    return sagemaker_backends[ACCOUNT][REGION]


@pytest.fixture
def like_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not given stays, and who called is noted: as UpdateModelPackage does."""
    update = SageMakerModelBackend.update_model_package

    def updated(self: Any, **request: Any) -> str:
        arn = request["model_package_arn"]
        found = self.model_packages[self.model_package_name_mapping.get(arn, arn)]
        if request["customer_metadata_properties"] is None:
            request["customer_metadata_properties"] = found.customer_metadata_properties
        kept = update(self, **request)
        caller = client("sts").get_caller_identity()["Arn"]
        found.last_modified_by = {"IamIdentity": {"Arn": caller}}
        return kept

    monkeypatch.setattr(SageMakerModelBackend, "update_model_package", updated)


READ_ONCE = functools.cache(botocore.session.create_loader)
"""What botocore knows of a service: half a second to read, for each of many sessions."""


@pytest.fixture
def account(
    like_aws: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[str], None]]:
    """An account with two versions, whose runs Sam started; gives who signs in by a session's name.

    Jo is signed in.
    """
    sign_in(monkeypatch, tmp_path)
    use(monkeypatch, settings())
    monkeypatch.setattr(botocore.session, "create_loader", READ_ONCE)

    def signed_in(session: str, role: str = "pets-prod-approver") -> None:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        taken = client("sts").assume_role(RoleArn=arn, RoleSessionName=session)["Credentials"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", taken["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", taken["SecretAccessKey"])
        monkeypatch.setenv("AWS_SESSION_TOKEN", taken["SessionToken"])

    with mock_aws():
        where = {"LocationConstraint": REGION}
        client("s3").create_bucket(Bucket="models", CreateBucketConfiguration=where)
        sagemaker = client("sagemaker")
        sagemaker.create_model_package_group(ModelPackageGroupName="pets-prod")
        sagemaker.create_pipeline(
            PipelineName="pets-prod", PipelineDefinition="{}", ClientRequestToken="t" * 32,
            RoleArn=PROD.role_arn or f"arn:aws:iam::{ACCOUNT}:role/pets",
        )  # fmt: skip
        for auc in (0.91, 0.925):
            register(auc)
        signed_in("jo@example.com")
        yield signed_in


def register(
    auc: float, archive: bytes = b"an archive", champion: dict[str, Any] | None = None
) -> None:
    """Run the pipeline and register a version, whose digests the state machine has noted."""
    sagemaker = client("sagemaker")
    arn = sagemaker.start_pipeline_execution(PipelineName="pets-prod")["PipelineExecutionArn"]
    (execution,) = (
        one for pipeline in backend().pipelines.values()
        for key, one in pipeline.pipeline_executions.items() if key == arn
    )  # fmt: skip
    execution.created_by = {"IamIdentity": {"Arn": SAM}}
    run = arn.rpartition("/")[2]
    evaluated = evaluation(auc=auc)
    if champion:
        evaluated = json.dumps({**json.loads(evaluated), "champion": champion}).encode()
    contents = {"evaluation.json": evaluated, "analysis.json": b"{}", "model.tar.gz": archive}
    for name, content in contents.items():
        client("s3").put_object(Bucket="models", Key=f"{run}/{name}", Body=content)
    request = package(*(f"s3://models/{run}/{name}" for name in contents))
    digests = {
        f"{name.split('.')[0]}_sha256": hashlib.sha256(content).hexdigest()
        for name, content in contents.items()
    }
    request["CustomerMetadataProperties"] |= {"execution": run, **digests}
    request["InferenceSpecification"] |= {
        "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"],
    }  # fmt: skip
    sagemaker.create_model_package(
        ModelPackageGroupName="pets-prod", ModelApprovalStatus="PendingManualApproval", **request
    )


def settings(**approval: bool) -> Settings:
    own = changed(pet_settings(), approval=approval) if approval else pet_settings()
    return replace(own, environments={"prod": PROD})


def use(monkeypatch: pytest.MonkeyPatch, chosen: Settings) -> None:
    monkeypatch.setattr(pipeline_settings, "load", lambda root: chosen)


def pipeline(*arguments: str, status: int = 0) -> Result:
    done = CliRunner(env={"COLUMNS": "80"}).invoke(main.main, arguments)
    assert done.exit_code == status, done.output
    return done


def sentence(*arguments: str, status: int = 2) -> str:
    said = pipeline(*arguments, status=status).stderr
    assert said.startswith("pipeline: ") and said.count("\n") == 1
    return said.removeprefix("pipeline: ").strip()


def described(number: int) -> dict[str, Any]:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/pets-prod/{number}"
    return dict(client("sagemaker").describe_model_package(ModelPackageName=arn))


def rows(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


Account = Callable[[str], None]


def test_versions_are_listed_with_metrics_and_states(account: Account) -> None:
    name, _, second, first = rows(pipeline("registry", "--env", "prod").stdout)
    assert name == "pets-prod"
    assert second.startswith("2 PendingManualApproval 20") and second.endswith("auc 0.925")
    assert first.startswith("1 PendingManualApproval 20") and first.endswith("auc 0.91")
    gone = described(1)["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    client("s3").delete_object(Bucket="models", Key=gone.removeprefix("s3://models/"))
    listed = json.loads(pipeline("registry", "--env", "prod", "--json").stdout)
    assert [(v["version"], v["metrics"].get("auc"), v["fault"]) for v in listed] == [
        (2, 0.925, ""), (1, None, "evaluation.json is gone")
    ]  # fmt: skip


def test_the_version_that_the_endpoint_serves_is_marked_or_it_is_said_why_not(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = ("registry", "--env", "prod")
    assert "serves" not in pipeline(*listing).stdout
    serve(1)
    _, _, second, first, mark = rows(pipeline(*listing).stdout)
    assert (second[:2], first[:2], mark) == ("2 ", "1 ", "serves")
    listed = json.loads(pipeline(*listing, "--json").stdout)
    assert [(one["version"], one["serves"]) for one in listed] == [(2, False), (1, True)]

    def refused(*_: object) -> None:
        answer = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
        raise ClientError(answer, "DescribeEndpoint")

    monkeypatch.setattr(serving, "package_arn", refused)
    shown = " ".join(pipeline(*listing).stdout.split())
    assert "which version serves is not known: AWS refused DescribeEndpoint: AccessDenied" in shown
    assert {one["serves"] for one in json.loads(pipeline(*listing, "--json").stdout)} == {None}


def test_what_step_1_found_is_shown_where_it_may_be_read(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"suspicious_features": {"score": 0.998}}
    client("s3").put_object(Bucket="models", Key="test/findings.json", Body=json.dumps(found))
    read = AccountRegistry.version

    def version(self: AccountRegistry, number: int) -> Version:
        made = read(self, number)
        split = {1: "s3://models/test", 2: "s3://elsewhere/test"}[number]
        return replace(made, metadata={**made.metadata, "test_split": split})

    monkeypatch.setattr(AccountRegistry, "version", version)
    first, second = (pipeline("registry", str(n), "--env", "prod").stdout for n in (1, 2))
    said = " ".join(rows(first))
    assert "warning - 'score' alone ranks the label almost perfectly (0.998)" in said
    assert "not known of a version in an account: rows left out" in said
    assert "warning" not in second and "metrics" in second


def test_the_warnings_that_were_recorded_are_shown_and_counted(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ["20 of 100 rows (20%) are left out: no id in 20", "the training data moved much"]
    content = json.dumps({"warnings": told, "origin": {}, "ingests": [], "older_ingests": 0})
    client("s3").put_object(Bucket="models", Key="evidence.json", Body=content)
    noted = {"evidence_uri": "s3://models/evidence.json", "warnings": "2",
             "evidence_sha256": hashlib.sha256(content.encode()).hexdigest()}  # fmt: skip
    read = AccountRegistry.version

    def version(self: AccountRegistry, number: int) -> Version:
        made = read(self, number)
        own = noted if number == 1 else {**noted, "warnings": "0", "evidence_sha256": "0" * 64}
        return replace(made, metadata={**made.metadata, **own})

    monkeypatch.setattr(AccountRegistry, "version", version)
    for shown in (pipeline("registry", "1", "--env", "prod").stdout,
                  pipeline("approve", "1", "--env", "prod", *BY_JO).stdout):  # fmt: skip
        said = " ".join(shown.split())
        assert "2 warnings - 20 of 100 rows (20%) are left out: no id in 20 - the training" in said
        assert "not known of a version in an account" not in said
    client("s3").delete_object(Bucket="models", Key="evidence.json")  # a list reads no file of it
    listed = pipeline("registry", "--env", "prod").stdout
    assert listed.count("warning") == 1 and "2 warnings" in listed
    altered = " ".join(pipeline("registry", "2", "--env", "prod").stdout.split())
    assert "rows left out" not in altered.partition("not known of a version in an account")[0]


def begin_test(number: int, at: str) -> None:
    """Note on a version what its rollout notes when its A/B test begins."""
    machine = json.loads((INFRASTRUCTURE / "rollout.asl.json").read_text())
    noted = {"rollout": machine["States"]["InTest"]["Assign"]["outcome"], "rollout_at": at}
    before = described(number)
    client("sagemaker").update_model_package(
        ModelPackageArn=before["ModelPackageArn"],
        ModelApprovalStatus=before["ModelApprovalStatus"],
        CustomerMetadataProperties={**before["CustomerMetadataProperties"], **noted},
    )


def look(number: int, test: str, count: int, share: int) -> None:
    """Leave what a test's job leaves for the state machine when the test goes on."""
    decision = ab_decisions.going_on(count, share)
    key = f"pets/deployments/v{number}/ab-{test}/decision.json"
    client("s3").put_object(Bucket="models", Key=key, Body=json.dumps(decision))


def test_how_an_a_b_test_stands_is_shown_while_it_goes_on(account: Account) -> None:
    show = ("registry", "2", "--env", "prod")
    assert json.loads(pipeline(*show, "--json").stdout)["ab_test"] is None
    look(2, "0ld0ld00", 90, 50)
    begin_test(2, "2126-11-28T02:00:00.000Z")  # after the decision of a test before
    began = " ".join(rows(pipeline(*show).stdout))
    assert "rollout 2126-11-28T02:00:00.000Z in test A/B test no decision so far: the" in began
    assert "look 90" not in began
    begin_test(2, "2026-01-01T02:00:00.000Z")
    look(2, "5ba2cd00", 7, 25)
    client("s3").delete_object(Bucket="models", Key="pets/deployments/v2/ab-0ld0ld00/decision.json")
    look(20, "5ba2cd00", 8, 30)  # of another version
    shown = " ".join(rows(pipeline(*show).stdout))
    assert "rollout 2026-01-01T02:00:00.000Z in test A/B test 25 % of the users by look 7" in shown
    assert "100 of 500 users users: main 900 challenger 100" in shown
    assert "rates: main 0.5000 challenger 0.6000" in shown and "evidence: better 1 to 1" in shown
    found = json.loads(pipeline(*show, "--json").stdout)["ab_test"]
    assert (found["share"], found["look"], found["why"]) == (25, 7, "100 of 500 users")
    assert found["metadata"]["ab_users"] == "main 900 challenger 100"


def test_an_approver_who_may_not_list_decisions_sees_the_rest(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_test(2, "2026-01-01T02:00:00.000Z")

    def refused(self: AccountRegistry, number: int) -> Iterator[Any]:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListObjectsV2")

    monkeypatch.setattr(AccountRegistry, "_decisions", refused)
    shown = " ".join(rows(pipeline("registry", "2", "--env", "prod").stdout))
    assert "A/B test its state may not be read: AccessDenied" in shown
    assert "metrics" in shown


def test_an_approval_is_one_call_with_who_and_why_in_it(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = described(1)["CustomerMetadataProperties"]
    said = pipeline("approve", "1", *BY_JO).stdout
    assert said.startswith(f"pets-prod version 1 was approved by Jo Doe ({JO}) at 20")
    found = described(1)
    assert found["ModelApprovalStatus"] == "Approved"
    assert found["ApprovalDescription"] == "Jo Doe: auc > 0.9, as asked"
    written = dict(found["CustomerMetadataProperties"].items() - before.items())
    at = written.pop("approved_at")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", at)
    assert written == {
        "approved_by": JO, "approved_name": "Jo Doe", "approved_why": "auc 0.9 as asked",
        "approved_rules": "require_second_approver = false profile custom",
    }  # fmt: skip
    shown = rows(pipeline("registry", "1", "--env", "prod").stdout)
    assert "status Approved" in shown and f"started by {SAM}" in shown
    assert f"changes {at} PendingManualApproval -> Approved" in shown
    assert "auc > 0.9, as asked" in " ".join(shown)
    assert described(2)["ModelApprovalStatus"] == "PendingManualApproval"


def test_a_withdrawal_leaves_the_approval_before_it(account: Account) -> None:
    pipeline("approve", "1", *BY_JO)
    account("al@example.com")
    pipeline("reject", "1", "--env", "prod", "--who", "Al", "--why", "a leak; see #7")
    content = json.loads(pipeline("registry", "1", "--env", "prod", "--json").stdout)
    changes = [(c["before"], c["after"], c["who"], c["why"]) for c in content["changes"]]
    al = f"{ROLE}/pets-prod-approver/al@example.com"
    assert changes == [
        ("PendingManualApproval", "Approved", f"Jo Doe ({JO})", "auc 0.9 as asked"),
        ("Approved", "Rejected", f"Al ({al})", "a leak; see #7"),
    ]
    assert "stays rejected" in sentence("approve", "1", *BY_JO)


@pytest.mark.parametrize("since", ["Approved", "PendingManualApproval"])
def test_a_rejected_version_stays_so_whatever_is_made_of_it_elsewhere(
    account: Account, since: str
) -> None:
    pipeline("reject", "1", *BY_JO)
    arn = described(1)["ModelPackageArn"]
    client("sagemaker").update_model_package(ModelPackageArn=arn, ModelApprovalStatus=since)
    assert "a rejected version stays rejected" in sentence("approve", "1", *BY_JO)


def test_a_decision_that_was_taken_elsewhere_is_told_of(account: Account) -> None:
    arn = described(2)["ModelPackageArn"]
    account("al@example.com")
    client("sagemaker").update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="in the console"
    )
    al = f"{ROLE}/pets-prod-approver/al@example.com"
    assert sentence("approve", "2", *BY_JO).startswith(f"pets-prod version 2 was approved by {al}")


def test_what_cannot_be_is_refused(account: Account) -> None:
    assert sentence("approve", "3", *BY_JO) == "pets-prod has no version 3: it has 1 to 2"
    pipeline("approve", "1", *BY_JO)
    assert f"was approved by Jo Doe ({JO}) at" in sentence("approve", "1", *BY_JO)
    assert sentence("approve", "1", "--for", "production", *BY_JO).startswith(
        "--for production is for this machine; in an account the second approval is"
    )
    assert sentence("approve", "1", "--env", "test", "--who", "a", "--why", "b") == (
        "pipeline.toml environments: expected one of prod, got 'test'"
    )


# Evidence and people


def test_evidence_that_is_altered_gone_or_not_noted_approves_nothing(account: Account) -> None:
    uri = described(1)["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    key = uri.removeprefix("s3://models/")
    client("s3").put_object(Bucket="models", Key=key, Body=b"another")
    cannot = f"pets-prod version 1 cannot be approved or deployed: its evidence {uri}"
    assert sentence("approve", "1", *BY_JO) == f"{cannot} was changed after registration"
    client("s3").delete_object(Bucket="models", Key=key)
    assert sentence("approve", "1", *BY_JO) == f"{cannot} is gone"
    client("s3").put_object(Bucket="models", Key=key, Body=b"an archive")
    (found,) = (p for p in backend().model_packages.values() if p.model_package_version == 1)
    found.customer_metadata_properties.pop("model_sha256")
    assert sentence("approve", "1", *BY_JO) == f"{cannot} has no recorded digest"


def test_a_version_that_was_made_under_other_floors_is_not_approved(account: Account) -> None:
    (found,) = (p for p in backend().model_packages.values() if p.model_package_version == 1)
    stamps = found.customer_metadata_properties
    stamps["profile"] = "churn"
    name = "pets-prod version 1"
    assert sentence("approve", "1", *BY_JO) == (
        f"{name}: expected the profile 'custom', got 'churn': run the pipeline again"
    )
    for key in STAMPS:
        stamps.pop(key)
    assert sentence("approve", "1", *BY_JO).startswith(
        f"{name}: expected profile, profile_sha256, library in its metadata, got none"
    )
    assert described(1)["ModelApprovalStatus"] == "PendingManualApproval"
    pipeline("reject", "1", *BY_JO)


def test_who_started_the_execution_may_not_approve_under_any_role_or_name(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, settings(require_second_approver=True))
    account("Sam@example.com")
    said = sentence("approve", "1", *BY_JO)
    run = described(1)["CustomerMetadataProperties"]["execution"]
    sam = f"{ROLE}/pets-prod-approver/Sam@example.com"
    assert said.startswith(
        f"{sam} started run {run} as {SAM}, and [approval] require_second_approver"
    )
    account("jo@example.com")
    pipeline("approve", "1", *BY_JO)


def test_an_execution_of_which_aws_does_not_say_who_started_it_cannot_be_approved(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, settings(require_second_approver=True))
    for one in backend().pipelines.values():
        for execution in one.pipeline_executions.values():
            execution.created_by = {}
    assert "is not known, and [approval] require_second_approver" in sentence(
        "approve", "1", *BY_JO
    )


# Two at once


def registry() -> AccountRegistry:
    session = boto3.Session(region_name=REGION)
    return AccountRegistry(session, replace(PROD, name="prod"), "pets-prod", "pets-prod")


def test_what_was_decided_since_is_seen_before_a_decision_is_written(account: Account) -> None:
    version, decide = registry().version(1), registry().keep
    pipeline("approve", "1", *BY_JO)
    decision = replace(registry().version(1).decisions[0], who="Al", why="late", after="Rejected")
    assert not decide(version, decision)
    assert described(1)["ModelApprovalStatus"] == "Approved"


@pytest.mark.parametrize("theirs", ["Approved", "Rejected"])
def test_who_is_overtaken_while_writing_is_told_so(
    account: Account, monkeypatch: pytest.MonkeyPatch, theirs: str
) -> None:
    update = SageMakerModelBackend.update_model_package

    def overtaken(self: Any, **request: Any) -> str:
        update(self, **request)
        monkeypatch.setattr(SageMakerModelBackend, "update_model_package", update)
        account("al@example.com")
        metadata = {**request["customer_metadata_properties"], "approved_by": "Al"}
        changes = {"model_approval_status": theirs, "customer_metadata_properties": metadata}
        return str(update(self, **{**request, **changes}))

    monkeypatch.setattr(SageMakerModelBackend, "update_model_package", overtaken)
    assert sentence("approve", "2", *BY_JO) == (
        f"pets-prod version 2 was decided on by {ROLE}/pets-prod-approver/al@example.com at the "
        f"same moment, and is now {theirs}: look at it again"
    )


# What is sent


def test_an_approver_makes_the_calls_that_the_table_gives_and_no_others(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, settings(require_second_approver=True))
    with recorded_calls(monkeypatch) as calls:
        pipeline("approve", "1", *BY_JO)
        pipeline("reject", "2", *BY_JO)
        serve(1)
        register(0.93, champion=scored(b"an archive"))
        pipeline("approve", "3", *BY_JO)
        pipeline("registry", "--env", "prod")
        begin_test(1, "2026-01-01T02:00:00.000Z")
        pipeline("registry", "1", "--env", "prod")
    of_the_test = {"s3:PutObject", "sts:AssumeRole", *(
        f"sagemaker:{name}" for name in ("CreateEndpoint", "CreateEndpointConfig", "CreateModel",
                                         "CreateModelPackage", "StartPipelineExecution")
    )}  # fmt: skip
    champion = permissions.CALLS["champion"].keys()
    assert calls - of_the_test == permissions.CALLS["approve"].keys() | champion


def serve(number: int) -> None:
    """An endpoint with the model of a version."""
    sagemaker, name = client("sagemaker"), f"pets-prod-v{number}-abcd"
    sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/pets-prod-endpoint",
        PrimaryContainer={"ModelPackageName": described(number)["ModelPackageArn"]},
    )  # fmt: skip
    variant = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.large",
               "InitialInstanceCount": 1}  # fmt: skip
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="pets-prod", EndpointConfigName=name)


def test_what_a_version_was_compared_with_is_looked_at_before_it_is_approved(
    account: Account,
) -> None:
    register(0.93, b"another archive", scored(b"one that was changed"))
    said = sentence("approve", "3", *BY_JO, status=2)
    assert "version 3 was compared with an archive of sha256" in said
    assert "which no registered version has" in said
    register(0.93, b"a third", NONE_SERVES)
    register(0.94, b"a fourth", scored(b"another archive"))
    serve(1)
    said = sentence("approve", "4", *BY_JO, status=2)
    assert said.endswith("was not compared with a champion, but version 1 serves now: run the "
                         "pipeline again")  # fmt: skip
    here.show_notice.cache_clear()
    notice = pipeline("approve", "5", *BY_JO).stderr
    assert "it was compared with version 3, but version 1 serves now" in notice


def test_what_aws_refuses_is_one_sentence(account: Account) -> None:
    for pipeline in backend().pipelines.values():
        pipeline.pipeline_executions.clear()
    said = sentence("registry", "1", "--env", "prod", status=1)
    assert said.startswith("AWS refused DescribePipelineExecution: ")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Jo Doe <jo@example.com>", "Jo Doe jo@example.com"),
        ("auc > 0.9, as asked!", "auc 0.9 as asked"),
        ("Zoe\u0308 李雷", "Zoë 李雷"),
        ("🙂", ""),
        ("a\nb\u200bc", "a b c"),
        ("x" * 300, "x" * 256),
        ("x" * 255 + " y", "x" * 255),
        (JO, JO),
    ],
)
def test_a_text_is_written_in_the_characters_that_metadata_may_have(text: str, kept: str) -> None:
    assert writable(text) == kept
    assert re.fullmatch(r"[\w \u3000_.:/=+\-@]*", kept)
