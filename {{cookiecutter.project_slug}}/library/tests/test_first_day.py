"""The whole first day of a pipeline in an account, in one test; without a statement, it fails."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator

import pytest

import first_day
from first_day import NAME, Day
from ninesteps.audit import verify
from ninesteps.infrastructure import permissions
from package_contents import CHURN, package_contents
from pretend_account.iam import Identity, Statement, decide
from pretend_account.principals import Principal


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """The day, when it is over."""
    with first_day.day_in(tmp_path_factory.mktemp("day")) as found:
        first_day.live(found)
        yield found


def test_from_bootstrap_to_an_endpoint_that_answers(day: Day) -> None:
    runs = day.account.machine_runs()
    assert all(runs.values()), runs
    assert {state for machine in runs.values() for state, _ in machine} == {"SUCCEEDED"}, runs
    assert [*day.account.served] == [NAME]  # and the staging endpoint is gone
    subjects = [notice["Subject"] for notice in day.account.told if "Subject" in notice]
    assert subjects == [f"{NAME} v1 waits for approval", f"{NAME} v1: deployed"]


@pytest.mark.parametrize("at", [0, 2])
def test_the_plan_of_bootstrap_has_the_resources_and_parameters_that_were_then_made(
    day: Day, at: int
) -> None:
    plan = day.plans["bootstrap"]["actions"][at]
    made = day.stacks[plan["stack"]]
    planned = {(one["resource"], one["type"]): one["name"] for one in plan["resources"]}
    assert planned.keys() == made.resources.keys()
    for resource, name in planned.items():
        assert re.search(rf"(^|[:/]){re.escape(name)}$" if name else ".", made.resources[resource])
    assert {r for r, name in planned.items() if not name} <= {
        ("Key", "AWS::KMS::Key"), ("BucketPolicy", "AWS::S3::BucketPolicy"),
        ("UndeliveredPolicy", "AWS::SQS::QueuePolicy"), ("TopicPolicy", "AWS::SNS::TopicPolicy"),
    }  # fmt: skip
    known = {name: value for name, value in plan["parameters"].items() if value is not None}
    later = {} if at == 0 else {"KmsKeyArn": day.account.key}
    given = {name: ",".join(value) if isinstance(value, list) else value
             for name, value in made.parameters.items()}  # fmt: skip
    assert known | later == given
    assert plan["parameters"].keys() - known.keys() == later.keys()


def test_the_plans_have_every_file_the_group_and_the_definition_that_were_then_sent(
    day: Day,
) -> None:
    day.account.signed_in = Principal("Administrator", "noor")
    _, machines, _, group = day.plans["bootstrap"]["actions"]
    check, code, record, pipeline = day.plans["publish"]["actions"]
    s3, bucket, prefix = day.account.client("s3"), code["bucket"], "customer-churn/code"
    for file in (*machines["files"], *code["files"]):
        key = file["uri"].removeprefix(f"s3://{bucket}/")
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            file["bytes"], file["sha256"],
        ), key  # fmt: skip
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    there = {f"s3://{bucket}/{item['Key']}" for page in pages for item in page["Contents"]}
    records = {uri for uri in there if uri.startswith(record["prefix"])}
    assert records
    assert there - records == {file["uri"] for file in (*machines["files"], *code["files"])}
    made = day.account.store.groups[group["feature_group"]]
    assert made.types == group["features"]
    assert check["feature_groups"] == [group["feature_group"]]
    there_now = day.account.client("sagemaker").describe_pipeline(PipelineName=NAME)
    text = there_now["PipelineDefinition"]
    assert pipeline["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert (pipeline["pipeline"], pipeline["role"]) == (NAME, there_now["RoleArn"])
    steps = {step["Name"] for step in json.loads(text)["Steps"]}
    assert steps < {name for name, _ in pipeline["steps"]}  # and those in the condition's branch


def test_each_principal_was_asked_and_nothing_was_denied(day: Day) -> None:
    assert all(decision.allowed for decision in day.account.uses.values())
    asked = {use.principal.removeprefix(f"{NAME}-") for use in day.account.uses}
    assert asked == {
        "approved", "approver", "audit of the table", "audit pack of the table",
        "card of the table", "data-arrival", "endpoint", "events", "evidence", "features",
        "ingester", "job", "lineage of the table", "operator", "pipeline", "publisher",
        "report of the table", "rollout", "schedule of the table", "scheduler",
        "trace of the table",
    }  # fmt: skip


def test_lineage_takes_what_the_table_of_permissions_says_and_no_more(day: Day) -> None:
    calls = {use.call for use in day.account.uses if use.principal == "lineage of the table"}
    assert calls | {"sts:GetCallerIdentity"} == permissions.CALLS["lineage"].keys()


def test_the_page_shows_every_command_with_what_it_prints(day: Day) -> None:
    shown = first_day.shown()
    assert [command for command, _ in shown] == [said.command for said in day.said]
    for (command, output), said in zip(shown, day.said, strict=True):
        assert first_day.steady(output) == first_day.steady(said.output), command


def test_the_package_holds_what_the_seed_asks_for_and_nothing_else(day: Day) -> None:
    day.account.signed_in = Principal("Administrator", "noor")
    (package,) = day.account.client("sagemaker").list_model_packages(ModelPackageGroupName=NAME)[
        "ModelPackageSummaryList"
    ]
    found = day.account.client("sagemaker").describe_model_package(
        ModelPackageName=package["ModelPackageArn"]
    )
    assert package_contents(found) == CHURN
    metadata = found["CustomerMetadataProperties"]  # at most 50 of 256 characters each
    later = ("rejected_by", "rejected_name", "rejected_why", "rejected_at", "rejected_rules",
             "overridden", "overridden_sha256", "same_model_as", "ab_outcome", "ab_users",
             "ab_rates", "ab_e_better", "ab_e_worse")  # fmt: skip
    assert {"evidence_uri", "evidence_version_id", "evidence_sha256"} <= metadata.keys()
    assert len({*metadata, *later}) <= 50 and max(map(len, metadata.values())) <= 256


def test_the_audit_pack_of_the_account_is_whole_and_nobodys_data_is_in_it(day: Day) -> None:
    file = day.repository / "customer-churn-prod-v1-audit.zip"
    faults, _ = verify.check(file)
    assert faults == []
    files = verify.read(file)
    absent = json.loads(files[verify.MANIFEST])["absent"]
    assert absent.keys() == NOT_IN_AN_ACCOUNT
    words = set(re.findall(rb"[A-Z0-9]+", b"\n".join(files.values())))
    with (day.repository / "data/churn.csv").open(encoding="utf-8", newline="") as table:
        ids = {row["custid"].encode() for row in csv.DictReader(table)} - {b""}
    assert len(ids) > 4_000
    assert not words & ids


NOT_IN_AN_ACCOUNT = {
    "chain.json",  # CloudTrail keeps the calls
    "comparison.json",  # it is the first version
    "impact_ratios.json",  # no facet is a sex or an ethnicity
}

_REFUSED = "an approval that is refused is noted and told"
_SCALED = "[deploy] lets no endpoint scale itself"
_FIRST = "no endpoint is updated on the first day"
_PARTS = "nothing is so large that it is put in parts, or put in vain"
_LOST = "no firing is lost: nothing is put into the dead-letter queue"
_STOPPED = "no job is stopped while it runs"
_LAKE = "Lake Formation governs no table here"
_DEFAULT = "Athena's user guide asks for it: a database by default is made where none is"
_LOOKS = "the service may look at it; when is documented nowhere"

_NOTHING_SERVES = "no endpoint serves when the first version is registered"
NOT_ON_THE_FIRST_DAY = {
    ("approved", "kms:Decrypt"): _REFUSED,
    ("approved", "kms:DescribeKey"): _REFUSED,
    ("approved", "kms:GenerateDataKey"): _REFUSED,
    ("approved", "sagemaker:UpdateModelPackage"): _REFUSED,
    ("approved", "sns:Publish"): _REFUSED,
    ("approver", "s3:ListBucket"): "by it S3 says that a file is missing, and none is",
    ("approver", "states:SendTaskFailure"): "[approval] before_production is off",
    ("approver", "states:SendTaskSuccess"): "[approval] before_production is off",
    ("data-arrival", "kms:DescribeKey"): _LOOKS,
    ("data-arrival", "kms:GenerateDataKey"): "it tells of starts that fail",
    ("data-arrival", "sns:Publish"): "it tells of starts that fail",
    ("endpoint", "kms:GenerateDataKey"): "[deploy] captures no requests",
    ("endpoint", "s3:PutObject"): "[deploy] captures no requests",
    ("features", "kms:Decrypt"): _PARTS,
    ("features", "s3:AbortMultipartUpload"): _PARTS,
    ("ingester", "athena:StopQueryExecution"): "no query takes too long",
    ("ingester", "glue:CreateDatabase"): _DEFAULT,
    ("ingester", "glue:GetPartition"): _LOOKS,
    ("ingester", "lakeformation:GetDataAccess"): _LAKE,
    ("ingester", "s3:ListMultipartUploadParts"): _PARTS,
    ("ingester", "sagemaker:BatchGetRecord"): "one record is asked for",
    ("ingester", "sagemaker:DeleteRecord"): "none is deleted",
    ("ingester", "sagemaker:GetRecord"): "the group has no online store",
    ("job", "s3:AbortMultipartUpload"): _PARTS,
    ("job", "sagemaker:DescribeEndpointConfig"): _NOTHING_SERVES,
    ("job", "sagemaker:DescribeModel"): _NOTHING_SERVES,
    ("operator", "servicequotas:ListServiceQuotas"): "`pipeline check --env` asks",
    ("pipeline", "athena:StopQueryExecution"): _STOPPED,
    ("pipeline", "glue:CreateDatabase"): _DEFAULT,
    ("pipeline", "glue:GetPartition"): _LOOKS,
    ("pipeline", "lakeformation:GetDataAccess"): _LAKE,
    ("pipeline", "s3:ListMultipartUploadParts"): _PARTS,
    ("pipeline", "sagemaker:DescribeModelPackageGroup"): _LOOKS,
    ("pipeline", "sagemaker:StopHyperParameterTuningJob"): _STOPPED,
    ("pipeline", "sagemaker:StopProcessingJob"): _STOPPED,
    ("data-arrival", "states:StartExecution"): "the gate does not speak of the champion",
    ("pipeline", "sagemaker:StopTransformJob"): _STOPPED,
    ("publisher", "sagemaker:UpdatePipeline"): "the pipeline is created",
    ("rollout", "application-autoscaling:PutScalingPolicy"): _SCALED,
    ("rollout", "application-autoscaling:RegisterScalableTarget"): _SCALED,
    ("rollout", "cloudwatch:DeleteAlarms"): _SCALED,
    ("rollout", "cloudwatch:PutMetricAlarm"): _SCALED,
    ("rollout", "iam:CreateServiceLinkedRole"): _SCALED,
    ("rollout", "sagemaker:DescribeEndpointConfig"): _FIRST,
    ("rollout", "sagemaker:UpdateEndpoint"): _FIRST,
    ("rollout", "sagemaker:UpdateEndpointWeightsAndCapacities"): _SCALED,
    ("scheduler", "kms:Decrypt"): _LOST,
    ("scheduler", "kms:GenerateDataKey"): _LOST,
    ("scheduler", "sqs:SendMessage"): _LOST,
}
"""What a role may do and the day does not need, by role and action, with the reason.

