"""`pipeline trace --env`: a record in an account's stores, splits and versions.

Nothing is indexed: the splits of the newest versions are read from S3 as a stream, line by line, so
that no split is in memory. Nothing is written or deleted, here or there.
"""

from __future__ import annotations

import contextlib
import csv
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from botocore.exceptions import ClientError

from ninesteps.errors import NineStepsError, StateError
from ninesteps.feature_store.records import Record
from ninesteps.infrastructure import account
from ninesteps.infrastructure.account import FORBIDDEN
from ninesteps.local.storage import Storage
from ninesteps.registry import access
from ninesteps.registry.account import NOT_THERE, AccountRegistry, digest_key
from ninesteps.registry.registry import Version
from ninesteps.report.account_run import AccountRun
from ninesteps.report.evidence import Absent, output_file
from ninesteps.runs import record as records
from ninesteps.runs.record import Found
from ninesteps.settings.settings import Settings
from ninesteps.step_code.bundle import folders
from ninesteps.tracing import reasons as explaining
from ninesteps.tracing.index import first_field
from ninesteps.tracing.reasons import Reasons
from ninesteps.tracing.trace import Why
from ninesteps.tracing.uses import SPLITS, OnWork

NEWEST = 5
"""Versions whose splits are read by default: a split may have millions of rows."""

MOST_ARCHIVE = 1_000_000_000
"""Bytes of an archive: a larger one is not read."""

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Said:
    """How a version of an account used the record, and what it predicted for it."""

    version: int
    status: str
    as_of: str  # the moment as of which its execution read the store; empty: not recorded
    split: str = ""  # of SPLITS; empty: none of those that were read has it
    fields: tuple[str, ...] = ()  # of the split's row
    answer: tuple[float, ...] = ()  # that the transform kept
    places: tuple[str, ...] = ()  # S3 URIs of files that have rows of the record
    unread: tuple[str, ...] = ()  # why files could not be read: a sentence each, without full stop

    @property
    def event_time(self) -> str:
        """The moment that the split's row describes."""
        return self.fields[1] if self.fields else ""

    @property
    def has_learnt(self) -> bool:
        """Whether it learnt from the record or was selected on it."""
        return self.split in ("train", "validation")


@dataclass(frozen=True)
class AccountTrace:
    """Everything that could be found of a record in an account."""

    id: str
    environment: str
    where: str  # account and region
    label: str
    positive: str
    is_regression: bool
    is_numbered: bool
    found: Found | None  # in the stores; None: none has it now
    versions: tuple[Said, ...]  # the newest first
    older: int  # versions that were not searched
    why: Why | None
    offline_rows: str  # S3 URI below which the offline store's files are

    @property
    def learnt(self) -> list[int]:
        """The versions that learnt from the record or were selected on it."""
        return [said.version for said in self.versions if said.has_learnt]

    @property
    def places(self) -> list[str]:
        """The S3 URIs of all files that have rows of it, each once."""
        return list(dict.fromkeys(place for said in self.versions for place in said.places))


def trace(
    settings: Settings, name: str, identifier: str, newest: int = NEWEST,
    on_work: OnWork = lambda what: None,
) -> AccountTrace:  # fmt: skip
    """Trace a record in an environment's account.

    Args:
        newest: how many versions' splits are read.
        on_work: told of a file before it is read.

    Raises:
        AccountError: if AWS refuses to say what the stores or the registry have.
        StateError: if neither a store nor a split that was read has the record.
    """
    environment = settings.account_environment(name)
    found, nowhere = None, ""
    try:
        found = records.in_account(settings, environment, identifier, records.now())
    except StateError as error:  # a split may still have it
        nowhere = str(error)
    with account.one_sentence():
        registry = access.account_registry(settings, name)
        numbers = registry.numbers()
        files = _Files(registry, identifier, on_work)
        versions = tuple(files.said(registry.version(number)) for number in numbers[:newest])
        if found is None and not any(said.split for said in versions):
            raise StateError(
                f"{nowhere}; of {len(numbers)} versions, no split of the newest "
                f"{len(versions)} that can be read has it"
            )
        why = _Why(settings, registry, found, versions).of_serving()
    return AccountTrace(
        identifier, name, f"account {environment.account}, {environment.region}",
        settings.data.label, " or ".join(settings.data.positives) or "1",
        settings.project.problem == "regression", settings.data.number_rows, found,
        versions, len(numbers) - len(versions), why,
        f"s3://{environment.bucket_name}/{settings.project.pipeline}/feature-store/",
    )  # fmt: skip


