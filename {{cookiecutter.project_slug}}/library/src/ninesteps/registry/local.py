"""The versions that were registered on this machine, in the local engine's state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ninesteps.errors import StepError
from ninesteps.feature_store.ingest import Ingested, summary_of
from ninesteps.local.chain import Entry
from ninesteps.local.endpoint import control, deployments
from ninesteps.local.endpoint.deployments import Deployment
from ninesteps.local.erasures import Erasures
from ninesteps.local.execution import PAGE
from ninesteps.local.state import State, StatusChange, digest_of, digest_of_text
from ninesteps.local.storage import Storage
from ninesteps.registry.registry import Decision, EvidenceFile, Version, version_of

CHAIN_HEAD = "chain_head"
"""The metadata key for the head of the chain of events before a version's registration."""


@dataclass(frozen=True)
class LocalRegistry:
    """A `ninesteps.registry.registry.Registry` in a folder such as `.local`."""

    local: Path
    group: str
    read_only: bool = False  # it shows the state at the time of its first use

    @cached_property
    def _state(self) -> State:
        return State(self.local / "state.db", self.read_only)

    def numbers(self) -> list[int]:
        """All versions, newest first."""
        return [package.version for package in self._state.model_packages(self.group)]

    def version(self, number: int) -> Version:
        """An existing version."""
        (package,) = self._state.model_packages(self.group, number)
        changes = self._state.changes(self.group, number)
        version = version_of(
            package.request,
            self.group,
            number,
            package.status,
            package.created,
            package.execution,
            tuple(Decision(c.before, c.after, c.who, c.why, c.at, c.stage, c.evidence, c.rules,
                           c.signature)
                  for c in changes),
        )  # fmt: skip
        head = {CHAIN_HEAD: package.head} if package.head else {}
        return replace(version, metadata={**version.metadata, **head, **self._tested(number)})

    @cached_property
    def _tests(self) -> dict[int, Entry]:
        """The last A/B test of each version, from the chain of events."""
        tests = (entry for entry in self._state.events() if "ab_outcome" in entry.facts)
        own = (entry for entry in tests if entry.facts.get("group") == self.group)
        return {entry.facts["version"]: entry for entry in own}

    def _tested(self, number: int) -> dict[str, str]:
        """How the last A/B test of a version ended, in the form that an account uses."""
        if number not in self._tests:
            return {}
        entry = self._tests[number]
        outcome, users = (entry.facts.get(key) for key in ("ab_outcome", "ab_users"))
        after = f" after {users:,} users" if users is not None else ""
        test = f"A/B test: {outcome}{after}, {entry.kind}"
        return {"rollout": test, "rollout_at": entry.at}

    def read(self, uri: str) -> bytes | None:
        """The content of an S3 URI; None if there is no object."""
        file = self._file(uri)
        return file.read_bytes() if file else None

    def evidence(self, version: Version) -> list[EvidenceFile]:
        """A version's evidence, as its run's steps wrote it and now.

        A file as left by an erasure counts as registered, because the chain records the erasure.
        """
        registered: dict[str, str] = {}
        for step in self._state.steps(version.execution):
            registered |= step.record.digests
        erasures = Erasures.read(self._state, self.local)
        files = []
        for uri in version.evidence:
            file, was = self._file(uri), registered.get(uri, "")
            now = digest_of(file) if file else ""
            due = erasures.after(uri, was) or was
            files.append(EvidenceFile(uri, due, now, erasures.says(uri, was)))
        return [*files, *self._changed_definition(version)]

    def _changed_definition(self, version: Version) -> Iterator[EvidenceFile]:
        """The definition of the run, if it was changed after the run began."""
        noted = self._state.definition_digests(version.execution)
        for run in self._state.executions(version.execution):
            if noted and (now := digest_of_text(run.definition)) != noted[0]:
                yield EvidenceFile(f"the definition of run {run.id}", noted[0], now)

    def started_by(self, version: Version) -> str:
        """Who started the run that registered it; empty if not recorded."""
        return next((e.started_by for e in self._state.executions(version.execution)), "")

    def findings(self, version: Version) -> bytes | None:
        """Step 1's findings on its splits; None if there are none."""
        return self.read(version.findings) if version.findings else None

    def table(self, version: Version) -> Ingested | None:
        """The summary of the raw table that it was trained on; None if it no longer exists."""
        s3 = self.local / "s3"
        runs = self._state.executions(version.execution)
        return next((summary_of(run.catalog, s3) for run in runs), None)

    def origin(self, version: Version) -> Mapping[str, Any]:
        """Where its run came from; empty if it is not recorded."""
        return next((run.origin for run in self._state.executions(version.execution)), {})

    def same_model_as(self, version: Version) -> int | None:
        """The first version with the same archive, byte for byte, if it is an earlier one."""
        return self._state.same_model_as(self.group, version.number)

    def erased(self, version: Version) -> str:
        """A notice if it learnt from records that were since erased from this machine."""
        return Erasures.read(self._state, self.local).learnt_by(version.number)

    def ab_look(self, version: Version) -> None:
        """None: a test on this machine is shown by the command that runs it."""

    def deployments(self, version: Version) -> tuple[Deployment, ...]:
        """The deployments of a version to the endpoint on this machine."""
        return deployments.of_version(self.local, self.group, version.number)

    def identity(self, who: str) -> str:
        """The name that was given: this machine's registry has no sign-in."""
        return who

    def keep(self, version: Version, decision: Decision) -> bool:
        """Record a decision if the version's status has not changed; of several at once, one is
        recorded."""
        change = StatusChange(version.number, **vars(decision))
        return self._state.change_status(self.group, change)

    def archives(self) -> Iterator[tuple[int, str]]:
        """Each version, newest first, with the SHA-256 of its archive at registration."""
        for number in self.numbers():
            version = self.version(number)
            for step in self._state.steps(version.execution):
                if digest := step.record.digests.get(version.model):
                    yield number, digest

    def serving(self) -> int | None:
        """The version that the endpoint here serves; None if none does."""
        return control.serving(self.local)

    def report(self, version: Version) -> Path | None:
        """The path of the report of the run that registered it; None if it is not written yet."""
        page = self.local / "runs" / version.execution / PAGE
        return page if page.is_file() else None

    def _file(self, uri: str) -> Path | None:
        try:
            return Storage(self.local / "s3").file(uri)
        except StepError:
            return None
