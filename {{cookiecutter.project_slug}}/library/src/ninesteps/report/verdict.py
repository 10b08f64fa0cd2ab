"""How a run ended, in one sentence: page and summary begin with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """How the run ended, for whoever reads no further."""

    kind: str  # good, bad or passed
    title: str
    says: str
