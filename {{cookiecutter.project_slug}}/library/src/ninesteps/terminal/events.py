"""Prints the events of a run as JSON, an object a line, as they happen."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from ninesteps.feature_store.ingest import Ingested
from ninesteps.local.execution import EXECUTING, WAITING, Execution
from ninesteps.local.history import step_as_json
from ninesteps.report.local_run import warnings_of
from ninesteps.settings.gate import CHAMPION
from ninesteps.settings.settings import Settings
from ninesteps.terminal.run import evaluation


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def working(self, what: str) -> None:
        """Work before the steps that takes a moment."""

    def ingested(self, file: Path, ingested: Ingested, as_of: str) -> None:
        """What was read from the raw table."""

    def update(self, execution: Execution) -> None:
        """The state of the steps."""

    def notice(self, sentence: str) -> None:
        """A warning that does not stop the run."""

    def ended(self, execution: Execution, gate: str, local: Path) -> None:
        """How the run ended."""


class Events:
    """Prints what `report.Progress` would show."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._said: dict[str, str] = {}
        self.run = ""
        """The run's id, once it is known."""

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def working(self, what: str) -> None:
        """Work before the steps that takes a moment."""
        _say("working", what=what)

    def ingested(self, file: Path, ingested: Ingested, as_of: str) -> None:
        """What was read, with odd values."""
        _say("ingested", file=str(file), as_of=as_of, **asdict(ingested))

    def update(self, execution: Execution) -> None:
        """The steps that have changed; for a running one, its progress."""
        if not self.run:
            _say("started", run=execution.id, parameters=execution.parameters)
        self.run = execution.id
        for name, run in execution.steps.items():
            line = f"{run.status} {run.detail if run.status == EXECUTING else ''}"
            if run.status != WAITING and self._said.get(name) != line:
                self._said[name] = line
                _say("step", **step_as_json(run))

    def notice(self, sentence: str) -> None:
        """A warning that does not stop the run, and should be known."""
        _say("notice", says=sentence)

    def ended(self, execution: Execution, gate: str, local: Path) -> None:
        """How the run ended."""
        how = {"status": execution.status, "gate": gate, "registered": execution.registered,
               "origin": execution.origin,
               "remarks": warnings_of(local, self._settings, execution),
               "champion": evaluation(execution, local).get(CHAMPION),
               "report": str(execution.page) if execution.page.exists() else None}  # fmt: skip
        _say("ended", run=execution.id, **how)


def _say(kind: str, **content: object) -> None:
    sys.stdout.write(json.dumps({"event": kind, **content}) + "\n")
    sys.stdout.flush()
