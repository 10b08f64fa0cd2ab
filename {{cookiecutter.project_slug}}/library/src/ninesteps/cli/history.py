"""`pipeline runs`, `show`, `report` and `logs`: what earlier runs left."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import click

from ninesteps.cli import here
from ninesteps.cli.commands import commands
from ninesteps.errors import SettingsError


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def runs(as_json: bool) -> None:
    """List the runs on this machine, the newest first."""
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

        last = History(here.local()).execution(kept_runs[0]["run"])
        with suppress(SettingsError):  # of which `check` tells
            click.echo(f"to go on with the last: {next_command(last, here.settings())}")


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
def logs(run: str, step: str, trial: int | None) -> None:
    """Print what a step of a run printed; of a search, each trial's last line."""
    from ninesteps.errors import StateError
    from ninesteps.local.history import History, log_text

    steps = History(here.local()).execution(run).steps
    if step not in steps:
        raise StateError(f"expected one of {', '.join(steps)}, got {step!r}")
    for line in log_text(steps[step], trial):
        click.echo(line)
