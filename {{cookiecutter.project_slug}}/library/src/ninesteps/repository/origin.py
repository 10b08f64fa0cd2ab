"""Where a run comes from: the commit of its repository, the template, the library, the settings.

It is read when a run starts, and is not part of the compiled definition. What is not known is
recorded as not known, with the reason: a run needs no git.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ninesteps.repository.root import SETTINGS
from ninesteps.repository.template_files import CRUFT
from ninesteps.repository.vendor import LOCK
from ninesteps.version import VERSION

LIBRARY = Path(__file__).resolve().parent.parent
PROTECTED = "protected"
"""The key of `[model.protected]` in a record: why the model sees a protected attribute."""

MOST_CHANGED = 20
"""Changed files that are recorded by name; the others are counted."""

WAIT_SECONDS = 10
"""For git, in a repository that is large or on a slow disk."""

_OF_A_HOOK = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE",
)  # fmt: skip
"""What git sets for a hook: with these it would report on the hook's repository."""

_FIELDS_BEFORE_THE_PATH = {b"1": 8, b"2": 9, b"u": 10, b"?": 1}
"""By the kind of an entry of `git status --porcelain=v2`."""


def origin(root: Path, overridden: Mapping[str, str]) -> dict[str, Any]:
    """Everything except the table; it takes about 9 ms, since git and the digests run in parallel.

    Args:
        root: the repository.
        overridden: SHA-256 of the library's modules that the repository overrides.
    """
    with _git(root, "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal",
              "--ignore-submodules=none", "--", ".") as status, \
         _git(root, "ls-files", "-z", "--full-name", "--", SETTINGS) as listed:  # fmt: skip
        rest = {
            "template": template(root),
            "library": VERSION,
            "library_sha256": library_digest(),
            "python": platform.python_version(),
            "machine": f"{platform.system()}, {platform.machine()}",
            "lock_sha256": _digest(root / LOCK),
            "settings_sha256": _digest(root / SETTINGS),
            "overridden": dict(overridden),
        }
        return {"repository": _repository(status, listed), **rest}


def template(root: Path) -> dict[str, str] | None:
    """The template's address and commit from cruft's file; None if there is no such file.

    A file that cannot be read gives empty texts. A password in the address is left out.
    """
    file = root / CRUFT
    if not file.is_file():
        return None
    with suppress(OSError, ValueError, AttributeError):
        content = json.loads(file.read_bytes())
        source, commit = content.get("template", ""), content.get("commit", "")
        return {"source": _without_password(str(source)), "commit": str(commit or "")}
    return {"source": "", "commit": ""}


def library_digest(folder: Path = LIBRARY) -> str:
    """One SHA-256 over the names and contents of the library's installed files."""
    total = hashlib.sha256()
    for place, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if name != "__pycache__")
        below = os.path.relpath(place, folder).replace(os.sep, "/")
        for name in sorted(files):
            digest = hashlib.sha256(Path(place, name).read_bytes()).hexdigest()
            total.update(f"{below}/{name}\0{digest}\n".encode())
    return total.hexdigest()


def _repository(
    status: subprocess.Popen[bytes] | None, listed: subprocess.Popen[bytes] | None
) -> dict[str, Any]:
    """Git's answer: commit, changed files, and the folder of the pipeline in its repository."""
    if status is None or listed is None:
        return _unknown("git could not be started: it is not on the PATH")
    try:
        answer, errors = status.communicate(timeout=WAIT_SECONDS)
        tracked, _ = listed.communicate(timeout=WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        return _unknown(f"git did not answer within {WAIT_SECONDS} seconds")
    if status.returncode or listed.returncode:
        return _unknown(_refusal(errors.decode("utf-8", "replace")))
    path = tracked.split(b"\0")[0].decode("utf-8", "replace")
    entries = answer.split(b"\0")
    head = next((e for e in entries if e.startswith(b"# branch.oid ")), b"").split(b" ")[-1]
    if head in (b"", b"(initial)"):
        return _unknown("the branch has no commit yet")
    if not path:
        return _unknown(f"the git repository around this folder does not include its {SETTINGS}")
    folder = path.removesuffix(SETTINGS)
    changed = [name.removeprefix(folder) or "." for name in _changed(entries)]
    return {
        "commit": head.decode("ascii", "replace"),
        "is_dirty": bool(changed),
        "changed": changed[:MOST_CHANGED],
        "changed_count": len(changed),
        "folder": folder.rstrip("/"),
        "unknown": "",
    }


def _changed(entries: list[bytes]) -> Iterator[str]:
    """Files with changes that are not committed, and new ones that are not ignored."""
    remaining = iter(entries)
    for entry in remaining:
        kind = entry[:1]
        if (before := _FIELDS_BEFORE_THE_PATH.get(kind)) is not None:
            yield entry.split(b" ", before)[-1].decode("utf-8", "replace")
        if kind == b"2":  # renamed: the next entry is its earlier path
            next(remaining, b"")


def _unknown(why: str) -> dict[str, Any]:
    return {"commit": "", "is_dirty": None, "changed": [], "changed_count": 0, "folder": "",
            "unknown": why}  # fmt: skip


def _refusal(errors: str) -> str:
    """The reason why git failed, from its English message."""
    if "dubious ownership" in errors:
        return (
            "git does not read a repository that another user owns; "
            "git config --global --add safe.directory FOLDER allows it"
        )
    if "not a git repository" in errors:
        return "this folder is not in a git repository"
    return f"git failed: {(errors.strip().splitlines() or ['without a message'])[0]}"


@contextmanager
def _git(root: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes] | None]:
    """A git process; None if it cannot be started. It ends with the context."""
    variables = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**variables, "LC_ALL": "C"},
        )  # fmt: skip
    except OSError:
        yield None
        return
    with process:
        try:
            yield process
        finally:
            process.kill()


def _without_password(address: str) -> str:
    with suppress(ValueError):
        parts = urlsplit(address)
        if parts.scheme and "@" in parts.netloc:
            return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return address


def _digest(file: Path) -> str:
    """SHA-256 of a file; empty if there is none."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
