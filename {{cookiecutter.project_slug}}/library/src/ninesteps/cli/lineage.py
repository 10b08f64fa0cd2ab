"""`pipeline reproduce`: a version made again from what was recorded."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ninesteps.cli import here
from ninesteps.cli.commands import commands
from ninesteps.errors import FAILED
from ninesteps.runs import stopping

if TYPE_CHECKING:  # they import what only these commands need
    from ninesteps.runs.run import Observer

RESULT = "reproduction.json"
"""What `reproduce -o` writes into its folder, beside the run."""


class _Tolerance(click.FloatRange):
    """A number from 0; what is no number is none."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        number = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"expected a number, got {value!r}", param, context)
        return number


@commands.command(context_settings={"ignore_unknown_options": True})  # -1 is no version
@click.argument("version")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path),
              help="Keep the new run in this empty or new folder.")  # fmt: skip
@click.option("--tolerance", type=_Tolerance(min=0), default=1e-6, show_default=True,
              help="Up to which numbers count as the same.")  # fmt: skip
@click.option("--parallel", type=click.IntRange(min=1), help="Processes at a time; default: cores.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, without progress.")
def reproduce(
    version: str, output: Path | None, tolerance: float, parallel: int | None, as_json: bool
) -> None:
    """Make a version again, and compare every artifact.

    VERSION is a version's number. Exit status 1: an artifact differs, or could not be made.
    """
    stopping.listen(keyboard=True)
    if output and output.is_dir() and any(output.iterdir()):
        raise click.UsageError(f"-o: expected an empty or a new folder, got {output}")
    settings = here.settings()

    from ninesteps.registry import access
    from ninesteps.runs.reproducing import rerun
    from ninesteps.runs.reproducing.result import as_json as content
    from ninesteps.terminal import reproduction
    from ninesteps.terminal.events import Silent
    from ninesteps.terminal.run import Progress

    number = access.number(version)
    access.on_this_machine(here.local(), settings, read_only=True).find(number)
    progress: Observer = Silent() if as_json else Progress(settings)
    options = rerun.Options(output, tolerance, parallel)
    made = rerun.reproduce(here.root(), here.local(), settings, number, options, progress)
    text = json.dumps(content(made), indent=2)
    if output:
        (output / RESULT).write_text(f"{text}\n", encoding="utf-8")
    if as_json:
        click.echo(text)
    else:
        reproduction.show(made)
    if not made.is_proven:
        sys.exit(FAILED)
