"""`pipeline schema` and `readme`: the repository's own files."""

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
