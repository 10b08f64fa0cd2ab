"""`pipeline runs`, `show`, `report` and `logs`: what earlier runs left."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import click

from ninesteps.cli import here
from ninesteps.cli.commands import commands
from ninesteps.errors import SettingsError

_IN_AN_ACCOUNT = click.option("--env", "environment", help="In an account: an [environments.NAME].")


@commands.command()
@_IN_AN_ACCOUNT
@click.option("--last", type=click.IntRange(min=1), default=20, help="In an account: how many.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def runs(environment: str | None, last: int, as_json: bool) -> None:
    """List the runs on this machine, or the executions in an account, the newest first."""
    if environment is not None:
        _executions(environment, last, as_json)
        return

    from ninesteps.local.history import History

    kept_runs = History(here.local()).runs()
    if as_json:
        click.echo(json.dumps(kept_runs, indent=2))
        return
    if not kept_runs:
        click.echo("nothing has run on this machine")
    for run in kept_runs:
        moment = run["parameters"].get("AsOf", "")
        click.echo(f"{run['run']}  {run['status']:<9}  {run['started']}  as of {moment}")
    if kept_runs and kept_runs[0]["status"] not in ("Succeeded", "Executing"):
        from ninesteps.runs.continuing import next_command

        newest = History(here.local()).execution(kept_runs[0]["run"])
        with suppress(SettingsError):  # of which `check` tells
            click.echo(f"to go on with the last: {next_command(newest, here.settings())}")


def _executions(environment: str, last: int, as_json: bool) -> None:
    """List the latest executions in an account."""
    from itertools import islice

    from ninesteps.infrastructure import account
    from ninesteps.infrastructure.executions import Executions
    from ninesteps.terminal.execution import table

    settings = here.settings()
    chosen = settings.account_environment(environment)
    pipeline = chosen.named(settings.project.pipeline)
    with account.one_sentence():
        sagemaker = account.session(chosen).client("sagemaker")
        listed = [
            {
                "run": summary["PipelineExecutionArn"].rpartition("/")[2],
                "status": summary["PipelineExecutionStatus"],
                "started": account.moment(summary["StartTime"]),
                "description": summary.get("PipelineExecutionDescription", ""),
            }
            for summary in islice(Executions(sagemaker, chosen, pipeline).summaries(), last)
        ]
    if as_json:
        click.echo(json.dumps(listed, indent=2))
        return
    if not listed:
        click.echo(f"{pipeline} has no execution in {chosen.region}")
    for line in table(listed):
        click.echo(line)


@commands.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(run: str, as_json: bool) -> None:
    """Show how a run went: RUN is an id, the beginning of one, or `last`."""
    from ninesteps.local.history import History
    from ninesteps.local.history import as_json as content
    from ninesteps.terminal.run import summary

    execution = History(here.local()).execution(run)
    if as_json:
        click.echo(json.dumps(content(execution), indent=2))
    else:
        click.echo(f"run {execution.id}: {execution.status}")
        summary(execution, here.settings(), here.local())


@commands.command()
@click.argument("run")
@click.option("--env", "environment", help="An execution in this [environments.NAME]; RUN its id.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The page's file."
)
def report(run: str, environment: str | None, output: Path | None) -> None:
    """Write a run's page, and its summary in Markdown beside it: RUN as for `show`."""
    if output and output.suffix not in (".html", ".htm"):
        raise click.UsageError(f"-o: expected a name that ends in .html, got {output}")
    settings = here.settings()
    if environment is None:
        from ninesteps.local.history import History
        from ninesteps.report.local_page import write_report

        page = write_report(here.local(), settings, History(here.local()).execution(run), output)
    else:
        from ninesteps.report.account_run import write_account_report

        chosen = settings.account_environment(environment)
        page = write_account_report(here.local(), settings, chosen, run, output)
    click.echo(page)


@commands.command()
@click.argument("run")
@click.argument("step")
@click.option("--trial", type=click.IntRange(min=1), help="Of a search: this trial's log.")
@_IN_AN_ACCOUNT
def logs(run: str, step: str, trial: int | None, environment: str | None) -> None:
    """Print what a step of a run printed; of a search, each trial's last line, or its end."""
    if environment is not None:
        _logs_in_account(run, step, trial, environment)
        return

    from ninesteps.errors import StateError
    from ninesteps.local.history import History, log_text

    steps = History(here.local()).execution(run).steps
    if step not in steps:
        raise StateError(f"expected one of {', '.join(steps)}, got {step!r}")
    for line in log_text(steps[step], trial):
        click.echo(line)


def _logs_in_account(run: str, step: str, trial: int | None, environment: str) -> None:
    """Print what CloudWatch has of a step."""
    from ninesteps.infrastructure import account
    from ninesteps.infrastructure.job_logs import JobLogs
    from ninesteps.report.account_run import AccountRun
    from ninesteps.terminal.execution import log_lines

    settings = here.settings()
    chosen = settings.account_environment(environment)
    with account.one_sentence():
        session = account.session(chosen)
        read = AccountRun(session.client("sagemaker"), session.client("s3"), chosen)
        facts = read.step(settings, run, step)
        for line in log_lines(JobLogs(session.client("logs")), facts, trial):
            click.echo(line)
