"""What `pipeline publish` asks an account about the feature group, and what it refuses.

The answers pass botocore's own validation: a key that the service does not have is an error.
"""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from accounts import ACCOUNT, REGION
from ninesteps.errors import AccountError, SettingsError
from ninesteps.infrastructure import feature_groups
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings

ROOT = Path(__file__).resolve().parents[2]

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd"


def own(**features: Any) -> Settings:
    """The settings of this repository, with an environment and its features."""
    prod = Environment(ACCOUNT, REGION, features=features)
    settings = pipeline_settings.load(ROOT)
    if not settings.data.file:
        pytest.skip("pipeline.toml names no table yet")
    return dataclasses.replace(settings, environments={"prod": prod})


def answer(settings: Settings) -> dict[str, Any]:
    """What the service says of the group that those settings name."""
    prod, data = settings.account_environment("prod"), settings.data
    features = settings.features_of(prod)
    record_id = data.stored_name(data.record_id)
    place = f"s3://{prod.bucket_name}/{settings.project.pipeline}/feature-store"
    resolved = f"{place}/{ACCOUNT}/sagemaker/{REGION}/offline-store/{features.group}-17/data"
    return {
        "FeatureGroupArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:feature-group/{features.group}",
        "FeatureGroupName": features.group,
        "RecordIdentifierFeatureName": record_id,
        "EventTimeFeatureName": "event_time",
        "FeatureDefinitions": [
            {"FeatureName": record_id, "FeatureType": "String"},
            {"FeatureName": "event_time", "FeatureType": "String"},
        ],
        "CreationTime": 1767225600,
        "NextToken": "",
        "FeatureGroupStatus": "Created",
        "OfflineStoreConfig": {
            "S3StorageConfig": {"S3Uri": place, "ResolvedOutputS3Uri": resolved},
            "DataCatalogConfig": {
                "TableName": features.group.replace("-", "_").lower(),
                "Catalog": "AwsDataCatalog",
                "Database": "sagemaker_featurestore",
            },
        },
    }


def check(settings: Settings, said: dict[str, Any]) -> None:
    client = boto3.client("sagemaker", region_name=REGION)
    prod = settings.account_environment("prod")
    with Stubber(client) as stubbed:
        asked = {"FeatureGroupName": settings.features_of(prod).group}
        stubbed.add_response("describe_feature_group", said, asked)
        feature_groups.check(client, settings, prod)


def refusal(settings: Settings, said: dict[str, Any]) -> str:
    with pytest.raises((AccountError, SettingsError)) as refused:
        check(settings, said)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def changed(said: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    *outer, last = path.split(".")
    said = place = copy.deepcopy(said)
    for key in outer:
        place = place[key]
    place[last] = value
    return said


def test_the_group_that_the_settings_name_is_taken() -> None:
    settings = own()
    assert settings.features_of(settings.account_environment("prod")).group.endswith("-prod")
    check(settings, answer(settings))


CATALOG = "OfflineStoreConfig.DataCatalogConfig"


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        (f"{CATALOG}.TableName", "churn-1767225600", "table"),
        (f"{CATALOG}.Database", "features", "database"),
        (f"{CATALOG}.Catalog", "shared", "catalog"),
        ("OfflineStoreConfig.S3StorageConfig.ResolvedOutputS3Uri", "s3://lake/a/data", "location"),
    ],
)
def test_what_the_account_has_otherwise_is_named_with_the_key(
    path: str, value: str, key: str
) -> None:
    settings = own()
    said = refusal(settings, changed(answer(settings), path, value))
    assert said.startswith(f"features {key}: expected {value!r}, which the feature group ") or (
        f"[features] {key}: expected {value!r}, which the feature group " in said
    )


def test_the_keys_that_are_named_are_those_to_set() -> None:
    """An automatically made table, moments in seconds, in another bucket under another key."""
    settings = own(
        table="churn-1767225600", event_time="at", event_time_type="fractional",
        location="s3://lake/store", kms_key_arn=KEY,
    )  # fmt: skip
    said = answer(settings)
    for path, value in (
        (f"{CATALOG}.TableName", "churn-1767225600"),
        ("EventTimeFeatureName", "at"),
        ("FeatureDefinitions", [{"FeatureName": "at", "FeatureType": "Fractional"}]),
        ("OfflineStoreConfig.S3StorageConfig.ResolvedOutputS3Uri", "s3://lake/store/x-17/data"),
        ("OfflineStoreConfig.S3StorageConfig.KmsKeyId", KEY),
    ):
        said = changed(said, path, value)
    check(settings, said)
    check(settings, changed(said, "OfflineStoreConfig.S3StorageConfig.KmsKeyId", "1234abcd"))
    said = changed(said, "OfflineStoreConfig.S3StorageConfig.KmsKeyId", "5678ef")
    assert "kms_key_arn: expected '5678ef'" in refusal(settings, said)


