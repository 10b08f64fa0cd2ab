"""The result of a reproduction: what the version was made from, and each artifact compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

IDENTICAL, WITHIN, DIFFERS, MISSING = "identical", "within tolerance", "differs", "missing"
"""How an artifact that was made again compares; missing: there is nothing to compare."""

USED, REMADE, CHANGED, GONE = "as recorded", "made again", "changed", "gone"
"""States of a version's sources; made again: from its own source, with the same hash."""

STATES = (IDENTICAL, WITHIN, DIFFERS, MISSING)


@dataclass(frozen=True)
class Artifact:
    """A step's artifact, as recorded and as made again."""

    name: str
    state: str  # one of STATES
    detail: str = ""  # in words
    recorded: str = ""  # SHA-256; empty where none was recorded
    made: str = ""  # SHA-256; empty where it was not made again
    numbers: int = 0  # that differ
    absolute: float = 0.0  # the largest absolute difference of numbers
    relative: float = 0.0  # the largest relative difference
    where: str = ""  # the place of the largest absolute difference


@dataclass(frozen=True)
class Part:
    """A step, or the feature store before them, with what it made."""

    name: str
    status: str  # the engine's status of the step that was run again
    reason: str = ""  # why it failed or was skipped
    source: str = ""  # the run whose result the version reused; empty: its own run's
    artifacts: tuple[Artifact, ...] = ()


@dataclass(frozen=True)
class Source:
    """A source that a version was made from."""

    name: str
    state: str  # USED, REMADE, CHANGED or GONE
    detail: str = ""


@dataclass(frozen=True)
class Reproduction:
    """A version that was made again."""

    group: str
    version: int
    run: str
    runs: tuple[str, ...]  # every run that its steps came from
    tolerance: float
    sources: tuple[Source, ...]
    environment: tuple[str, ...]  # what differs on this machine now, a sentence each
    parts: tuple[Part, ...] = field(default_factory=tuple)

    @property
    def counts(self) -> dict[str, int]:
        """How many artifacts are in each state."""
        counted = Counter(a.state for part in self.parts for a in part.artifacts)
        return {state: counted[state] for state in STATES}

    @property
    def is_proven(self) -> bool:
        """Whether every artifact is identical or within the tolerance, and none is missing."""
        counts = self.counts
        return sum(counts.values()) > 0 and not counts[DIFFERS] and not counts[MISSING]


def as_json(made: Reproduction) -> dict[str, Any]:
    """A reproduction as data."""
    return {
        "group": made.group,
        "version": made.version,
        "run": made.run,
        "runs": list(made.runs),
        "tolerance": made.tolerance,
        "is_proven": made.is_proven,
        "counts": made.counts,
        "sources": [vars(source) for source in made.sources],
        "environment": list(made.environment),
        "steps": [
            {**vars(part), "artifacts": [vars(artifact) for artifact in part.artifacts]}
            for part in made.parts
        ],
    }
