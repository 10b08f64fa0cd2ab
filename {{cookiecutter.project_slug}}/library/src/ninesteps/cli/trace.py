"""`pipeline trace`: where a record was used, what was said of it and why; and its erasure."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ninesteps.cli import here
from ninesteps.cli.commands import commands
from ninesteps.cli.options import AS_JSON
from ninesteps.errors import StateError
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:
    from ninesteps.tracing.erasing import Plan

_MAY_BE_AN_OPTION = {"ignore_unknown_options": True}  # an id such as -17


@commands.command(context_settings=_MAY_BE_AN_OPTION)
@click.argument("record")
@click.option("--ask", is_flag=True, help="Ask each version that kept no answer, a second each.")
@click.option("--erase", is_flag=True, help="Erase the record from this machine, after a question.")
@click.option("--yes", is_flag=True, help="Erase it without asking.")
@click.option(
    "--group", "is_group", is_flag=True,
    help="RECORD is a value of [split] group: list its records, an id a line.",
)  # fmt: skip
@click.option("-o", "output", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the text to a file too.")  # fmt: skip
@click.option("--env", "name", metavar="NAME", help="Refused: see docs/trace.md.", hidden=True)
@AS_JSON
def trace(
    record: str, ask: bool, erase: bool, yes: bool, is_group: bool, output: Path | None,
    name: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Say where a record was used, what was said of it, and why.

    RECORD is its identifier, as the raw table has it; after -- it may be one that begins with two
    hyphens. The text can be handed to the person whose record it is.
    """
    if name is not None:
        raise click.UsageError(
            "--env: expected none: a trace is of this machine; `pipeline record ID --env NAME` "
            "shows what an account's stores have, and with --delete deletes it there"
        )
    _check_use(ask, erase, yes, is_group, output, as_json)
    settings = here.settings_with_table()
    if is_group:
        _list_group(settings, record, as_json)
        return
    if erase:
        _erase(settings, record, yes)
        return
    from ninesteps.terminal import trace as view
    from ninesteps.tracing import trace as tracing

    found = tracing.trace(here.local(), settings, record, ask, _reading())
    text = view.as_text(found)
    if output:
        output.write_text(text, encoding="utf-8")
    click.echo(json.dumps(view.as_json(found), indent=2) if as_json else text.rstrip("\n"))


def _check_use(
    ask: bool, erase: bool, yes: bool, is_group: bool, output: Path | None, as_json: bool
) -> None:
    for option, given in (("--ask", ask), ("--erase", erase), ("-o", bool(output))):
        if is_group and given:
            raise click.UsageError(f"--group lists ids: expected no {option}")
    if yes and not erase:
        raise click.UsageError("--yes is for --erase: expected both")
    for option, given in (("--ask", ask), ("-o", bool(output)), ("--json", as_json)):
        if erase and given:
            raise click.UsageError(f"--erase erases the record: expected no {option}")


def _list_group(settings: Settings, value: str, as_json: bool) -> None:
    from ninesteps.tracing import trace as tracing

    ids = tracing.of_group(here.local(), settings, value)
    click.echo(json.dumps(ids, indent=2) if as_json else "\n".join(ids))


def _reading() -> Callable[[str], None]:
    """Says once that this takes a while."""
    told: list[str] = []

    def tell(what: str) -> None:
        if not told:
            say = "reading ids for the first time: the next trace has an index of them"
            click.echo(say, err=True)
        told.append(what)

    return tell


def _erase(settings: Settings, identifier: str, yes: bool) -> None:
    from ninesteps.terminal import trace as view
    from ninesteps.tracing import erasing

    if settings.data.number_rows:
        raise StateError(
            "[data] number_rows: no column identifies records, and each table has another person "
            f"in row {identifier}; delete the row in {settings.data.file}, and the folder .local"
        )
    task = erasing.of(here.local(), settings, identifier)
    plan = task.plan()
    if not plan.changes:
        click.echo(_nothing(settings, identifier))
        return
    click.echo(view.plan(plan, erasing.tables(here.local(), settings), _serving(plan)))
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask at: --yes erases it")
        click.confirm(f"erase the record {identifier!r} from this machine?", abort=True)
    task.carry_out(plan)
    click.echo("erased; the chain has an entry with the id's keyed hash: .local/trace/key is the "
               "key, and whoever loses it cannot tell any more who was erased")  # fmt: skip


def _serving(plan: Plan) -> str:
    from ninesteps.local.endpoint import control

    version = control.serving(here.local())
    return f" (version {version} serves: first)" if version in plan.learnt else ""


def _nothing(settings: Settings, identifier: str) -> str:
    """What is said of a record that is nowhere."""
    from ninesteps.terminal import trace as view
    from ninesteps.tracing import trace as tracing

    return view.as_text(tracing.trace(here.local(), settings, identifier)).rstrip("\n")
