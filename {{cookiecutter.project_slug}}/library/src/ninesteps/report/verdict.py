"""How a run ended, in one sentence: page and summary begin with it."""

from __future__ import annotations

from dataclasses import dataclass

from ninesteps.local.verdict import GATE_FAILED, REGISTERED, RUNNING


@dataclass(frozen=True)
class Verdict:
    """How the run ended, for whoever reads no further."""

    kind: str  # good, bad or passed
    title: str
    says: str


KINDS = {REGISTERED: "good", GATE_FAILED: "bad", "failed": "bad", "killed": "bad", RUNNING: "going"}
"""By what `of_run` says: as the pages mark it; anything else is `passed`."""
