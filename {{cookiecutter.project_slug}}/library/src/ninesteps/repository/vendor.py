"""The library's wheel in a repository: its file in `vendor/`, and its line in the lock.

Standard library only: the template's hook writes both for the first time.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ninesteps.errors import SettingsError

FOLDER, LOCK = "vendor", "requirements.lock"
NAME = "ninesteps"
SHADOWING = (NAME, "sitecustomize", "usercustomize")
"""Modules in the working folder that Python may import before the library, or instead of it."""

_WHEEL = re.compile(rf"{NAME}-([^-]+)-py3-none-any\.whl")
_LINE = re.compile(rf"^{NAME}==(\S+) \\\n    --hash=sha256:([0-9a-f]{{64}})\n", re.MULTILINE)
_FIND_LINKS = f"--find-links {FOLDER}\n"
_HEAD = f"# The library, from {FOLDER}/ and by its hash alone: no index is asked for it.\n"


def place(root: Path, wheel: Path) -> str:
    """Replace a repository's wheel by another one; give its version.

    Raises:
        SettingsError: if the file is not a wheel of this library, or there is no lock.
    """
    version, content = _version(wheel), wheel.read_bytes()
    if not (root / LOCK).is_file():
        raise SettingsError(f"expected this file in {root}, found none", file=LOCK)
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / wheel.name).write_bytes(content)
    _write_line(root / LOCK, version, hashlib.sha256(content).hexdigest())
    for other in wheels(root):
        if other.name != wheel.name:
            other.unlink()
    return version


def check_not_shadowed(root: Path) -> None:
    """Refuse a repository with a module that Python could import instead of the library.

    The gate, the floors and the checks of evidence come only from the wheel.

    Raises:
        SettingsError: naming the module.
    """
    for name in SHADOWING:
        for path in (root / name, root / f"{name}.py"):
            if path.exists():
                raise SettingsError(
                    "expected no module of this name, which Python could import instead of the "
                    "library; `pipeline eject` copies modules that a team may override",
                    file=path.name,
                )  # fmt: skip


def locked(root: Path) -> str:
    """The version that the lock names; empty if it names none."""
    if not (root / LOCK).is_file():
        return ""
    line = _LINE.search((root / LOCK).read_text(encoding="utf-8"))
    return line[1] if line else ""


def violations(root: Path) -> Iterator[str]:
    """How the wheel and the lock differ, for example after an update, a sentence each.

    A repository with neither `vendor/` nor its `--find-links` line takes the library from an index.
    """
    if not (root / LOCK).is_file():
        yield f"{LOCK}: there is no such file; `git checkout {LOCK}` restores it"
        return
    text = (root / LOCK).read_text(encoding="utf-8")
    line, is_linked = _LINE.search(text), _FIND_LINKS in text
    if not (root / FOLDER).is_dir():
        if is_linked:
            yield f"{LOCK}: it names {FOLDER}/, but there is no such folder; `git add` the wheel"
        return
    if not wheels(root) and not is_linked:
        return
    if not is_linked:
        yield f"{LOCK}: expected a line {_FIND_LINKS.strip()}, since there is {FOLDER}/; found none"
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
        yield f"{FOLDER}/{expected}: there is no such file, but {LOCK} names it"


def wheels(root: Path) -> list[Path]:
    """The library's wheels in a repository."""
    return sorted((root / FOLDER).glob(f"{NAME}-*.whl"))


def _version(wheel: Path) -> str:
    """The version of a wheel of this library, from its name and content."""
    named = _WHEEL.fullmatch(wheel.name)
    if named is None or not wheel.is_file():
        message = f"expected a file {NAME}-VERSION-py3-none-any.whl, got {wheel}"
        raise SettingsError(message, file=FOLDER)
    metadata = f"{NAME}-{named[1]}.dist-info/METADATA"
    try:
        with zipfile.ZipFile(wheel) as archive:
            is_whole = metadata in archive.namelist() and archive.testzip() is None
    except zipfile.BadZipFile:
        is_whole = False
    if not is_whole:
        message = f"expected a complete wheel with {metadata}, got {wheel}"
        raise SettingsError(message, file=FOLDER)
    return named[1]


def _write_line(lock: Path, version: str, digest: str) -> None:
    text = lock.read_text(encoding="utf-8")
    line = f"{NAME}=={version} \\\n    --hash=sha256:{digest}\n"
    replaced, count = _LINE.subn(lambda _: line, text, count=1)
    if not count:
        replaced = f"{_HEAD}{_FIND_LINKS}{line}{text}"
    elif _FIND_LINKS not in replaced:  # it came from an index
        replaced = replaced.replace(line, f"{_HEAD}{_FIND_LINKS}{line}", 1)
    lock.write_text(replaced, encoding="utf-8", newline="\n")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
