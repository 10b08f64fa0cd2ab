"""Packages that the container's image lacks: wheels that are packed with a step's code."""

from __future__ import annotations

import ctypes
import sys
import tempfile
import zipfile
from pathlib import Path

OPENMP = "libgomp.so.1"
"""The system library that LightGBM's wheel needs but does not contain."""

CARRIED = ("*.whl", "raw_columns.json", "feature_store/**/*.py")
"""Files of the training archive that are copied to the model's archive, beside the modules."""


def add_to_path(folder: Path | None = None) -> None:
    """Unpack the wheels beside this file and make them importable.

    On a machine with the packages installed there are no wheels, and nothing is done.
    """
    wheels = sorted((folder or Path(__file__).parent).glob("*.whl"))
    if not wheels:
        return
    target = tempfile.mkdtemp(prefix="wheels-")  # a shared library cannot be loaded from an archive
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)  # no member can leave it: zipfile strips such paths
    sys.path.insert(0, target)


def prove_that_carried_can_load(folder: Path | None = None) -> None:
    """Check at a job's start that packed LightGBM finds the library that it needs.

    Raises:
        ImportError: if it cannot; otherwise the job would fail hours later.
    """
    if any((folder or Path(__file__).parent).glob("lightgbm-*.whl")):
        load_openmp()


def load_openmp() -> None:
    """Load OpenMP's library into the process, so that LightGBM finds it.

    The image may lack it: its build removes the compiler that it came with. XGBoost and
    scikit-learn each contain one under another name; a copy gets the system's name back, since the
    loader uses the name in the loaded library.

    Raises:
        ImportError: in one sentence, if there is none.
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
        "use an image that has it, or remove lightgbm from [tuning] algorithms"
    )


def packaged_with(script: Path) -> dict[str, Path]:
    """The other files of a training archive, in its script's folder: name -> file.

    These are the wheels; the raw columns and the team's features, for raw records at the endpoint;
    and the files that let pip install the code without a package index, which the server does at
    its start. In the library, those are in a separate folder.
    """
    own = Path(__file__).parent / "packaging"
    folder = script if (script / "pyproject.toml").is_file() else own
    names = ("flat_wheel.py", "pyproject.toml")
    beside = [file for pattern in CARRIED for file in sorted(script.glob(pattern))]
    files = {file.relative_to(script).as_posix(): file for file in beside}
    return files | {name: folder / name for name in names}
