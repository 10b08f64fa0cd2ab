"""What every test of the library stands on: the repository in place, and processes that find it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"


@pytest.fixture(autouse=True, scope="session")
def _library_can_be_imported_by_processes() -> None:
    """As if it were installed: what a test starts by `python -m ninesteps...` finds it."""
    given = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SOURCE), given]))
