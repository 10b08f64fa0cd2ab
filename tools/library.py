"""Looks at the library in its own folder: lint, strict types, layers of imports, its tests.

    python tools/library.py [--unless ARGUMENT ...]

With arguments after `--unless` nothing is done: who runs some of the template's tests waits for
none of the library's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LIBRARY = Path(__file__).resolve().parent.parent / "{{cookiecutter.project_slug}}" / "library"
COMMANDS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
    ("pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"),
)


def main(arguments: list[str]) -> None:
    """Run them one after the other; the first that fails ends it with its status."""
    if arguments[:1] == ["--unless"] and arguments[1:]:
        return
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY / "src")}
    for command in COMMANDS:
        status = subprocess.run(command, cwd=LIBRARY, env=environment, check=False).returncode
        if status:
            sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
