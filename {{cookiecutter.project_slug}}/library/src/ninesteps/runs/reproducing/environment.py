"""What of this machine is otherwise than when a version was made: Python, packages, the library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ninesteps.report.local_run import installed
from ninesteps.repository.vendor import LOCK
from ninesteps.runs.reproducing.inputs import digest_or_empty
from ninesteps.version import VERSION

PACKAGES = "packages"
"""Where a run's origin has the versions that were installed then."""


def differences_of_environment(root: Path, origin: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each difference; where nothing was recorded, that is said."""
    if not origin:
        yield "what was installed then is not known: an earlier library recorded none"
        return
    versions = installed()
    python, machine = versions.pop("Python"), versions.pop("machine")
    compared: list[tuple[str, Any, Any]] = [
        ("Python", origin.get("python"), python),
        ("machine", origin.get("machine"), machine),
        ("the library", origin.get("library"), VERSION),
        (LOCK, str(origin.get("lock_sha256", ""))[:12], digest_or_empty(root / LOCK)[:12]),
    ]
    if (packages := origin.get(PACKAGES)) is not None:
        names = sorted({*packages, *versions})
        compared += [(name, packages.get(name), versions.get(name)) for name in names]
    for name, then, now in compared:
        if (then or "none") != (now or "none"):
            yield f"{name}: {then or 'none'} then, {now or 'none'} now"
