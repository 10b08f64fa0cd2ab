"""The state of an interrupted or failed run, and the command that continues it."""

from __future__ import annotations

from pathlib import Path

from ninesteps.errors import StateError
from ninesteps.local.execution import FAILED, SUCCEEDED, Execution
from ninesteps.local.history import History
from ninesteps.local.state import State
from ninesteps.profiles.stamps import LIBRARY, PROFILE, PROFILE_SHA256
from ninesteps.settings.settings import Settings

RUN = "pipeline run"


def next_command(execution: Execution, settings: Settings) -> str:
    """The command that continues a run that has not succeeded: resume it, or run again."""
    if not execution.steps or approval_violation(execution, settings):
        return RUN
    repeating = [run.step.name for run in execution.steps.values()
                 if run.status == FAILED and run.repeats]  # fmt: skip
    if repeating:
        return f"{RUN}, once data, settings or code have changed: {repeating[0]} would fail again"
    return f"{RUN} --resume {execution.id}"


def approval_violation(execution: Execution, settings: Settings) -> str:
    """Why the version that a run would register could not be approved; empty if it could.

    A resumed run keeps its definition, which was compiled for the floors of that time.
    """
    from ninesteps.registry import access  # a run that succeeds does not pay for it

    for run in execution.steps.values():
        if run.step.type == "RegisterModel":
            metadata = run.step.arguments.get("CustomerMetadataProperties", {})
            stamps = {key: str(metadata.get(key, "")) for key in (PROFILE, PROFILE_SHA256, LIBRARY)}
            if violation := access.expected(settings).violation(stamps):
                return violation
    return ""


def check_can_resume(local: Path, settings: Settings, identifier: str) -> None:
    """Refuse to resume a run where that cannot lead to a version.

    Raises:
        StateError: if it has succeeded already, or approval would refuse its version.
    """
    execution = History(local).execution(identifier)
    if execution.status == SUCCEEDED:
        raise StateError(f"{_succeeded(local, identifier)}: there is nothing to resume")
    if execution.steps and (why := approval_violation(execution, settings)):
        raise StateError(
            f"run {identifier} cannot be resumed, since approval would refuse its version: {why}"
        )


def after_interruption(local: Path, settings: Settings, identifier: str) -> str:
    """What an interrupted run has done, by its state on disk, and the command that continues it."""
    state = State(local / "state.db", read_only=True)
    if not (identifier and state.executions(identifier)):
        return f"nothing has run; to go on: {RUN}"
    execution, registered = History(local).execution(identifier), _registered(local, identifier)
    if execution.status != SUCCEEDED:
        registered = f"{registered}; " if registered else ""
        return f"{registered}to go on: {next_command(execution, settings)}"
    numbers = state.versions(identifier)
    decide = "".join(f"; to go on: pipeline approve {n}, or pipeline reject {n}" for n in numbers)
    page = "" if execution.page.exists() else f"; for its page: pipeline report {identifier}"
    return f"{_succeeded(local, identifier)}{decide}{page}"


def _succeeded(local: Path, identifier: str) -> str:
    registered = _registered(local, identifier) or "no version is registered"
    return f"run {identifier} has succeeded, and {registered}"


def _registered(local: Path, identifier: str) -> str:
    numbers = State(local / "state.db", read_only=True).versions(identifier)
    return " and ".join(f"version {number} is registered" for number in numbers)
