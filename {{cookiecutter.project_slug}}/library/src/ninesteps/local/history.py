"""Reads earlier runs on this machine from the state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninesteps.definition.definition import read_definition
from ninesteps.errors import StateError
from ninesteps.local.execution import EXECUTING, KILLED, SUCCEEDED, WAITING, Execution, StepRun
from ninesteps.local.state import KeptExecution, KeptStep, State, is_run_locked
from ninesteps.local.verdict import of_run
from ninesteps.nearest import did_you_mean


@dataclass(frozen=True)
class History:
    """The runs in a folder such as `.local`."""

    local: Path
    read: State | None = None  # the state, if already read; None: read it now

    @property
    def _state(self) -> State:
        return self.read or State(self.local / "state.db", read_only=True)

    def runs(self) -> list[dict[str, Any]]:
        """Every run, the newest first."""
        state = self._state
        deciding: dict[str, list[KeptStep]] = {}
        for step in state.deciding_steps():
            deciding.setdefault(step.execution, []).append(step)
        return [
            {
                "run": kept.id,
                "status": self._status(kept),
                **_ended(self._status(kept), deciding.get(kept.id, [])),
                "started": kept.started,
                "ended": kept.ended,
                "parameters": kept.parameters,
                "can_be_resumed": bool(kept.definition) and kept.status != SUCCEEDED,
            }
            for kept in state.executions()
        ]

    def execution(self, name: str) -> Execution:
        """One run, by its id, the beginning of its id, or `last`.

        Raises:
            StateError: if there is no such run, or more than one.
        """
        state = self._state
        kept = self._find(state, name)
        definition = read_definition(kept.definition) if kept.definition else None
        steps = {n: StepRun(step) for n, step in definition.steps.items()} if definition else {}
        for step in state.steps(kept.id):
            if step.name in steps:
                steps[step.name].restore(step, self.local / "runs")
        status = self._status(kept)
        for run in steps.values():
            run.status = KILLED if status == KILLED and run.status == EXECUTING else run.status
        folder = self.local / "runs" / kept.id
        return Execution(kept.id, folder, steps, kept.parameters, status, kept.started, kept.origin)

    def identifier(self, name: str) -> str:
        """The id of a run."""
        return self._find(self._state, name).id

    def _find(self, state: State, name: str) -> KeptExecution:
        every = state.executions() if name else []
        matches = every[:1] if name == "last" else [kept for kept in every if kept.id == name]
        matches = matches or [kept for kept in every if kept.id.startswith(name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise StateError(f"{len(matches)} runs begin with {name!r}; `pipeline runs` lists them")
        near = did_you_mean(name, [*(kept.id for kept in every), "last"])
        raise StateError(f"there is no run {name!r}; `pipeline runs` lists them{near}")

    def _status(self, kept: KeptExecution) -> str:
        going_on = kept.status == EXECUTING and is_run_locked(self.local / "runs" / kept.id)
        return kept.status if going_on or kept.status != EXECUTING else KILLED


def _ended(status: str, deciding: Iterable[KeptStep]) -> dict[str, Any]:
    """How a run ended, and the version that it registered."""
    passes, version = None, None
    for step in deciding:
        if step.type == "Condition":
            passes = step.record.outcome
        elif step.status == SUCCEEDED:
            version = step.record.answer.get("ModelPackageVersion")
    return {"verdict": of_run(status, passes, version is not None), "version": version}


def as_json(execution: Execution) -> dict[str, Any]:
    """A run with its steps, as JSON."""
    gates = [run.outcome for run in execution.steps.values() if run.step.type == "Condition"]
    said = of_run(execution.status, next(iter(gates), None), bool(execution.versions))
    return {
        "run": execution.id,
        "status": execution.status,
        "verdict": said,
        "parameters": execution.parameters,
        "origin": execution.origin,
        "steps": [step_as_json(run) for run in execution.steps.values()],
    }


def step_as_json(run: StepRun) -> dict[str, Any]:
    """A step, as JSON."""
    return {
        "step": run.step.name,
        "type": run.step.type,
        "status": run.status,
        "seconds": round(run.seconds, 3),
        "peak_bytes": run.peak_bytes or None,
        "detail": run.detail,
        "reason": run.reason,
        "cached_from": run.source or None,
        "log": str(run.log) if run.log else None,
        "outcome": run.outcome,
        "compared": [
            {
                "name": c.left_name,
                "left": c.left,
                "sign": c.sign,
                "right": c.right,
                "holds": c.holds,
            }
            for c in run.compared
        ],
        "notes": run.notes,
    }


def log_text(run: StepRun, trial: int | None) -> Iterator[str]:
    """The lines of a step's log; for a search, those of one trial, or the last lines of each.

    Raises:
        StateError: if there is no such log.
    """
    if run.log is None or run.status == WAITING:
        raise StateError(f"{run.step.name} has no log: it {_why_no_log(run)}")
    if not run.log.exists():
        raise StateError(f"{run.log} does not exist: {run.step.name} has printed nothing yet")
    if not run.log.is_dir():
        yield from _lines(run.log)
    elif trial is None:
        for file in sorted(run.log.glob("*.log")):
            yield f"{file.stem}  {next(iter(_lines(file)[-1:]), '(nothing)')}"
    elif (file := run.log / f"{trial:03d}.log").is_file():
        yield from _lines(file)
    else:
        raise StateError(f"{run.step.name} has no trial {trial}")


def _why_no_log(run: StepRun) -> str:
    return "has not run" if run.status == WAITING else f"runs no process ({run.status.lower()})"


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines()
