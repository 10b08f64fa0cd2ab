"""Puts a raw table into the offline store, in the layout of SageMaker's Feature Store.

`s3://<bucket>/<prefix>/data/year=/month=/day=/hour=/<latest event time>_<16 characters>.parquet`,
without the account, region and group before `data`, since Windows' paths have no room for them.
Rows are partitioned by the hour of their event time; each has the times of call and write, and a
deletion mark. A table over many hours has fewer and larger files, by day, month or year. Nothing is
overwritten.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ninesteps.errors import RawTableError
from ninesteps.feature_store.reading.file_kind import kind_of
from ninesteps.feature_store.split_sizes import rows_by_class
from ninesteps.local import erasures, pseudonyms
from ninesteps.local.state import digest_of
from ninesteps.local.storage import Storage
from ninesteps.settings.environment import Environment
from ninesteps.settings.features import Features
from ninesteps.settings.settings import Settings

SHARED = tuple(
    Path(__file__).parents[1] / "containers" / f"{module}.py"
    for module in (
        "computed_features",
        "conversations",
        "personal_data",
        "raw_values",
        "stored_names",
    )
)
"""The code that reads a row and names its features: when it changes, the records change."""

SUMMARY = "ingested.json"
"""The file in a feature group's folder that summarises it."""


@dataclass(frozen=True)
class Ingested:
    """A table in a feature group."""

    location: str  # the S3 URI of its rows, or of the main group's rows
    latest: str  # the newest event time
    read: int  # rows in the file
    kept: int  # rows put into the store
    found: dict[str, int]  # what was odd in the file, with numbers of rows
    used: int | None = None  # distinct records as of the newest event; None: not counted
    names: dict[str, str] = field(default_factory=dict)  # stored columns -> display names
    suspicious: dict[str, float] = field(default_factory=dict)  # columns that alone rank the label
    crossing: dict[str, int] = field(default_factory=dict)  # column -> values in train and test
    protected: dict[str, str] = field(default_factory=dict)  # columns behind features
    """Of these, usually protected attributes, each with its key in `protected.toml`."""
    classes: dict[str, int] = field(default_factory=dict)  # rows of each class; none: not counted
    groups: dict[str, str] = field(default_factory=dict)  # own feature groups -> URIs of their rows
    sha256: str = ""  # of the file; empty, like those below, if an earlier version wrote it
    bytes: int = 0
    first: str = ""  # the earliest event time
    left_out: dict[str, int] = field(default_factory=dict)  # why -> rows that are not `kept`
    superseded: dict[str, int] = field(default_factory=dict)  # why -> kept rows that are not `used`

    def origin(self, path: str, is_latest: bool = True) -> dict[str, Any]:
        """The table as a run records it, with the rows that were left out, and why.

        Args:
            path: as given.
            is_latest: whether the run is as of the newest event, for which used rows were counted.
        """
        left_out = self.left_out | (self.superseded if is_latest else {})
        return {
            "path": path,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "rows": self.read,
            "kept": self.kept,
            "used": self.used if is_latest else None,
            "left_out": [{"why": why, "rows": n} for why, n in left_out.items() if n],
            "first": self.first,
            "last": self.latest,
        }

    @staticmethod
    def from_json(content: dict[str, Any]) -> Ingested:
        """Read a summary of this version of the library, an earlier or a later one."""
        names = {field.name for field in fields(Ingested)}
        return Ingested(**{name: value for name, value in content.items() if name in names})


def summary_of(catalog: Iterable[Iterable[str]], s3: Path) -> Ingested | None:
    """The summary of the feature group that a run has read; None if there is none any more.

    Args:
        catalog: a run's tables, each as (database, table, S3 URI of its rows).
        s3: the folder that stands for S3.
    """
    for _, _, uri in catalog:
        rows = Storage(s3).path(uri)
        for folder in rows.parents:
            if folder == s3:
                break
            with contextlib.suppress(OSError, ValueError, TypeError):
                return Ingested.from_json(json.loads((folder / SUMMARY).read_text("utf-8")))
    return None


