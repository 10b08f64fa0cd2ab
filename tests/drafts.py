"""Putting what `pipeline schema` drafts into a repository's settings, as a person would."""

from __future__ import annotations

from pathlib import Path

from conftest import Repository


def adopt(repository: Repository, file: Path, *options: str) -> None:
    """Do what the sentence says: put the draft in the place of [data]."""
    draft = repository.pipeline("schema", file, *options).stdout
    settings = repository.path / "pipeline.toml"
    before, _, rest = settings.read_text(encoding="utf-8").partition("[data]\n")
    _, mark, after = rest.partition("[split]\n")
    settings.write_text(f"{before}{draft}\n{mark}{after}", encoding="utf-8")
