"""Checks that the files of an unpacked archive are unchanged, since each new process reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ninesteps.errors import StepError
from ninesteps.local.state import digest_of


def check(folder: Path, files: Mapping[str, str]) -> None:
    """Check that a folder has these files and no others: path in it -> SHA-256.

    An added file could be imported instead of a library.

    Raises:
        StepError: naming the first file that was changed, removed or added.
    """
    there = {file.relative_to(folder).as_posix(): file
             for file in folder.rglob("*") if file.is_symlink() or not file.is_dir()}  # fmt: skip
    for name in sorted({*files, *there}):
        if name not in there:
            raise StepError(f"{name} of the unpacked archive is missing")
        if name not in files:
            raise StepError(f"{name} was added to the unpacked archive")
        if there[name].is_symlink() or digest_of(there[name]) != files[name]:
            raise StepError(f"{name} of the unpacked archive was changed")
