"""How a run ended: the page and the summary begin with it."""

from __future__ import annotations

from dataclasses import dataclass

from ninesteps.local.verdict import GATE_FAILED, REGISTERED, RUNNING


@dataclass(frozen=True)
class Verdict:
    """How the run ended: a title, and a sentence or two."""

    kind: str  # good, bad or passed
    title: str
    says: str


KINDS = {REGISTERED: "good", GATE_FAILED: "bad", "failed": "bad", "killed": "bad", RUNNING: "going"}
"""How the pages mark each verdict of `of_run`; any other is marked `passed`."""
