"""How a run ended, in one sentence: page and summary begin with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """How the run ended, for whoever reads no further."""

    kind: str  # good, bad or passed
    title: str
    says: str


REGISTERED, GATE_FAILED, RUNNING = "registered", "gate failed", "running"
KINDS = {REGISTERED: "good", GATE_FAILED: "bad", "failed": "bad", "killed": "bad", RUNNING: "going"}
"""By what `of_run` says: as the pages mark it; anything else is `passed`."""


def of_run(status: str, passes: bool | None, is_registered: bool) -> str:
    """How a run on this machine ended, in a word or two.

    Args:
        status: the run's, such as Succeeded.
        passes: whether the model passed the gate; None: the run did not come so far.

    Returns:
        registered, gate failed, failed, stopped, killed, running; or succeeded, where the steps
        that were asked for lead to no registration.
    """
    if is_registered:
        return REGISTERED
    if status == "Executing":
        return RUNNING
    return GATE_FAILED if status == "Succeeded" and passes is False else status.lower()
