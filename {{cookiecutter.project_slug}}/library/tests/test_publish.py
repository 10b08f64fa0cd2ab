"""Publishing: what reaches an account, what is left alone there, and what each refusal says.

The account is moto's; every request passes botocore's own validation first.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.stub import Stubber
from click.testing import CliRunner, Result
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

from accounts import ACCOUNT, REGION, recorded_calls, sign_in
from ninesteps.cli import here, main
from ninesteps.definition import published as places
from ninesteps.errors import AccountError, SettingsError
from ninesteps.infrastructure import feature_groups, permissions, publish, stacks, workgroups
from ninesteps.infrastructure.publish import Published
from ninesteps.repository import origin, readme, vendor
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings

ROOT = Path(__file__).resolve().parents[2]

PROD = Environment(ACCOUNT, REGION, bucket="models", name="prod")
CODE = {
    "s3://models/pets/code/0a1b/process.py": b"1",
    "s3://models/pets/code/0a1b/dataset.py": b"2",
    "s3://models/pets/code/2c3d/sourcedir.tar.gz": b"3",
}
DEFINITION = json.dumps({"Version": "2020-12-01", "Steps": []})


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sign_in(monkeypatch, tmp_path)


@pytest.fixture
def account(signed_in: None) -> Iterator[None]:
    """An account with the bucket and nothing else."""
    with mock_aws():
        where = {"LocationConstraint": REGION}
        client("s3").create_bucket(Bucket="models", CreateBucketConfiguration=where)
        yield


def client(service: str) -> Any:
    return boto3.client(
        service, region_name=REGION, config=Config(retries={"total_max_attempts": 1})
    )


def described(name: str = "pets") -> dict[str, Any]:
    found: dict[str, Any] = client("sagemaker").describe_pipeline(PipelineName=name)
    del found["ResponseMetadata"]
    return found


def objects() -> dict[str, Any]:
    """The bucket's keys, each with when it was written."""
    keys = every_object()
    return {key: at for key, at in keys.items() if "/origins/" not in key}


def every_object() -> dict[str, Any]:
    found = client("s3").list_objects_v2(Bucket="models")
    return {item["Key"]: item["LastModified"] for item in found.get("Contents", [])}


RECORD = (f"{places.origins('pets', DEFINITION)}now.json", b'{"at": "now"}')


