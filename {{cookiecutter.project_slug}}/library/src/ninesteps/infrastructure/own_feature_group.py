"""Creates a pipeline's own feature group in an account, or adds features to an existing one.

The service makes the group's table by the names of DataCatalogConfig, in a database that has to be
there: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_OfflineStoreConfig.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ninesteps.errors import AccountError
from ninesteps.feature_store.ingest import SUMMARY
from ninesteps.feature_store.records import MOST_ADDED, FeatureGroup
from ninesteps.settings.environment import Environment
from ninesteps.settings.features import Features

POLL_SECONDS = 5.0
MOST_SECONDS = 1800.0

NOT_THERE = "ResourceNotFound"
CREATED, CREATING, FAILED = "Created", "Creating", "CreateFailed"

LAKE_FORMATION = (
    "; Lake Formation governs the data catalogue here: let its administrator allow the "
    "identity that runs `pipeline bootstrap` to create tables in the database {database!r}, and "
    "the roles of this pipeline to read them"
)


@dataclass(frozen=True)
class Place:
    """Where a group's rows are written in an account, with which key and by which role."""

    uri: str  # the S3 prefix of the offline store
    key: str  # the ARN of the key
    role: str  # the ARN of the role that the service writes rows under
    tags: Mapping[str, str]


def place(environment: Environment, pipeline: str, features: Features, key: str) -> Place:
    """Where the group of a pipeline's environment is stored.

    Args:
        key: the ARN of the key that the bucket is encrypted with.
    """
    stack = environment.named(pipeline)
    role = f"{environment.role_of(stack).rpartition('/')[0]}/{stack}-features"
    tags = {"pipeline": pipeline, "environment": environment.name}
    return Place(features.place(environment, pipeline), key, role, tags)


def missing(group: str, environment: Environment, is_elsewhere: bool) -> AccountError:
    """The error for a group that an account does not have.

    Args:
        is_elsewhere: whether others create it, as with `[features] location`.
    """
    advice = f"`pipeline bootstrap --env {environment.name}` creates it"
    if is_elsewhere:
        advice = "its owner creates it, or `group` in [features] names another"
    return AccountError(
        f"there is no feature group {group} in {environment.region} of account "
        f"{environment.account}; {advice}"
    )


def ensure(
    sagemaker: Any, glue: Any, group: FeatureGroup, place: Place, agreed: Callable[[str], bool]
) -> str:
    """Create or update the group; give created, updated, unchanged or declined.

    Args:
        agreed: asks the user about a change, which it gets as a line.

    Raises:
        AccountError: if the existing group cannot be changed to this one, or none could be created.
    """
    current = described(sagemaker, group.name)
    if not current:
        if not agreed(f"Add     {len(group.definitions)} features, {group.table}"):
            return "declined"
        _make_database(glue, group)
        sagemaker.create_feature_group(**request(group, place))
        _wait(sagemaker, group)
        return "created"
    if current["FeatureGroupStatus"] == CREATING:
        current = _wait(sagemaker, group)
    _check_status(current, group)
    for sentence in differences(current, group):
        raise AccountError(f"the feature group {group.name}: {sentence}")
    there = definitions(current)
    added = [name for name in group.definitions if name not in there]
    if not added:
        return "unchanged"
    names = f"{', '.join(added[:3])}{', ...' * (len(added) > 3)}"
    if not agreed(f"Modify  {len(added)} new features: {names}"):
        return "declined"
    for start in range(0, len(added), MOST_ADDED):
        additions = [_definition(group, name) for name in added[start : start + MOST_ADDED]]
        sagemaker.update_feature_group(FeatureGroupName=group.name, FeatureAdditions=additions)
        _wait(sagemaker, group)
    return "updated"


def request(group: FeatureGroup, place: Place) -> dict[str, Any]:
    """The request of CreateFeatureGroup."""
    features = group.features
    wanted = {
        "FeatureGroupName": group.name,
        "RecordIdentifierFeatureName": group.record_id,
        "EventTimeFeatureName": features.event_time,
        "FeatureDefinitions": [_definition(group, name) for name in group.definitions],
        "OfflineStoreConfig": {
            "S3StorageConfig": {"S3Uri": place.uri, "KmsKeyId": place.key},
            "DisableGlueTableCreation": False,
            "DataCatalogConfig": {
                "TableName": features.table,
                "Catalog": features.catalog,
                "Database": features.database,
            },
            "TableFormat": "Glue",
        },
        "RoleArn": place.role,
        "Tags": [{"Key": key, "Value": value} for key, value in place.tags.items()],
    }
    if features.online:
        online = {"EnableOnlineStore": True, "SecurityConfig": {"KmsKeyId": place.key}}
        return wanted | {"OnlineStoreConfig": online}
    return wanted