@dataclass(frozen=True)
class _Files:
    """Looks for the record's rows in the files of versions."""

    registry: AccountRegistry
    identifier: str
    on_work: OnWork

    def said(self, version: Version) -> Said:
        """How a version used the record: the splits are read until one has it."""
        said = Said(version.number, version.status, version.metadata.get("as_of", ""))
        test = version.metadata.get("test_split", "").rstrip("/")
        if not test:
            return replace(said, unread=("its registration does not record where its splits are",))
        for split in SPLITS:
            uri = f"{test.rpartition('/')[0]}/{split}/{split}.csv"
            row, why = self._row(uri)
            if why:
                said = replace(said, unread=(*said.unread, why))
            if row:
                said = replace(said, split=split, fields=row, places=(uri,))
                return self._judged(said, version) if split == "test" else said
        return said

    def _judged(self, said: Said, version: Version) -> Said:
        """Add the files that have a row of the test split, and the stored answer."""
        kept = said.places
        if folder := version.metadata.get("predictions", "").rstrip("/"):
            uri = f"{folder}/test.csv.out"
            row, why = self._row(uri)
            if row:
                kept, said = (*kept, uri), replace(said, answer=tuple(map(float, row[1:])))
            elif why:
                said = replace(said, unread=(*said.unread, why))
        for uri in version.evidence:  # files without ids, whose rows follow the split's
            if uri.endswith("/evaluation.json"):
                kept = (*kept, f"{uri.rpartition('/')[0]}/answers.csv")
            elif uri.endswith("/analysis.json"):
                kept = (*kept, f"{uri.rpartition('/')[0]}/explanations_shap/out.csv")
        return replace(said, places=kept)

    def _row(self, uri: str) -> tuple[tuple[str, ...], str]:
        """The fields of the record's line in a file, or why the file cannot be read."""
        self.on_work(uri)
        try:
            for line in self._lines(uri):
                if first_field(line) == self.identifier.encode():
                    (fields,) = csv.reader([line.decode()])
                    return tuple(fields), ""
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == FORBIDDEN:
                return (), f"the caller may not read {uri}"
            if error.response["Error"]["Code"] in NOT_THERE:
                return (), f"{uri} no longer exists"
            raise
        return (), ""

    def _lines(self, uri: str) -> Iterator[bytes]:
        s3 = self.registry.session.client("s3")
        body = account.get_object(s3, uri, self.registry.environment)["Body"]
        with contextlib.closing(body):
            yield from body.iter_lines(_CHUNK)


@dataclass(frozen=True)
class _Why:
    """Explains the prediction of the version that serves."""

    settings: Settings
    registry: AccountRegistry
    found: Found | None
    versions: Sequence[Said]

    def of_serving(self) -> Why | None:
        """The reasons of the version that serves; None if none does."""
        try:
            number = self.registry.serving()
        except NineStepsError:  # what serves is no registered version
            return None
        if number is None:
            return None
        said = next((one for one in self.versions if one.version == number), None)
        record = (self.found.offline or self.found.online or {}) if self.found else {}
        event_time = said.event_time if said and said.fields else ""
        if not event_time and self.found:
            event_time = record.get(self.found.event_time, "")
        where = f"which the endpoint of {self.registry.environment.name} serves"
        try:
            with account.one_sentence():
                reasons = self._reasons(self.registry.version(number), said, record)
        except (NineStepsError, ValueError, Absent) as error:
            return Why(number, where, event_time, why_not=str(error))
        return Why(number, where, event_time, reasons)

    def _reasons(self, version: Version, said: Said | None, record: Record) -> Reasons:
        """The reasons, from the version's archive, if it is unchanged since its registration.

        Raises:
            Absent: if the archive or step 7's configuration cannot be read.
            ValueError: if the record cannot be explained.
        """
        if self.settings.is_language_model:
            raise Absent(records.NO_WORDS_THERE)
        run = AccountRun.of(self.registry.session, self.registry.environment)
        archive = run.read(version.model, MOST_ARCHIVE)
        noted = version.metadata.get(digest_key(version.model), "")
        if archive is None:
            raise Absent(f"there is no readable archive at {version.model}")
        if not noted:
            raise Absent("the SHA-256 of its archive was not recorded, so its code is not run here")
        facts = run.standing(self.settings, version.execution)
        config = output_file(facts, run, "config", "analysis_config.json").json()

        def line(features: Sequence[str]) -> str:
            if said and said.fields:
                return ",".join(said.fields[-len(features) :])
            return records.request(features, record)

        with tempfile.TemporaryDirectory() as folder:
            storage = Storage(Path(folder))
            storage.write(version.model, archive)
            storage.read(version.model, noted)  # or it is another, and is not unpacked
            return explaining.explain(
                version.model, storage, line, config.get("methods", {}).get("shap", {}),
                [facet.column for facet in self.settings.facets], folders(self.settings.root),
                {},
            )  # fmt: skip
