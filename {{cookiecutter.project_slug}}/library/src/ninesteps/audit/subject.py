"""A registered version with everything that is kept about it, on this machine or in an account."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninesteps.errors import RegistryError, StateError, StepError
from ninesteps.local.state import digest_of
from ninesteps.registry import access
from ninesteps.registry.registry import Approvals, Version
from ninesteps.report.evidence import Absent, RunEvidence, collect
from ninesteps.report.facts import RunFacts, Source, StepFacts
from ninesteps.report.steps import inputs
from ninesteps.repository.vendor import LOCK
from ninesteps.settings.settings import Settings
from ninesteps.step_code.by_digest import root_uri

if TYPE_CHECKING:
    from ninesteps.local.chain import Entry, Fault
    from ninesteps.local.state import Record
    from ninesteps.local.storage import Storage
    from ninesteps.registry.account import AccountRegistry
    from ninesteps.report.comparison.side import Store

NO_CHAIN = (
    "an account keeps no chain of events: there AWS CloudTrail tells who did what; the heads of "
    "machines' chains that its bucket keeps are in chain_heads.json"
)

QUERY = "features.sql"
"""Step 1's query, among its inputs."""


@dataclass(frozen=True)
class StoredObject:
    """One object that a run read or wrote."""

    step: str
    role: str  # input or output
    uri: str
    noted: str  # SHA-256 when the step ended; empty: not noted
    now: str  # ... and now; empty: it is gone, or was not read
    erased: str = ""  # how an erasure has changed it since


@dataclass(frozen=True)
class Chain:
    """The chain of events of a machine."""

    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Subject:
    """What an audit pack is about."""

    settings: Settings
    version: Version
    approvals: Approvals  # with the rules in force now
    facts: RunFacts
    source: Store
    evidence: RunEvidence
    definition: str
    objects: tuple[StoredObject, ...]
    started_by: str
    lock: bytes | None  # the repository's, as it is now
    chain: Chain | None  # None: the registry keeps none
    root: Path | None = None  # the repository, and `.local` in it; None: it is an account's
    local: Path | None = None

    @property
    def name(self) -> str:
        """As a person calls it."""
        return self.version.name

    @property
    def origin(self) -> Mapping[str, Any]:
        """What the run recorded of where it came from; empty where nothing was kept."""
        return self.facts.origin

    @property
    def account_registry(self) -> AccountRegistry:
        """The registry that it is of, which is an account's.

        Raises:
            Absent: if it is this machine's.
        """
        from ninesteps.registry.account import AccountRegistry

        registry = self.approvals.registry
        if not isinstance(registry, AccountRegistry):
            raise Absent("the version is of this machine")
        return registry

    @property
    def store(self) -> str:
        """Everything of its pipeline is below this S3 URI."""
        is_here = self.local is not None
        environment = self.settings.environment() if is_here else self.account_registry.environment
        return root_uri(self.settings, environment)

    @property
    def changed(self) -> list[str]:
        """URIs of the objects that are not as they were when their step ended."""
        return [o.uri for o in self.objects if o.noted and o.now and o.noted != o.now]

    def read(self, uri: str, most: int = 64_000_000) -> bytes:
        """The object at a URI.

        Raises:
            Absent: if it is missing.
        """
        content = self.source.read(uri, most)
        if content is None:
            raise Absent(f"there is nothing readable at {uri}")
        return content


def here(root: Path, local: Path, settings: Settings, number: int) -> Subject:
    """A version of this machine.

    Raises:
        RegistryError: if there is none of that number, or nothing of its run is left.
    """
    from ninesteps.local.history import History
    from ninesteps.local.state import State
    from ninesteps.report.local_run import LocalFiles, local_facts

    approvals = access.on_this_machine(local, settings, read_only=True)
    version = approvals.find(number)
    try:
        execution = History(local).execution(version.execution)
    except StateError:
        raise _nothing_left(version) from None
    facts = local_facts(local, settings, execution)
    source = LocalFiles(local, execution)
    state = State(local / "state.db", read_only=True)
    (kept,) = state.executions(execution.id)
    records = {step.name: step.record for step in state.steps(execution.id)}
    return Subject(
        settings,
        version,
        approvals,
        facts,
        source,
        _evidence(version, facts, source),
        kept.definition,
        tuple(_objects(local, facts, records)),
        kept.started_by,
        lock=_read(root / LOCK),
        chain=Chain(tuple(state.events()), tuple(state.event_faults())),
        root=root,
        local=local,
    )


