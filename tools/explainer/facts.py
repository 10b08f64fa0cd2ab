"""What the page is made from: a rendered repository, its settings, its definition and its run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ninesteps.local.execution import Execution
from ninesteps.local.history import History
from ninesteps.local.state import State
from ninesteps.report.evidence import RunEvidence, collect
from ninesteps.report.facts import RunFacts
from ninesteps.report.local_run import LocalFiles, local_facts
from ninesteps.report.reading import Reading
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings


@dataclass(frozen=True)
class ScenarioFacts:
    """One scenario, rendered and run."""

    name: str
    repository: Path
    settings: Settings
    execution: Execution
    run: RunFacts
    evidence: RunEvidence
    definition: dict[str, Any]  # the compiled definition, as SageMaker would receive it

    @property
    def local(self) -> Path:
        """The folder with the results of runs."""
        return self.repository / ".local"

    @property
    def files(self) -> LocalFiles:
        """The files that the run's steps wrote, by S3 URI."""
        return LocalFiles(self.local, self.execution)

    @cached_property
    def reading(self) -> Reading:
        """The run's files, read as its report reads them."""
        return Reading(self.run, self.evidence)


def gather(name: str, repository: Path, run: str = "last") -> ScenarioFacts:
    """Read a repository and one of its runs.

    Args:
        run: its id, or `last`.
    """
    settings = loading.load(repository)
    local = repository / ".local"
    execution = History(local).execution(run)
    facts = local_facts(local, settings, execution)
    (kept,) = State(local / "state.db", read_only=True).executions(execution.id)
    return ScenarioFacts(
        name=name,
        repository=repository,
        settings=settings,
        execution=execution,
        run=facts,
        evidence=collect(facts, LocalFiles(local, execution)),
        definition=json.loads(kept.definition),
    )
