"""Checks a repository before AWS sees it: its definition, and its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ninesteps.repository import readme, template_files, vendor
from ninesteps.settings.settings import Settings
from ninesteps.validation import check_definition
from ninesteps.validation.example import example_evaluation


def definition_violations(settings: Settings, definition: str) -> list[str]:
    """What AWS would refuse in a compiled definition, or accept and ignore; one sentence each."""
    findings = check_definition(json.loads(definition), example_evaluation(settings))
    return [str(finding) for finding in findings]


def repository_violations(root: Path, settings: Settings) -> Iterator[str]:
    """An unfinished update, and files of the repository that contradict each other."""
    yield from template_files.unfinished(root)
    yield from contradictions(root, settings)


def contradictions(root: Path, settings: Settings) -> Iterator[str]:
    """Files of the repository that contradict each other: wheel and lock, README and settings."""
    yield from vendor.violations(root)
    if not readme.is_current(root, settings):
        yield f"{readme.NAME}: differs from pipeline.toml; run `pipeline readme`"