A list that may not grow by itself: who adds a statement has the day need it, or says why not.
"""


def test_without_an_action_of_a_statement_something_of_the_day_is_denied(day: Day) -> None:
    idle = set()
    for role, identity in day.account.roles().items():
        asked = [use.asked for use in day.account.uses if use.principal == role]
        for action in sorted(actions(identity)):
            if action not in {one.action for one in asked}:
                idle.add((role.removeprefix(f"{NAME}-"), action))
                continue
            without = Identity(tuple(less(s, action) for s in identity.statements))
            assert [one for one in asked if not decide(without, one).allowed], (role, action)
    assert idle == NOT_ON_THE_FIRST_DAY.keys()


def test_without_a_statement_something_of_the_day_is_denied(day: Day) -> None:
    for role, identity in day.account.roles().items():
        asked = [use.asked for use in day.account.uses if use.principal == role]
        for number, statement in enumerate(identity.statements):
            if all(decide(identity.without(number), one).allowed for one in asked):
                name = role.removeprefix(f"{NAME}-")
                needless = {(name, action) for action in actions(Identity((statement,)))}
                assert needless <= NOT_ON_THE_FIRST_DAY.keys(), (role, statement)


def actions(identity: Identity) -> set[str]:
    """Every action that an identity's statements name."""
    return {action for statement in identity.statements for action in named(statement)}


def named(statement: Statement) -> list[str]:
    action = statement["Action"]
    return [action] if isinstance(action, str) else list(action)


def less(statement: Statement, action: str) -> Statement:
    """A statement without an action."""
    kept = [one for one in named(statement) if one != action]
    return {**statement, "Action": kept or ["none:None"]}
