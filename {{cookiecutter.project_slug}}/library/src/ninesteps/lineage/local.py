"""Lineage on this machine: recorded when runs end and decisions are made, and read from the state.

It is derived from what the state keeps by digest (executions, steps, versions, changes of status)
and from the endpoint's list of deployments. It is therefore the same whenever it is derived, and
anything that a killed process has left out is added the next time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ninesteps.errors import RegistryError
from ninesteps.lineage import entities, roles, store
from ninesteps.lineage.erased import with_erasures
from ninesteps.lineage.graph import Builder, Graph
from ninesteps.lineage.of_run import RunLineage, RunRecord
from ninesteps.lineage.of_version import (
    VersionRecord,
    add_deployments,
    add_version,
    decision_id,
)
from ninesteps.local.erasures import Erasures
from ninesteps.local.execution import EXECUTING, KILLED
from ninesteps.local.state import KeptExecution, State, digest_of_text, is_run_locked
from ninesteps.local.step_types import ARN
from ninesteps.local.storage import Storage
from ninesteps.registry.registry import listed
from ninesteps.settings.settings import Settings

STATE = "state.db"


def record(local: Path, group: str) -> None:
    """Bring the recorded lineage up to date.

    Args:
        local: a folder such as `.local`.
        group: the model package group, which the endpoint is called by where it notes none.
    """
    _Recorder(local, group, State(local / STATE)).record()


def graph_of_version(local: Path, settings: Settings, number: int) -> Graph:
    """What a registered version came from, and what became of it.

    Raises:
        RegistryError: if there is no version of that number.
    """
    group = settings.model_package_group
    state = _up_to_date(local, group)
    graph = store.around(state, entities.package_id(group, number))
    if not graph.entities:
        numbers = [package.version for package in state.model_packages(group)]
        has = f"it has {listed(numbers)}" if numbers else "no version is registered"
        raise RegistryError(f"{group} has no version {number}: {has}")
    return with_erasures(graph, Erasures.read(state, local))


def graph_of_run(local: Path, group: str, state: State, execution: str) -> Graph:
    """What a run came from and made: of its version, if it registered one.

    Args:
        state: that of the folder, as it was read into memory: it is brought up to date there.
    """
    _Recorder(local, group, state).record()
    rows = state.rows(
        "SELECT package_group, version FROM model_packages WHERE execution = ?", execution
    )
    start = entities.package_id(*rows[0]) if rows else entities.run_id(execution)
    return with_erasures(store.around(state, start), Erasures.read(state, local))


def whole_graph(local: Path, group: str) -> Graph:
    """Everything that is recorded, brought up to date."""
    return store.read(_up_to_date(local, group))


def _up_to_date(local: Path, group: str) -> State:
    """The state with what was not recorded yet: on disk too, where that may be written."""
    file = local / STATE
    state = State(file, read_only=True)
    recorder = _Recorder(local, group, state)
    if recorder.is_behind() and os.access(local, os.W_OK) and os.access(file, os.W_OK):
        recorder = _Recorder(local, group, State(file))
    recorder.record()
    return recorder.state


@dataclass
class _Recorder:
    """Derives what is not recorded yet."""

    local: Path
    group: str
    state: State
    graph: Builder = field(init=False)

    def __post_init__(self) -> None:
        self.graph = Builder(lambda id_: store.has(self.state, id_))

    def is_behind(self) -> bool:
        """Whether a run, a version or a decision is not recorded."""
        return bool(self._runs() or self._versions())

    def record(self) -> None:
        """Record what is not yet, and every deployment again: its traffic grows."""
        for kept in self._runs():
            self._add_run(kept)
        for group, version in self._versions():
            self._add_version(group, version)
        endpoint = self.local / "endpoint"
        if endpoint.is_dir():
            rows = self.state.rows("SELECT package_group, version FROM model_packages")
            changes = {package: self.state.changes(*package) for package in rows}
            add_deployments(endpoint, self.group, changes, self.graph)
        if self.graph.entities:
            store.write(self.state, self.graph.graph())

    def _runs(self) -> list[KeptExecution]:
        """Runs that have ended, and are not recorded as they ended; the oldest first."""
        recorded = store.runs(self.state)
        rows = self.state.rows("SELECT id, status, ended FROM executions ORDER BY started, rowid")
        return [
            replace(kept, status=now)
            for execution, status, ended in rows
            if recorded.get(entities.run_id(execution)) != (status, ended or "")
            and (now := self._standing(execution, status))
            and recorded.get(entities.run_id(execution)) != (now, ended or "")
            for kept in self.state.executions(execution)
        ]

    def _standing(self, execution: str, status: str) -> str:
        """How a run has ended; empty if it goes on."""
        if status != EXECUTING:
            return status
        return "" if is_run_locked(self.local / "runs" / execution) else KILLED

    def _versions(self) -> list[tuple[str, int]]:
        """Versions that are not recorded with every decision on them; the oldest first."""
        recorded = store.ids(self.state, roles.PACKAGE, roles.APPROVAL)
        rows = self.state.rows(
            "SELECT package_group, version, (SELECT count(*) FROM status_changes c "
            "WHERE c.package_group = p.package_group AND c.version = p.version) "
            "FROM model_packages p ORDER BY rowid"
        )
        return [
            (group, version)
            for group, version, decisions in rows
            if entities.package_id(group, version) not in recorded
            or any(decision_id(group, version, n) not in recorded for n in range(1, decisions + 1))
        ]

    def _add_run(self, kept: KeptExecution) -> None:
        rows = self.state.rows("SELECT name, ended FROM steps WHERE execution = ?", kept.id)
        steps, digests = self.state.steps(kept.id), self.state.definition_digests(kept.id)
        for source in {step.record.source for step in steps if step.record.source}:
            if not self.graph.has(entities.run_id(source)):  # it goes on, beside this one
                for other in self.state.executions(source):
                    self._add_run(other)
        run = RunRecord(
            kept, steps, {name: ended for name, ended in rows if ended},
            digests[0] if digests else "", Storage(self.local / "s3"),
        )  # fmt: skip
        RunLineage(run, self.graph).add()

    def _add_version(self, group: str, version: int) -> None:
        (package,) = self.state.model_packages(group, version)
        ((text,),) = self.state.rows(
            "SELECT request FROM model_packages WHERE package_group = ? AND version = ?",
            group,
            version,
        )
        record = VersionRecord(
            package, f"{ARN}:model-package/{group}/{version}", digest_of_text(text),
            self.state.steps(package.execution), self.state.changes(group, version),
        )  # fmt: skip
        add_version(record, self.graph)


def versions_of(graph: Graph, ids: Iterable[str]) -> list[str]:
    """The ids of the packages that some entities led to."""
    return list(dict.fromkeys(
        e.id for id_ in ids for e in graph.downstream(id_) if e.role == roles.PACKAGE
    ))  # fmt: skip
