"""`pipeline ingest` and `record`: raw tables into the Feature Store, and one record out of it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ninesteps.cli import here
from ninesteps.cli.commands import commands
from ninesteps.cli.options import AS_JSON, HERE_OR_IN_AN_ACCOUNT
from ninesteps.errors import FAILED, StateError
from ninesteps.settings.moments import MOMENT_RULE, is_moment
from ninesteps.terminal.paths import from_here

if TYPE_CHECKING:
    from ninesteps.feature_store.ingest import Ingested
    from ninesteps.runs.ingesting import Outcome, Table
    from ninesteps.settings.environment import Environment
    from ninesteps.settings.settings import Settings

TELL_SECONDS = 5.0
"""Seconds between two lines of progress."""

SHOWN = 20
"""How many refused records are listed; --json lists all."""


@commands.command()
@click.argument("file", type=click.Path(path_type=Path))
@HERE_OR_IN_AN_ACCOUNT
@click.option(
    "--bulk",
    is_flag=True,
    help="Write files straight into the offline store, for millions of rows.",
)
@click.option(
    "--no-marker",
    is_flag=True,
    help="Start no run: do not write the marker that new rows have arrived.",
)
@click.option("--again", is_flag=True, help="Put all rows, even those put by an earlier ingest.")
@click.option("--parallel", type=click.IntRange(1, 64), default=16, show_default=True,
              help="Make at most this many calls at a time.")  # fmt: skip
@AS_JSON
def ingest(
    file: Path,
    name: str | None,
    bulk: bool,
    no_marker: bool,
    again: bool,
    parallel: int,
    as_json: bool,
) -> None:
    """Put a raw table into the Feature Store.

    FILE is read and checked as in `pipeline run`; if a check fails, nothing is sent. The exit
    status is 1 if AWS refused records: the next ingest of the table puts only those.
    """
    settings = here.settings_with_table()
    if name is None:
        for option, given in (("--bulk", bulk), ("--no-marker", no_marker), ("--again", again)):
            if given:
                raise click.UsageError(f"{option} is for an account: expected --env NAME too")
        _ingest_here(settings, file, as_json)
        return
    from ninesteps.runs import ingesting

    environment = settings.account_environment(name)
    read = ingesting.table(here.local(), settings, environment, file, _reading)
    if not as_json:
        _say_table(file, read.ingested)
    options = ingesting.Options(bulk, not no_marker, again, parallel)
    outcome = ingesting.put_into_account(
        here.local(), settings, environment, read, options, _Progress(is_silent=as_json)
    )
    if as_json:
        click.echo(json.dumps({"table": asdict(read.ingested), **asdict(outcome)}, indent=2))
    else:
        _say_outcome(outcome, read, bulk)
    if not outcome.is_whole:
        sys.exit(FAILED)


def _ingest_here(settings: Settings, file: Path, as_json: bool) -> None:
    from ninesteps.runs import ingesting

    read = ingesting.table(here.local(), settings, settings.environment(), file, _reading)
    is_online = read.group.features.online
    newer = ingesting.put_online(here.local(), read) if is_online else 0
    if as_json:
        content = {"table": asdict(read.ingested), "put_online": newer if is_online else None}
        click.echo(json.dumps(content, indent=2))
        return
    _say_table(file, read.ingested)
    for part in read.every:
        click.echo(f"offline     {from_here(part.folder)}")
    if is_online:
        older = (read.ingested.used or newer) - newer
        there = f"; {older:,} were there with the same or a later event time" if older else ""
        click.echo(f"online      {newer:,} records put{there}")
    else:
        click.echo("online      off: [features] online is false")


def _reading() -> None:
    click.echo("reading the table ...", err=True)


def _say_table(file: Path, ingested: Ingested) -> None:
    from ninesteps.feature_store import findings
    from ninesteps.local import erasures

    click.echo(f"table       {file}, as of {ingested.latest}")
    for what, count in findings.counts(ingested).items():
        click.echo(f"{count:>11,} {what}")
    for sentence in erasures.notices(file, ingested.found):
        here.show_notice(sentence)


class _Progress:
    """Print progress on standard error, at most a line every few seconds."""

    def __init__(self, is_silent: bool) -> None:
        self._is_silent = is_silent
        self._said = time.monotonic()

    def putting(self, done: int, of: int, rate: float) -> None:
        """Report how many records are put."""
        if time.monotonic() - self._said < TELL_SECONDS:
            return
        self._said = time.monotonic()
        each = f", {rate:,.0f} a second" if rate else ""
        self._say(f"{done:,} of {of:,} records put{each}")

    def waiting(self, readable: int, of: int) -> None:
        """Report how many rows can be read."""
        own = min(readable, of)  # earlier rows may be counted too
        self._say(f"{own:,} of {of:,} rows can be read (AWS: within 15 minutes)")

    def _say(self, line: str) -> None:
        if not self._is_silent:
            click.echo(line, err=True)


def _say_outcome(outcome: Outcome, read: Table, bulk: bool) -> None:
    how = "rows put as files" if bulk else "records put"
    for done in outcome.every:
        if done.resumed:
            click.echo(f"resumed     {done.resumed:,} rows were there already")
        rate = f" in {done.seconds:.1f} s" if done.seconds else ""
        click.echo(f"offline     {done.put:,} {how} into {done.group}{rate}")
    if read.group.features.online:
        click.echo("online      " + ("not filled: --bulk fills only the offline store" if bulk
                                     else "the newest record of each id"))  # fmt: skip
    if outcome.is_whole:
        click.echo(f"marker      {outcome.marker or 'not written'}")
        return
    refused = [one for done in outcome.every for one in done.refused]
    for one in refused[:SHOWN]:
        click.echo(f"refused     {one.id} of {one.event_time}: {one.reason}", err=True)
    count = len(refused)
    if count > SHOWN:
        click.echo(f"            and {count - SHOWN:,} more: --json lists all", err=True)
    is_stopped = any(done.is_stopped for done in outcome.every)
    rest = "the rest was not sent" if is_stopped else (
        "all others are stored; the next ingest of this table puts only these"
    )  # fmt: skip
    of = sum(done.rows for done in outcome.every)
    click.echo(
        f"pipeline: AWS refused {count:,} of {of:,} records, so no marker was written; {rest}",
        err=True,
    )


@commands.command()
@click.argument("identifier", metavar="ID")
@HERE_OR_IN_AN_ACCOUNT
@click.option(
    "--as-of", metavar="TIME", help="Read the offline store as of this time; default: now."
)
@click.option("--delete", is_flag=True, help="Ask, then delete the record.")
@click.option("--yes", is_flag=True, help="With --delete: do not ask.")
@AS_JSON
def record(
    identifier: str, name: str | None, as_of: str | None, delete: bool, yes: bool, as_json: bool
) -> None:
    """Show a record in both stores, and what the model predicts for it.

    ID is the record's identifier in the raw table.
    """
    from ninesteps.runs import record as records
    from ninesteps.terminal import record as view

    if as_of is not None and not is_moment(as_of):
        raise click.UsageError(f"--as-of: expected {MOMENT_RULE}, got {as_of!r}")
    if yes and not delete:
        raise click.UsageError("--yes is for --delete: expected both")
    for option, given in (("--as-of", as_of is not None), ("--json", as_json)):
        if delete and given:
            raise click.UsageError(f"--delete deletes the record as of now: expected no {option}")
    settings = here.settings_with_table()
    environment = settings.account_environment(name) if name else None
    if delete:
        _delete(settings, environment, identifier, yes)
        return
    moment = as_of or records.now()
    if environment is None:
        found = records.here(here.local(), settings, identifier, moment)
    else:
        found = records.in_account(settings, environment, identifier, moment)
    if as_json:
        click.echo(json.dumps(view.as_json(found), indent=2))
    else:
        view.show(found)


def _delete(
    settings: Settings, environment: Environment | None, identifier: str, yes: bool
) -> None:
    from ninesteps.runs import record as records

    where = f"account {environment.account}" if environment else "the online store of this machine"
    if environment is None and not settings.features.online:
        raise StateError(
            "expected an online store to delete from, got none: [features] online is false"
        )
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(
                "expected a terminal to ask at, got none: --yes deletes the record"
            )
        click.confirm(f"delete the record {identifier!r} from {where}?", abort=True)
    if environment is None:
        if not records.delete_here(here.local(), settings, identifier):
            raise StateError(f"the online store of this machine has no record {identifier!r}")
        click.echo(f"deleted online; delete its rows in {settings.data.file} too")
        return
    moment = records.delete_in_account(settings, environment, identifier)
    click.echo(f"deleted as of {moment}; no later run reads its earlier offline rows")  # fmt: skip