def in_account(settings: Settings, environment: str, number: int) -> Subject:
    """A version of an environment's account.

    Raises:
        RegistryError: as `here`.
        AccountError: if AWS refuses a call.
    """
    from ninesteps.registry.account import AccountRegistry
    from ninesteps.report.account_run import AccountRun

    approvals = access.in_account(settings, environment)
    registry = approvals.registry
    assert isinstance(registry, AccountRegistry)  # noqa: S101
    version = approvals.find(number)
    if not version.execution:
        raise _nothing_left(version)
    run = AccountRun.of(registry.session, registry.environment)
    path = f"pipeline/{registry.pipeline}/execution/{version.execution}"
    arn = registry.environment.sagemaker_arn(path)
    facts = run.facts(settings, arn)
    noted = {file.uri: file for file in registry.evidence(version)}
    objects = [
        StoredObject(step.name, role, uri, *_digests(noted, uri))
        for step in facts.steps
        for role, uris in (("input", inputs(step.request)), ("output", outputs(step)))
        for _, uri in uris
    ]
    objects += [
        StoredObject("", "output", file.uri, file.registered, file.now) for file in noted.values()
    ]
    return Subject(
        settings,
        version,
        approvals,
        facts,
        run,
        _evidence(version, facts, run),
        run.definition(settings, arn),
        tuple(objects),
        registry.started_by(version),
        lock=_read(settings.root / LOCK),
        chain=None,
    )


def outputs(step: StepFacts) -> Iterator[tuple[str, str]]:
    """The places that a processing step wrote to: (name, S3 URI)."""
    for entry in step.request.get("ProcessingOutputConfig", {}).get("Outputs", []):
        yield entry.get("OutputName", ""), entry.get("S3Output", {}).get("S3Uri", "")


def _digests(noted: Mapping[str, Any], uri: str) -> tuple[str, str]:
    file = noted.get(uri)
    return (file.registered, file.now) if file else ("", "")


def _evidence(version: Version, facts: RunFacts, source: Source) -> RunEvidence:
    evidence = collect(facts, source)
    if all(file.raw is None for file in evidence.files):
        raise _nothing_left(version)
    return evidence


def _nothing_left(version: Version) -> RegistryError:
    run = f"run {version.execution}" if version.execution else "the run that registered it"
    return RegistryError(
        f"{version.name}: nothing of {run} is left to make a pack of; its files were removed"
    )


def _objects(local: Path, facts: RunFacts, records: Mapping[str, Record]) -> Iterator[StoredObject]:
    """What the steps wrote, then what they read besides: as it was noted, and is now.

    Of what an erasure has changed since, the digest is the one after it, and it says so.
    """
    from ninesteps.local import erasures
    from ninesteps.local.storage import Storage

    storage, known = Storage(local / "s3"), erasures.read(local)
    done: set[str] = set()
    for role in ("output", "input"):
        for step, record in records.items():
            for uri, digest in (record.digests if role == "output" else record.inputs).items():
                if uri not in done:  # what a step only names, or reads, is its producer's
                    done.add(uri)
                    noted, files = facts.digests.get(uri, digest), _files(storage, uri)
                    now = _digest(storage, uri, files)
                    erased = facts.erased.get(uri, "")
                    if now != noted and (said := known.of_folder(uri, noted, files)):
                        noted, erased = now, said
                    yield StoredObject(step, role, uri, noted, now, erased)


def _files(storage: Storage, uri: str) -> dict[str, str]:
    """SHA-256 of the files at a URI, by their names below it; none if it is gone."""
    try:
        return {name: digest_of(file) for name, file in storage.objects(uri)}
    except (StepError, OSError):
        return {}


def _digest(storage: Storage, uri: str, files: Mapping[str, str]) -> str:
    """SHA-256 of an object, or one for all of a table's; empty if it is gone."""
    from ninesteps.local.step_cache import listing_sha256

    if not files:
        return ""
    return next(iter(files.values())) if storage.path(uri).is_file() else listing_sha256(files)


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def sha256(content: bytes) -> str:
    """As 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
