"""`pipeline schema`, `readme`, `eject` and `vendor`: the repository's own files."""

from __future__ import annotations

from pathlib import Path

import click

from ninesteps.cli import completing, here
from ninesteps.cli.commands import commands
from ninesteps.settings import loading


@commands.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--label", default="", metavar="NAME", help="Use this column as the label.")
@click.option("--missing", multiple=True, metavar="WORD", help='Read this word as "no value".')
@click.option("--value", "values", multiple=True, metavar="WORD", help="Read this word as a value.")
@click.option("--write", "is_written", is_flag=True,
              help="Replace [data] of pipeline.toml, if no run has used it.")  # fmt: skip
def schema(
    file: Path, label: str, missing: tuple[str, ...], values: tuple[str, ...], is_written: bool
) -> None:
    """Draft the [data] part of pipeline.toml from a raw table.

    FILE is CSV or Parquet. The command works in any folder. In a repository the default label is
    the one in pipeline.toml, if the table has that column.
    """
    from ninesteps.feature_store.drafting.draft import Decisions, draft
    from ninesteps.repository import identity

    root = here.root_or_none()
    decided = Decisions(label, missing, values)
    likely = loading.named_label(root) if root else ""
    if is_written and root is None:
        here.root()  # says that there is no repository
    text = draft(file, decided, likely, _path_in_settings(file, root))
    click.echo(text, nl=False)
    if is_written and root:
        from ninesteps.repository import drafted

        drafted.write(root, text)
        click.echo(f"\n{drafted.NAME} has this draft: read its comments", err=True)
    if identity.is_untracked(file):
        here.show_notice(
            f"git does not ignore {file}: if its rows are people, add it to .gitignore"
        )


def _path_in_settings(file: Path, root: Path | None) -> str:
    """The path of a table as `[data] file` has it: relative to the repository if it is inside."""
    path = file.parent.resolve() / file.name  # a link in the repository stays one
    if root and path.is_relative_to(root):
        path = path.relative_to(root)
    return path.as_posix()


@commands.command()
def readme() -> None:
    """Write the values of pipeline.toml into the README.

    Only the block with these values is replaced.
    """
    from ninesteps.repository import readme as block

    if block.write(here.root(), here.settings()):
        click.echo(f"{block.NAME} has the values of pipeline.toml")
    else:
        click.echo(f"{block.NAME}: expected a block that begins with {block.BEGIN}, found none")


@commands.command()
@click.argument("module", shell_complete=completing.modules)
def eject(module: str) -> None:
    """Copy a library module into model_build/steps, to change it.

    MODULE is the file name of a module that runs in the steps' containers.
    """
    from ninesteps.step_code import bundle

    copy = bundle.eject(here.root(), module)
    click.echo(f"{copy.relative_to(here.root()).as_posix()} replaces the library's module now")
    click.echo("`pipeline check` lists what is overridden; delete the file to use the library's")


@commands.command()
@click.argument("wheel", type=click.Path(path_type=Path))
def vendor(wheel: Path) -> None:
    """Replace the library in vendor/ by another version.

    WHEEL is its file. The library's line in requirements.lock changes too.
    """
    from ninesteps.repository import vendor as wheels

    before = wheels.locked(here.root())
    version = wheels.place(here.root(), wheel)
    click.echo(f"library     {version} (before: {before or 'none'})")
    click.echo(f"changed     {wheels.FOLDER}/ and its line in {wheels.LOCK}: commit both")
    click.echo(f"next        install the lock again: pip install -r {wheels.LOCK}")
