"""Bootstrapping: what is shown and asked, what reaches the account, and what each failure says.

The account is moto's where it can be; what it does not imitate (waiting, failures, rollbacks,
pages) comes from botocore's Stubber, which holds every answer to the service's own model.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from click.testing import CliRunner, Result
from moto import mock_aws

from accounts import ACCOUNT, REGION, parameters_are_kept, recorded_calls, sign_in
from ninesteps.cli import account as account_commands
from ninesteps.cli import here, main
from ninesteps.errors import AccountError, SettingsError
from ninesteps.infrastructure import change_set as bootstrap
from ninesteps.infrastructure import (
    leftovers,
    own_feature_group,
    permissions,
    stacks,
    state_machines,
    template,
)
from ninesteps.infrastructure.change_set import Applied, Change, Event, Import, Stack
from ninesteps.profiles import profile as profiles
from ninesteps.runs import compiled
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.environment import Environment
from ninesteps.settings.features import Features
from ninesteps.settings.operation import Notify
from ninesteps.settings.settings import Settings
from ninesteps.version import VERSION
from pretend_account import feature_store
from pretend_account.feature_store import FeatureStore

ROOT = Path(__file__).resolve().parents[2]

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd"
PROD = Environment(ACCOUNT, REGION, kms_key_arn=KEY)  # moto tells no outputs of a change set
STACK = Stack("pets-prod", '{"Resources": {}}', {"Pipeline": "pets"}, {"pipeline": "pets"})


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sign_in(monkeypatch, tmp_path)


@pytest.fixture
def account(
    signed_in: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[FeatureStore]:
    monkeypatch.setattr(own_feature_group, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(here, "local", lambda: tmp_path / ".local")
    with mock_aws(), feature_store.taught(monkeypatch, REGION) as store:
        yield store


def own(**environment: Any) -> Settings:
    """The settings of this repository, with an environment."""
    prod = dataclasses.replace(PROD, **environment)
    return dataclasses.replace(pipeline_settings.load(ROOT), environments={"prod": prod})


def bootstrap_it(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, *options: str, text: str | None = None
) -> Result:
    monkeypatch.setattr(pipeline_settings, "load", lambda _: settings)
    arguments = ["bootstrap", "--env", "prod", *options]
    return CliRunner().invoke(main.main, arguments, input=text)


NOT_IN_MOTO = (
    "AWS::CloudWatch::Alarm", "AWS::S3::BucketPolicy", "AWS::SageMaker::ModelPackageGroup",
    "AWS::Scheduler::Schedule", "AWS::SNS::Subscription", "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::StepFunctions::StateMachine",
)  # fmt: skip
"""Types that moto's CloudFormation has no resources of, or none whose file lies in a bucket: it is
given the templates without them."""


@pytest.fixture
def motos_types(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters_are_kept(monkeypatch)
    packaged = template.packaged

    def known(*arguments: str) -> str:
        content = json.loads(packaged(*arguments))
        resources = content["Resources"].items()
        content["Resources"] = {n: r for n, r in resources if r["Type"] not in NOT_IN_MOTO}
        for resource in content["Resources"].values():
            resource["Properties"].pop("Targets", None)  # of rules: the machines that are left out
        return json.dumps(content)

    monkeypatch.setattr(template, "packaged", known)


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def test_what_is_made_is_shown_first_and_stands_in_the_account_after(
    account: None, motos_types: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    done = bootstrap_it(monkeypatch, own(), "--yes")
    assert done.exit_code == 0, done.output
    shown = done.output.partition("CREATE_IN_PROGRESS")[0]
    assert "Add     PipelineRole                IAM::Role\n" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "stack       customer-churn-prod: applied\n" in done.output

    stack = client("cloudformation").describe_stacks(StackName="customer-churn-prod")["Stacks"][0]
    tags = {tag["Key"]: tag["Value"] for tag in stack["Tags"]}
    assert tags == {"pipeline": "customer-churn", "environment": "prod"}
    bucket, s3 = f"customer-churn-prod-{ACCOUNT}", client("s3")
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == KEY
    role = client("iam").get_role(RoleName="customer-churn-prod-pipeline")["Role"]
    assert role["Arn"] == own().environment("prod").role_arn

    assert "stack       customer-churn-prod-rollout: applied\n" in done.output
    put = {item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert len([key for key in put if key.endswith(".asl.json")]) == 6
    rule = client("events").describe_rule(Name="customer-churn-prod-approved")
    assert json.loads(rule["EventPattern"])["detail"]["ModelApprovalStatus"] == ["Approved"]

    again = bootstrap_it(monkeypatch, own(), "--yes")
    assert again.exit_code == 0, again.output
    assert "customer-churn-prod: unchanged\n" in again.output
    assert "customer-churn-prod-rollout: unchanged\n" in again.output
    assert f"code        0 objects put, {len(put)} were there already\n" in again.output
    assert "changes to" not in again.output


def test_the_floors_are_fixed_in_the_stack_and_a_change_of_them_is_shown(
    account: None, motos_types: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    first = bootstrap_it(monkeypatch, own(), "--yes")
    assert first.exit_code == 0 and "Floor" not in first.output
    before, least = in_the_stack(), VERSION.partition("+")[0]
    assert before == {
        "Profile": "churn", "ProfileSha256": profiles.digest("churn"), "LeastLibrary": least,
    }  # fmt: skip
    monkeypatch.setattr(state_machines, "VERSION", "99.5.0+g0a")
    project = dataclasses.replace(own().project, profile="custom")
    looser = dataclasses.replace(own(), project=project)
    shown = bootstrap_it(monkeypatch, looser)  # nobody answers, so nothing is applied
    was, is_ = profiles.digest("churn")[:18], profiles.digest("custom")[:18]
    assert (
        "changes to customer-churn-prod-rollout:\n"
        f"Floor   Profile                     churn -> custom\n"
        f"Floor   ProfileSha256               {was} -> {is_}\n"
        f"Floor   LeastLibrary                {least} -> 99.5.0\n"
    ) in shown.output
    assert max(map(len, shown.output.splitlines())) <= 80
    assert in_the_stack() == before
    assert bootstrap_it(monkeypatch, looser, "--yes").exit_code == 0
    assert in_the_stack() == {
        "Profile": "custom", "ProfileSha256": profiles.digest("custom"), "LeastLibrary": "99.5.0",
    }  # fmt: skip


def in_the_stack() -> dict[str, str]:
    """The floors that an account's stack holds versions to."""
    given = bootstrap.parameters(client("cloudformation"), "customer-churn-prod-rollout")
    return {name: given[name] for name in stacks.FLOORS}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"role": f"arn:aws:iam::{ACCOUNT}:role/Own"},
         f"[environments.prod] role: expected arn:aws:iam::{ACCOUNT}:role/customer-churn-prod-pipe"
         f"line, which the stack creates, got 'arn:aws:iam::{ACCOUNT}:role/Own': leave the key"),
        ({"bucket": "own"}, f"[environments.prod] bucket: expected customer-churn-prod-{ACCOUNT}, "
         "which the stack creates, got 'own': leave the key out"),
    ],
)  # fmt: skip
def test_a_role_or_bucket_that_the_stack_does_not_make_is_refused(
    account: None, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], sentence: str
) -> None:
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    done = bootstrap_it(monkeypatch, own(**settings), "--yes")
    assert done.exit_code == 2
    assert sentence in done.output
    assert client("cloudformation").list_stacks()["StackSummaries"] == []