def ingest(
    file: Path,
    settings: Settings,
    environment: Environment,
    s3: Path,
    on_work: Callable[[], None] = lambda: None,
    rows_at_once: int | None = None,
    as_of: str = "",
    called: datetime | None = None,
    erased: erasures.Erasures | None = None,
) -> Ingested:
    """Put a raw table into its own feature group, unless it is already there.

    The group is named after a hash of the table, the features' code and the settings that affect
    them: two tables never mix. Nothing is written until everything has been checked.

    Args:
        file: a CSV, JSON Lines, Parquet or Feather file.
        s3: the folder that stands for S3, with one folder per bucket.
        on_work: called before the table is read, if that is necessary.
        rows_at_once: how many rows of a large table are in memory at a time; None: the default.
        as_of: the moment for which the newest row must not be too old; by default, now.
        called: the moment at which the first row counts as written; by default, now.
        erased: records whose rows are left out, and the key of pseudonyms; by default, those of the
            state beside S3.

    Raises:
        RawTableError: with one sentence for the user.
    """
    kind_of(file)  # hashing a pipe or a device would never end
    prefix = f"{environment.bucket_name}/{settings.project.pipeline}/feature-store"
    features = settings.features_of(environment)
    sha256, size = digest_of(file), file.stat().st_size
    group = Storage(s3).path(f"s3://{prefix}/{_digest(sha256, settings, features)}")
    summary = group / SUMMARY
    if earlier := _ingested(summary, s3):
        _check_age(earlier.latest, settings, file, as_of)
        return earlier
    if group.exists():  # without its rows or summary: it is written again
        shutil.rmtree(group)
    on_work()

    known = erasures.read(s3.parent) if erased is None else erased
    unfinished = s3 / f".{secrets.token_hex(8)}"  # a short name that no URI has
    try:
        ingested = _written(
            file, settings, features, unfinished, f"s3://{prefix}/{group.name}", rows_at_once,
            called or datetime.now(UTC), known,
            (known.key or pseudonyms.made(s3.parent)) if settings.data.pseudonyms else None,
        )  # fmt: skip
        ingested = replace(ingested, sha256=sha256, bytes=size)
        text = json.dumps(asdict(ingested), indent=2)
        (unfinished / summary.name).write_text(text, encoding="utf-8")
        with contextlib.suppress(OSError):  # another run with the same table was faster
            group.parent.mkdir(parents=True, exist_ok=True)
            unfinished.rename(group)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    ingested = Ingested.from_json(json.loads(summary.read_text(encoding="utf-8")))
    _check_age(ingested.latest, settings, file, as_of)
    return ingested


def _check_age(latest: str, settings: Settings, file: Path, as_of: str) -> None:
    """Refuse a table whose newest row is too old to describe the present."""
    most = settings.data.quality.max_age_days
    moment = datetime.fromisoformat(as_of) if as_of else datetime.now(UTC)
    age = (moment - datetime.fromisoformat(latest)).total_seconds() / 86400
    if most is not None and age > most:
        when = f"as of {as_of}" if as_of else "now"
        raise RawTableError(
            f"{file}: expected a newest event time of at most {most:g} days {when} ([data.quality] "
            f"max_age_days), got {latest}, which is {age:,.1f} days old"
        )


def tables(features: Features, ingested: Ingested) -> dict[tuple[str, str], str]:
    """The tables of the pipeline's own groups in a run's data catalogue, the main one first."""
    return {
        (group.database, group.table): ingested.groups[group.group]
        for group in (features, *features.owned_groups.values())
    }


def _written(
    file: Path, settings: Settings, features: Features, folder: Path, uri: str,
    rows_at_once: int | None, called: datetime, erased: erasures.Erasures,
    key: pseudonyms.Key | None,
) -> Ingested:  # fmt: skip
    """Write a table's rows to a folder that will be at an S3 URI, and summarise them."""
    from ninesteps.feature_store import doubts  # imports pandas: only if there is work to do
    from ninesteps.feature_store.divided import MAIN
    from ninesteps.feature_store.write import write_offline_store

    owned = {name: group.columns for name, group in features.owned.items()}
    written = write_offline_store(file, settings, owned, folder, rows_at_once, called, erased, key)
    table, names = written.table, {MAIN: features.group}
    names |= {name: group.group for name, group in features.owned.items()}
    groups = {
        names[name]: f"{uri}/{location.relative_to(folder).as_posix()}"
        for name, location in written.locations.items()
    }
    ingested = Ingested(
        location=groups[features.group],
        latest=f"{table.moments.max()}Z",
        first=f"{table.moments.min()}Z",
        read=table.read,
        kept=table.kept,
        found=table.found,
        used=table.records,
        names=written.names,
        suspicious=doubts.suspicious(table, settings),
        crossing=doubts.crossing(table, settings),
        protected=doubts.protected_columns(table, settings),
        classes=rows_by_class(table.labels, settings),
        groups=groups,
        left_out=table.left_out,
        superseded=table.superseded,
    )
    shutil.rmtree(written.scratch, ignore_errors=True)
    return ingested


def _ingested(summary: Path, s3: Path) -> Ingested | None:
    """The summary of a group, if it can be read and the group's rows exist."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        ingested = Ingested.from_json(json.loads(summary.read_text(encoding="utf-8")))
        locations = map(Storage(s3).path, (ingested.location, *ingested.groups.values()))
        if all(any(location.rglob("*.parquet")) for location in locations):
            return ingested
    return None


def _digest(sha256: str, settings: Settings, features: Features) -> str:
    total = hashlib.sha256()
    own, teams = _code(Path(__file__).parent), _code(settings.root / "feature_store")
    for source in (*own, *SHARED, *teams):
        total.update(source.read_bytes().replace(b"\r\n", b"\n"))
    total.update(repr((settings.data, settings.project.problem)).encode())
    total.update(repr((settings.stored_columns, settings.feature_columns)).encode())
    total.update(repr((features.group, features.owned)).encode())
    total.update(bytes.fromhex(sha256))
    return total.hexdigest()[:16]


def _code(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))
