"""Finds what is compared on this machine: runs, versions, and the version that serves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ninesteps.errors import DeployError
from ninesteps.local.endpoint import control
from ninesteps.local.history import History
from ninesteps.registry import access
from ninesteps.registry.registry import Approvals
from ninesteps.report.comparison.model import Subject
from ninesteps.report.comparison.names import SERVING, Located, version_number
from ninesteps.report.comparison.side import Side
from ninesteps.report.evidence import collect
from ninesteps.report.local_run import LocalFiles, local_facts
from ninesteps.report.reading import Reading
from ninesteps.settings.settings import Settings


@dataclass(frozen=True)
class Here:
    """The runs and versions in a folder such as `.local`."""

    local: Path
    settings: Settings

    def side(self, name: str) -> Side:
        """A run or version, by what a person calls it; raises what `located` does."""
        return self.read(self.located(name))

    def located(self, name: str) -> Located:
        """A run or version, by what a person calls it: as `names` says.

        Raises:
            StateError: if there is no such run, or more than one.
            RegistryError: if there is no such version.
            DeployError: if none serves.
        """
        number = version_number(name)
        if name == SERVING:
            number = self._serving
            if number is None:
                raise DeployError("no version serves here; `pipeline deploy V` starts an endpoint")
        if number is not None:
            version = self._approvals.find(number)
            execution = History(self.local).execution(version.execution)
            return Located(execution.id, f"version {number}", number)
        execution = History(self.local).execution(name)
        return Located(execution.id, f"run {execution.id}", next(iter(execution.versions), None))

    def of_version(self, number: int) -> Side:
        """A version.

        Raises:
            RegistryError: if there is none of that number.
            StateError: if its run is not known here any more.
        """
        return self.side(str(number))

    @cached_property
    def _approvals(self) -> Approvals:
        return access.on_this_machine(self.local, self.settings, read_only=True)

    @cached_property
    def _serving(self) -> int | None:
        return control.serving(self.local)

    def read(self, located: Located) -> Side:
        """All that is compared of it."""
        execution, number = History(self.local).execution(located.run), located.version
        facts, files = (
            local_facts(self.local, self.settings, execution),
            LocalFiles(self.local, execution),
        )
        status = execution.status
        if number is not None:
            status = self._approvals.registry.version(number).status
        subject = Subject(
            located.name, execution.id, number, status, facts.started, facts.started_by,
            number is not None and number == self._serving,
        )  # fmt: skip
        return Side(subject, Reading(facts, collect(facts, files)), files)
