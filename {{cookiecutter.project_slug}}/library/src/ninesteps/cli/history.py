"""`pipeline runs`, `show`, `report` and `logs`: look at earlier runs."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ninesteps.cli import completing, here
from ninesteps.cli.commands import commands
from ninesteps.cli.options import AS_JSON, HERE_OR_IN_AN_ACCOUNT
from ninesteps.errors import SettingsError

if TYPE_CHECKING:
    from ninesteps.infrastructure.executions import Executions

MOST_EXECUTIONS = 20
"""How many executions of an account are listed by default."""


@commands.command()
@HERE_OR_IN_AN_ACCOUNT
@click.option("--last", type=click.IntRange(min=1),
              help="Show this many; default: all here, 20 in an account.")  # fmt: skip
@AS_JSON
def runs(name: str | None, last: int | None, as_json: bool) -> None:
    """List the runs here, or the executions in an account.

    The newest comes first.
    """
    if name is not None:
        _executions(name, last or MOST_EXECUTIONS, as_json)
        return

    from ninesteps.local.history import History
    from ninesteps.local.verdict import in_words

    kept_runs = History(here.local()).runs()[:last]
    if as_json:
        click.echo(json.dumps(kept_runs, indent=2))
        return
    if not kept_runs:
        click.echo("nothing has run on this machine")
    for run in kept_runs:
        moment = run["parameters"].get("AsOf", "")
        said = in_words(run["verdict"], run["version"])
        click.echo(f"{run['run']}  {said:<21}  {run['started']}  as of {moment[:10]}")
    if kept_runs and kept_runs[0]["status"] not in ("Succeeded", "Executing"):
        from ninesteps.runs.continuing import next_command

        newest = History(here.local()).execution(kept_runs[0]["run"])
        with suppress(SettingsError):  # which `check` reports
            click.echo(f"next, for the last run: {next_command(newest, here.settings())}")


def _executions(name: str, last: int, as_json: bool) -> None:
    """List the latest executions in an account."""
    from itertools import islice

    from ninesteps.infrastructure import account
    from ninesteps.report.account_run import AccountRun
    from ninesteps.terminal.execution import table

    settings = here.settings()
    chosen = settings.account_environment(name)
    with account.one_sentence():
        executions = AccountRun.of(account.session(chosen), chosen).executions(settings)
        listed = [_listed(executions, one) for one in islice(executions.summaries(), last)]
    if as_json:
        click.echo(json.dumps(listed, indent=2))
        return
    if not listed:
        click.echo(f"{executions.pipeline} has no execution in {chosen.region}")
    for line in table(listed):
        click.echo(line)


def _listed(executions: Executions, summary: dict[str, Any]) -> dict[str, Any]:
    """What is listed of an execution."""
    from ninesteps.infrastructure import account

    arn, status = summary["PipelineExecutionArn"], summary["PipelineExecutionStatus"]
    verdict, version = executions.verdict(arn, status)
    return {
        "run": arn.rpartition("/")[2],
        "status": status,
        "verdict": verdict,
        "version": version,
        "started": account.moment(summary["StartTime"]),
        "description": summary.get("PipelineExecutionDescription", ""),
    }


@commands.command()
@click.argument("run", shell_complete=completing.runs)
@AS_JSON
def show(run: str, as_json: bool) -> None:
    """Show a run: its steps, gate, version and files.

    RUN is its id, the beginning of an id, or `last`.
    """
    from ninesteps.local.history import History
    from ninesteps.local.history import as_json as content
    from ninesteps.settings.gate import CHAMPION
    from ninesteps.terminal.run import champion, evaluation, summary

    settings, execution = here.settings(), History(here.local()).execution(run)
    if as_json:
        evaluated = evaluation(execution, here.local())
        compared = champion(execution, settings, here.local(), evaluated)
        of_champion = {CHAMPION: compared} if compared else {}
        click.echo(json.dumps({**content(execution), **of_champion}, indent=2))
    else:
        click.echo(f"run {execution.id}: {content(execution)['verdict']}")
        summary(execution, settings, here.local(), came_from=True)


@commands.command()
@click.argument("run", metavar="RUN|VERSION", shell_complete=completing.versions_and_runs)
@HERE_OR_IN_AN_ACCOUNT
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the page to this file.",
)
@click.option("--open", "is_opened", is_flag=True, help="Open the page in the browser.")
def report(run: str, name: str | None, output: Path | None, is_opened: bool) -> None:
    """Write a run's report, and a summary in Markdown beside it.

    RUN is its id, the beginning of an id, or `last`; with --env it may be an ARN too. VERSION is a
    version's number, or `serving` for the version that the endpoint serves: the report is of the
    run that made it. Up to nine digits mean a version.
    """
    if output and output.suffix not in (".html", ".htm"):
        raise click.UsageError(f"-o: expected a name that ends in .html, got {output}")
    settings = here.settings()
    if name is None:
        from ninesteps.local.history import History
        from ninesteps.report.comparison.local import Here
        from ninesteps.report.local_page import write_report

        found = Here(here.local(), settings).located(run)
        execution = History(here.local()).execution(found.run)
        page = write_report(here.local(), settings, execution, here.show_notice, output)
    else:
        from ninesteps.report.account_page import write_account_report

        chosen = settings.account_environment(name)
        page = write_account_report(here.local(), settings, chosen, run, here.show_notice, output)
    click.echo(page)
    if is_opened:
        from ninesteps.terminal.browser import open_page

        open_page(page.resolve().as_uri())


@commands.command()
@click.argument("run", shell_complete=completing.runs)
@click.argument("step", shell_complete=completing.steps)
@click.option(
    "--trial", type=click.IntRange(min=1), help="Print the log of this trial of a search."
)
@HERE_OR_IN_AN_ACCOUNT
def logs(run: str, step: str, trial: int | None, name: str | None) -> None:
    """Print what a step of a run printed.

    RUN is its id, the beginning of an id, or `last`; with --env it may be an ARN too. STEP is a
    step's number, name or the beginning of its name. For a search, each trial has a line.
    """
    if name is not None:
        _logs_in_account(run, step, trial, name)
        return

    from ninesteps.definition.step_names import step_name
    from ninesteps.local.history import History, log_text

    execution = History(here.local()).execution(run)
    name_there = step_name(step, [one.step.name for one in execution.numbered])
    for line in log_text(execution.steps[name_there], trial):
        click.echo(line)


def _logs_in_account(run: str, step: str, trial: int | None, name: str) -> None:
    """Print a step's log from CloudWatch."""
    from ninesteps.infrastructure import account
    from ninesteps.infrastructure.job_logs import JobLogs
    from ninesteps.report.account_run import AccountRun
    from ninesteps.terminal.execution import log_lines

    settings = here.settings()
    chosen = settings.account_environment(name)
    with account.one_sentence():
        session = account.session(chosen)
        read = AccountRun.of(session, chosen)
        facts = read.step(settings, run, step)
        for line in log_lines(JobLogs(session.client("logs")), facts, trial):
            click.echo(line)
