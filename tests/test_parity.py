"""`tox run -e torch` says what it left out, and fails where it was told to leave nothing out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

RUN = ROOT / "tests/parity/run.py"


def compare(**environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, **environment}
    if "TORCH_PYTHON" not in environment:
        variables.pop("TORCH_PYTHON", None)
    return subprocess.run(
        [sys.executable, str(RUN)], env=variables, capture_output=True, text=True, check=False
    )


@pytest.fixture
def without_torch(tmp_path: Path) -> Path:
    """A python3 that finds no package of its own."""
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return python


def test_a_machine_without_torch_is_told_what_was_left_out(without_torch: Path) -> None:
    done = compare(PATH=str(without_torch.parent))
    assert done.returncode == 0
    assert done.stdout.startswith("LEFT OUT: the backends of language models were not compared")
    assert "lacks torch, transformers, peft, tokenizers, safetensors; install them" in done.stdout


def test_a_machine_without_python3_is_told_so(tmp_path: Path) -> None:
    done = compare(PATH=str(tmp_path))
    assert done.returncode == 0
    assert done.stdout.startswith("LEFT OUT") and "python3 lacks torch" in done.stdout


@pytest.mark.parametrize("is_there", [True, False])
def test_a_python_that_was_named_has_to_have_torch(without_torch: Path, is_there: bool) -> None:
    named = str(without_torch) if is_there else "no-such-python"
    done = compare(TORCH_PYTHON=named)
    assert done.returncode == 1
    assert done.stderr.startswith("TORCH_PYTHON: expected a Python with torch, ")
    assert f"{named} lacks torch" in done.stderr
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1
