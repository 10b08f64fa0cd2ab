"""The repository that a command acts on: that of the working directory."""

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
    """The repository's root; None outside of any."""
    try:
        return root()
    except SettingsError:
        return None


def local() -> Path:
    """What runs on this machine leave behind."""
    return root() / ".local"


def check_has_run() -> None:
    """Refuse to look for what nothing has left here.

    Raises:
        StateError: if nothing has run on this machine, or what was left was deleted.
    """
    if not any((local() / name).exists() for name in ("state.db", "runs")):
        raise StateError(
            f"{local()} has no state.db: nothing has run here, or that folder was deleted; its "
            "runs, versions and decisions are known again only if it is put back from a copy"
        )


def settings() -> Settings:
    """The repository's settings; what their notices say is printed once."""
    vendor.check_not_shadowed(root())
    _check_installed()
    read = loading.load(root())
    for notice in read.notices:
        show_notice(notice)
    return read


def _check_installed() -> None:
    """Refuse to work with another library than the lock names, as after an update.

    Raises:
        SettingsError: that says what to do.
    """
    locked = vendor.locked(root())
    if "+" in VERSION and locked not in ("", VERSION):
        raise SettingsError(
            f"expected the library {locked} to be installed, got {VERSION}: "
            f"pip install -r {vendor.LOCK}", file=vendor.LOCK,
        )  # fmt: skip


@cache
def show_notice(notice: str) -> None:
    """Print a notice to stderr, the first time that it comes."""
    click.echo(f"pipeline: notice: {notice}", err=True)


def definition(settings: Settings, environment: Environment | None = None) -> str:
    """The pipeline definition, as it was kept if nothing has changed since.

    Args:
        environment: whose values it has; none: this machine's.
    """
    from ninesteps.runs import compiled

    of = environment or settings.environment()
    return compiled.compiled(root(), local() / "definitions", settings, of).definition


def record_lineage() -> None:
    """Record what was decided or deployed; what cannot be recorded now is when it is asked for."""
    from ninesteps.lineage.local import record

    with suppress(OSError, StateError):
        record(local(), settings().model_package_group)


def settings_with_table() -> Settings:
    """The settings of a pipeline that has a table to run on."""
    read = settings()
    read.check_table()
    return read
