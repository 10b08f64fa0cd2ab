"""How a run ended, in a word or two, for the pages, `runs` and `show`."""

from __future__ import annotations

REGISTERED, GATE_FAILED, RUNNING = "registered", "gate failed", "running"


def is_failed_gate(kind: str, outcome: bool | None) -> bool:
    """Whether a step of a type is a gate that the model failed, though the step succeeded."""
    return kind == "Condition" and outcome is False


def of_gate(condition: str, outcome: bool) -> str:
    """Why a step on the branch that was not taken was skipped."""
    return f"the model {'passes' if outcome else 'fails'} the gate {condition}"


def of_run(status: str, passes: bool | None, is_registered: bool) -> str:
    """How a run here, or an execution in an account, ended.

    Args:
        status: the run's, such as Succeeded.
        passes: whether the model passed the gate; None: the run did not get that far.

    Returns:
        registered, gate failed, failed, stopped, killed, running; or succeeded, if the selected
        steps do not include a registration.
    """
    if is_registered:
        return REGISTERED
    if status == "Executing":
        return RUNNING
    return GATE_FAILED if status == "Succeeded" and passes is False else status.lower()


def in_words(verdict: str, version: int | None) -> str:
    """A verdict with the version that was registered, if one was."""
    return f"registered version {version}" if verdict == REGISTERED and version else verdict
