"""The status of an execution: its steps, their results, and what is recorded of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from ninesteps.definition.definition import Step
from ninesteps.definition.step_names import numbered
from ninesteps.errors import Frame
from ninesteps.local.expressions import Compared
from ninesteps.local.state import KeptStep, Record, now
from ninesteps.local.verdict import is_failed_gate

WAITING, EXECUTING, SUCCEEDED = "Waiting", "Executing", "Succeeded"
FAILED, SKIPPED, STOPPED = "Failed", "Skipped", "Stopped"
KILLED = "Killed"
"""The status of a run that is recorded as executing although no process runs it."""

PAGE = "report.html"
"""The report's file in a run's folder."""


@dataclass
class StepRun:
    """The status of one step of an execution."""

    step: Step
    status: str = WAITING
    started: float = 0.0  # monotonic clock
    seconds: float = 0.0
    peak_bytes: int = 0  # the most memory of one of its processes; 0: none, or unknown
    reason: str = ""  # why it failed or was skipped
    frame: Frame | None = None  # where its own code failed
    detail: str = ""  # the result: the best trial, the version
    notes: list[str] = field(default_factory=list)  # what this machine did differently from AWS
    compared: list[Compared] = field(default_factory=list)  # a condition's comparisons
    outcome: bool | None = None  # a condition's
    log: Path | None = None
    repeats: bool = False  # its own code failed, and would fail again
    source: str = ""  # the execution whose result it reuses
    answer: dict[str, Any] = field(default_factory=dict)  # what Describe would answer
    inputs: dict[str, str] = field(default_factory=dict)  # digests of what it read, by S3 URI

    def kept(
        self,
        execution: str,
        digests: dict[str, str] | None = None,
        moves: list[list[str]] | None = None,
    ) -> KeptStep:
        """The step's record for the state.

        Args:
            digests: of its outputs, by S3 URI.
            moves: outputs still to be moved: (path, S3 URI).
        """
        record = Record(
            detail=self.detail,
            notes=self.notes,
            log=str(self.log or ""),
            peak_bytes=self.peak_bytes,
            source=self.source,
            answer=self.answer,
            outcome=self.outcome,
            compared=[list(astuple(compared)) for compared in self.compared],
            frame=list(astuple(self.frame)) if self.frame else [],
            digests=digests or {},
            inputs=self.inputs,
            moves=moves or [],
            repeats=self.repeats,
        )
        step, seconds = self.step, round(self.seconds, 3)
        return KeptStep(execution, step.name, step.type, self.status, seconds, self.reason, record)

    @property
    def state(self) -> str:
        """The status to show: a gate that the model failed is not shown as succeeded."""
        if is_failed_gate(self.step.type, self.outcome) and self.status == SUCCEEDED:
            return "Gate failed"
        return "Cached" if self.source and self.status == SUCCEEDED else self.status

    def restore(self, kept: KeptStep, runs: Path | None = None) -> None:
        """Restore the status from the state.

        Args:
            runs: the folder of runs, if it may have moved.
        """
        record = kept.record
        self.status, self.seconds, self.reason = kept.status, kept.seconds, kept.reason
        self.detail, self.notes = record.detail, record.notes
        self.log = Path(record.log) if record.log else None
        if self.log and runs:
            self.log = relocated(self.log, runs)
        self.peak_bytes, self.source = record.peak_bytes, record.source
        self.repeats = record.repeats
        self.answer, self.outcome = record.answer, record.outcome
        self.inputs = record.inputs
        self.compared = [Compared(*compared) for compared in record.compared]
        self.frame = Frame(*record.frame) if record.frame else None


def relocated(path: Path, runs: Path) -> Path:
    """A recorded path in the folder of runs, adapted to where that folder is now.

    A repository may have been moved or copied; a copy works with its own files.
    """
    parts = path.parts
    for place, name in enumerate(parts[:-1]):
        if name == runs.name and (runs / parts[place + 1]).is_dir():
            return runs.joinpath(*parts[place + 1 :])
    return path


@dataclass
class Execution:
    """One run of a definition."""

    id: str
    folder: Path  # logs and sandboxes
    steps: dict[str, StepRun]
    parameters: dict[str, Any]
    status: str = EXECUTING
    started: str = field(default_factory=now)
    origin: Mapping[str, Any] = field(default_factory=dict)  # where it came from; older runs: empty

    @property
    def numbered(self) -> list[StepRun]:
        """The steps in numbered order: a condition comes after the steps that it decides on."""
        types = {name: run.step.type for name, run in self.steps.items()}
        return [self.steps[name] for name in numbered(types)]

    @property
    def notes(self) -> list[str]:
        """What this machine did differently from AWS, for all steps."""
        return [note for run in self.steps.values() for note in run.notes]

    @property
    def registered(self) -> list[str]:
        """The registered versions, for display."""
        return [run.detail for run in self._registrations]

    @property
    def versions(self) -> list[int]:
        """Their numbers."""
        return [run.answer["ModelPackageVersion"] for run in self._registrations]

    @property
    def _registrations(self) -> list[StepRun]:
        steps = self.steps.values()
        return [r for r in steps if r.step.type == "RegisterModel" and r.status == SUCCEEDED]

    @property
    def logs(self) -> Path:
        """The folder of the steps' logs."""
        return self.folder / "logs"

    @property
    def page(self) -> Path:
        """The path of its report."""
        return self.folder / PAGE
