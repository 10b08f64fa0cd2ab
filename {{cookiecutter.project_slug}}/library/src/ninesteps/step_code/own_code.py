"""Which code of a repository is the team's own: what a version says that it was made by.

What the template ships is told by a list that lies in the wheel, out of the repository's reach.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from ninesteps.step_code.bundle import STEPS, sha256

FOLDER = "model_build"
"""Where the pipeline and its scripts lie; features are always the team's own."""

LIST = Path(__file__).with_name("shipped.json")
"""SHA-256 by path, of the files that the template ships; written when the wheel is packed."""


def own_code(root: Path) -> dict[str, str]:
    """The files that the template did not ship, or not so: name -> SHA-256.

    Scripts that were changed, modules in the place of the library's, and others that a team has
    added; those of the steps by their names alone.
    """
    return {
        path.removeprefix(f"{STEPS}/"): digest
        for path, digest in digests(root).items()
        if shipped().get(path) != digest
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
    """What the template ships; where the library is worked on in place, what lies there."""
    if LIST.is_file():
        return dict(json.loads(LIST.read_text(encoding="utf-8")))
    return digests(Path(__file__).resolve().parents[4])
