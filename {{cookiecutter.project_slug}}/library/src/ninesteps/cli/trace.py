"""`pipeline trace`: where a record was used, what was predicted for it and why; and its erasure."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ninesteps.cli import here
from ninesteps.cli.commands import commands
from ninesteps.cli.options import AS_JSON, HERE_OR_IN_AN_ACCOUNT
from ninesteps.errors import StateError
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:
    from ninesteps.tracing.erasing import Plan

_MAY_BE_AN_OPTION = {"ignore_unknown_options": True}  # for an id such as -17


@commands.command(context_settings=_MAY_BE_AN_OPTION)
@click.argument("record")
@click.option(
    "--ask",
    is_flag=True,
    help="Also predict with each version that kept no prediction; about a second each.",
)
@click.option("--erase", is_flag=True, help="Erase the record from this machine; it asks first.")
@click.option("--yes", is_flag=True, help="With --erase: do not ask.")
@click.option(
    "--group", "is_group", is_flag=True,
    help="List the ids of the records whose [split] group has the value RECORD.",
)  # fmt: skip
@click.option("-o", "output", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the text to a file too.")  # fmt: skip
@click.option("--last", "newest", type=click.IntRange(min=1),
              help="With --env: look at this many versions; default: 5.")  # fmt: skip
@HERE_OR_IN_AN_ACCOUNT
@AS_JSON
def trace(
    record: str, ask: bool, erase: bool, yes: bool, is_group: bool, output: Path | None,
    newest: int | None, name: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Show where a record was used, what was predicted for it, and why.

    RECORD is its identifier in the raw table; one that begins with two hyphens is given after --.
    The text can be given to the person whose record it is. In an account, --erase lists what to
    delete and deletes nothing.
    """
    _check_use(ask, erase, yes, is_group, output, as_json)
    _check_place(name, ask, yes, is_group, newest)
    settings = here.settings_with_table()
    if name is not None:
        _trace_in_account(settings, name, record, newest, erase, output, as_json)
        return
    if is_group:
        _list_group(settings, record, as_json)
        return
    if erase:
        _erase(settings, record, yes)
        return
    from ninesteps.terminal import trace as view
    from ninesteps.terminal.lines import at_terminal
    from ninesteps.tracing import trace as tracing

    found = tracing.trace(here.local(), settings, record, ask, _reading())
    text = view.as_text(found)
    if output:
        output.write_text(text, encoding="utf-8")
    click.echo(
        json.dumps(view.as_json(found), indent=2) if as_json else at_terminal(text.rstrip("\n"))
    )


def _check_use(
    ask: bool, erase: bool, yes: bool, is_group: bool, output: Path | None, as_json: bool
) -> None:
    for option, given in (("--ask", ask), ("--erase", erase), ("-o", bool(output))):
        if is_group and given:
            raise click.UsageError(f"--group lists ids: expected no {option}")
    if yes and not erase:
        raise click.UsageError("--yes: expected --erase too")
    for option, given in (("--ask", ask), ("-o", bool(output)), ("--json", as_json)):
        if erase and given:
            raise click.UsageError(f"--erase erases the record: expected no {option}")


def _check_place(
    name: str | None, ask: bool, yes: bool, is_group: bool, newest: int | None
) -> None:
    """Refuse options that are only for this machine, or only for an account."""
    for option, given in (("--ask", ask), ("--group", is_group), ("--yes", yes)):
        if name is not None and given:
            why = "nothing is deleted there" if option == "--yes" else "it is of this machine"
            raise click.UsageError(f"--env: expected no {option}: {why}")
    if name is None and newest is not None:
        raise click.UsageError("--last is for an account: expected --env NAME too")


def _trace_in_account(
    settings: Settings, name: str, identifier: str, newest: int | None, erase: bool,
    output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Trace in an account, or list what to delete there."""
    from ninesteps.terminal import account_trace as view
    from ninesteps.terminal.lines import at_terminal
    from ninesteps.tracing import in_account

    found = in_account.trace(
        settings, name, identifier, newest or in_account.NEWEST, lambda uri: _say(f"reading {uri}")
    )
    if erase:
        click.echo(view.erasure(found), nl=False)
        return
    text = view.as_text(found)
    if output:
        output.write_text(text, encoding="utf-8")
    click.echo(
        json.dumps(view.as_json(found), indent=2) if as_json else at_terminal(text.rstrip("\n"))
    )


def _say(line: str) -> None:
    click.echo(line, err=True)


def _list_group(settings: Settings, value: str, as_json: bool) -> None:
    from ninesteps.tracing import trace as tracing

    ids = tracing.of_group(here.local(), settings, value)
    click.echo(json.dumps(ids, indent=2) if as_json else "\n".join(ids))


def _reading() -> Callable[[str], None]:
    """Print once that this takes a while."""
    told: list[str] = []

    def tell(what: str) -> None:
        if not told:
            say = "reading the ids of every file and building an index; the next trace is faster"
            click.echo(say, err=True)
        told.append(what)

    return tell


def _erase(settings: Settings, identifier: str, yes: bool) -> None:
    from ninesteps.terminal import trace as view
    from ninesteps.tracing import erasing

    if settings.data.number_rows:
        raise StateError(
            f"[data] number_rows: no column identifies records, and row {identifier} is a "
            f"different person in each table; delete the row in {settings.data.file}, and the "
            "folder .local"
        )
    task = erasing.of(here.local(), settings, identifier)
    plan = task.plan()
    if not plan.changes:
        click.echo(_nothing(settings, identifier))
        return
    click.echo(view.plan(plan, erasing.tables(here.local(), settings), _serving(plan)))
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(
                "expected a terminal to ask at, got none: --yes erases the record"
            )
        click.confirm(f"erase the record {identifier!r} from this machine?", abort=True)
    task.carry_out(plan)
    click.echo("erased; the chain has an entry with the id's keyed hash; keep the key, "
        ".local/trace/key: without it nobody can tell who was erased")  # fmt: skip


def _serving(plan: Plan) -> str:
    from ninesteps.local.endpoint import control

    version = control.serving(here.local())
    return f" (version {version} serves: first)" if version in plan.learnt else ""


def _nothing(settings: Settings, identifier: str) -> str:
    """The error for a record that is in no table."""
    from ninesteps.terminal import trace as view
    from ninesteps.tracing import trace as tracing

    return view.as_text(tracing.trace(here.local(), settings, identifier)).rstrip("\n")
