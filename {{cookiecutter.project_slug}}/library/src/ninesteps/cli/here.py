"""The repository that a command acts on: that of the working directory."""

from __future__ import annotations

from functools import cache
from pathlib import Path

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
    """The repository's settings."""
    return loading.load(root())


def settings_with_table() -> Settings:
    """The settings of a pipeline that has a table to run on."""
    read = settings()
    read.check_table()
    return read
