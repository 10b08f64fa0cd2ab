"""What `pipeline ingest` does: a raw table into the stores of this machine, or of an account.

An account gets the rows of this machine's offline store: in both cases the same code reads the
table, checks it and computes the features.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from ninesteps.errors import AccountError
from ninesteps.feature_store import stored
from ninesteps.feature_store.ingest import Ingested, ingest
from ninesteps.feature_store.online import FILE, LocalOnlineStore
from ninesteps.feature_store.records import FeatureGroup, Record
from ninesteps.local.storage import Storage
from ninesteps.settings.environment import Environment
from ninesteps.settings.features import Features
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:
    from ninesteps.infrastructure.athena_rows import Athena

FOUND = ("read", "left_out", "suspicious", "crossing", "protected", "names")
"""What is recorded of a table for the warnings of a version that learns from it."""


@dataclass(frozen=True)
class Table:
    """A raw table in this machine's offline store: its part in one feature group."""

    ingested: Ingested
    folder: Path  # of its rows
    group: FeatureGroup  # that takes them, in the environment that was asked for
    others: tuple[Table, ...] = ()  # what the further own groups have of it
    path: str = ""  # of the file, as it was given

    @property
    def every(self) -> tuple[Table, ...]:
        """The part of each own group, the main group first."""
        return self, *self.others

    @property
    def digest(self) -> str:
        """An identifier of the table together with its settings and code."""
        return self.ingested.location.rstrip("/").split("/")[-2]

    def rows(self, in_time: bool = False) -> Iterator[pa.Table]:
        """Its rows; of several with the same id and event time, the last."""
        return stored.rows(self.folder, self.group.record_id, in_time)

    def records(self) -> Iterator[Record]:
        """Its records in the API's form."""
        for rows in self.rows():
            yield from self.group.records(self.group.cast(rows))


def table(
    local: Path,
    settings: Settings,
    environment: Environment,
    file: Path,
    on_work: Callable[[], None] = lambda: None,
) -> Table:
    """Put a raw table into this machine's offline store, as `pipeline run` does.

    Args:
        environment: whose feature group its rows are for.

    Raises:
        RawTableError: if the table cannot be used.
    """
    s3 = local / "s3"
    ingested = ingest(file, settings, settings.environment(), s3, on_work)
    here = settings.features_of(settings.environment()).owned_groups
    features, record_id = settings.features_of(environment), settings.stored_record_id

    def part(features: Features, location: str, *others: Table) -> Table:
        folder = Storage(s3).path(location)
        group = FeatureGroup.of(features, record_id, stored.schema(folder))
        return Table(ingested, folder, group, others, file.as_posix())

    owned = features.owned_groups.items()
    others = [part(group, ingested.groups[here[name].group]) for name, group in owned]
    return part(features, ingested.location, *others)


def own_groups(
    local: Path, settings: Settings, environment: Environment
) -> list[FeatureGroup] | str:
    """The pipeline's own feature groups, with its table's columns; or why none is created."""
    features, file = settings.features_of(environment), settings.root / settings.data.file
    if features.location:
        return f"{features.group}: not created, because [features] location is elsewhere"
    if not file.is_file():
        return (
            f"{features.group}: not created, because its columns come from {settings.data.file}, "
            "which is not on this machine"
        )
    return [part.group for part in table(local, settings, environment, file).every]


def online_store(local: Path, group: FeatureGroup) -> LocalOnlineStore:
    """The online store of this machine."""
    features = group.features
    return LocalOnlineStore(local / FILE, group.name, group.record_id, features.event_time)


def put_online(local: Path, read: Table) -> int:
    """Put the newest record of each id into this machine's online store; gives how many were newer
    than what was there, in the group where they were most."""
    return max(_put_online(local, part) for part in read.every)


def _put_online(local: Path, part: Table) -> int:
    group = part.group
    records = (
        record
        for rows in stored.newest(part.folder, group.record_id)
        for record in group.records(group.cast(rows))
    )
    return online_store(local, group).put(records)


# In an account


class Observer(Protocol):
    """Receives the progress of an ingest."""

    def putting(self, done: int, of: int, rate: float) -> None:
        """How many records are put in all, and per second."""

    def waiting(self, readable: int, of: int) -> None:
        """How many rows can be read."""


