"""Renders a scenario and runs its nine steps, as a team would in its first hour."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"
LIBRARY = TEMPLATE / "library" / "src"

QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))

SCENARIOS: tuple[str, ...] = tuple(QUESTIONS["scenario"])

IN_PLACE: str = QUESTIONS["_in_place"]["scenario"]
"""The scenario whose files are in the template's folder: churn."""

RUNNABLE: tuple[str, ...] = tuple(
    name
    for name in SCENARIOS
    if name == IN_PLACE or (TEMPLATE / "scenarios" / name / "data").is_dir()
)
"""The scenarios that have a sample table."""

WHO = {
    "GIT_AUTHOR_NAME": "The team", "GIT_AUTHOR_EMAIL": "team@example.com",
    "GIT_COMMITTER_NAME": "The team", "GIT_COMMITTER_EMAIL": "team@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "The team",
    "GIT_CONFIG_KEY_1": "user.email", "GIT_CONFIG_VALUE_1": "team@example.com",
}  # fmt: skip
"""A neutral name, since the page shows who started a run."""


def rendered_and_run(scenario: str, folder: Path) -> Path:
    """Render a scenario with its default answers, commit it, and run it; gives the repository.

    Raises:
        subprocess.CalledProcessError: if a command failed; it has printed why.
    """
    answers = {"scenario": scenario, "ci": "none"}
    repository = Path(
        cookiecutter(str(ROOT), no_input=True, extra_context=answers, output_dir=str(folder))
    )
    git(repository, "init", "--quiet", "--initial-branch", "main")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", f"Render {scenario}")
    pipeline(repository, "run")
    return repository


def git(repository: Path, *arguments: str) -> None:
    """Run git in a repository, under the neutral name."""
    subprocess.run(["git", *arguments], cwd=repository, env={**os.environ, **WHO}, check=True)


def pipeline(repository: Path, *arguments: str) -> str:
    """Run a `pipeline` command in the repository with the library's source; gives its output."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAGEMAKER_"))}
    done = subprocess.run(
        [sys.executable, "-m", "ninesteps.cli", *arguments], cwd=repository,
        env={**environment, **WHO, "HOME": str(repository.parent), "PYTHONPATH": str(LIBRARY)},
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stdout, file=sys.stderr)
    done.check_returncode()
    return done.stdout
