"""Writes both `requirements.lock` files anew: universal, with hashes, without addresses.

    python tools/lock.py [--upgrade]

The template's own lock is held to the versions of the generated repository's, since the tests
install both.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "{{cookiecutter.project_slug}}"
CONTAINER = ROOT / "tests" / "container"
COMPILE = (
    *("uv", "pip", "compile", "--universal", "--generate-hashes", "--python-version", "3.11"),
    *("--no-header", "--no-annotate", "--quiet"),
)


def main(options: list[str]) -> None:
    """Lock the generated repository first, then what stands on it."""
    lock(GENERATED, "pyproject.toml", "--extra", "dev", *options)
    lock(ROOT, "requirements.in", "-c", str(GENERATED / "requirements.lock"), *options)


def lock(folder: Path, source: str, *options: str) -> None:
    """Compile one file's requirements to `requirements.lock` beside it."""
    subprocess.run([*COMPILE, source, "-o", "requirements.lock", *options], cwd=folder, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