@dataclass
class Outcome:
    """The result of an ingest into one feature group of an account."""

    group: str = ""  # its name
    put: int = 0
    rows: int = 0  # that were to be put
    seconds: float = 0.0
    refused: tuple[Any, ...] = ()  # put_records.Refused
    is_stopped: bool = False
    resumed: int = 0  # rows of the table that an earlier ingest had put
    marker: str = ""  # its S3 URI, if it was written
    others: tuple[Outcome, ...] = ()  # of the further own groups

    @property
    def every(self) -> tuple[Outcome, ...]:
        """For each own group, the main group first."""
        return self, *self.others

    @property
    def is_whole(self) -> bool:
        """Whether the whole table is stored."""
        return not any(outcome.refused or outcome.is_stopped for outcome in self.every)


@dataclass(frozen=True)
class Options:
    """How a table is put."""

    bulk: bool = False  # as files, and not record by record
    marker: bool = True  # whether the marker that starts a run is written
    again: bool = False  # whether to put rows that are stored already
    at_once: int = 16


def put_into_account(
    local: Path,
    settings: Settings,
    environment: Environment,
    read: Table,
    options: Options,
    observer: Observer,
) -> Outcome:
    """Put a table into the own feature groups of an account, and write the arrival marker last.

    Refused records are kept below `.local`: the next ingest of the same table puts only those.

    Raises:
        AccountError: if a group is missing or differs, or AWS refuses a call. Nothing is put before
            all groups exist.
    """
    from ninesteps.infrastructure import account, arrivals, own_feature_group  # boto3
    from ninesteps.infrastructure.athena_rows import Athena

    pipeline = settings.project.pipeline
    with account.one_sentence():
        session = account.session(environment)
        sagemaker, s3 = session.client("sagemaker"), session.client("s3")
        found = [
            own_feature_group.described(sagemaker, part.group.features.group) for part in read.every
        ]
        groups = [
            _group_there(there, part.group, environment)
            for there, part in zip(found, read.every, strict=True)
        ]
        # rows of PutRecord are stamped by the service's clock, those of files by this machine's
        began = datetime.now(UTC) if options.bulk else arrivals.service_time(found[0])
        outcomes, kept = list[Outcome](), list[_Kept]()
        for there, group, part in zip(found, groups, read.every, strict=True):
            own = _Kept(local / "ingests" / _name(environment, there, part), options.again)
            outcomes.append(_put(session, environment, there, group, part, own, options, observer))
            own.write(outcomes[-1], began)
            kept.append(own)
            if outcomes[-1].is_stopped:  # every record is refused
                break
        outcome = replace(outcomes[0], others=tuple(outcomes[1:]))
        if any(one.put for one in outcome.every):
            _put_record(s3, settings, environment, read, outcome)
        if not outcome.is_whole:
            return outcome
        _put_summary(s3, found[0], read.ingested, environment)
        if options.marker:
            written = [
                _readable(Athena.of(session, group.features, environment, pipeline), own, observer)
                for group, own in zip(groups, kept, strict=True)
            ]
            outcome.marker = arrivals.mark(
                s3, environment, pipeline, outcome.put + outcome.resumed, max(written)
            )
    return outcome


def _readable(athena: Athena, kept: _Kept, observer: Observer) -> str:
    """Wait until a table's rows can be read, also those that an earlier ingest has put; gives when
    the last of them was written."""
    from ninesteps.infrastructure import arrivals

    arrived = arrivals.wait(
        athena, kept.began, kept.put, lambda readable: observer.waiting(readable, kept.put)
    )
    return arrived.largest_write_time


def _group_there(
    found: dict[str, Any], own: FeatureGroup, environment: Environment
) -> FeatureGroup:
    """The group in the account, whose types are used."""
    from ninesteps.infrastructure import own_feature_group

    bootstrap = f"`pipeline bootstrap --env {environment.name}`"
    if not found:
        raise own_feature_group.missing(own.name, environment, bool(own.features.location))
    if (status := found["FeatureGroupStatus"]) != own_feature_group.CREATED:
        raise AccountError(f"the feature group {own.name}: expected Created, got {status}")
    for sentence in own_feature_group.differences(found, own):
        raise AccountError(f"the feature group {own.name}: {sentence}")
    there = own_feature_group.definitions(found)
    if missing := [name for name in own.definitions if name not in there]:
        raise AccountError(
            f"the feature group {own.name} has no {', '.join(map(repr, missing[:5]))}: {bootstrap} "
            "adds new features"
        )
    return FeatureGroup(own.features, own.record_id, {n: there[n] for n in own.definitions})


