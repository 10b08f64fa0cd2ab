"""The repository that a command acts on: that of the working directory."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import click

from ninesteps.repository import root as roots
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings


@cache
def root() -> Path:
    """The repository's root."""
    return roots.find()


def local() -> Path:
    """What runs on this machine leave behind."""
    return root() / ".local"


def settings() -> Settings:
    """The repository's settings; what their notices say is printed once."""
    read = loading.load(root())
    for notice in read.notices:
        show_notice(notice)
    return read


@cache
def show_notice(notice: str) -> None:
    """Print a notice to stderr, the first time that it comes."""
    click.echo(f"pipeline: notice: {notice}", err=True)


def settings_with_table() -> Settings:
    """The settings of a pipeline that has a table to run on."""
    read = settings()
    read.check_table()
    return read
