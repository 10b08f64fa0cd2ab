"""Finds which code of a repository is the team's own, to record it with every version.

The list of the template's files is in the wheel, where the repository cannot change it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from ninesteps.step_code.bundle import STEPS, sha256

FOLDER = "model_build"
"""The folder of the pipeline and its scripts; features are always the team's own."""

REPORT_PANELS = f"{FOLDER}/report_panels.py"
"""The team's own panels of a report: they show a model and make no part of it."""

LIST = Path(__file__).with_name("shipped.json")
"""SHA-256 by path of the template's files; written when the wheel is built."""


def own_code(root: Path) -> dict[str, str]:
    """The files that the template does not have, or has with other content: name -> SHA-256.

    They are changed scripts, overridden modules of the library, and added modules; files of the
    steps have names without a folder.
    """
    return {
        path.removeprefix(f"{STEPS}/"): digest
        for path, digest in digests(root).items()
        if path != REPORT_PANELS and shipped().get(path) != digest
    }


def summary(own: dict[str, str]) -> str:
    """One SHA-256 over names and digests."""
    total = hashlib.sha256()
    for name, digest in sorted(own.items()):
        total.update(f"{name}\0{digest}\n".encode())
    return total.hexdigest()


def digests(root: Path) -> dict[str, str]:
    """SHA-256 of every Python file of the pipeline, by its path, with Unix line ends."""
    files = sorted((root / FOLDER).rglob("*.py"))
    return {file.relative_to(root).as_posix(): sha256(file) for file in files if file.is_file()}


@functools.cache
def shipped() -> dict[str, str]:
    """The template's files; in a checkout of the template, the files there."""
    if LIST.is_file():
        return dict(json.loads(LIST.read_text(encoding="utf-8")))
    return digests(Path(__file__).resolve().parents[4])
