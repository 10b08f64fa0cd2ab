"""`pipeline start`, `status` and `stop`: executions in an account."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ninesteps.cli import completing, here
from ninesteps.cli.commands import commands
from ninesteps.cli.options import AS_JSON, IN_AN_ACCOUNT, PARAMETERS
from ninesteps.cli.run import parameters
from ninesteps.errors import FAILED, INTERRUPTED
from ninesteps.settings.environment import Environment
from ninesteps.settings.moments import MOMENT_RULE, is_moment
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:
    from ninesteps.infrastructure.executions import Executions
    from ninesteps.report.account_run import AccountRun
    from ninesteps.report.facts import RunFacts

POLL_SECONDS = 30
"""Seconds between two requests for an execution's state while waiting."""


@commands.command()
@IN_AN_ACCOUNT
@click.option("--as-of", metavar="TIME", help="Read the features as of this time; default: now.")
@click.option(
    "--steps", metavar="STEP,...", shell_complete=completing.steps, help="Run only these steps."
)
@PARAMETERS
@click.option("--wait", is_flag=True, help="Wait until it ends; the exit status is 1 if it fails.")
def start(
    name: str, as_of: str | None, steps: str | None, values: tuple[str, ...], wait: bool
) -> None:
    """Start an execution of the published pipeline in an account.

    STEP is a step's number, name or the beginning of its name. With --steps, the inputs of these
    steps and the parameters that are not given come from the latest execution that has them.
    """
    from ninesteps.infrastructure import account

    given = _given(as_of, values)
    selected = _selected(steps)
    settings = here.settings_with_table()
    environment = settings.account_environment(name)
    with _account(settings, environment) as there:
        _compare(settings, environment, there.executions)
        selected = there.executions.named_steps(selected)
        source = there.executions.source(selected) if selected else None
        if source is None:
            moment = {"AsOf": account.moment(datetime.now(UTC))}
            given = {**moment, **there.executions.champion(), **given}
        arn = there.executions.start(given, _description(), selected, source)
        run = arn.rpartition("/")[2]
        click.echo(f"execution   {run} of {there.executions.pipeline}")
        click.echo(f"            {arn}")
        if source:
            click.echo(f"source      {source.id}: outputs of {', '.join(source.steps)}")
        if address := there.address(run):
            click.echo(f"address     {address}")
        click.echo(f"next        pipeline status {run} --env {name}")
        if wait:
            _wait(there, settings, arn)


@commands.command()
@click.argument("run", default="last", shell_complete=completing.runs)
@IN_AN_ACCOUNT
@AS_JSON
def status(run: str, name: str, as_json: bool) -> None:
    """Show the state of an execution in an account.

    RUN is its id or ARN, the beginning of an id, or `last` (the default). The exit status is 1 if
    the execution failed or was stopped.
    """
    settings = here.settings()
    environment = settings.account_environment(name)
    with _account(settings, environment) as there:
        facts = there.read.standing(settings, run)
        _show(there, facts, as_json)
    _exit(facts)


@commands.command()
@click.argument("run", default="last", shell_complete=completing.runs)
@IN_AN_ACCOUNT
def stop(run: str, name: str) -> None:
    """Stop an execution in an account.

    RUN is its id or ARN, the beginning of an id, or `last` (the default).
    """
    settings = here.settings()
    environment = settings.account_environment(name)
    with _account(settings, environment) as there:
        arn = there.executions.arn(run)
        before = there.executions.stop(arn)
        run = arn.rpartition("/")[2]
        click.echo(f"execution   {run} was {before.lower()} and is being stopped")
        click.echo(f"next        pipeline status {run} --env {name}")


@dataclass(frozen=True)
class _Account:
    """The parts of an account that these commands use."""

    session: Any
    executions: Executions
    read: AccountRun

    def address(self, run: str) -> str:
        """Where a browser shows an execution."""
        from ninesteps.infrastructure import addresses

        own = self.executions
        return addresses.execution(own.sagemaker, own.environment, own.pipeline, run)


@contextmanager
def _account(settings: Settings, environment: Environment) -> Iterator[_Account]:
    """The account of an environment; its errors become one sentence."""
    from ninesteps.infrastructure import account
    from ninesteps.report.account_run import AccountRun

    with account.one_sentence():
        session = account.session(environment)
        read = AccountRun.of(session, environment)
        yield _Account(session, read.executions(settings), read)


def _given(as_of: str | None, values: tuple[str, ...]) -> dict[str, str]:
    """The parameters from `--set` and `--as-of`."""
    given = parameters(values)
    if as_of is None:
        return given
    if "AsOf" in given:
        raise click.UsageError("expected --as-of or --set AsOf, got both")
    if not is_moment(as_of):
        raise click.UsageError(f"--as-of: expected {MOMENT_RULE}, got {as_of!r}")
    return {**given, "AsOf": as_of}


def _selected(steps: str | None) -> tuple[str, ...]:
    """The steps of `--steps`; none without the option."""
    names = tuple(dict.fromkeys(filter(None, map(str.strip, (steps or "").split(",")))))
    if steps is not None and not names:  # an unset variable must not start all nine
        raise click.UsageError(f"--steps: expected names of steps, such as A,B, got {steps!r}")
    return names


def _description() -> str:
    """The display name of an execution: who started it, and the commit."""
    from ninesteps.repository import identity

    who, commit = identity.whoami(here.root()), identity.commit(here.root())
    return f"pipeline start{f' by {who}' if who else ''}{f' at commit {commit}' if commit else ''}"


def _compare(settings: Settings, environment: Environment, executions: Executions) -> None:
    """Print a notice if the published definition differs from the one compiled here."""
    from ninesteps.infrastructure import stacks

    published = executions.definition
    environment = stacks.as_published(environment, published)
    if published != json.loads(here.definition(settings, environment)):
        here.show_notice(
            "the published definition differs from the one compiled here; `pipeline publish "
            f"--env {environment.name}` replaces it"
        )


def _show(there: _Account, facts: RunFacts, as_json: bool = False) -> None:
    from ninesteps.infrastructure.job_logs import JobLogs
    from ninesteps.terminal import execution as view

    address = there.address(facts.id)
    if as_json:
        click.echo(json.dumps(view.as_json(facts, address), indent=2))
        return
    logs = JobLogs(there.session.client("logs"))
    view.View(facts, there.executions.environment.name, address, logs).show()


def _wait(there: _Account, settings: Settings, arn: str) -> None:
    """Print each change of a step until the execution ends, and then how it ended."""
    from ninesteps.infrastructure.executions import GOES_ON
    from ninesteps.terminal import execution as view

    facts = None
    name = there.executions.environment.name
    try:
        while facts is None or facts.status in GOES_ON:
            if facts is not None:
                time.sleep(POLL_SECONDS)
            before, facts = facts, there.read.standing(settings, arn)
            for line in view.changes(before, facts):
                click.echo(line)
    except KeyboardInterrupt:
        click.echo(
            "pipeline: stopped waiting; the execution continues; `pipeline stop "
            f"{arn.rpartition('/')[2]} --env {name}` stops it",
            err=True,
        )
        sys.exit(INTERRUPTED)
    _show(there, facts)
    _exit(facts)


def _exit(facts: RunFacts) -> None:
    """Exit with 1 if the execution failed, was stopped or is being stopped."""
    if facts.status not in ("Executing", "Succeeded"):
        sys.exit(FAILED)
