"""Writes the report of an execution in an AWS account to a file on this machine.

It also reads the version that the execution is compared with, and SageMaker's lineage of its own
version. If the caller may not read one of these, that part of the page says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ninesteps.errors import NineStepsError
from ninesteps.infrastructure import account
from ninesteps.lineage import account as lineage
from ninesteps.local.execution import PAGE
from ninesteps.registry import access
from ninesteps.registry.account import AccountRegistry
from ninesteps.registry.registry import Approvals
from ninesteps.report.account_run import AccountRun
from ninesteps.report.comparison.account import InAccount
from ninesteps.report.comparison.names import is_version
from ninesteps.report.comparison.side import Side
from ninesteps.report.facts import Reference, RunFacts
from ninesteps.report.lineage_picture import lineage_part, no_lineage
from ninesteps.report.page import build  # jinja2
from ninesteps.report.reading import Reading, sentence
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings

NO_VERSION = "this execution registered no version, and lineage is drawn from a version"

Asked = TypeVar("Asked")


def write_account_report(
    local: Path,
    settings: Settings,
    environment: Environment,
    run: str,
    notice: Callable[[str], None],
    file: Path | None = None,
) -> Path:
    """Write the page of an execution and its summary; gives the page's path.

    Args:
        run: the execution's id, its ARN, or `last`; or a version, as `comparison.names` says.
        notice: is told what of the page could not be made.
        file: where the page goes, the summary beside it; none: `executions/` of `local`.

    Raises:
        AccountError: with one sentence, if AWS refuses a call or knows no such execution.
        RegistryError: if there is no such version.
    """
    with account.one_sentence():
        session = account.session(environment)
        account_run = AccountRun.of(session, environment)
        others = InAccount(session, environment, settings)
        run = others.located(run).run if is_version(run) else run
        facts = account_run.facts(settings, run)
        names = account_run.names(settings.features_of(environment).group)
        reference, no_reference = _or_why_not(lambda: _reference(others, facts))
        facts = replace(
            facts, names=names, reference=reference, no_reference=no_reference,
            lineage=_lineage(settings, others.registry, facts),
        )  # fmt: skip
        report = build(facts, account_run, lambda: _other_side(others, facts), settings.root)
    for fault in report.faults:
        notice(f"the report lacks the repository's own panels: {fault}")
    page = file or local / "executions" / environment.name / facts.id / PAGE
    page.parent.mkdir(parents=True, exist_ok=True)
    for target, text in ((page, report.html), (page.with_suffix(".md"), report.markdown)):
        target.write_text(text, encoding="utf-8", newline="\n")
    return page


def _or_why_not(ask: Callable[[], Asked]) -> tuple[Asked | None, str]:
    """What an account answers; or None, and why it does not answer, in one sentence."""
    try:
        with account.one_sentence():
            return ask(), ""
    except NineStepsError as error:
        return None, sentence(str(error))


# What it is compared with


def _reference(others: InAccount, facts: RunFacts) -> Reference | None:
    """The version that serves; else the newest approved one before the execution's own."""
    found = others.reference(facts.version, facts.began)
    if found is None:
        return None
    number, why = found
    version = others.registry.version(number)
    return Reference(version.execution, number, f"version {number}", why, version.status)


def _other_side(others: InAccount, facts: RunFacts) -> Side | None:
    """The version that the page compares this execution with, by the same names of columns."""
    if facts.reference is None or facts.reference.version is None:
        return None
    with account.one_sentence():
        side = others.of_version(facts.reference.version)
    reading = Reading(replace(side.facts, names=facts.names), side.reading.evidence)
    return replace(side, reading=reading)


# Lineage


def _lineage(settings: Settings, registry: AccountRegistry, facts: RunFacts) -> str:
    """The part on the lineage of the version that the execution registered, as HTML."""
    if facts.version is None:
        return no_lineage(sentence(NO_VERSION))
    number = facts.version

    def ask() -> str:
        version = Approvals(registry, access.expected(settings)).find(number)
        client: Any = lineage.client(registry.session)
        features = settings.features_of(registry.environment)
        return lineage_part(lineage.graph_of_version(client, registry, version, features)[0])

    part, why_not = _or_why_not(ask)
    return no_lineage(why_not) if part is None else part
