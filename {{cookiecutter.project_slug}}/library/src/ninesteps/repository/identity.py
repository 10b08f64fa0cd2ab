"""What git says of a repository: who uses it, its commit, and files that are not tracked."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path


def whoami(repository: Path) -> str:
    """A person such as `Jo Doe <jo@example.com>`; empty if it is not known."""
    settings = _git(repository)
    name, email = settings.get("user.name", ""), settings.get("user.email", "")
    if name and email:
        return f"{name} <{email}>"
    return name or email or _login()


def commit(repository: Path) -> str:
    """The commit that is checked out, such as `0a1b2c3d4e5f`, followed by `with changes` if any are
    not committed; empty if it is not known."""
    head = _asked(repository, "rev-parse", "--short=12", "--verify", "--quiet", "HEAD").strip()
    if not head:
        return ""
    return f"{head} with changes" if _asked(repository, "status", "--porcelain") else head


def is_untracked(file: Path) -> bool:
    """Whether a file is in a work tree of git that neither tracks nor ignores it."""
    asked = ("status", "--porcelain", "--untracked-files=all", "--", file.name)
    return _asked(file.absolute().parent, *asked).startswith("??")


def _git(repository: Path) -> dict[str, str]:
    asked = r"^user\.(name|email)$"
    entries = _asked(repository, "config", "--null", "--get-regexp", asked).split("\0")
    return {key: " ".join(value.split()) for key, _, value in (e.partition("\n") for e in entries)}


def _asked(repository: Path, *arguments: str) -> str:
    """What git prints; empty if git is missing or does not answer."""
    command = ["git", "-C", str(repository), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):  # without git
        return ""
    return done.stdout.decode("utf-8", "replace")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # in a container whose user number has no name
        return ""