def test_moments_of_another_type_are_refused() -> None:
    settings = own()
    said = changed(answer(settings), "FeatureDefinitions", [
        {"FeatureName": "event_time", "FeatureType": "Fractional"},
    ])  # fmt: skip
    assert "event_time_type: expected 'fractional'" in refusal(settings, said)


def test_another_record_id_is_refused() -> None:
    settings = own()
    said = refusal(settings, changed(answer(settings), "RecordIdentifierFeatureName", "id"))
    assert "[data] record_id: expected 'id', the record identifier of the feature group" in said


def test_a_group_that_is_not_ready_is_refused_with_the_reason() -> None:
    settings = own()
    said = changed(answer(settings), "FeatureGroupStatus", "CreateFailed")
    said["FailureReason"] = "no role"
    assert refusal(settings, said).endswith(
        "expected the status Created, got CreateFailed (no role)"
    )


def test_a_group_without_an_offline_store_is_refused() -> None:
    settings = own()
    said = answer(settings)
    del said["OfflineStoreConfig"]
    assert refusal(settings, said).endswith("has no offline store to train from")


@pytest.mark.parametrize(
    ("features", "advice"),
    [({}, "`pipeline bootstrap --env prod` creates it"),
     ({"location": "s3://lake/store"},
      "its owner creates it, or `group` in [features] names another")],
)  # fmt: skip
def test_a_group_that_is_not_there_is_one_sentence(features: dict[str, Any], advice: str) -> None:
    settings = own(**features)
    client = boto3.client("sagemaker", region_name=REGION)
    with Stubber(client) as stubbed, pytest.raises(AccountError) as refused:
        stubbed.add_client_error("describe_feature_group", "ResourceNotFound")
        feature_groups.check(client, settings, settings.account_environment("prod"))
    group = settings.features_of(settings.account_environment("prod")).group
    assert str(refused.value) == (
        f"there is no feature group {group} in {REGION} of account {ACCOUNT}; {advice}"
    )


# Groups that other repositories own

SHARED = {
    "pay": {
        "group": "hr-prod", "columns": ["salary"], "record_id": "employee", "event_time": "at",
        "event_time_type": "fractional", "location": "s3://hr-lake/store",
    }
}  # fmt: skip


def shared_answer() -> dict[str, Any]:
    said = answer(own())
    said |= {"FeatureGroupName": "hr-prod", "RecordIdentifierFeatureName": "employee",
             "EventTimeFeatureName": "at", "FeatureDefinitions": [
                 {"FeatureName": "employee", "FeatureType": "String"},
                 {"FeatureName": "at", "FeatureType": "Fractional"},
                 {"FeatureName": "salary", "FeatureType": "Integral"}]}  # fmt: skip
    said["OfflineStoreConfig"]["DataCatalogConfig"]["TableName"] = "hr_prod"
    said["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"] = (
        "s3://hr-lake/store/1/data"
    )
    return said


def check_both(settings: Settings, second: dict[str, Any]) -> None:
    client = boto3.client("sagemaker", region_name=REGION)
    prod = settings.account_environment("prod")
    with Stubber(client) as stubbed:
        group = settings.features_of(prod).group
        stubbed.add_response(
            "describe_feature_group", answer(settings), {"FeatureGroupName": group}
        )
        stubbed.add_response("describe_feature_group", second, {"FeatureGroupName": "hr-prod"})
        feature_groups.check(client, settings, prod)
        stubbed.assert_no_pending_responses()


def test_a_group_that_another_repository_owns_is_compared_too() -> None:
    check_both(own(groups=SHARED), shared_answer())


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("RecordIdentifierFeatureName", "id", "record_id: expected 'id', which the feature group "),
        ("EventTimeFeatureName", "salary", "event_time: expected 'salary'"),
        (f"{CATALOG}.TableName", "hr-1767225600", "table: expected 'hr-1767225600'"),
        ("OfflineStoreConfig.S3StorageConfig.ResolvedOutputS3Uri", "s3://x/y", "location: expect"),
        ("FeatureDefinitions", [{"FeatureName": "at", "FeatureType": "Fractional"}],
         "columns: expected 'at', which"),
        ("FeatureDefinitions", [{"FeatureName": "at", "FeatureType": "Fractional"},
                                {"FeatureName": "salary", "FeatureType": "String"}],
         "columns: expected 'at', which"),
    ],
)  # fmt: skip
def test_what_is_otherwise_there_is_named_with_the_groups_key(
    path: str, value: Any, words: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        check_both(own(groups=SHARED), changed(shared_answer(), path, value))
    assert f"[features.groups.pay] {words}" in str(refused.value)