def test_where_nobody_can_answer_the_changes_are_shown_and_nothing_is_left(
    account: None, motos_types: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    done = bootstrap_it(monkeypatch, own())
    assert done.exit_code == 0
    assert "Add     Bucket                      S3::Bucket\n" in done.output
    assert "expected a terminal to ask at, got none: --yes applies the changes\n" in done.output
    assert client("cloudformation").list_change_sets(StackName="x")["Summaries"] == []
    left = client("cloudformation").list_stacks()["StackSummaries"]
    assert [stack["StackStatus"] for stack in left] == ["DELETE_COMPLETE"]
    assert client("s3").list_buckets()["Buckets"] == []


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ("y\ny\ny\n", ["customer-churn-prod: applied", "customer-churn-prod-rollout: applied",
                      "customer-churn-prod: created"]),
        ("y\nn\nn\n", ["customer-churn-prod: applied", "customer-churn-prod-rollout: declined",
                      "customer-churn-prod: declined"]),
        ("n\n", ["customer-churn-prod: declined"]),
    ],
)  # fmt: skip
def test_a_person_is_asked_about_each_stack_and_the_feature_group(
    account: FeatureStore,
    motos_types: None,
    monkeypatch: pytest.MonkeyPatch,
    answers: str,
    said: list[str],
) -> None:
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    monkeypatch.setattr(account_commands, "_is_a_person_there", lambda: True)
    done = bootstrap_it(monkeypatch, own(), text=answers)
    assert done.exit_code == 0, done.output
    assert done.output.count("apply them? [y/N]") == len(said)
    assert re.findall(r"^(?:stack|features) +(.*)$", done.output, re.MULTILINE) == said
    assert bool(account.groups) == (len(said) == 3 and "created" in said[2])


