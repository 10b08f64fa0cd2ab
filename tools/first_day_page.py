"""Writes what the commands of docs/first-day.md print: they are typed against the tests' account.

::

    python tools/first_day_page.py
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).resolve().parent.parent / "{{cookiecutter.project_slug}}/library"


def main() -> None:
    """Live the day, then put what was printed into the page."""
    parts = ("tests", "src", "src/ninesteps/containers", "src/ninesteps/infrastructure/jobs")
    sys.path[:0] = [str(LIBRARY / part) for part in parts]
    os.environ["PYTHONPATH"] = str(LIBRARY / "src")  # of the processes that steps are
    first_day: Any = importlib.import_module("first_day")  # of the library's tests

    with tempfile.TemporaryDirectory() as folder, first_day.day_in(Path(folder)) as day:
        first_day.live(day)
        first_day.write_page(day.said)


if __name__ == "__main__":
    main()
