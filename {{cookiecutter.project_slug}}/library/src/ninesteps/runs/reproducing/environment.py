"""What has changed on this machine since a version was made: Python, packages, the library."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ninesteps.report.local_run import packages
from ninesteps.repository.origin import library_digest
from ninesteps.repository.vendor import LOCK
from ninesteps.runs.reproducing.inputs import digest_or_empty
from ninesteps.version import VERSION

PACKAGES = "packages"
"""The key of the installed versions in a run's origin."""


def differences_of_environment(root: Path, origin: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each difference; also if nothing was recorded."""
    if not origin:
        yield "the packages installed then are not known: an earlier library did not record them"
        return
    compared: list[tuple[str, Any, Any]] = [
        ("Python", origin.get("python"), platform.python_version()),
        ("machine", origin.get("machine"), f"{platform.system()}, {platform.machine()}"),
        ("the library", origin.get("library"), VERSION),
        ("the library's files", _short(origin.get("library_sha256")), _short(library_digest())),
        (LOCK, _short(origin.get("lock_sha256")), _short(digest_or_empty(root / LOCK))),
    ]
    then, now = origin.get(PACKAGES), packages()
    if then is not None:  # an earlier library recorded none
        compared += [(name, then.get(name), now.get(name)) for name in sorted({*then, *now})]
    for name, before, after in compared:
        if (before or "none") != (after or "none"):
            yield f"{name}: {before or 'none'} then, {after or 'none'} now"


def _short(digest: object) -> str:
    return str(digest or "")[:12]
