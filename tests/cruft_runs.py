"""Running cruft as a seed job and a team do: on git repositories, offline, by its command."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from conftest import ROOT


def run(
    *command: str | Path, cwd: Path = ROOT, status: int = 0, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a bare machine would: no settings of a user, commits of one moment."""
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(cwd / "nobody"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "200",
        **{f"GIT_{who}_{what}": value
           for who in ("AUTHOR", "COMMITTER")
           for what, value in {
               "NAME": "platform", "EMAIL": "platform@example.com", "DATE": "2024-01-01T00:00:00Z",
           }.items()},
        **variables,
    }  # fmt: skip
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def create(template: Path, seed: Path, folder: Path) -> Path:
    """A repository of a seed, by the command that the documentation names."""
    run(
        sys.executable, "-m", "cruft", "create", template, "--no-input", "--default-config",
        "--extra-context-file", seed, "--output-dir", folder,
    )  # fmt: skip
    (repository,) = folder.iterdir()
    return repository


def settings(repository: Path) -> dict[str, Any]:
    """A repository's pipeline.toml."""
    return tomllib.loads((repository / "pipeline.toml").read_text(encoding="utf-8"))


def repository_of(folder: Path) -> Path:
    """A folder's files as the one commit of a git repository."""
    run("git", "init", "--quiet", "--initial-branch=main", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    run("git", "commit", "--quiet", "--message=The template", cwd=folder)
    return folder
