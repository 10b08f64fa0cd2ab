"""The library's wheel in a repository: its file in `vendor/`, and its line in the lock.

Standard library only: the template's hook writes both first.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ninesteps.errors import SettingsError

FOLDER, LOCK = "vendor", "requirements.lock"
NAME = "ninesteps"

_WHEEL = re.compile(rf"{NAME}-([^-]+)-py3-none-any\.whl")
_LINE = re.compile(rf"^{NAME}==(\S+) \\\n    --hash=sha256:([0-9a-f]{{64}})\n", re.MULTILINE)
_HEAD = f"# The library, from {FOLDER}/ and by its hash alone: no index is asked for it.\n"


def place(root: Path, wheel: Path) -> str:
    """Put a wheel in the place of the one that a repository has; gives its version.

    Raises:
        SettingsError: if the file is not a wheel of this library.
    """
    named = _WHEEL.fullmatch(wheel.name)
    if named is None or not wheel.is_file():
        raise SettingsError(f"expected a file {NAME}-VERSION-py3-none-any.whl, got {wheel}",
                            file=FOLDER)  # fmt: skip
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    for other in wheels(root):
        if other.resolve() != wheel.resolve():
            other.unlink()
    if wheel.resolve().parent != folder.resolve():
        shutil.copyfile(wheel, folder / wheel.name)
    _write_line(root / LOCK, named[1], _digest(folder / wheel.name))
    return named[1]


def locked(root: Path) -> str:
    """The version that the lock names; empty if it names none."""
    found = _LINE.search((root / LOCK).read_text(encoding="utf-8"))
    return found[1] if found else ""


def violations(root: Path) -> Iterator[str]:
    """A wheel that the lock does not name, or one of other bytes: an update left them apart.

    A repository without `vendor/` takes the library from an index of its own.
    """
    if not (root / FOLDER).is_dir() or not (root / LOCK).is_file():
        return
    line = _LINE.search((root / LOCK).read_text(encoding="utf-8"))
    if line is None:
        yield f"{LOCK}: expected a line {NAME}==VERSION with its hash, found none"
        return
    expected = f"{NAME}-{line[1]}-py3-none-any.whl"
    for wheel in wheels(root):
        if wheel.name != expected:
            yield f"{FOLDER}/{wheel.name}: {LOCK} names version {line[1]}; delete this one"
        elif (digest := _digest(wheel)) != line[2]:
            yield f"{FOLDER}/{wheel.name}: expected SHA-256 {line[2]}, got {digest}"
    if not (root / FOLDER / expected).is_file():
        yield f"{FOLDER}/{expected}: there is no such file, and {LOCK} names it"


def wheels(root: Path) -> list[Path]:
    """The library's wheels in a repository."""
    return sorted((root / FOLDER).glob(f"{NAME}-*.whl"))


def _write_line(lock: Path, version: str, digest: str) -> None:
    text = lock.read_text(encoding="utf-8")
    line = f"{NAME}=={version} \\\n    --hash=sha256:{digest}\n"
    replaced, count = _LINE.subn(lambda _: line, text, count=1)
    if not count:
        replaced = f"{_HEAD}--find-links {FOLDER}\n{line}{text}"
    lock.write_text(replaced, encoding="utf-8", newline="\n")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