def described(sagemaker: Any, name: str) -> dict[str, Any]:
    """The service's description of a group, with all features; empty if there is none."""
    try:
        first: dict[str, Any] = sagemaker.describe_feature_group(FeatureGroupName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == NOT_THERE:
            return {}
        raise
    definitions, token = list(first["FeatureDefinitions"]), first.get("NextToken")
    while token:
        page = sagemaker.describe_feature_group(FeatureGroupName=name, NextToken=token)
        definitions += page["FeatureDefinitions"]
        token = page.get("NextToken")
    return first | {"FeatureDefinitions": definitions}


def definitions(described_group: Mapping[str, Any]) -> dict[str, str]:
    """A group's features and their types."""
    return {d["FeatureName"]: d["FeatureType"] for d in described_group["FeatureDefinitions"]}


def summary_place(described_group: Mapping[str, Any]) -> tuple[str, str]:
    """The bucket and key of the last ingest's summary: beside a group's `data/`, not in it."""
    uri = described_group["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
    return bucket, f"{prefix.removesuffix('/data')}/{SUMMARY}"


def differences(current: Mapping[str, Any], group: FeatureGroup) -> Iterator[str]:
    """Differences of a group that cannot be changed, a sentence each."""
    features, there = group.features, definitions(current)
    catalog = current.get("OfflineStoreConfig", {}).get("DataCatalogConfig", {})
    table = ".".join(catalog.get(key, "") for key in ("Database", "TableName"))
    online = current.get("OnlineStoreConfig", {}).get("EnableOnlineStore", False)
    new = "; it cannot be changed: name a new group in [features] group"
    for what, expected, got in (
        ("the record id", group.record_id, current["RecordIdentifierFeatureName"]),
        ("the event time", features.event_time, current["EventTimeFeatureName"]),
        ("the table", group.table, table.lower()),
        ("an online store", _yes(features.online), _yes(online)),
    ):
        if expected != got:
            yield f"expected {expected} as {what}, got {got or 'none'}{new}"
    for name, kind in there.items():
        now = group.definitions.get(name)
        if now is None:
            yield (
                f"it has the feature {name!r}, which is no longer written; a group cannot lose a "
                "feature: name a new group in [features] group"
            )
        elif now != kind and (kind, now) != ("Fractional", "Integral"):  # whole ones are fractions
            yield f"expected {name!r} to be {now}, got {kind}{new}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _definition(group: FeatureGroup, name: str) -> dict[str, str]:
    return {"FeatureName": name, "FeatureType": group.definitions[name]}


def _make_database(glue: Any, group: FeatureGroup) -> None:
    """Create the data catalogue's database, unless it exists."""
    name = group.features.database
    try:
        glue.get_database(Name=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "EntityNotFoundException":
            raise
        glue.create_database(
            DatabaseInput={"Name": name, "Description": "Offline stores of feature groups"}
        )


def _wait(sagemaker: Any, group: FeatureGroup) -> dict[str, Any]:
    """Wait until a group or its change is complete."""
    until = time.monotonic() + MOST_SECONDS
    while True:
        current = described(sagemaker, group.name)
        status = current.get("FeatureGroupStatus", "")
        update = current.get("LastUpdateStatus", {})
        if status != CREATING and update.get("Status") != "InProgress":
            break
        if time.monotonic() > until:
            raise AccountError(
                f"the feature group {group.name} is not ready after {MOST_SECONDS / 60:.0f} "
                "minutes; it continues in the account: run the command again later"
            )
        time.sleep(POLL_SECONDS)
    _check_status(current, group)
    if update.get("Status") == "Failed":
        reason = _reason(update, group)
        raise AccountError(f"features could not be added to {group.name}: {reason}")
    return current


def _check_status(current: Mapping[str, Any], group: FeatureGroup) -> None:
    status = current.get("FeatureGroupStatus", "gone")
    if status == CREATED:
        return
    if status == FAILED:
        raise AccountError(
            f"the feature group {group.name} could not be created: {_reason(current, group)}; "
            "delete what is left of it with `aws sagemaker delete-feature-group "
            f"--feature-group-name {group.name}` and run the command again"
        )
    raise AccountError(f"expected the feature group {group.name} to be {CREATED}, got {status}")


def _reason(failed: Mapping[str, Any], group: FeatureGroup) -> str:
    reason = " ".join(failed.get("FailureReason", "AWS gave no reason").split()).rstrip(".")
    advice = LAKE_FORMATION.format(database=group.features.database)
    return reason + (advice if "Lake Formation" in reason else "")
