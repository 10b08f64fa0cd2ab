"""Reads feature groups of other repositories on this machine: the owner's newest ingest."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from pathlib import Path

from ninesteps.errors import SettingsError
from ninesteps.feature_store.ingest import SUMMARY, Ingested
from ninesteps.local.storage import Storage
from ninesteps.settings.environment import Environment
from ninesteps.settings.features import SharedGroup
from ninesteps.settings.settings import Settings

LOCAL = ".local"
"""Where runs write in a repository."""


def bring(settings: Settings, environment: Environment, s3: Path) -> dict[tuple[str, str], str]:
    """The tables of other repositories' groups in a run's data catalogue.

    Their rows are linked or copied into this repository's own S3, so that later changes by the
    owner have no effect here.

    Args:
        s3: the folder that stands for S3.

    Raises:
        SettingsError: if a group's owner is not named, has no rows, or lacks a requested column of
        numbers.
    """
    catalog = {}
    for name, group in settings.features_of(environment).groups.items():
        folder = _newest(settings, name, group)
        _check_columns(settings, name, group, folder)
        of_table = f"{folder.parent.name}{folder.name.removeprefix('data')}"
        place = f"{environment.bucket_name}/{settings.project.pipeline}/shared/{of_table}"
        target = Storage(s3).path(f"s3://{place}")
        if not target.exists():
            unfinished = s3 / f".{secrets.token_hex(8)}"
            shutil.copytree(folder, unfinished, copy_function=_linked)
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):  # another run was faster
                unfinished.rename(target)
            shutil.rmtree(unfinished, ignore_errors=True)
        catalog[(group.database, group.table)] = f"s3://{place}"
    return catalog


def _newest(settings: Settings, name: str, group: SharedGroup) -> Path:
    """The folder with the rows of the owner's last ingest."""
    path = ("features", "groups", name, "store")
    if not group.store:
        raise SettingsError("expected the owner's repository, whose rows runs on this machine read",
                            *path)  # fmt: skip
    s3 = (settings.root / group.store).resolve() / LOCAL / "s3"
    found = sorted(s3.glob(f"*/*/feature-store/*/{SUMMARY}"), key=lambda file: file.stat().st_mtime)
    for summary in reversed(found):
        with contextlib.suppress(OSError, ValueError, TypeError):
            ingested = Ingested.from_json(json.loads(summary.read_text(encoding="utf-8")))
            folder = Storage(s3).path(_location(ingested, group.group, path))
            if any(folder.rglob("*.parquet")):
                return folder
    raise SettingsError(
        "expected a repository that has put a table into its feature group here (pipeline ingest), "
        f"got {group.store!r}", *path,
    )  # fmt: skip


def _check_columns(settings: Settings, name: str, group: SharedGroup, folder: Path) -> None:
    """Refuse columns that step 1's query would not find, or that are texts and so not features."""
    import pyarrow as pa  # slow to import, and needed only with groups of others

    from ninesteps.feature_store import stored

    columns = stored.schema(folder)
    numbers = [
        column.name for column in columns
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    ]  # fmt: skip
    path = ("features", "groups", name)
    for column in group.columns:
        if column not in numbers:
            raise SettingsError(
                f"expected columns of numbers that {group.store!r} has put into its feature group, "
                f"such as {', '.join(numbers)}, got {column!r}", *path, "columns",
            )  # fmt: skip
    record_id = group.record_id or settings.stored_record_id
    if record_id not in columns.names:
        raise SettingsError(
            f"expected the column of {group.store!r} that identifies a record, got {record_id!r}",
            *path, "record_id",
        )  # fmt: skip


def _location(ingested: Ingested, group: str, path: tuple[str, ...]) -> str:
    """Where a group's rows are; an owner's only group may have another name in an account."""
    if group in ingested.groups or len(ingested.groups) < 2:
        return ingested.groups.get(group, ingested.location)
    raise SettingsError(
        f"expected a group that the owner has on this machine ({', '.join(ingested.groups)}), got "
        f"{group!r}", *path[:-1], "group",
    )  # fmt: skip


def _linked(source: str, target: str) -> None:
    """Link a file to another place; on another disk, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
