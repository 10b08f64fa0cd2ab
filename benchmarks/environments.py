"""The other engines' virtual environments, each made of its lock, once a lock."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

LOCKS = Path(__file__).resolve().parent / "others"
MADE = Path(__file__).resolve().parent / ".environments"


def python_of(name: str) -> Path:
    """The Python of an engine's environment, which is made if its lock is new."""
    lock = LOCKS / f"{name}.lock"
    own = MADE / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    python = own / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (own / "complete").is_file():
        print(f"installing {lock.name}", flush=True)
        shutil.rmtree(own, ignore_errors=True)
        base = getattr(sys, "_base_executable", sys.executable)
        _uv("venv", "--quiet", "--python", base, own)
        _uv("pip", "sync", "--quiet", "--python", python, lock)
        (own / "complete").touch()
    return python


def _uv(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "uv", *map(str, arguments)], check=True)
