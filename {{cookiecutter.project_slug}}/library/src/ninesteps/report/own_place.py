"""Where a repository keeps its own report panels, and the code that makes them.

It is separate from `own_panels`, which a run with nothing changed must not import.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ninesteps.step_code.own_code import REPORT_PANELS

MODULE = "model_build.report_panels"
FILE = REPORT_PANELS
_IMPORTS = ("model_build", "feature_store")
"""The repository's packages that the module may import."""


def code_of(root: Path) -> dict[str, str]:
    """SHA-256 of the Python that own panels are made by; empty in a repository without any."""
    if not (root / FILE).is_file():
        return {}
    files = (file for folder in _IMPORTS for file in sorted((root / folder).rglob("*.py")))
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }
