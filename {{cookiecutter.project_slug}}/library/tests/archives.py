"""A model's archive as far as raw records need it, and the repositories that it is made of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pets
import raw_records
from ninesteps.settings.settings import Settings
from ninesteps.step_code.bundle import training_code


def repository(folder: Path, scenario: str) -> Path:
    """A scenario's repository, as the template's hook lays it over churn's."""
    root = folder / "repository"
    ignored = shutil.ignore_patterns("library", "scenarios", "ci", ".*", "__pycache__")
    shutil.copytree(pets.ROOT, root, ignore=ignored)
    if scenario != "churn":
        shutil.copytree(pets.ROOT / "scenarios" / scenario, root, dirs_exist_ok=True)
    return root


def archive(folder: Path, settings: Settings) -> Path:
    """The code of a model's archive, as far as raw records need it."""
    for name, content in training_code(settings, "train.py").files.items():
        if "/" in name or name == raw_records.FILE:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    return folder
