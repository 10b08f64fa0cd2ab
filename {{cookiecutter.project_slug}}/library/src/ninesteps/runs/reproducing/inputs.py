"""Brings what a version was made from, as far as it still exists, into a fresh folder.

Nothing is used without a check: the raw table, the ingested rows and the code must have the hashes
that were recorded when the version was made.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ninesteps.errors import StepError
from ninesteps.local.offline_store import Catalog
from ninesteps.local.state import digest_of
from ninesteps.local.step_cache import listing_sha256
from ninesteps.local.storage import Storage
from ninesteps.runs.reproducing.recorded import Recorded
from ninesteps.runs.reproducing.repository import Repository, named_inputs
from ninesteps.runs.reproducing.result import CHANGED, GONE, REMADE, USED, Source

RAW_TABLE, ROWS, CODE, INPUT = "raw table", "ingested rows", "code", "input"


# The raw table


def raw_table(root: Path, kept: Recorded, then: Repository | None) -> tuple[Path | None, Source]:
    """The file that the version was made from, if it still exists with its recorded hash."""
    named, recorded = str(kept.table.get("path", "")), str(kept.table.get("sha256", ""))
    if not recorded:
        return None, Source(RAW_TABLE, GONE, "its SHA-256 was not recorded")
    places = [root / named, Path(named)]
    if then:
        places.append(then.settings.root / named)
    files = [file for file in dict.fromkeys(places) if named and file.is_file()]
    digests = {file: digest_of(file) for file in files}
    for file, digest in digests.items():
        if digest == recorded:
            in_commit = "" if not then or file != then.settings.root / named else then.where
            where = f"{named} of {in_commit}" if in_commit and file != root / named else named
            return file, Source(RAW_TABLE, USED, f"{where}, SHA-256 {recorded[:12]}")
    if not files:
        return None, Source(RAW_TABLE, GONE, f"the file {named} no longer exists")
    found = next(iter(digests.values()))
    return None, Source(
        RAW_TABLE, CHANGED, f"{named}: expected SHA-256 {recorded[:12]}, got {found[:12]}"
    )


# The ingested rows


def first_put(kept: Recorded) -> datetime | None:
    """The moment at which the first recorded row was put; None if the rows were deleted."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    moments = []
    for _, _, uri in kept.run.catalog[:1]:
        with suppress(OSError, KeyError, pa.ArrowException):
            for _, file in objects(kept.storage, uri):
                column = pq.read_table(file, columns=[_PUT], partitioning=None)[_PUT]
                first = pc.min(column.cast(pa.timestamp("us", "UTC"))).as_py()
                moments.append(first.astimezone(UTC))
    return min(moments, default=None)


_PUT = "api_invocation_time"
"""The column of the offline store with the moment of a row's PutRecord."""


def bring_rows(kept: Recorded, storage: Storage, uris: list[str]) -> list[Source]:
    """Copy tables of the offline store whose files have their recorded bytes."""
    return [_bring_table(kept, storage, uri) for uri in uris]


def _bring_table(kept: Recorded, storage: Storage, uri: str) -> Source:
    files = dict(objects(kept.storage, uri))
    if not files:
        return Source(ROWS, GONE, f"{uri} no longer exists")
    if problem := differing_rows(kept, files):
        return Source(ROWS, CHANGED, f"{uri}: {problem}")
    for name, file in files.items():
        target = storage.path(uri) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return Source(ROWS, USED, uri)


def differing_rows(kept: Recorded, files: Mapping[str, Path]) -> str:
    """Why the files of a table are not those that step 1 read; empty if they are."""
    digest = listing_sha256({name: digest_of(file) for name, file in files.items()})
    if not kept.inputs:
        return "its SHA-256 was not recorded"
    if digest not in kept.inputs.values():
        return f"none of the recorded tables has SHA-256 {digest[:12]}"
    return ""


def tables_at(kept: Recorded) -> Catalog:
    """The tables that the run read: (database, table) -> the URI of its rows."""
    return {(database, table): uri for database, table, uri in kept.run.catalog}


# Code, and other objects that the definition names


def bring_code(kept: Recorded, then: Repository | None, storage: Storage) -> list[Source]:
    """Put the objects that the definition and its parameters name into the fresh folder."""
    given = [value for value in kept.run.parameters.values() if str(value).startswith("s3://")]
    uris = [uri for uri in named_inputs(kept.definition) if "/executions/" not in uri]
    return [_bring(uri, kept, then, storage) for uri in dict.fromkeys([*uris, *given])]


def _bring(uri: str, kept: Recorded, then: Repository | None, storage: Storage) -> Source:
    again = then.code.get(uri) if then else None
    name, kind = uri.removeprefix("s3://").partition("/")[2], CODE if "/code/" in uri else INPUT
    there = {_joined(uri, kept.storage, name): file.read_bytes()
             for name, file in objects(kept.storage, uri)}  # fmt: skip
    recorded = {of: sha for of, sha in kept.inputs.items() if of == uri or of.startswith(f"{uri}/")}
    if there and (there == again or _digests(there) == recorded):
        _write(storage, there)
        return Source(kind, USED, name)
    why = "its objects were changed" if there else "it no longer exists"
    if again and then:
        _write(storage, again)
        return Source(CODE, REMADE, f"{name}: {why}, and {then.where} has the same code")
    if there and not recorded:
        why = "the SHA-256 of its objects was not recorded"
    return Source(kind, CHANGED if there else GONE, f"{name}: {why}")


def _joined(uri: str, storage: Storage, name: str) -> str:
    return uri if storage.path(uri).is_file() else f"{uri}/{name}"


def objects(storage: Storage, uri: str) -> list[tuple[str, Path]]:
    """The objects at a URI: (name below it, file); none if there is nothing."""
    with suppress(StepError):
        return storage.objects(uri)
    return []


def _write(storage: Storage, contents: dict[str, bytes]) -> None:
    for uri, content in contents.items():
        storage.write(uri, content)


def _digests(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {uri: hashlib.sha256(content).hexdigest() for uri, content in contents.items()}


def digest_or_empty(file: Path) -> str:
    """SHA-256 of a file; empty if there is none."""
    return digest_of(file) if file.is_file() else ""
