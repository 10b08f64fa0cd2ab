"""`pipeline schema`, `readme`, `eject` and `vendor`: the repository's own files."""

from __future__ import annotations

from pathlib import Path

import click

from ninesteps.cli import here
from ninesteps.cli.commands import commands


@commands.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--label", default="", help="The column to predict, if its name does not say so.")
def schema(file: Path, label: str) -> None:
    """Draft the [data] part of pipeline.toml from a CSV or Parquet table."""
    from ninesteps.feature_store.schema import draft

    click.echo(draft(file, label, here.settings().data.label), nl=False)


@commands.command()
def readme() -> None:
    """Write what pipeline.toml says into the README's block of values."""
    from ninesteps.repository import readme as block

    if block.write(here.root(), here.settings()):
        click.echo(f"{block.NAME} says what pipeline.toml says")
    else:
        click.echo(f"{block.NAME} has no block to write: it begins with {block.BEGIN}")


@commands.command()
@click.argument("module")
def eject(module: str) -> None:
    """Copy a library module for containers into model_build/steps, to change it there."""
    from ninesteps.step_code import bundle

    copy = bundle.eject(here.root(), module)
    click.echo(f"{copy.relative_to(here.root()).as_posix()} stands in for the library's now")
    click.echo("`pipeline check` lists what is overridden; delete the file to use the library's")


@commands.command()
@click.argument("wheel", type=click.Path(path_type=Path))
def vendor(wheel: Path) -> None:
    """Put another version of the library, a WHEEL, into vendor/ and requirements.lock."""
    from ninesteps.repository import vendor as wheels

    before = wheels.locked(here.root())
    version = wheels.place(here.root(), wheel)
    click.echo(f"library     {version} (before: {before or 'none'})")
    click.echo(f"changed     {wheels.FOLDER}/ and its line in {wheels.LOCK}: commit both")
    click.echo(f"to go on    install the lock again: pip install -r {wheels.LOCK}")
