"""What every test of the library stands on: the repository in place, and processes that find it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"


@pytest.fixture(autouse=True, scope="session")
def _library_can_be_imported_by_processes() -> None:
    """As if it were installed: what a test starts by `python -m ninesteps...` finds it."""
    given = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SOURCE), given]))


@pytest.fixture(autouse=True)
def _signals_are_as_in_a_terminal() -> Iterator[None]:
    """Whatever starts the tests may have had some ignored, as `nohup` does, and so may a test."""
    usual = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL}
    usual["SIGHUP"] = signal.SIG_DFL
    there = {getattr(signal, name): handler for name, handler in usual.items()
             if hasattr(signal, name)}  # fmt: skip
    before = {number: signal.signal(number, handler) for number, handler in there.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
