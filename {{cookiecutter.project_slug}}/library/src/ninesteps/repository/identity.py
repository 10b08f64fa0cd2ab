"""Who sits at this machine, as far as it can tell: git's name and address, or the login."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path


def whoami(repository: Path) -> str:
    """A person such as `Jo Doe <jo@example.com>`; empty if nothing says who it is."""
    settings = _git(repository)
    name, email = settings.get("user.name", ""), settings.get("user.email", "")
    if name and email:
        return f"{name} <{email}>"
    return name or email or _login()


def _git(repository: Path) -> dict[str, str]:
    asked = r"^user\.(name|email)$"
    command = ["git", "-C", str(repository), "config", "--null", "--get-regexp", asked]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):  # without git
        return {}
    entries = done.stdout.decode("utf-8", "replace").split("\0")
    return {key: " ".join(value.split()) for key, _, value in (e.partition("\n") for e in entries)}


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # of a container, such as one with any user's number
        return ""
