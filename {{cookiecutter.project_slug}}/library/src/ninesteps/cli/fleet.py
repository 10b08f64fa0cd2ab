"""`pipeline fleet`: the state of several checked-out repositories; it runs outside of any."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import click

from ninesteps.cli.commands import commands
from ninesteps.errors import FAILED

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@commands.command()
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=_FOLDER)
@click.option(
    "--template",
    type=_FOLDER,
    help="Count how many commits each is behind this checkout of the template.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every detail.")
def fleet(folders: tuple[Path, ...], template: Path | None, as_json: bool) -> None:
    """Show the state of several repositories.

    Each FOLDER is a repository or contains some. The exit status is 1 if one has findings: an
    unfinished update, a floor that is not met, settings that cannot be read.
    """
    from ninesteps.fleet import distance, standing, table

    checkout = distance.Template(template) if template else None
    commit = checkout.commit if checkout else ""
    standings = [standing.read(folder) for folder in standing.repositories(list(folders))]
    newest = distance.measure(standings, checkout)
    if as_json:
        content: dict[str, Any] = {
            "template": {"folder": str(template), "commit": commit} if template else None,
            "newest_library": newest or None,
            "repositories": [dataclasses.asdict(s) | {"folder": str(s.folder)} for s in standings],
        }
        click.echo(json.dumps(content, indent=2))
    else:
        for line in table.lines(standings, is_measured=checkout is not None):
            click.echo(line)
    if any(s.findings for s in standings):
        sys.exit(FAILED)
