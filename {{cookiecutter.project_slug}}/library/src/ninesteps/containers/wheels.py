"""Packages that the container's image has not: wheels that travel with a step's code."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

CARRIED = ("*.whl", "raw_columns.json", "feature_store/**/*.py")
"""What a model's archive has of its training's, beside the modules."""


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


def packaged_with(script: Path) -> dict[str, Path]:
    """What a training archive has beside its modules, by the folder of its script: name -> file.

    The wheels; the raw columns and the team's features, which the server asks about raw records;
    and what lets pip install the code without a package index, which the server does when it
    starts: in the library that lies in a folder of its own.
    """
    own = Path(__file__).parent / "packaging"
    folder = script if (script / "pyproject.toml").is_file() else own
    names = ("flat_wheel.py", "pyproject.toml")
    beside = [file for pattern in CARRIED for file in sorted(script.glob(pattern))]
    files = {file.relative_to(script).as_posix(): file for file in beside}
    return files | {name: folder / name for name in names}