def _put(
    session: Any, environment: Environment, found: dict[str, Any], group: FeatureGroup,
    read: Table, kept: _Kept, options: Options, observer: Observer,
) -> Outcome:  # fmt: skip
    from ninesteps.infrastructure import offline_files, put_records

    rows = stored.count(read.folder, group.record_id)
    if kept.refused is not None and not kept.refused:
        return Outcome(group.name, rows=rows, resumed=rows)
    if options.bulk:

        def files(_: int, put: int) -> None:
            observer.putting(put, rows, 0.0)

        count = offline_files.put_files(
            session.client("s3"), group, read.rows(in_time=True), found, environment, files
        )
        return Outcome(group.name, count, rows)
    chosen = Table(read.ingested, read.folder, group).records()
    if kept.refused is not None:
        chosen = (r for r in chosen if _key(r, group) in kept.refused)
    runtime = put_records.client(session, options.at_once)
    sent = put_records.put_all(
        runtime, group, chosen, lambda s: observer.putting(s.put, rows, s.rate), options.at_once
    )
    resumed = rows - len(kept.refused) if kept.refused is not None else 0
    return Outcome(
        group.name, sent.put, rows, sent.seconds, tuple(sent.refused), sent.is_stopped, resumed
    )


def _key(record: Record, group: FeatureGroup) -> tuple[str, str]:
    return record[group.record_id], record[group.features.event_time]


class _Kept:
    """The results of earlier ingests of a table into a feature group."""

    def __init__(self, file: Path, again: bool) -> None:
        self._file = file
        self.refused: set[tuple[str, str]] | None = None  # None: all rows are to be put
        self.began = datetime.min  # the first of them
        self.put = 0  # rows, by all of them
        if not again:
            with contextlib.suppress(OSError, LookupError, TypeError, ValueError):
                content = json.loads(file.read_text(encoding="utf-8"))
                began, put = datetime.fromisoformat(content["began"]), int(content["put"])
                self.refused = {(identifier, moment) for identifier, moment in content["refused"]}
                self.began, self.put = began, put

    def write(self, outcome: Outcome, began: datetime) -> None:
        """Record what was put and refused, unless the ingest did not finish the table."""
        if outcome.is_stopped:
            return
        self.began = began if self.refused is None else self.began
        self.put += outcome.put
        self._file.parent.mkdir(parents=True, exist_ok=True)
        refused = [(one.id, one.event_time) for one in outcome.refused]
        whole = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        whole.write_text(
            json.dumps({"began": self.began.isoformat(), "put": self.put, "refused": refused}),
            encoding="utf-8",
        )
        whole.replace(self._file)


def _name(environment: Environment, found: dict[str, Any], read: Table) -> str:
    """The file for a table and a group; a group that was created again has another one."""
    made: datetime = found["CreationTime"]
    return f"{environment.name}-{read.group.name}-{made.timestamp():.0f}-{read.digest}.json"


def _put_record(
    s3: Any, settings: Settings, environment: Environment, read: Table, outcome: Outcome
) -> None:
    """Record what was ingested by which code, so that models can name the source of their rows.

    Also after AWS refused some records, because the others can be read.
    """
    from ninesteps.definition import published
    from ninesteps.infrastructure import publish
    from ninesteps.repository import origin
    from ninesteps.step_code.bundle import overridden

    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    groups = {one.group: {"rows": one.rows, "put": one.put, "refused": len(one.refused)}
              for one in outcome.every}  # fmt: skip
    code = origin.origin(settings.root, overridden(settings.root))
    found = {name: getattr(read.ingested, name) for name in FOUND}
    record = {"at": at, **code, "table": read.ingested.origin(read.path), "found": found,
              "groups": groups}  # fmt: skip
    content = json.dumps(record, indent=2).encode()
    key = published.ingests(settings.project.pipeline) + published.name(at, content)
    publish.put_record(s3, environment, key, content)


def _put_summary(
    s3: Any, found: dict[str, Any], ingested: Ingested, environment: Environment
) -> None:
    """The table's summary for a report, and the display names of its columns."""
    from ninesteps.infrastructure import own_feature_group

    bucket, key = own_feature_group.summary_place(found)
    s3.put_object(
        Bucket=bucket, Key=key, Body=json.dumps(asdict(ingested), indent=2).encode(),
        ContentType="application/json", ExpectedBucketOwner=environment.account,
    )  # fmt: skip
