"""The runs and versions of this machine for the pages, read from the state and the files.

Nothing else is stored; a copy of the state is kept in memory until its file changes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ninesteps.errors import RegistryError
from ninesteps.lineage.local import graph_of_run
from ninesteps.local.endpoint import control
from ninesteps.local.execution import PAGE, Execution
from ninesteps.local.history import History
from ninesteps.local.state import State
from ninesteps.local.verdict import of_run
from ninesteps.registry.local import LocalRegistry
from ninesteps.registry.registry import Version, metrics, version_of
from ninesteps.report.formatting import duration
from ninesteps.report.lineage_picture import lineage_part
from ninesteps.settings.settings import Settings

STATE = "state.db"


@dataclass(frozen=True)
class RunLine:
    """A run, as a row of the list."""

    id: str
    verdict: str
    started: str  # in UTC, as ISO 8601
    took: str
    as_of: str
    version: int | None  # that it registered
    has_report: bool


@dataclass(frozen=True)
class VersionLine:
    """A version, as a row of the list."""

    number: int
    status: str
    created: str
    run: str
    serves: bool
    has_report: bool
    evaluation: str  # the S3 URI of its evaluation.json
    metrics: Mapping[str, float]  # empty if they were not read, or can no longer be read


@dataclass(frozen=True)
class StepTime:
    """When a step ran, in seconds since the first step began; None if it has not ended."""

    name: str
    state: str  # as it is shown, such as Cached
    status: str
    took: float
    began: float | None


@dataclass
class Machine:
    """The runs and versions in a folder such as `.local`."""

    local: Path
    settings: Settings
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: object = None
    _state: State | None = None

    @property
    def state(self) -> State:
        """The current state.

        Raises:
            StateError: if it is damaged, or gone while there are runs.
        """
        files = [self.local / f"{STATE}{ending}" for ending in ("", "-wal")]
        with self._lock:
            now = [(s.st_ino, s.st_size, s.st_mtime_ns) for f in files if (s := _stat(f))]
            if self._state is None or not now or now != self._seen:
                self._state, self._seen = State(files[0], read_only=True), now
            return self._state

    @property
    def serving(self) -> int | None:
        """The version that the endpoint here serves; None if none does."""
        return control.serving(self.local)

    def runs(self) -> list[RunLine]:
        """Every run, the newest first."""
        state = self.state
        outcomes = dict(state.rows(
            "SELECT execution, min(json_extract(record, '$.outcome')) FROM steps "
            "WHERE type = 'Condition' AND json_valid(record) GROUP BY execution"
        ))  # fmt: skip
        versions = dict(state.rows(
            "SELECT execution, version FROM model_packages WHERE package_group = ?",
            self.settings.model_package_group,
        ))  # fmt: skip
        return [
            RunLine(
                run["run"],
                of_run(run["status"], _flag(outcomes.get(run["run"])), run["run"] in versions),
                run["started"], _took(run["started"], run["ended"]),
                str(run["parameters"].get("AsOf", "")), versions.get(run["run"]),
                self.report(run["run"]) is not None,
            )
            for run in History(self.local, state).runs()
        ]  # fmt: skip

    def knows(self, run: str) -> bool:
        """Whether there is a run with exactly this id."""
        return bool(self.state.rows("SELECT 1 FROM executions WHERE id = ?", run))

    def execution(self, run: str) -> Execution:
        """A run with its steps, by its full id."""
        return History(self.local, self.state).execution(run)

    def times(self, execution: Execution) -> list[StepTime]:
        """The steps as they are numbered, with when each ran."""
        ends = self.state.step_ends(execution.id)
        begins = {n: end - execution.steps[n].seconds for n, end in ends.items()
                  if n in execution.steps}  # fmt: skip
        first = min(begins.values(), default=0.0)
        return [
            StepTime(run.step.name, run.state, run.status, run.seconds,
                     begins[run.step.name] - first if run.step.name in begins else None)
            for run in execution.numbered
        ]  # fmt: skip

    def versions(self) -> list[VersionLine]:
        """Every version, the newest first, without its metrics."""
        group, serving = self.settings.model_package_group, self.serving
        lines = []
        for package in self.state.model_packages(group):
            version = version_of(package.request, group, package.version, package.status,
                                 package.created, package.execution, ())  # fmt: skip
            lines.append(VersionLine(
                version.number, version.status, version.created, version.execution,
                version.number == serving, self.report(version.execution) is not None,
                version.evaluation, {},
            ))  # fmt: skip
        return lines

    def measured(self, versions: Sequence[VersionLine]) -> list[VersionLine]:
        """The same versions with their metrics; each needs a file to be read."""
        registry = LocalRegistry(self.local, self.settings.model_package_group, read_only=True)
        return [replace(v, metrics=_metrics(registry, v.evaluation)) for v in versions]

    def version(self, number: int) -> tuple[Version, Mapping[str, float], str]:
        """A version, its metrics, and a note if it learnt from records that were erased later.

        Raises:
            RegistryError: if there is none of that number.
        """
        registry = LocalRegistry(self.local, self.settings.model_package_group, read_only=True)
        if number not in registry.numbers():
            raise RegistryError(f"{registry.group} has no version {number}")
        version = registry.version(number)
        return version, _metrics(registry, version.evaluation), registry.erased(version)

    def lineage(self, run: str) -> str:
        """The lineage of a run as HTML, made in a copy of the state."""
        state = State(self.local / STATE, read_only=True)
        group = self.settings.model_package_group
        return lineage_part(graph_of_run(self.local, group, state, run))

    def report(self, run: str) -> Path | None:
        """The page of a run that is known; None if it has none."""
        page = self.local / "runs" / run / PAGE
        return page if page.is_file() else None


def _stat(file: Path) -> Any:
    try:
        return file.stat()
    except OSError:
        return None


def _metrics(registry: LocalRegistry, evaluation: str) -> Mapping[str, float]:
    content = registry.read(evaluation) if evaluation else None
    try:
        return metrics(content) if content is not None else {}
    except RegistryError:
        return {}


def _flag(outcome: int | None) -> bool | None:
    return None if outcome is None else bool(outcome)


def _took(started: str, ended: str | None) -> str:
    if ended is None:
        return ""
    began, end = (datetime.fromisoformat(text) for text in (started, ended))
    return duration((end - began).total_seconds()) if end > began else "under a second"
