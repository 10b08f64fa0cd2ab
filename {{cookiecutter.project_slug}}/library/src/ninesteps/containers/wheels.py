"""Packages that the container's image has not: wheels that travel with a step's code."""

from __future__ import annotations

import ctypes
import sys
import tempfile
import zipfile
from pathlib import Path

OPENMP = "libgomp.so.1"
"""The system's library that LightGBM's wheel is linked to, and does not bring."""

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


def prove_that_carried_can_load(folder: Path | None = None) -> None:
    """At a job's start: LightGBM, where it is carried, finds the library that it is linked to.

    Raises:
        ImportError: if it cannot; hours later the job would say the same.
    """
    if any((folder or Path(__file__).parent).glob("lightgbm-*.whl")):
        load_openmp()


def load_openmp() -> None:
    """Have OpenMP's library in the process, so that LightGBM finds it.

    The image may lack it: its build removes the compiler that it came with. XGBoost and
    scikit-learn bring one each, under a name of their own; a copy gets the system's name back,
    since the loader goes by the name that a loaded library says it has.

    Raises:
        ImportError: if there is none, in a sentence.
    """
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(OPENMP)
        return
    except OSError:
        pass
    for place in sys.path:
        for brought in sorted(Path(place).glob("*.libs/libgomp-*.so*")):
            own = brought.name.encode() + b"\0"
            named = OPENMP.encode().ljust(len(own), b"\0")
            copy = Path(tempfile.mkdtemp(prefix="openmp-"), OPENMP)
            copy.write_bytes(brought.read_bytes().replace(own, named))
            ctypes.CDLL(str(copy), mode=ctypes.RTLD_GLOBAL)
            return
    raise ImportError(
        f"LightGBM needs the library {OPENMP}, which neither the image nor a package in it has: "
        "take an image that has it, or leave lightgbm out of [tuning] algorithms"
    )


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
