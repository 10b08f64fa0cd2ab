"""Packages that the XGBoost image lacks: wheels that are sent with a step's code, by hash.

A job installs nothing from a package index, since a closed network has none. On this machine the
packages are installed from the same lock file, and nothing is sent.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ninesteps.errors import WheelError


@dataclass(frozen=True)
class Wheel:
    """One wheel for the image: Python 3.12 on Linux, x86-64."""

    file: str
    sha256: str


CARRIED = {
    "lightgbm_model.py": (
        Wheel(
            "lightgbm-4.7.0-py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
            "d23e922acd891e77212e4d0fbcee9ba973c96dee479491341d05ba595357ebb7",
        ),
        Wheel(
            "narwhals-2.29.0-py3-none-any.whl",
            "1c69b3dc30240f6e848c5a673cafc86affa44184ecce721e25b7194663ad10dc",
        ),
    ),
}
"""The wheels that a step's module needs; `requirements.lock` has the same versions and hashes."""


def needed(modules: Iterable[str], algorithms: Iterable[str]) -> tuple[Wheel, ...]:
    """The wheels for a step with these modules, in a pipeline with these algorithms."""
    used = {f"{algorithm}_model.py" for algorithm in algorithms} & set(modules)
    return tuple(wheel for module in sorted(used) for wheel in CARRIED.get(module, ()))


def read(wheel: Wheel, folder: Path) -> bytes:
    """A wheel's content from a folder, checked by its hash.

    Raises:
        WheelError: if it is missing or has another hash.
    """
    try:
        content = (folder / wheel.file).read_bytes()
    except FileNotFoundError:
        command = " ".join(_download(wheel, folder))
        raise WheelError(f"{folder} has no {wheel.file}; get it by: {command}") from None
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != wheel.sha256:
        path = folder / wheel.file
        raise WheelError(f"{path}: expected SHA-256 {wheel.sha256}, got {sha256}")
    return content


def fetch(wheels: Iterable[Wheel], folder: Path) -> None:
    """Have pip download missing wheels; if that fails, reading them reports it."""
    for wheel in lacking(wheels, folder):
        command = [sys.executable, "-m", *_download(wheel, folder)]
        subprocess.run(command, capture_output=True, check=False)


def lacking(wheels: Iterable[Wheel], folder: Path) -> list[Wheel]:
    """The wheels that a folder does not have."""
    return [wheel for wheel in wheels if not (folder / wheel.file).is_file()]


def _download(wheel: Wheel, folder: Path) -> list[str]:
    package, version = wheel.file.split("-")[:2]
    return [
        *("pip", "download", "--no-deps", "--only-binary", ":all:"),
        *("--platform", "manylinux_2_28_x86_64", "--python-version", "3.12"),
        *("-d", str(folder), f"{package}=={version}"),
    ]
