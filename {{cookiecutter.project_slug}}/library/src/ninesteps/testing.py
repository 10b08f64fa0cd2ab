"""pytest fixtures for a repository's tests: its settings, its definition, a small run.

Loaded by `-p ninesteps.testing`. Without a table in pipeline.toml, tests that need one are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ninesteps.definition.step_content import step_contents
from ninesteps.repository import root as roots
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings

LEFT_OUT = shutil.ignore_patterns(".git", ".local", ".venv", "__pycache__", "*_cache", ".tox")


@dataclass(frozen=True)
class SmallRun:
    """A run of the nine steps with one trial of each algorithm."""

    printed: str
    evaluation: dict[str, Any]  # the content of evaluation.json
    analysis: dict[str, Any]  # the content of analysis.json
    steps: dict[str, str]  # a step's name -> its status


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return roots.find()


@pytest.fixture(scope="session")
def settings(repository: Path) -> Settings:
    """The settings, if the pipeline has a table."""
    read = loading.load(repository)
    if not read.data.file:
        pytest.skip("pipeline.toml names no table yet")
    return read


@pytest.fixture(scope="session")
def definition(settings: Settings) -> dict[str, Any]:
    """The definition that SageMaker would receive."""
    from ninesteps.runs import compiled

    content: dict[str, Any] = json.loads(compiled.definition(settings, settings.environment()))
    return content


@pytest.fixture(scope="session")
def steps(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The steps of the definition by name, including those in the gate's branches."""
    return {step.name: step.content for step in step_contents(definition)}


@pytest.fixture(scope="session")
def violations(
    repository: Path, settings: Settings, definition: dict[str, Any]
) -> list[str]:  # fmt: skip
    """The findings of `pipeline check`, one sentence each."""
    from ninesteps.infrastructure import stacks
    from ninesteps.validation.repository import definition_violations, repository_violations

    text = json.dumps(definition)
    templates = stacks.read(repository)
    return [
        *definition_violations(settings, text),
        *repository_violations(repository, settings),
        *stacks.violations(templates, settings, settings.environment(), text),
    ]


@pytest.fixture(scope="session")
def small_run(
    repository: Path, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> SmallRun:
    """The nine steps, run on the table in a copy of the repository, with the fewest trials."""
    copy = tmp_path_factory.mktemp("small_run") / repository.name
    shutil.copytree(repository, copy, ignore=LEFT_OUT)
    program = f"from {__name__} import _run; _run()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=copy, env={**os.environ, "BIAS_BACKEND": "open_source", "COLUMNS": "80"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr  # noqa: S101
    return SmallRun(
        printed=done.stdout,
        evaluation=_written(copy, "evaluation.json"),
        analysis=_written(copy, "analysis.json"),
        steps=_statuses(copy),
    )


def _run() -> None:
    """`pipeline run` with the fewest trials, in its own process."""
    from ninesteps.cli.main import main

    read = loading.load

    def few(root: Path) -> Settings:
        settings = read(root)
        algorithms = len(settings.tuning.algorithms)
        jobs = settings.tuning.MIN_TRIALS * algorithms if algorithms > 1 else 1
        return replace(settings, tuning=replace(settings.tuning, jobs=jobs, parallel=1))

    loading.load = few  # type: ignore[assignment]
    main(["run"], prog_name="pipeline")


def _written(copy: Path, name: str) -> dict[str, Any]:
    (file,) = copy.glob(f".local/s3/*/*/executions/*/*/*/{name}")
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _statuses(copy: Path) -> dict[str, str]:
    from ninesteps.local.history import History

    steps = History(copy / ".local").execution("last").steps
    return {name: step.status for name, step in steps.items()}