def test_the_feature_group_has_the_columns_of_the_table_the_stacks_role_and_its_key(
    account: FeatureStore, motos_types: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    done = bootstrap_it(monkeypatch, own(), "--yes")
    assert done.exit_code == 0, done.output
    group = account.groups["customer-churn-prod"]
    assert f"Add     {len(group.types)} features, sagemaker_featurestore.customer_churn_prod\n" in (
        done.output
    )
    assert list(group.types)[:3] == ["custid", "event_time", "retained"]
    assert (group.types["retained"], group.types["city"]) == ("Integral", "String")
    assert (group.types["avgorder"], group.types["city_BLR"]) == ("Fractional", "Integral")
    assert group.request["RoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/customer-churn-prod-features"
    assert client("iam").get_role(RoleName="customer-churn-prod-features")
    assert group.request["OfflineStoreConfig"]["S3StorageConfig"] == {
        "S3Uri": f"s3://customer-churn-prod-{ACCOUNT}/customer-churn/feature-store",
        "KmsKeyId": KEY,
    }
    again = bootstrap_it(monkeypatch, own(), "--yes")
    assert (
        "features    customer-churn-prod: unchanged\n"
        "            table sagemaker_featurestore.customer_churn_prod\n"
    ) in again.output


@pytest.mark.parametrize(
    ("file", "features", "line"),
    [
        ("data/churn.csv", Features(group="shared", location="s3://elsewhere/store"),
         "shared: not created, because [features] location is elsewhere"),
        ("data/none.csv", Features(), "customer-churn-prod: not created, because its columns come "
         "from data/none.csv, which is not on this machine"),
    ],
    ids=["elsewhere", "no table"],
)  # fmt: skip
def test_a_group_that_lies_elsewhere_or_whose_table_is_not_here_is_not_made(
    account: FeatureStore, motos_types: None, monkeypatch: pytest.MonkeyPatch,
    file: str, features: Features, line: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    plain = own()
    data = dataclasses.replace(plain.data, file=file)
    done = bootstrap_it(
        monkeypatch, dataclasses.replace(plain, data=data, features=features), "--yes"
    )
    assert done.exit_code == 0, done.output
    assert f"features    {line}\n" in done.output
    assert account.groups == {}


def test_a_table_that_fails_changes_nothing_in_the_account(
    account: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    plain = own()
    columns = {name: column for name, column in plain.data.columns.items() if name != "favday"}
    data = dataclasses.replace(plain.data, label="favday", columns=columns)
    done = bootstrap_it(monkeypatch, dataclasses.replace(plain, data=data), "--yes")
    assert done.exit_code == 2
    assert "'favday': expected 0 or 1" in done.output
    assert client("cloudformation").list_stacks()["StackSummaries"] == []


def test_credentials_of_another_account_change_nothing(
    account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    done = bootstrap_it(monkeypatch, own(account="444455556666"), "--yes")
    assert done.exit_code == 1
    assert "expected credentials of account 444455556666 for [environments.prod], " in done.output
    assert f"got those of {ACCOUNT}; nothing was sent" in done.output
    assert client("cloudformation").list_stacks()["StackSummaries"] == []


# What a deleted stack has left

KEY_ID = KEY.rpartition("/")[2]
LEFT = [
    Import("Bucket", "AWS::S3::Bucket", {"BucketName": f"customer-churn-prod-{ACCOUNT}"}),
    Import("Key", "AWS::KMS::Key", {"KeyId": KEY_ID}),
]


def left_behind(key: str) -> None:
    """A bucket that is encrypted with a key."""
    bucket, s3 = f"customer-churn-prod-{ACCOUNT}", client("s3")
    where = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": by_default}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules)


def test_what_a_deleted_stack_has_left_is_found(account: None) -> None:
    prod = dataclasses.replace(own().environment("prod"), kms_key_arn="")
    session, name = boto3.Session(region_name=REGION), "customer-churn-prod"
    assert leftovers.find(session, prod, name) == []
    key = client("kms").create_key()["KeyMetadata"]
    left_behind(key["Arn"])
    group = client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    logs = f"/aws/sagemaker/Endpoints/{name}"
    client("logs").create_log_group(logGroupName=logs)
    assert leftovers.find(session, prod, name) == [
        LEFT[0],
        Import("Key", "AWS::KMS::Key", {"KeyId": key["KeyId"]}),
        Import("ModelPackageGroup", "AWS::SageMaker::ModelPackageGroup",
               {"ModelPackageGroupArn": group["ModelPackageGroupArn"]}),
        Import("EndpointLogs", "AWS::Logs::LogGroup", {"LogGroupName": logs}),
    ]  # fmt: skip
    with_another = dataclasses.replace(prod, kms_key_arn=KEY)
    assert "Key" not in [one.resource for one in leftovers.find(session, with_another, name)]


def test_a_bucket_whose_key_is_disabled_is_said_before_anything_is_made(
    account: None, motos_types: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    key = client("kms").create_key()["KeyMetadata"]
    client("kms").disable_key(KeyId=key["KeyId"])
    left_behind(key["Arn"])
    done = bootstrap_it(monkeypatch, own(kms_key_arn=""), "--yes")
    assert (done.exit_code, done.output) == (
        1, f"pipeline: the bucket customer-churn-prod-{ACCOUNT} of a deleted stack is encrypted "
        f"with the key {key['Arn']}, which is Disabled: enable it, or delete the bucket\n",
    )  # fmt: skip
    assert client("cloudformation").list_stacks()["StackSummaries"] == []


def test_what_is_left_is_imported_by_a_template_of_that_alone(stub: Stubber) -> None:
    settings = dataclasses.replace(own(), environments={"prod": Environment(ACCOUNT, REGION)})
    whole = stacks.pipeline_stack(settings, settings.environment("prod"), "{}")
    stack = leftovers.importing(whole, LEFT)
    template_ = json.loads(stack.template)
    assert template_["Resources"].keys() == {"Bucket", "Key"} and "Outputs" not in template_
    assert all("DeletionPolicy" in r for r in template_["Resources"].values())  # as an import asks
    stub.add_client_error("describe_stacks", "ValidationError", "Stack does not exist")
    asked = {
        "StackName": stack.name, "ChangeSetName": ANY, "ChangeSetType": "IMPORT",
        "TemplateBody": stack.template, "Capabilities": ANY, "Parameters": ANY, "Tags": ANY,
        "ResourcesToImport": [
            {"ResourceType": one.type, "LogicalResourceId": one.resource,
             "ResourceIdentifier": dict(one.identifier)}
            for one in LEFT
        ],
    }  # fmt: skip
    stub.add_response("create_change_set", {"Id": CHANGE_SET}, asked)
    for _ in range(2):
        stub.add_response("describe_change_set", change_set("CREATE_COMPLETE"))
    stub.add_response("describe_stack_events", {"StackEvents": []})
    stub.add_response("execute_change_set", {}, {"ChangeSetName": CHANGE_SET})
    stub.add_response("describe_stacks", described("IMPORT_COMPLETE"))
    stub.add_response("describe_stack_events", {"StackEvents": []})
    stub.add_response("describe_stacks", described("IMPORT_COMPLETE"))
    done = bootstrap.apply(stub.client, stack, lambda _: True, lambda _: None)
    assert done.status == "applied"


# What starts the pipeline


def scheduled(monkeypatch: pytest.MonkeyPatch, state: str) -> Result:
    with monkeypatch.context() as patched:
        settings = own()
        patched.setattr(pipeline_settings, "load", lambda _: settings)
        return CliRunner().invoke(main.main, ["schedule", state, "--env", "prod"])


def started_by() -> set[str]:
    """What the stacks say of what starts the pipeline, and what the rule is in truth."""
    stacks_ = (bootstrap.parameters(client("cloudformation"), f"customer-churn-prod{suffix}")
               for suffix in ("", "-rollout"))  # fmt: skip
    rule = client("events").describe_rule(Name="customer-churn-prod-rows-arrived")
    return {*(given["Starts"] for given in stacks_), rule["State"]}


def test_the_schedule_is_off_until_the_pipeline_is_there_and_bootstrap_keeps_it_on(
    account: None, motos_types: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    assert bootstrap_it(monkeypatch, own(), "--yes").exit_code == 0
    assert started_by() == {"DISABLED"}
    early = scheduled(monkeypatch, "on")
    assert (early.exit_code, early.output) == (
        1, "pipeline: there is no pipeline customer-churn-prod to start: `pipeline publish --env "
        "prod` first\n",
    )  # fmt: skip
    client("sagemaker").create_pipeline(
        PipelineName="customer-churn-prod", PipelineDefinition="{}", RoleArn=KEY,
        ClientRequestToken="0" * 32,
    )  # fmt: skip
    with recorded_calls(monkeypatch) as calls:
        turned_on = scheduled(monkeypatch, "on")
    assert turned_on.exit_code == 0, turned_on.output
    assert re.search(r"^schedule    on: monthly, next \w{3} \d{4}-\d\d-01 06:00 UTC; new rows ",
                     turned_on.output, re.MULTILINE)  # fmt: skip
    assert started_by() == {"ENABLED"}
    assert calls <= permissions.CALLS["schedule"].keys()
    assert bootstrap_it(monkeypatch, own(), "--yes").exit_code == 0
    assert started_by() == {"ENABLED"}
    turned_off = scheduled(monkeypatch, "off")
    assert turned_off.output.splitlines()[-1] == (
        "schedule    off; new rows do not start the pipeline either"
    )
    assert started_by() == {"DISABLED"}


def test_what_was_on_before_it_could_be_turned_off_stays_on() -> None:
    assert stacks.starts({}) == "DISABLED"
    assert stacks.starts({"Pipeline": "pets"}) == "ENABLED"
    assert stacks.starts({"Starts": "DISABLED"}) == "DISABLED"


def test_there_is_no_schedule_to_turn_on_where_nothing_was_made(
    account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = scheduled(monkeypatch, "off")
    assert (said.exit_code, said.output) == (
        1, "pipeline: there is no stack customer-churn-prod with a parameter Starts: `pipeline "
        "bootstrap --env prod` creates it\n",
    )  # fmt: skip


def test_a_parameter_is_changed_with_the_template_and_the_others_as_they_are(
    stub: Stubber,
) -> None:
    given = [{"ParameterKey": "Pipeline", "ParameterValue": "pets"},
             {"ParameterKey": "Starts", "ParameterValue": "DISABLED"}]  # fmt: skip
    tags = [{"Key": "pipeline", "Value": "pets"}]
    there = described("CREATE_COMPLETE", Parameters=given, Tags=tags)
    for _ in range(3):
        stub.add_response("describe_stacks", there)
    changed = {
        "StackName": STACK.name, "ChangeSetName": ANY, "ChangeSetType": "UPDATE",
        "UsePreviousTemplate": True, "Capabilities": ["CAPABILITY_NAMED_IAM"], "Tags": tags,
        "Parameters": [{"ParameterKey": "Pipeline", "ParameterValue": "pets"},
                       {"ParameterKey": "Starts", "ParameterValue": "ENABLED"}],
    }  # fmt: skip
    stub.add_response("create_change_set", {"Id": CHANGE_SET}, changed)
    stub.add_response("describe_change_set", change_set("FAILED", "didn't contain changes"))
    stub.add_response("delete_change_set", {}, {"ChangeSetName": CHANGE_SET})
    stub.add_response("describe_stacks", there)
    stack = bootstrap.with_parameter(stub.client, STACK.name, "Starts", "ENABLED")
    assert stack is not None
    assert bootstrap.apply(stub.client, stack, lambda _: True, lambda _: None).status == "unchanged"


# What exists once an account


def test_the_second_repository_leaves_what_the_first_one_asked_for(
    signed_in: None,
) -> None:
    notify = dataclasses.replace(own(), notify=Notify("team@example.com"))
    first = stacks.account_stack(notify, Environment(ACCOUNT, REGION, monthly_budget=500), {})
    assert first.parameters["HasGitHub"] == "no"
    with_github = Environment(ACCOUNT, REGION, github_repository="our/churn")
    second = stacks.account_stack(own(), with_github, first.parameters)
    assert second.name == first.name
    assert second.parameters == {
        "HasGitHub": "yes", "MonthlyBudget": "500", "NotifyEmail": "team@example.com",
    }  # fmt: skip


def test_an_account_that_nothing_is_asked_for_is_refused() -> None:
    with pytest.raises(
        SettingsError, match="expected github_repository or monthly_budget, got neither"
    ):
        stacks.account_stack(own(), Environment(ACCOUNT, REGION, name="prod"), {})
    with pytest.raises(SettingsError, match=r"\[notify\] email: expected an e-mail address"):
        stacks.account_stack(own(), Environment(ACCOUNT, REGION, monthly_budget=5), {})


# What moto does not imitate: botocore's Stubber holds each answer to the service's own model


@pytest.fixture
def stub(signed_in: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    monkeypatch.setattr(bootstrap, "POLL_SECONDS", 0.0)
    cloudformation = client("cloudformation")
    with Stubber(cloudformation) as stubber:
        stubber.client = cloudformation
        yield stubber
        stubber.assert_no_pending_responses()


def described(status: str, **more: Any) -> dict[str, Any]:
    stack = {"StackName": STACK.name, "CreationTime": datetime.now(tz=UTC), "StackStatus": status}
    return {"Stacks": [stack | more]}


def change_set(status: str, reason: str = "", *changes: dict[str, Any]) -> dict[str, Any]:
    resource_changes = [{"Type": "Resource", "ResourceChange": change} for change in changes]
    return {"Status": status, "StatusReason": reason, "Changes": resource_changes}


def event(number: int, resource: str, status: str, reason: str = "") -> dict[str, Any]:
    return {
        "StackId": "arn:stack", "EventId": str(number), "StackName": STACK.name,
        "Timestamp": datetime.now(tz=UTC), "LogicalResourceId": resource,
        "ResourceStatus": status, "ResourceStatusReason": reason,
    }  # fmt: skip


def follows(stub: Stubber, status: str, *events: dict[str, Any]) -> None:
    """The stack's status, then all of its events, which CloudFormation tells newest first."""
    stub.add_response("describe_stacks", described(status), {"StackName": STACK.name})
    stub.add_response("describe_stack_events", {"StackEvents": list(reversed(events))})


def agreed_to(stub: Stubber, status: str, *changes: dict[str, Any]) -> None:
    """All calls up to the change set's execution."""
    stub.add_response("describe_stacks", described(status), {"StackName": STACK.name})
    made = {
        "StackName": STACK.name, "ChangeSetName": ANY, "ChangeSetType": "UPDATE",
        "TemplateBody": STACK.template, "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Parameters": [{"ParameterKey": "Pipeline", "ParameterValue": "pets"}],
        "Tags": [{"Key": "pipeline", "Value": "pets"}],
    }  # fmt: skip
    stub.add_response("create_change_set", {"Id": CHANGE_SET}, made)
    stub.add_response("describe_change_set", change_set("CREATE_IN_PROGRESS"))
    stub.add_response("describe_change_set", change_set("CREATE_COMPLETE"))
    first, second = changes[:1], changes[1:]
    page = change_set("CREATE_COMPLETE", "", *first) | {"NextToken": "more"}
    stub.add_response("describe_change_set", page)
    stub.add_response("describe_change_set", change_set("CREATE_COMPLETE", "", *second))
    stub.add_response("describe_stack_events", {"StackEvents": [event(1, "Old", "UPDATE_FAILED")]})
    stub.add_response("execute_change_set", {}, {"ChangeSetName": CHANGE_SET})


CHANGE_SET = "arn:aws:cloudformation:eu-west-1:111122223333:changeSet/x/1"
MODIFIED = {
    "Action": "Modify", "LogicalResourceId": "Bucket", "ResourceType": "AWS::S3::Bucket",
    "Replacement": "True",
}  # fmt: skip
REMOVED = {"Action": "Remove", "LogicalResourceId": "Old", "ResourceType": "AWS::SQS::Queue"}
OLD = event(1, "Old", "UPDATE_FAILED")


def test_changes_of_all_pages_are_shown_and_new_events_told_until_the_stack_is_done(
    stub: Stubber,
) -> None:
    agreed_to(stub, "UPDATE_COMPLETE", MODIFIED, REMOVED)
    begun = event(2, "Bucket", "UPDATE_IN_PROGRESS")
    follows(stub, "UPDATE_IN_PROGRESS", OLD, begun)
    done = event(3, "Bucket", "UPDATE_COMPLETE")
    follows(stub, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", OLD, begun, done)
    follows(stub, "UPDATE_COMPLETE", OLD, begun, done)
    output = {"OutputKey": "BucketName", "OutputValue": "pets"}
    stub.add_response("describe_stacks", described("UPDATE_COMPLETE", Outputs=[output]))
    asked: list[Change] = []
    told: list[Event] = []

    def agreed(changes: list[Change]) -> bool:
        asked.extend(changes)
        return True

    applied = bootstrap.apply(stub.client, STACK, agreed, told.append)
    assert applied == Applied("applied", {"BucketName": "pets"})
    assert [change.line for change in asked] == [
        f"{'Modify':<8}{'Bucket':<28}{'S3::Bucket':<34}replaced",
        f"{'Remove':<8}{'Old':<28}SQS::Queue",
    ]
    assert told == [
        Event("Bucket", "UPDATE_IN_PROGRESS", ""),
        Event("Bucket", "UPDATE_COMPLETE", ""),
    ]


def test_a_failed_change_says_the_first_resources_reason_and_that_it_was_undone(
    stub: Stubber,
) -> None:
    agreed_to(stub, "UPDATE_COMPLETE")
    cancelled = event(2, "Topic", "UPDATE_FAILED", "Resource update cancelled")
    failed = event(3, "Role", "UPDATE_FAILED", "no such\n  boundary")
    later = event(4, "Key", "UPDATE_FAILED", "another")
    follows(stub, "UPDATE_ROLLBACK_IN_PROGRESS", OLD, cancelled, failed)
    follows(stub, "UPDATE_ROLLBACK_COMPLETE", OLD, cancelled, failed, later)
    with pytest.raises(AccountError) as refused:
        bootstrap.apply(stub.client, STACK, lambda _: True, lambda _: None)
    assert str(refused.value) == (
        "the change of pets-prod failed and was rolled back; Role: no such boundary"
    )


def test_a_change_set_that_cannot_be_made_is_removed_and_says_why(stub: Stubber) -> None:
    stub.add_response("describe_stacks", described("CREATE_COMPLETE"))
    stub.add_response("create_change_set", {"Id": CHANGE_SET})
    stub.add_response("describe_change_set", change_set("FAILED", "Template error: no Role"))
    stub.add_response("delete_change_set", {}, {"ChangeSetName": CHANGE_SET})
    with pytest.raises(AccountError, match="a change set of pets-prod: Template error: no Role"):
        bootstrap.apply(stub.client, STACK, lambda _: True, lambda _: None)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("ROLLBACK_COMPLETE", "delete it by `aws cloudformation delete-stack --stack-name pets"),
        ("UPDATE_ROLLBACK_FAILED", "`aws cloudformation continue-update-rollback --stack-name"),
        ("DELETE_FAILED", "it could not be deleted; delete it by"),
        ("UPDATE_IN_PROGRESS", "another change to it is in progress; wait until it ends"),
    ],
)
def test_a_stack_that_takes_no_change_says_what_to_do(
    stub: Stubber, status: str, sentence: str
) -> None:
    stub.add_response("describe_stacks", described(status))
    with pytest.raises(AccountError) as refused:
        bootstrap.apply(stub.client, STACK, lambda _: True, lambda _: None)
    assert str(refused.value).startswith(f"the stack pets-prod is in {status}: ")
    assert sentence in str(refused.value)


def test_a_stack_left_in_review_is_gone_on_with_and_not_deleted_when_declined(
    stub: Stubber,
) -> None:
    stub.add_response("describe_stacks", described("REVIEW_IN_PROGRESS"))
    wanted = {"ChangeSetType": "CREATE"} | dict.fromkeys(
        ("StackName", "ChangeSetName", "TemplateBody", "Capabilities", "Parameters", "Tags"), ANY
    )
    stub.add_response("create_change_set", {"Id": CHANGE_SET}, wanted)
    stub.add_response("describe_change_set", change_set("CREATE_COMPLETE"))
    stub.add_response("describe_change_set", change_set("CREATE_COMPLETE", "", MODIFIED))
    stub.add_response("delete_change_set", {}, {"ChangeSetName": CHANGE_SET})
    applied = bootstrap.apply(stub.client, STACK, lambda _: False, lambda _: None)
    assert applied.status == "declined"


def test_what_never_ends_is_left_to_go_on_in_the_account(
    stub: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed_to(stub, "UPDATE_COMPLETE")
    times = iter([0.0, 0.0, 1.0, 0.0, 1.0, 4000.0])
    monkeypatch.setattr(bootstrap.time, "monotonic", lambda: next(times))
    follows(stub, "UPDATE_IN_PROGRESS", OLD)
    with pytest.raises(
        AccountError, match="not complete after 60 minutes; it continues in the account"
    ):
        bootstrap.apply(stub.client, STACK, lambda _: True, lambda _: None)


# Which calls are made


def test_the_calls_of_bootstrap_are_those_of_the_table(
    account: FeatureStore, motos_types: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "definition", lambda *_: "{}")
    left_behind(client("kms").create_key()["KeyMetadata"]["Arn"])
    keyless = dataclasses.replace(own().environment("prod"), kms_key_arn="")
    with recorded_calls(monkeypatch) as looked:
        leftovers.find(boto3.Session(region_name=REGION), keyless, "customer-churn-prod")
    client("s3").delete_bucket(Bucket=f"customer-churn-prod-{ACCOUNT}")
    with recorded_calls(monkeypatch) as calls:
        bootstrap_it(monkeypatch, own())  # declined
        bootstrap_it(monkeypatch, own(), "--yes")
        bootstrap_it(monkeypatch, own(), "--yes")  # unchanged
        group = account.groups["customer-churn-prod"].request
        group["FeatureDefinitions"] = group["FeatureDefinitions"][:-1]
        bootstrap_it(monkeypatch, own(), "--yes")  # adds a feature
    assert looked | calls == permissions.CALLS["bootstrap"].keys()
