"""Finds what is compared in an account: executions, versions, and the version that serves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ninesteps.errors import AccountError
from ninesteps.infrastructure import account, serving
from ninesteps.registry import access
from ninesteps.registry.account import AccountRegistry
from ninesteps.registry.registry import Approvals
from ninesteps.report.account_run import AccountRun
from ninesteps.report.comparison.model import Subject
from ninesteps.report.comparison.names import SERVING, Located, version_number
from ninesteps.report.comparison.side import Side
from ninesteps.report.evidence import collect
from ninesteps.report.reading import Reading
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings


@dataclass(frozen=True)
class InAccount:
    """The executions and versions of an environment; `session` is boto3's."""

    session: Any
    environment: Environment
    settings: Settings

    @staticmethod
    def of(settings: Settings, name: str) -> InAccount:
        """Those of an environment of the settings.

        Raises:
            AccountError: if the credentials are another account's.
        """
        environment = settings.account_environment(name)
        return InAccount(account.session(environment), environment, settings)

    def located(self, name: str) -> Located:
        """An execution or version, by what a person calls it: as `names` says.

        Raises:
            AccountError: if there is no such execution, none serves, or a version does not say
                which execution registered it.
            RegistryError: if there is no such version.
        """
        number = self.serving if name == SERVING else version_number(name)
        if number is not None:
            version = self._approvals.find(number)
            if not version.execution:
                raise AccountError(f"{version.name} does not say which execution registered it")
            arn = self.registry.execution(version.execution)
            return Located(arn, f"version {number}", number)
        if name == SERVING:
            endpoint = self.environment.named(self.settings.project.pipeline)
            raise AccountError(f"no version serves: there is no endpoint {endpoint}")
        executions = self._runs.executions(self.settings)
        arn = executions.arn(name)
        executions.describe(arn)  # which is refused if there is none
        return Located(arn, f"execution {arn.rpartition('/')[2]}")

    def of_version(self, number: int) -> Side:
        """A version.

        Raises:
            RegistryError: if there is none of that number.
            AccountError: if it does not say which execution registered it, or that is gone.
        """
        return self.read(self.located(str(number)))

    def reference(self, own: int | None, began: str) -> tuple[int, str] | None:
        """What an execution is compared with: see `serving.compared_with`."""
        return serving.compared_with(self.serving, self.registry.approved(), own, began)

    def read(self, located: Located) -> Side:
        """All that is compared of it.

        Raises:
            AccountError: if there is no such execution any more.
        """
        standing = self._runs.standing(self.settings, located.run)
        facts = replace(standing, origin=self._runs.origin(standing),
                        champion=self._runs.champion(self.settings, standing))  # fmt: skip
        answer = next((step.answer for step in facts.step("RegisterModel") if step.answer), {})
        number = facts.version
        subject = Subject(
            located.name, facts.id, number,
            str(answer.get("ModelApprovalStatus", facts.status)), facts.started, facts.started_by,
            number is not None and number == self.serving,
        )  # fmt: skip
        return Side(subject, Reading(facts, collect(facts, self._runs)), self._runs)

    @cached_property
    def _runs(self) -> AccountRun:
        return AccountRun.of(self.session, self.environment)

    @cached_property
    def registry(self) -> AccountRegistry:
        """The environment's versions."""
        pipeline = self.environment.named(self.settings.project.pipeline)
        group = self.environment.named(self.settings.model_package_group)
        return AccountRegistry(self.session, self.environment, pipeline, group)

    @cached_property
    def _approvals(self) -> Approvals:
        return Approvals(self.registry, access.expected(self.settings))

    @cached_property
    def serving(self) -> int | None:
        """The version that the endpoint serves; None if there is no endpoint."""
        return self.registry.serving()