def test_no_execution_begins_before_there_is_a_record_of_where_its_code_came_from(
    account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> str:
        raise AccountError("refused")

    monkeypatch.setattr(publish, "_put_pipeline", refused)
    with pytest.raises(AccountError):
        publish.publish("pets", DEFINITION, CODE, PROD, RECORD)
    key, content = RECORD
    assert client("s3").get_object(Bucket="models", Key=key)["Body"].read() == content
    respaced = json.dumps(json.loads(DEFINITION), indent=4)
    assert places.origins("pets", respaced) == places.origins("pets", DEFINITION)
    assert places.origins("pets", '{"Steps": [1]}') != places.origins("pets", DEFINITION)


def test_code_and_definition_are_put_once_and_then_left_alone(account: None) -> None:
    assert publish.publish("pets", DEFINITION, CODE, PROD, RECORD) == Published(3, 0, "created")
    body = client("s3").get_object(Bucket="models", Key="pets/code/2c3d/sourcedir.tar.gz")["Body"]
    assert body.read() == b"3"
    found, put = described(), objects()
    assert json.loads(found["PipelineDefinition"]) == json.loads(DEFINITION)
    assert found["RoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/SageMakerPipelineRole"
    tags = client("sagemaker").list_tags(ResourceArn=found["PipelineArn"])["Tags"]
    assert tags == [{"Key": "pipeline", "Value": "pets"}]

    respaced = json.dumps(json.loads(DEFINITION), indent=4)
    assert publish.publish("pets", respaced, CODE, PROD, RECORD) == Published(0, 3, "unchanged")
    assert (described(), objects()) == (found, put)


def test_what_is_new_is_put_and_the_pipeline_updated(account: None) -> None:
    publish.publish("pets", DEFINITION, CODE, PROD, RECORD)
    put = objects()
    more = {**CODE, "s3://models/pets/code/4e5f/clarify.py": b"4"}
    changed = DEFINITION.replace("[]", "[{}]")
    assert publish.publish("pets", changed, more, PROD, RECORD) == Published(1, 3, "updated")
    assert described()["PipelineDefinition"] == changed
    assert put.items() <= objects().items()
    assert objects().keys() - put.keys() == {"pets/code/4e5f/clarify.py"}


def test_the_calls_of_publish_are_those_of_the_table(
    account: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(sagemaker: Any) -> None:
        feature_groups.check(sagemaker, settings, settings.environment("prod"))

    with recorded_calls(monkeypatch) as calls:
        publish.outputs("pets", PROD)
        workgroups.check(settings, settings.environment("prod"))
        for definition in (DEFINITION, DEFINITION, DEFINITION.replace("[]", "[{}]")):
            publish.publish("pets", definition, CODE, PROD, RECORD, check)
    assert calls == permissions.CALLS["publish"].keys()


def test_another_role_is_an_update_too(account: None) -> None:
    publish.publish("pets", DEFINITION, CODE, PROD, RECORD)
    role = f"arn:aws:iam::{ACCOUNT}:role/Another"
    other = dataclasses.replace(PROD, role=role)
    assert publish.publish("pets", DEFINITION, CODE, other, RECORD).pipeline == "updated"
    assert described()["RoleArn"] == role


def test_what_was_half_put_is_finished(account: None) -> None:
    client("s3").put_object(Bucket="models", Key="pets/code/0a1b/process.py", Body=b"1")
    assert publish.publish("pets", DEFINITION, CODE, PROD, RECORD) == Published(2, 1, "created")


def refusal(definition: str = DEFINITION, environment: Environment = PROD) -> str:
    with pytest.raises(AccountError) as refused:
        publish.publish("pets", definition, CODE, environment, RECORD)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_credentials_of_another_account_send_nothing(account: None) -> None:
    other = dataclasses.replace(PROD, account="444455556666")
    assert refusal(environment=other) == (
        "expected credentials of account 444455556666 for [environments.prod], got those of "
        f"{ACCOUNT}; nothing was sent"
    )
    assert objects() == {}


def test_a_bucket_of_another_account_is_neither_read_nor_written(
    account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto does not look at the owner that a request expects, and S3 does: so at the requests."""
    asked: dict[str, dict[str, Any]] = {}
    call = BaseClient._make_api_call

    def noted(self: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        asked[operation] = parameters
        return call(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    publish.publish("pets", DEFINITION, CODE, PROD, RECORD)
    for operation in ("ListObjectsV2", "PutObject"):
        assert asked[operation]["ExpectedBucketOwner"] == ACCOUNT


def test_no_bucket_is_said_and_no_pipeline_made(account: None) -> None:
    said = refusal(environment=dataclasses.replace(PROD, bucket="nowhere"))
    assert said.startswith("AWS refused ListObjectsV2: NoSuchBucket: ")
    assert "`pipeline bootstrap` creates it" in said
    assert client("sagemaker").list_pipelines()["PipelineSummaries"] == []


def test_no_credentials_are_said(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    assert refusal().startswith(
        "no credentials for AWS were found; sign in, for example with `aws sso"
    )


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        (("s3:ListBucket",), "PutObject"),
        (("s3:*",), "DescribePipeline"),
        (("s3:*", "sagemaker:DescribePipeline"), "CreatePipeline"),
    ],
)
def test_what_a_role_may_not_do_is_named(
    account: None, monkeypatch: pytest.MonkeyPatch, allowed: tuple[str, ...], refused: str
) -> None:
    """moto's own reading of a user's policies."""
    iam, user = client("iam"), "publisher"
    iam.create_user(UserName=user)
    actions = ["sts:GetCallerIdentity", *allowed]  # which AWS gives to everybody
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=user, PolicyName="publish", PolicyDocument=policy)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    said = set_initial_no_auth_action_count(0)(refusal)()
    assert said.startswith(f"AWS refused {refused}: ")
    assert "AccessDenied" in said
    assert said.endswith("; README.md lists what the role needs")


def test_a_definition_that_botocore_would_not_send_is_a_sentence(account: None) -> None:
    said = refusal(definition="")
    assert said.startswith("the request to AWS failed: Parameter validation failed: Invalid length")


def test_an_account_that_cannot_be_reached_is_a_sentence(
    signed_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert refusal().startswith("the request to AWS failed: Could not connect to the endpoint URL")


# The command


def feature_group(settings: Settings) -> dict[str, Any]:
    """The feature group of an environment, made; what is to be set of what the account chose."""
    group = f"{settings.project.pipeline}-prod"
    record_id = settings.data.stored_name(settings.data.record_id)
    names = (record_id, "event_time")
    client("sagemaker").create_feature_group(
        FeatureGroupName=group,
        RecordIdentifierFeatureName=record_id,
        EventTimeFeatureName="event_time",
        FeatureDefinitions=[{"FeatureName": name, "FeatureType": "String"} for name in names],
        OfflineStoreConfig={"S3StorageConfig": {"S3Uri": "s3://models/store"}},
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/store",
    )
    made = client("sagemaker").describe_feature_group(FeatureGroupName=group)
    table = made["OfflineStoreConfig"]["DataCatalogConfig"]["TableName"]
    return {"table": table, "location": "s3://models/store"}


@pytest.fixture
def settings(account: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """This repository's settings with an environment that has its feature group, and nothing that
    needs a wheel, in a folder of its own with a README that says so and a lock that takes the
    library from an index."""
    own = pipeline_settings.load(ROOT)
    if not own.data.file:
        pytest.skip("pipeline.toml names no table yet")
    chosen = dataclasses.replace(
        own,
        environments={"prod": dataclasses.replace(PROD, name="", features=feature_group(own))},
        tuning=dataclasses.replace(own.tuning, algorithms=("xgboost",)),
    )
    shutil.copyfile(ROOT / readme.NAME, tmp_path / readme.NAME)
    readme.write(tmp_path, chosen)
    (tmp_path / vendor.LOCK).touch()
    monkeypatch.setattr(here, "root", lambda: tmp_path)
    monkeypatch.setattr(pipeline_settings, "load", lambda root: chosen)
    return chosen


def published(*arguments: str, status: int = 0) -> Result:
    done = CliRunner().invoke(main.main, ["publish", *arguments])
    assert done.exit_code == status, done.output
    return done


def test_the_command_publishes_what_compile_writes_with_all_the_code_that_it_names(
    account: None, settings: Settings
) -> None:
    from ninesteps.runs import compiled
    from ninesteps.step_code import bundle as step_code

    name, prod = settings.project.pipeline, settings.environment("prod")
    text = compiled.definition(settings, prod)
    put = len(step_code.code_objects(settings, prod)) + 2  # settings and lock
    assert published("--env", "prod").stdout == (
        f"code        {put} objects put, 0 were there already\n"
        f"pipeline    created in {REGION} of account {ACCOUNT}\n"
        "commit      not known: this folder is not in a git repository\n"
    )
    assert described(f"{name}-prod")["PipelineDefinition"] == text
    keys = {f"s3://models/{key}" for key in objects()}
    named = set(re.findall(r"s3://models/[^\"]+/code/[^\"]+", text))
    assert named
    for uri in named:
        assert uri in keys or any(key.startswith(f"{uri}/") for key in keys), uri
    assert published("--env", "prod").stdout == (
        f"code        0 objects put, {put} were there already\n"
        f"pipeline    unchanged in {REGION} of account {ACCOUNT}\n"
        "commit      not known: this folder is not in a git repository\n"
    )
    records = [key for key in every_object() if key.startswith(places.origins(name, text))]
    assert records, "each time that it is published"
    content = json.loads(client("s3").get_object(Bucket="models", Key=records[0])["Body"].read())
    assert content["repository"]["unknown"] == "this folder is not in a git repository"
    assert content["library_sha256"] == origin.library_digest() and "table" not in content


def made(name: str, **outputs: str) -> None:
    """A stack that tells what it has made."""
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {key: {"Value": value} for key, value in outputs.items()},
    }
    client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))


def test_the_definition_has_the_key_that_the_stack_made_and_a_start_compares_it_with_that(
    account: None, settings: Settings
) -> None:
    from ninesteps.runs import compiled

    name, prod = settings.project.pipeline, settings.environment("prod")
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd"
    made(f"{name}-prod", BucketName="models", KeyArn=key)
    published("--env", "prod")
    there = described(f"{name}-prod")["PipelineDefinition"]
    keyed = dataclasses.replace(prod, kms_key_arn=key)
    assert there == compiled.definition(settings, keyed) != compiled.definition(settings, prod)
    assert stacks.as_published(prod, json.loads(there)) == keyed
    other = dataclasses.replace(prod, kms_key_arn=f"{key}0")
    assert stacks.as_published(other, json.loads(there)) == other


def test_a_bucket_that_the_stack_did_not_make_is_refused(account: None, settings: Settings) -> None:
    made(f"{settings.project.pipeline}-prod", BucketName="other")
    said = published("--env", "prod", status=1).stderr
    assert said == (
        "pipeline: expected the bucket other, which the stack created, as [environments.prod] "
        "bucket, got 'models': leave the key out\n"
    )
    assert objects() == {}


@pytest.mark.parametrize("name", ["local", "test"])
def test_an_environment_that_stands_for_no_account_is_refused(
    settings: Settings, name: str
) -> None:
    said = published("--env", name, status=2).stderr
    assert said == (f"pipeline: pipeline.toml environments: expected one of prod, got {name!r}\n")


def test_nothing_is_sent_while_the_check_finds_something(
    account: None, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "pipeline.toml.rej").write_text("@@ -1 +1 @@\n", encoding="utf-8")
    (tmp_path / readme.NAME).write_text(f"{readme.BEGIN}\nold\n{readme.END}\n", encoding="utf-8")
    lines = published("--env", "prod", status=2).stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("pipeline: pipeline.toml.rej: a change that an update could not")
    assert lines[1].startswith("pipeline: README.md: differs from pipeline.toml")
    assert objects() == {}
    assert client("sagemaker").list_pipelines()["PipelineSummaries"] == []


def test_nothing_is_sent_of_a_definition_that_the_check_refuses(
    account: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ninesteps.runs import compiled

    text = compiled.definition(settings, settings.environment("prod"))
    wrong = text.replace('"PendingManualApproval"', '"Approved"')
    assert wrong != text
    monkeypatch.setattr(compiled, "definition", lambda *_: wrong)
    assert published("--env", "prod", status=2).stderr.startswith("pipeline: step Register")
    assert objects() == {}


def test_nothing_is_sent_while_the_feature_group_is_another(
    account: None, settings: Settings
) -> None:
    settings.environments["prod"].features["event_time"] = "at"
    assert published("--env", "prod", status=2).stderr == (
        "pipeline: pipeline.toml [features] event_time: expected 'event_time', which the feature "
        f"group {settings.project.pipeline}-prod has in prod, got 'at'\n"
    )
    assert objects() == {}


@pytest.mark.parametrize(
    ("configuration", "fault"),
    [
        ({"EnforceWorkGroupConfiguration": True,
          "ResultConfiguration": {"OutputLocation": "s3://answers/all/"}},
         "which keeps every answer below s3://answers/all/"),
        ({"EnforceWorkGroupConfiguration": False,
          "ManagedQueryResultsConfiguration": {"Enabled": True}},
         "which keeps answers in Athena's own storage"),
    ],
)  # fmt: skip
def test_nothing_is_sent_while_the_workgroup_takes_no_such_query(
    account: None, settings: Settings, configuration: dict[str, Any], fault: str
) -> None:
    settings.environments["prod"].features["workgroup"] = "science"
    client("athena").create_work_group(Name="science", Configuration=configuration)
    said = published("--env", "prod", status=2).stderr
    assert said.startswith("pipeline: pipeline.toml [features] workgroup: expected a workgroup ")
    assert said.endswith(f"got 'science', {fault}\n")
    assert objects() == {}


def test_a_workgroup_that_is_not_there_is_a_sentence(
    account: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    athena = client("athena")
    signed_in = SimpleNamespace(client=lambda service: athena)
    monkeypatch.setattr(workgroups.account, "session", lambda environment: signed_in)
    with Stubber(athena) as stubbed:
        said = "WorkGroup primary is not found."
        stubbed.add_client_error("get_work_group", "InvalidRequestException", said)
        with pytest.raises(SettingsError, match="got 'primary', which does not exist"):
            workgroups.check(settings, settings.environment("prod"))


def test_a_workgroup_that_lets_queries_decide_is_fine(account: None, settings: Settings) -> None:
    settings.environments["prod"].features["workgroup"] = "science"
    own = {"OutputLocation": "s3://answers/all/"}
    client("athena").create_work_group(
        Name="science",
        Configuration={"EnforceWorkGroupConfiguration": False, "ResultConfiguration": own},
    )
    workgroups.check(settings, settings.environment("prod"))


def test_a_refusal_of_aws_ends_the_command_with_one_sentence(
    account: None, settings: Settings
) -> None:
    client("s3").delete_bucket(Bucket="models")
    said = published("--env", "prod", status=1).stderr
    assert said.startswith("pipeline: AWS refused ListObjectsV2: NoSuchBucket: ")
    assert said.count("\n") == 1
