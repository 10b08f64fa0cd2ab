"""What rendering gives: the whole tree, nothing unrendered, answers as typed, bad ones refused."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import (
    EVERY_SCENARIO,
    QUESTIONS,
    SCENARIOS,
    Rendered,
    Repository,
    library_of,
    overlay,
    render_scenario,
)

Render = Callable[..., Repository]


def own_files(scenario: str) -> dict[str, Path]:
    """What stands in a scenario's own folder, by its path in the repository."""
    folder = overlay(scenario)
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}


def test_git_ignores_what_commands_write_beside_the_code(churn: Repository, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes((churn.path / ".gitignore").read_bytes())
    written = [".local/state.db", "customer-churn-v1-audit.zip"]
    for command in (["init", "--quiet"], ["check-ignore", *written]):
        done = subprocess.run(["git", *command], cwd=tmp_path, capture_output=True, text=True,
                              check=True)  # fmt: skip
    assert done.stdout.splitlines() == written


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_answers_a_scenario_offers_stand_in_its_settings(
    rendered: Rendered, scenario: str
) -> None:
    """`cookiecutter.json` and the overlay's `pipeline.toml` say the same of each default."""
    settings = own_files(scenario)["pipeline.toml"].read_bytes()
    assert (rendered(scenario).path / "pipeline.toml").read_bytes() == settings


def test_the_choices_are_the_scenarios() -> None:
    assert tuple(QUESTIONS["scenario"]) == SCENARIOS
    assert set(QUESTIONS["__prompts__"]["scenario"]) == {"__prompt__", *SCENARIOS}


def test_two_renders_are_the_same_bytes(render: Render, churn: Repository) -> None:
    again = render()
    for name in churn.files():
        assert (again.path / name).read_bytes() == (churn.path / name).read_bytes(), name


@pytest.mark.parametrize("scenario", SCENARIOS if EVERY_SCENARIO else ("churn", "salary"))
def test_the_rendered_repositorys_own_tests_pass(
    template: Path, tmp_path: Path, scenario: str
) -> None:
    """All of churn's; of the others all but the small run, as `test_scenarios` runs them whole."""
    repository = render_scenario(template, tmp_path, scenario)
    part = [] if scenario == "churn" or EVERY_SCENARIO else ["-k", "not the_nine_steps_run"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *part],
        cwd=repository.path,
        env={**os.environ, "PYTHONPATH": str(library_of(repository.path))},
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
        rollout="linear",
        aws_region="eu-west-1",
        notification_email="team@example.com",
    )
    settings = tomllib.loads((repository.path / "pipeline.toml").read_text(encoding="utf-8"))
    assert repository.path.name == settings["project"]["pipeline"] == "stay-or-go"
    assert settings["gate"] == {
        "metric": "auc > 0.8 and (recall >= 0.7 or f1 > 0.9)",
        "bias": "worst_dppl < 0.1",
    }
    assert settings["bias"]["facets"] == "city=DEL|BOM, doorstep"
    assert settings["schedule"]["cadence"] == "cron(0 6 ? * MON#1 *)"
    assert settings["deploy"]["rollout"] == "linear"
    assert settings["aws"]["region"] == "eu-west-1"
    assert settings["notify"]["email"] == "team@example.com"


REFUSED = {
    "metric_gate=auc >> 0.5": "metric_gate: expected a finite number after `auc >`, got `>`",
    "metric_gate=rmse < 3": "metric_gate: expected a metric of a binary problem (auc, ",
    "metric_gate=": "metric_gate: expected a gate such as `auc > 0.75`, got an empty one",
    "metric_gate=auc > 0.6": (
        "metric_gate: expected at least `auc > 0.7`, got 'auc > 0.6', where `auc > 0.6` is weaker "
        "than `auc > 0.7`: the profile churn requires it"
    ),
    "metric_gate=auc > 1.5": (
        "metric_gate: `auc > 1.5` decides nothing: auc is always between 0 and 1"
    ),
    "bias_gate=worst_dppl < 2": "bias_gate: `worst_dppl < 2` decides nothing",
    "bias_gate=dppl[age] < 0.1": (
        "bias_gate: expected one of this pipeline's facets (doorstep, city), got `dppl[age]`"
    ),
    "problem_type=ranking": (
        "problem_type: expected binary or regression or language_model, got 'ranking'"
    ),
    "problem_type=regression": "metric_gate: expected a metric of a regression problem (rmse, ",
    "step_prefix=1st": (
        "step_prefix: expected letters and digits, a letter first, at most 20 characters, got '1st'"
    ),
    "label=": "label: expected the column to predict",
    "label=custid": (
        "label: expected a column that is neither the record id nor in [data.columns], got 'custid'"
    ),
    "bias_gate=worst_dppl": (
        "bias_gate: expected a comparison such as `auc > 0.75`, got `worst_dppl`"
    ),
    "bias_facets=gender": "bias_facets: expected a column of [data.columns] (created, ",
    "bias_facets=city, city": "bias_facets: `city` is named twice",
    "retraining_cadence=fortnightly": "retraining_cadence: expected daily, weekly, ",
    "retraining_cadence=cron(0 0 30 2 ? *)": "retraining_cadence: `cron(0 0 30 2 ? *)` never fires",
    "aws_region=mars": "aws_region: expected a region that has SageMaker's XGBoost image, such as ",
    "notification_email=team": (
        "notification_email: expected one address, such as team@example.com, or none, got 'team'"
    ),
    "project_slug=a b": "project_slug: expected at most 63 letters, digits and single hyphens",
    "project_slug=NUL": "project_slug: expected at most 63 letters, digits and single hyphens",
    "project_name=two\nlines": "project_name: expected one line of text, got 'two\\nlines'",
    "project_name=bell\a": "project_name: expected one line of text, got 'bell\\x07'",
    "project_name=turned\u202e": "project_name: expected one line of text, got 'turned\\u202e'",
    "project_name= ": "project_name: expected a name on one line, at most 100 characters, got",
    f"project_name={'x' * 101}": "project_name: expected a name on one line, at most 100 ",
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
    asked = {key for key in QUESTIONS if not key.startswith("_")}
    assert asked == set(QUESTIONS["__prompts__"])
    assert len(asked) <= 15
