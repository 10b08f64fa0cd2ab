"""Putting what `pipeline schema` drafts into a repository's settings, as a person would."""

from __future__ import annotations

from pathlib import Path

from conftest import Repository


def adopt(repository: Repository, file: Path, *options: str) -> None:
    """Put the draft in the place of [data], as the commands after a render say."""
    repository.pipeline("schema", file, *options, "--write")
