"""The facts of a run that its report is made from, on this machine or in an account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ninesteps.feature_store.ingest import Ingested

if TYPE_CHECKING:  # a run with nothing changed does not need it
    from ninesteps.local.endpoint.deployments import Deployment
    from ninesteps.registry.registry import Decision
    from ninesteps.report.dictionary import Dictionary

WAITING, EXECUTING, SUCCEEDED = "Waiting", "Executing", "Succeeded"
FAILED, SKIPPED, STOPPED, KILLED = "Failed", "Skipped", "Stopped", "Killed"


@dataclass(frozen=True)
class StepFacts:
    """One step: its definition, and what happened."""

    name: str
    type: str
    waits_for: tuple[str, ...]
    arguments: dict[str, Any]  # as the definition has them, with references
    status: str = WAITING
    said: str = ""  # the status as it is shown, such as Cached
    began: str = ""  # ISO 8601; empty: not known. So is `ended`
    ended: str = ""
    took: str = ""  # such as `2.5 s`
    taken: str = ""  # a sentence on the run whose result it reuses
    source: str = ""  # that run's id
    reason: str = ""  # why it failed or was skipped
    detail: str = ""  # its result, in a few words
    notes: tuple[str, ...] = ()
    outcome: bool | None = None  # a condition's
    answer: dict[str, Any] = field(default_factory=dict)  # the Describe call's answer on its job
    job: str = ""  # the ARN of what it started in an account
    log_place: str = ""  # where the whole log is

    @property
    def request(self) -> dict[str, Any]:
        """The job's request: with its references resolved, or as in the definition."""
        return self.answer or self.arguments


@dataclass(frozen=True)
class Previous:
    """The run whose training data a run's own are compared with."""

    run: str
    started: str  # or when its version was registered
    profile: bytes  # its `profile.json`
    version: int | None = None  # that it registered; None: it is compared with as a run
    why: str = ""  # this one, in words that follow `is`

    @property
    def name(self) -> str:
        """As a person calls it."""
        return f"run {self.run}" if self.version is None else f"version {self.version}"

    @property
    def name_and_why(self) -> str:
        """... and why it is this one: `version 3 (the version that serves)`."""
        return f"{self.name} ({self.why})" if self.why else self.name


@dataclass(frozen=True)
class Reference:
    """The version or run that the page compares a run with."""

    run: str
    version: int | None  # that it registered
    name: str  # as a person calls it
    why: str  # in words that follow `is`
    status: str  # of the version; empty of a run


@dataclass(frozen=True)
class RunFacts:
    """One run of the pipeline."""

    id: str
    pipeline: str
    project: str  # its display name
    where: str  # the machine or the account
    status: str
    started: str  # as the three below, as a person reads it
    ended: str
    took: str
    started_by: str
    parameters: dict[str, Any]
    definition_sha256: str
    steps: tuple[StepFacts, ...]  # as they are numbered
    positive: str = "1"  # the label's text that counts as 1
    began: str = ""  # the moment, as ISO 8601
    reason: str = ""  # why it failed
    digests: dict[str, str] = field(default_factory=dict)  # noted when a step ended, by S3 URI
    erased: dict[str, str] = field(default_factory=dict)  # of these, how an erasure changed each
    registered: str = ""  # the version, as a person reads it
    changes: tuple[Decision, ...] = ()  # of its status, the oldest first
    deployments: tuple[Deployment, ...] = ()  # to the endpoint on this machine, the oldest first
    versions: dict[str, str] = field(default_factory=dict)
    previous: Previous | None = None
    no_previous: str = ""  # why there is none
    reference: Reference | None = None  # None: there is nothing to compare it with
    no_reference: str = ""  # ... or a sentence on why that is not known
    names: dict[str, str] = field(default_factory=dict)  # of columns shown under another name
    lineage: str = ""  # the part of the page on it, as HTML; empty where it is not known
    table: Ingested | None = None  # what was found in the raw table, where that is known
    origin: Mapping[str, Any] = field(default_factory=dict)  # where it came from; empty: unknown
    protected_on_purpose: Mapping[str, str] = field(default_factory=dict)  # [model.protected]
    dictionary: Dictionary | None = None  # what the settings say of columns and features
    champion: int | None = None  # the version that its gate compared it with, where that is known

    @property
    def version(self) -> int | None:
        """The number of the version that it registered in an account; None if it did not."""
        for step in self.step("RegisterModel"):
            if number := step.answer.get("ModelPackageVersion"):
                return int(number)
        return None

    def step(self, *types: str) -> list[StepFacts]:
        """The steps of the given types."""
        return [step for step in self.steps if step.type in types]


class Source(Protocol):
    """Reads a run's files and logs."""

    def read(self, uri: str, most: int) -> bytes | None:
        """The object at an S3 URI; None if it is not there, or larger than `most` bytes.

        Raises:
            evidence.Absent: if reading it is not allowed.
        """

    def log(self, step: StepFacts) -> Iterable[str]:
        """The last lines that a step printed."""
