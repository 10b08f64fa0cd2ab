"""Packages that the container's image has not: wheels that travel with a step's code."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path


def add_to_path(folder: Path | None = None) -> None:
    """Unpack the wheels beside this file and let them be imported.

    On a machine that has the packages installed there are no wheels, and nothing is done.
    """
    wheels = sorted((folder or Path(__file__).parent).glob("*.whl"))
    if not wheels:
        return
    target = tempfile.mkdtemp(prefix="wheels-")  # a shared library cannot be read from an archive
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)  # no member can leave it: zipfile strips what leads out
    sys.path.insert(0, target)


def packaged_with(script: Path) -> list[Path]:
    """What a training archive has beside its modules, by the folder of its script.

    The wheels, and what lets pip install the code without a package index: the server does so when
    it starts. In the library that lies in a folder of its own.
    """
    own = Path(__file__).parent / "packaging"
    folder = script if (script / "pyproject.toml").is_file() else own
    names = ("flat_wheel.py", "pyproject.toml")
    return [*sorted(script.glob("*.whl")), *(folder / name for name in names)]
