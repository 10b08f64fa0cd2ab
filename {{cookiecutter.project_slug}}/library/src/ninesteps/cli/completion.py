"""`pipeline completion`: the script that lets a shell complete the commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ninesteps.cli.commands import COMPLETES, commands


@commands.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that lets a shell complete commands and names.

    It completes commands, options, runs, steps, versions, environments and modules. Evaluate the
    script in the shell's start-up file.
    """
    script = get_completion_class(shell)
    if script is None:  # click knows each of these
        raise click.UsageError(f"expected bash, zsh or fish, got {shell!r}")
    click.echo(script(commands, {}, "pipeline", COMPLETES).source(), nl=False)
