"""The state of an interrupted or failed run, and the command that continues it."""

from __future__ import annotations

import shlex
from pathlib import Path

from ninesteps.definition.definition import read_definition
from ninesteps.errors import StateError
from ninesteps.local.execution import FAILED, SUCCEEDED, Execution
from ninesteps.local.history import History
from ninesteps.local.state import State
from ninesteps.profiles.stamps import LIBRARY, PROFILE, PROFILE_SHA256
from ninesteps.settings.settings import Settings
from ninesteps.step_code.no_champion import PARAMETER

RUN = "pipeline run"

AS_OF = "AsOf"
"""The parameter for the moment that data is read as of; by default, of the table's newest row."""


def next_command(execution: Execution, settings: Settings) -> str:
    """The command to type after a run that has not succeeded.

    A resumed run keeps its definition and its code. So it helps if nothing has to be changed: if
    the run was interrupted, or a step failed for a reason outside its own code. A new run uses what
    was changed, and reuses the results of all steps that the change does not affect.
    """
    again, resumed = _again(execution, settings), f"{RUN} --resume {execution.id}"
    if not execution.steps or approval_violation(execution, settings):
        return again
    failed = [run for run in execution.steps.values() if run.status == FAILED]
    if not failed:
        return resumed
    fixed = f"after fixing code, data or settings: {again}"
    return (
        fixed
        if any(run.repeats for run in failed)
        else f"{fixed}; if there is nothing to fix: {resumed}"
    )


def failure(execution: Execution, settings: Settings) -> str:
    """Which steps of a run failed and why, and the command to type next."""
    why = [f"{name} failed: {run.reason}" for name, run in execution.steps.items()
           if run.status == FAILED]  # fmt: skip
    return f"{'; '.join(why)}; {next_command(execution, settings)}"


def _again(execution: Execution, settings: Settings) -> str:
    """The command that starts such a run again, with its table, step and parameters."""
    state = State(execution.folder.parents[1] / "state.db", read_only=True)
    (kept,) = state.executions(execution.id)
    table = execution.origin.get("table") or {}
    words = []
    if (path := table.get("path", settings.data.file)) != settings.data.file:
        words += ["--data", path]
    if only := kept.wanted.get("only"):
        words += ["--only", only]
    declared = read_definition(kept.definition).parameters if kept.definition else {}
    usual = {AS_OF: table.get("last"), PARAMETER: execution.parameters.get(PARAMETER)}
    for name, value in execution.parameters.items():
        if name in declared and value != usual.get(name, declared[name].get("DefaultValue")):
            words += ["--set", f"{name}={value}"]
    return shlex.join([*RUN.split(), *words])


def approval_violation(execution: Execution, settings: Settings) -> str:
    """Why the version that a run would register could not be approved; empty if it can be.

    A resumed run keeps its definition, which was compiled for the floors in force then.
    """
    from ninesteps.registry import access  # slow to import, and a successful run does not need it

    for run in execution.steps.values():
        if run.step.type == "RegisterModel":
            metadata = run.step.arguments.get("CustomerMetadataProperties", {})
            stamps = {key: str(metadata.get(key, "")) for key in (PROFILE, PROFILE_SHA256, LIBRARY)}
            if violation := access.expected(settings).violation(stamps):
                return violation
    return ""


def check_can_resume(local: Path, settings: Settings, identifier: str) -> None:
    """Refuse to resume a run that cannot register a version.

    Raises:
        StateError: if it has succeeded already, or approval would refuse its version.
    """
    execution = History(local).execution(identifier)
    if execution.status == SUCCEEDED:
        raise StateError(f"{_succeeded(local, identifier)}: there is nothing to resume")
    if execution.steps and (why := approval_violation(execution, settings)):
        raise StateError(
            f"run {identifier} cannot be resumed, because approval would refuse its version: {why}"
        )


def after_interruption(local: Path, settings: Settings, identifier: str) -> str:
    """The state of an interrupted run, as recorded on disk, and the command that continues it."""
    state = State(local / "state.db", read_only=True)
    if not (identifier and state.executions(identifier)):
        return f"nothing has run; next: {RUN}"
    execution, registered = History(local).execution(identifier), _registered(local, identifier)
    if execution.status != SUCCEEDED:
        registered = f"{registered}; " if registered else ""
        return f"{registered}next: {next_command(execution, settings)}"
    numbers = state.versions(identifier)
    decide = "".join(f"; next: pipeline approve {n}, or pipeline reject {n}" for n in numbers)
    page = "" if execution.page.exists() else f"; for its report: pipeline report {identifier}"
    return f"{_succeeded(local, identifier)}{decide}{page}"


def _succeeded(local: Path, identifier: str) -> str:
    registered = _registered(local, identifier) or "no version is registered"
    return f"run {identifier} has succeeded, and {registered}"


def _registered(local: Path, identifier: str) -> str:
    numbers = State(local / "state.db", read_only=True).versions(identifier)
    return " and ".join(f"version {number} is registered" for number in numbers)
