"""`pipeline diff`: how two runs or versions differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ninesteps.cli import completing, here
from ninesteps.cli.commands import commands
from ninesteps.cli.options import AS_JSON, HERE_OR_IN_AN_ACCOUNT

if TYPE_CHECKING:
    from ninesteps.report.comparison.model import Comparison


@commands.command()
@click.argument("first", metavar="A", shell_complete=completing.versions_and_runs)
@click.argument("second", metavar="B", shell_complete=completing.versions_and_runs)
@HERE_OR_IN_AN_ACCOUNT
@AS_JSON
def diff(first: str, second: str, name: str | None, as_json: bool) -> None:
    """Show how two runs or versions differ.

    Differences are B minus A. Each is a version's number, `serving` for the version that the
    endpoint serves, or a run: its id, the beginning of one, or `last`. Up to nine digits mean a
    version.
    """
    show(first, second, name, as_json)


def show(first: str, second: str, name: str | None, as_json: bool) -> None:
    """Compare two runs or versions, here or in an account, and print the differences."""
    from ninesteps.report.comparison.model import as_json as content
    from ninesteps.terminal import comparison as view

    comparison = _compared(first, second, name)
    if as_json:
        click.echo(json.dumps(content(comparison), indent=2))
    else:
        view.show(comparison)


def _compared(first: str, second: str, name: str | None) -> Comparison:
    from ninesteps.report.comparison.compare import compare
    from ninesteps.report.comparison.names import two

    settings = here.settings()
    if name is None:
        from ninesteps.report.comparison.local import Here

        here.check_has_run()
        return compare(*two(Here(here.local(), settings), first, second))
    from ninesteps.infrastructure import account
    from ninesteps.report.comparison.account import InAccount

    with account.one_sentence():
        return compare(*two(InAccount.of(settings, name), first, second))
