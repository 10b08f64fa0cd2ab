"""A pipeline's own feature group in an account: made, compared, added to, or refused with why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from moto import mock_aws

from accounts import ACCOUNT, REGION, sign_in
from ninesteps.errors import AccountError
from ninesteps.feature_store.records import FeatureGroup
from ninesteps.infrastructure import own_feature_group
from ninesteps.infrastructure.own_feature_group import Place, ensure
from ninesteps.settings.features import Features
from pretend_account import feature_store
from pretend_account.feature_store import FeatureStore

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/pets-prod-features"
PLACE = Place("s3://pets/feature-store", KEY, ROLE, {"pipeline": "pets"})
SCHEMA = pa.schema({
    "chip": pa.string(), "event_time": pa.string(), "adopted": pa.int64(), "age": pa.float64(),
    "species": pa.string(), "api_invocation_time": pa.timestamp("us"),
    "write_time": pa.timestamp("us"), "is_deleted": pa.bool_(),
})  # fmt: skip


def group(schema: pa.Schema = SCHEMA, **features: Any) -> FeatureGroup:
    return FeatureGroup.of(Features(**features).named("pets-prod"), "chip", schema)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FeatureStore]:
    sign_in(monkeypatch, tmp_path)
    monkeypatch.setattr(own_feature_group, "POLL_SECONDS", 0.0)
    with mock_aws(), feature_store.taught(monkeypatch, REGION) as taught:
        yield taught


def made(of: FeatureGroup, agreed: Callable[[str], bool] = lambda line: True) -> str:
    """What comes of making a group."""
    sagemaker = boto3.client("sagemaker", region_name=REGION)
    glue = boto3.client("glue", region_name=REGION)
    return ensure(sagemaker, glue, of, PLACE, agreed)


def refusal(of: FeatureGroup) -> str:
    with pytest.raises(AccountError) as refused:
        made(of)
    return str(refused.value)


def test_a_group_is_made_with_its_key_its_role_and_a_table_of_its_own(store: FeatureStore) -> None:
    assert made(group()) == "created"
    request = store.groups["pets-prod"].request
    assert request["FeatureDefinitions"] == [
        {"FeatureName": "chip", "FeatureType": "String"},
        {"FeatureName": "event_time", "FeatureType": "String"},
        {"FeatureName": "adopted", "FeatureType": "Integral"},
        {"FeatureName": "age", "FeatureType": "Fractional"},
        {"FeatureName": "species", "FeatureType": "String"},
    ]
    assert request["OfflineStoreConfig"] == {
        "S3StorageConfig": {"S3Uri": "s3://pets/feature-store", "KmsKeyId": KEY},
        "DisableGlueTableCreation": False,
        "DataCatalogConfig": {
            "TableName": "pets_prod", "Catalog": "AwsDataCatalog",
            "Database": "sagemaker_featurestore",
        },
        "TableFormat": "Glue",
    }  # fmt: skip
    assert request["RoleArn"] == ROLE
    assert "OnlineStoreConfig" not in request
    glue = boto3.client("glue", region_name=REGION)
    assert glue.get_database(Name="sagemaker_featurestore")


def test_an_online_store_is_made_under_the_key_if_asked_for(store: FeatureStore) -> None:
    made(group(online=True))
    assert store.groups["pets-prod"].request["OnlineStoreConfig"] == {
        "EnableOnlineStore": True, "SecurityConfig": {"KmsKeyId": KEY},
    }  # fmt: skip


def test_event_times_may_be_seconds_in_a_column_of_another_name(store: FeatureStore) -> None:
    made(group(event_time="seen", event_time_type="fractional"))
    request = store.groups["pets-prod"].request
    assert request["EventTimeFeatureName"] == "seen"
    assert {"FeatureName": "seen", "FeatureType": "Fractional"} in request["FeatureDefinitions"]


def test_a_group_that_is_there_stays_as_it_is(store: FeatureStore) -> None:
    made(group())
    assert made(group()) == "unchanged"


def test_a_group_that_is_being_made_is_waited_for(store: FeatureStore) -> None:
    store.creation = ["Creating", "Creating", "Creating", "Created"]
    sagemaker = boto3.client("sagemaker", region_name=REGION)
    sagemaker.create_feature_group(**own_feature_group.request(group(), PLACE))
    assert made(group()) == "unchanged"


def test_new_features_are_added_a_hundred_at_a_time(store: FeatureStore) -> None:
    made(group())
    more = SCHEMA
    for number in range(150):
        more = more.append(pa.field(f"new_{number}", pa.float64()))
    assert made(group(more)) == "updated"
    assert len(store.groups["pets-prod"].types) == 155
    assert made(group(more)) == "unchanged"


def test_what_would_change_is_shown_and_nothing_is_changed_of_what_is_declined(
    store: FeatureStore,
) -> None:
    shown: list[str] = []
    assert made(group(), shown.append) == "declined"  # type: ignore[arg-type]  # None is no
    assert store.groups == {}
    made(group())
    more = SCHEMA.append(pa.field("new", pa.float64()))
    assert made(group(more), shown.append) == "declined"  # type: ignore[arg-type]
    assert "new" not in store.groups["pets-prod"].types
    assert made(group(), shown.append) == "unchanged"  # type: ignore[arg-type]
    assert shown == [
        "Add     5 features, sagemaker_featurestore.pets_prod", "Modify  1 new features: new",
    ]  # fmt: skip


def test_all_pages_of_a_groups_features_are_read(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(group())
    describe = store.describe_feature_group

    def by_pages(NextToken: str = "", **request: Any) -> dict[str, Any]:
        answer = describe(**request)
        first, second = answer["FeatureDefinitions"][:2], answer["FeatureDefinitions"][2:]
        if NextToken:
            return answer | {"FeatureDefinitions": second, "NextToken": ""}
        return answer | {"FeatureDefinitions": first, "NextToken": str(len(first))}

    monkeypatch.setattr(store, "describe_feature_group", by_pages)
    assert made(group()) == "unchanged"


WITHOUT_AGE = SCHEMA.remove(SCHEMA.get_field_index("age"))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (group(WITHOUT_AGE), "it has the feature 'age', which is no longer written; "
         "a group cannot lose a feature: name a new group in [features] group"),
        (group(SCHEMA.set(3, pa.field("age", pa.string()))),
         "expected 'age' to be String, got Fractional; it cannot be changed: name a new group in "
         "[features] group"),
        (group(table="others"), "expected sagemaker_featurestore.others as the table, got "
         "sagemaker_featurestore.pets_prod; it cannot be changed"),
        (group(online=True), "expected yes as an online store, got no; it cannot be changed"),
        (group(event_time="seen"), "expected seen as the event time, got event_time; it cannot"),
        (group(event_time_type="fractional"), "expected 'event_time' to be Fractional, got String"),
        (dataclasses.replace(group(), record_id="species"),
         "expected species as the record id, got chip; it cannot be changed"),
    ],
    ids=["removed", "type", "table", "online", "event time", "its type", "record id"],
)  # fmt: skip
def test_what_a_group_cannot_become_is_a_sentence_and_nothing_is_changed(
    store: FeatureStore, changed: FeatureGroup, sentence: str
) -> None:
    made(group())
    before = dict(store.groups["pets-prod"].request)
    assert refusal(changed).startswith(f"the feature group pets-prod: {sentence}")
    assert store.groups["pets-prod"].request == before


def test_whole_numbers_go_into_a_fractional_feature(store: FeatureStore) -> None:
    made(group())
    assert made(group(SCHEMA.set(3, pa.field("age", pa.int64())))) == "unchanged"


def test_a_group_that_cannot_be_made_says_why_and_what_to_do(store: FeatureStore) -> None:
    store.creation, store.failure = ["Creating", "CreateFailed"], "The role may\n not write."
    said = refusal(group())
    assert said == (
        "the feature group pets-prod could not be created: The role may not write; delete what "
        "is left of it with `aws sagemaker delete-feature-group --feature-group-name pets-prod` "
        "and run the command again"
    )
    assert refusal(group()) == said  # it is still there


def test_lake_formation_is_explained(store: FeatureStore) -> None:
    store.creation = ["CreateFailed"]
    store.failure = "Insufficient Lake Formation permission(s): Required Create Table on x"
    assert (
        "; Lake Formation governs the data catalogue here: let its administrator allow the "
        "identity that runs `pipeline bootstrap` to create tables in the database "
        "'sagemaker_featurestore', "
    ) in refusal(group())


def test_features_that_could_not_be_added_say_why(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(group())
    describe = store.describe_feature_group

    def failed(**request: Any) -> dict[str, Any]:
        update = {"Status": "Failed", "FailureReason": "no UpdateTable"}
        return describe(**request) | {"LastUpdateStatus": update}

    monkeypatch.setattr(store, "describe_feature_group", failed)
    more = SCHEMA.append(pa.field("new", pa.float64()))
    assert refusal(group(more)) == "features could not be added to pets-prod: no UpdateTable"


def test_what_takes_too_long_goes_on_in_the_account(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_feature_group, "MOST_SECONDS", -1.0)
    assert refusal(group()).endswith("it continues in the account: run the command again later")
