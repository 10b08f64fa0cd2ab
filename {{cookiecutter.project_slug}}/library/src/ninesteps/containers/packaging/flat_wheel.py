"""A build backend without dependencies: packs the modules beside it into a wheel.

The XGBoost container runs `pip install .` on the training archive. Any other backend would first be
downloaded from a package index, which a job in a closed network cannot reach (PEP 517).
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path
from typing import Any

NAME = "training_step"
VERSION = "1.0"
INFO = f"{NAME}-{VERSION}.dist-info"


def build_wheel(
    wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None
) -> str:
    """Write the wheel and return its file name."""
    patterns = ("*.py", "*.whl", "*.json", "feature_store/**/*.py")
    carried = [path for pattern in patterns for path in sorted(Path().glob(pattern))]
    modules = {p.as_posix(): p.read_bytes() for p in carried if p.name != "setup.py"}
    metadata = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n"
    wheel = f"Wheel-Version: 1.0\nGenerator: {__name__}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        **modules,
        f"{INFO}/METADATA": metadata.encode(),
        f"{INFO}/WHEEL": wheel.encode(),
    }
    record = "".join(f"{name},{_hash(content)},{len(content)}\n" for name, content in files.items())
    files[f"{INFO}/RECORD"] = f"{record}{INFO}/RECORD,,\n".encode()
    file_name = f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / file_name, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file_name


def _hash(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return "sha256=" + digest.rstrip(b"=").decode()
