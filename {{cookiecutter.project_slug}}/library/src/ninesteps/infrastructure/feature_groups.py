"""Compares the feature groups of an account with `[features]`.

Step 1's query names a table, an event time column and its type. If one differs from the account, no
execution could read a row, so `pipeline publish` checks them first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ninesteps.errors import AccountError, SettingsError
from ninesteps.infrastructure import own_feature_group
from ninesteps.settings.environment import Environment
from ninesteps.settings.features import Features, SharedGroup
from ninesteps.settings.settings import Settings

TYPES = {"String": "string", "Fractional": "fractional"}
"""`[features] event_time_type` by the service's name for it."""


def check(sagemaker: Any, settings: Settings, environment: Environment) -> None:
    """Check that the account has the feature groups that the definition reads.

    Args:
        sagemaker: a client of the service.

    Raises:
        AccountError: if one is missing or cannot be read.
        SettingsError: that names the key of `[features]` and the value that the account has.
    """
    features, record_id = settings.features_of(environment), settings.stored_record_id
    _check_own(sagemaker, settings, features, environment)
    for name, own in features.owned_groups.items():
        found = _check_own(sagemaker, settings, own, environment, "owned", name)
        there = own_feature_group.definitions(found)
        if missing := [column for column in features.owned[name].columns if column not in there]:
            raise AccountError(
                f"the feature group {own.group} has no {', '.join(map(repr, missing))}: "
                f"`pipeline bootstrap --env {environment.name}` adds new features"
            )
    for name, shared in features.groups.items():
        _check_shared(sagemaker, name, shared, record_id, environment)


def _check_own(
    sagemaker: Any, settings: Settings, features: Features, environment: Environment, *path: str
) -> dict[str, Any]:
    """Check that the account has one of the repository's own groups; give its description.

    Args:
        path: of the table with its name, within `[features]`.
    """
    found = _described(sagemaker, features.group, environment, bool(features.location))
    check_own(found, settings, features, environment, *path)
    return found


def check_own(
    found: dict[str, Any],
    settings: Settings,
    features: Features,
    environment: Environment,
    *path: str,
) -> None:
    """Check that one of the repository's own groups agrees with the settings.

    Args:
        found: the answer to DescribeFeatureGroup.
        path: of the table with its name, within `[features]`.

    Raises:
        SettingsError: that names the key of `[features]` and the value that the account has.
    """
    for key, wanted, has in _facts(features, found, environment, settings.project.pipeline):
        if wanted != has:
            of_table = path if key == "table" else ()
            raise SettingsError(
                f"expected {has!r}, which the feature group {features.group} has in "
                f"{environment.name}, got {wanted!r}", "features", *of_table, key,
            )  # fmt: skip
    record_id = settings.stored_record_id
    if (has := str(found["RecordIdentifierFeatureName"])) != record_id:
        raise SettingsError(
            f"expected {has!r}, the record identifier of the feature group {features.group} in "
            f"{environment.name}, got {record_id!r}; [data.stored] can say so", "data", "record_id",
        )  # fmt: skip


def _check_shared(
    sagemaker: Any, name: str, shared: SharedGroup, record_id: str, environment: Environment
) -> None:
    """Check that the account has a group of another repository, with the columns that are read."""
    found = _described(sagemaker, shared.group, environment, is_elsewhere=True)
    store, kinds = found["OfflineStoreConfig"], own_feature_group.definitions(found)
    facts = [("record_id", shared.record_id or record_id, found["RecordIdentifierFeatureName"]),
             *_moments(shared, found)]  # fmt: skip
    if catalog := store.get("DataCatalogConfig", {}):
        facts.append(("table", shared.table, catalog["TableName"]))
        facts.append(("database", shared.database, catalog["Database"]))
    has = store["S3StorageConfig"].get("ResolvedOutputS3Uri") or store["S3StorageConfig"]["S3Uri"]
    if not f"{has}/".startswith(f"{shared.location or f's3://{environment.bucket_name}'}/"):
        facts.append(("location", shared.location, has.rstrip("/")))
    numbers = [column for column, kind in kinds.items() if kind != "String"]
    for column in shared.columns:
        if column not in numbers:  # a text would make no feature
            facts.append(("columns", column, " or ".join(numbers)))
    for key, wanted, right in facts:
        if wanted != right:
            raise SettingsError(
                f"expected {right!r}, which the feature group {shared.group} has in "
                f"{environment.name}, got {wanted!r}", "features", "groups", name, key,
            )  # fmt: skip


def _moments(
    features: Features | SharedGroup, found: dict[str, Any]
) -> Iterator[tuple[str, str, str]]:
    yield "event_time", features.event_time, found["EventTimeFeatureName"]
    kind = own_feature_group.definitions(found).get(found["EventTimeFeatureName"], "")
    yield "event_time_type", features.event_time_type, TYPES.get(kind, kind)


def _described(
    sagemaker: Any, group: str, environment: Environment, is_elsewhere: bool
) -> dict[str, Any]:
    """The description of a feature group that can be read."""
    found = own_feature_group.described(sagemaker, group)
    if not found:
        raise own_feature_group.missing(group, environment, is_elsewhere)
    if (status := found["FeatureGroupStatus"]) != "Created":
        reason = (
            f" ({' '.join(found['FailureReason'].split())})" if "FailureReason" in found else ""
        )
        raise AccountError(
            f"the feature group {group}: expected the status Created, got {status}{reason}"
        )
    if "OfflineStoreConfig" not in found:
        raise AccountError(f"the feature group {group} has no offline store to train from")
    return found


def _facts(
    features: Features, found: dict[str, Any], environment: Environment, pipeline: str
) -> Iterator[tuple[str, str, str]]:
    """Keys of `[features]`, each with its value and the account's value."""
    store = found["OfflineStoreConfig"]
    if catalog := store.get("DataCatalogConfig", {}):
        yield "table", features.table, catalog["TableName"]
        yield "database", features.database, catalog["Database"]
        if features.catalog_account == "":
            yield "catalog", features.catalog, catalog["Catalog"]
    yield from _moments(features, found)
    if features.online:
        is_online = found.get("OnlineStoreConfig", {}).get("EnableOnlineStore", False)
        yield "online", "true", "true" if is_online else "false"
    storage = store["S3StorageConfig"]
    has = storage.get("ResolvedOutputS3Uri") or storage["S3Uri"]
    place = features.place(environment, pipeline)
    # A place above the group's own is one for several groups.
    yield "location", place, place if f"{has}/".startswith(f"{place}/") else has.rstrip("/")
    if features.location and (key := storage.get("KmsKeyId")):
        is_that = features.kms_key_arn.endswith(f"/{key}")  # it may be told without the account
        yield "kms_key_arn", features.kms_key_arn, features.kms_key_arn if is_that else key
