"""What the state recorded of a version: its package, its run, and the runs of reused steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ninesteps.definition.definition import Definition, read_definition
from ninesteps.errors import RegistryError, StateError
from ninesteps.local.erasures import Erasures
from ninesteps.local.state import (
    KeptExecution,
    KeptStep,
    ModelPackage,
    State,
    digest_of_text,
)
from ninesteps.local.storage import Storage


@dataclass(frozen=True)
class Recorded:
    """A version, and the run that registered it."""

    storage: Storage
    package: ModelPackage
    run: KeptExecution
    steps: dict[str, KeptStep]
    erasures: Erasures = field(default_factory=Erasures)  # also of records that it was made from

    @cached_property
    def definition(self) -> Definition:
        """What was run."""
        return read_definition(self.run.definition)

    @cached_property
    def sources(self) -> dict[str, str]:
        """The run in which each step ran: an earlier one if its result was reused."""
        return {name: step.record.source or self.run.id for name, step in self.steps.items()}

    @cached_property
    def runs(self) -> list[str]:
        """Every run that the version comes from, its own last."""
        earlier = dict.fromkeys(source for source in self.sources.values() if source != self.run.id)
        return [*earlier, self.run.id]

    @property
    def table(self) -> dict[str, Any]:
        """The record of the raw table; empty for a run of an earlier library."""
        table = self.run.origin.get("table")
        return table if isinstance(table, dict) else {}

    @cached_property
    def inputs(self) -> dict[str, str]:
        """SHA-256 of what the steps read, by S3 URI; a table in the offline store has one."""
        read: dict[str, str] = {}
        for step in self.steps.values():
            read |= step.record.inputs
        return read

    def as_now(self, text: str) -> str:
        """A text of earlier runs with the run's own id."""
        for earlier in self.runs[:-1]:
            text = text.replace(earlier, self.run.id)
        return text


def recorded(local: Path, group: str, number: int) -> Recorded:
    """What was recorded of a version on this machine; nothing there is changed.

    Raises:
        RegistryError: if there is no such version.
        StateError: if what was recorded is not enough to make the run again.
    """
    state = State(local / "state.db", read_only=True)
    packages = state.model_packages(group, number)
    if not packages:
        raise RegistryError(f"{group} has no version {number}; `pipeline registry` lists them")
    (package,) = packages
    runs = state.executions(package.execution)
    if not runs or not runs[0].definition:
        raise StateError(
            f"version {number} cannot be reproduced: the definition of run {package.execution} "
            "was not recorded"
        )
    run, noted = runs[0], state.definition_digests(package.execution)
    if noted and digest_of_text(run.definition) != noted[0]:
        raise StateError(
            f"version {number} cannot be reproduced: the definition of run {run.id} was changed "
            "since it began"
        )
    steps = {step.name: step for step in state.steps(run.id)}
    erasures = Erasures.read(state, local)
    return Recorded(Storage((local / "s3").resolve()), package, run, steps, erasures)
