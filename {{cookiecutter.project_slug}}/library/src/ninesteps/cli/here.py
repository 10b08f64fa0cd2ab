"""The repository that a command acts on, found from the working directory."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

import click

from ninesteps.errors import SettingsError, StateError
from ninesteps.repository import root as roots
from ninesteps.repository import vendor
from ninesteps.settings import loading
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.version import VERSION


@cache
def root() -> Path:
    """The repository's root."""
    return roots.find()


def root_or_none() -> Path | None:
    """The repository's root; None outside a repository."""
    try:
        return root()
    except SettingsError:
        return None


def local() -> Path:
    """The folder in which runs on this machine keep their files."""
    return root() / ".local"


def check_has_run() -> None:
    """Refuse to continue if nothing has run here.

    Raises:
        StateError: if nothing has run on this machine, or the folder was deleted.
    """
    if not any((local() / name).exists() for name in ("state.db", "runs")):
        raise StateError(
            f"{local()} has no state.db: nothing has run here, or the folder was deleted; only a "
            "backup brings its runs, versions and decisions back"
        )


def settings() -> Settings:
    """The repository's settings; their notices are printed once."""
    vendor.check_not_shadowed(root())
    _check_installed()
    read = loading.load(root())
    for notice in read.notices:
        show_notice(notice)
    return read


def _check_installed() -> None:
    """Refuse a library other than the locked one, for example after an update.

    Raises:
        SettingsError: if another one is installed.
    """
    locked = vendor.locked(root())
    if "+" in VERSION and locked not in ("", VERSION):
        raise SettingsError(
            f"expected the library {locked} to be installed, got {VERSION}: "
            f"pip install -r {vendor.LOCK}", file=vendor.LOCK,
        )  # fmt: skip


@cache
def show_notice(notice: str) -> None:
    """Print a notice to stderr, once."""
    click.echo(f"pipeline: notice: {notice}", err=True)


def definition(settings: Settings, environment: Environment | None = None) -> str:
    """The pipeline definition, from the cache if nothing has changed.

    Args:
        environment: whose values to compile in; None for this machine's.
    """
    from ninesteps.runs import compiled

    of = environment or settings.environment()
    return compiled.compiled(root(), local() / "definitions", settings, of).definition


def record_lineage() -> None:
    """Record lineage of a decision or deployment; after a failure, the next lineage query records
    it."""
    from ninesteps.lineage.local import record

    with suppress(OSError, StateError):
        record(local(), settings().model_package_group)


def settings_with_table() -> Settings:
    """The settings of a pipeline that has a table to run on."""
    read = settings()
    read.check_table()
    return read
