"""What rendering gives: the whole tree, nothing unrendered, answers as typed, bad ones refused."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import GENERATED, Repository

Render = Callable[..., Repository]


def test_the_tree_is_the_templates_folder_and_only_that(churn: Repository, template: Path) -> None:
    folder = template / GENERATED.name
    expected = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert churn.files() == expected


def test_nothing_is_left_unrendered(churn: Repository) -> None:
    for name in churn.files():
        text = (churn.path / name).read_text(encoding="utf-8")
        assert "cookiecutter" not in text, name


def test_only_the_readme_is_rendered_by_jinja(churn: Repository, template: Path) -> None:
    """Python and settings stand in the template as the user gets them, but for the answers."""
    written_by_the_hook = {"pipeline.toml", "pyproject.toml"}
    for name in churn.files() - {"README.md"} - written_by_the_hook:
        in_template = template / GENERATED.name / name
        assert (churn.path / name).read_bytes() == in_template.read_bytes(), name


def test_every_file_parses(churn: Repository) -> None:
    for path in churn.path.rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), path.name)
    for path in churn.path.rglob("*.toml"):
        tomllib.loads(path.read_text(encoding="utf-8"))


def test_two_renders_are_the_same_bytes(render: Render, churn: Repository) -> None:
    again = render()
    for name in churn.files():
        assert (again.path / name).read_bytes() == (churn.path / name).read_bytes(), name


def test_the_rendered_repository_is_linted_and_typed(churn: Repository) -> None:
    for command in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=churn.path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "RUFF_NO_CACHE": "true", "MYPY_CACHE_DIR": os.devnull},
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_rendered_repositorys_own_tests_pass(render: Render) -> None:
    repository = render()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=repository.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


HOSTILE_NAMES = [
    'Ann\'s "churn"',
    "back\\slash \\n \\u0041",
    "naïve 客户 🎉",
    "שלום churn",
    "] [x] = # 'y'",
    "$(rm -rf /) `id` ; true",
    "'''\"\"\"",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_reads_back_as_it_was_typed(render: Render, name: str) -> None:
    repository = render(project_name=name)
    settings = tomllib.loads((repository.path / "pipeline.toml").read_text(encoding="utf-8"))
    assert settings["project"]["name"] == name
    assert name in (repository.path / "README.md").read_text(encoding="utf-8")


def test_answers_stand_in_the_settings(render: Render) -> None:
    repository = render(
        project_name="Stay or go",
        metric_gate="auc > 0.8 and (recall >= 0.7 or f1 > 0.9)",
        bias_gate="worst_dppl < 0.1",
        bias_facets="city=DEL|BOM, doorstep",
        retraining_cadence="cron(0 6 ? * MON#1 *)",
        aws_region="eu-west-1",
    )
    settings = tomllib.loads((repository.path / "pipeline.toml").read_text(encoding="utf-8"))
    assert repository.path.name == settings["project"]["pipeline"] == "stay-or-go"
    assert settings["gate"] == {
        "metric": "auc > 0.8 and (recall >= 0.7 or f1 > 0.9)",
        "bias": "worst_dppl < 0.1",
    }
    assert settings["bias"]["facets"] == "city=DEL|BOM, doorstep"
    assert settings["schedule"]["cadence"] == "cron(0 6 ? * MON#1 *)"
    assert settings["aws"]["region"] == "eu-west-1"


REFUSED = {
    "metric_gate=auc >> 0.5": "metric_gate: `>` after `auc >`",
    "metric_gate=rmse < 3": "metric_gate: `rmse` is no metric of a binary problem",
    "metric_gate=": "metric_gate: the gate is empty",
    "bias_gate=worst_dppl": "bias_gate: a comparison such as",
    "bias_facets=gender": "bias_facets: 'gender' is no column",
    "bias_facets=city, city": "bias_facets: `city` stands twice",
    "retraining_cadence=fortnightly": "retraining_cadence: `fortnightly` is no cadence",
    "retraining_cadence=cron(0 0 30 2 ? *)": "retraining_cadence: `cron(0 0 30 2 ? *)` never fires",
    "aws_region=mars": "aws_region: 'mars' was read",
    "project_slug=a b": "project_slug: 'a b' was read",
    "project_slug=NUL": "project_slug: 'NUL' was read",
    "project_name=two\nlines": "project_name: 'two\\nlines' was read",
    "project_name=bell\a": "project_name: 'bell\\x07' was read",
}


@pytest.mark.parametrize(("answer", "sentence"), REFUSED.items())
def test_a_refused_answer_is_one_sentence_and_leaves_nothing(
    template: Path, tmp_path: Path, answer: str, sentence: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cookiecutter", "--no-input", "-o", tmp_path, template, answer],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith(sentence)
    assert list(tmp_path.iterdir()) == []


def test_every_question_has_a_prompt() -> None:
    questions = json.loads((GENERATED.parent / "cookiecutter.json").read_text(encoding="utf-8"))
    asked = {key for key in questions if not key.startswith("_")}
    assert asked == set(questions["__prompts__"])
    assert len(asked) <= 12
