"""A repository that follows its template: both sides' changes, and nothing lost in silence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import GENERATED, Repository
from cruft_runs import create, repository_of, run


@dataclass(frozen=True)
class Followed:
    """A template that moves on, and a repository that was made of it before it did."""

    template: Path
    repository: Repository

    @property
    def generated(self) -> Path:
        """The template's folder of what is generated."""
        return self.template / GENERATED.name

    def commit(self, folder: Path) -> None:
        run("git", "add", "--all", cwd=folder)
        run("git", "commit", "--quiet", "--allow-empty", "--message=A change", cwd=folder)

    def edit(self, root: Path, name: str, old: str, new: str) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        (root / name).write_text(text.replace(old, new), encoding="utf-8")

    def update(self, *options: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Commit what both sides did, and update as `docs/fleet.md` says."""
        for folder in (self.template, self.repository.path):
            self.commit(folder)
        command = (sys.executable, "-m", "cruft", "update", "--skip-apply-ask", *options)
        return run(*command, cwd=self.repository.path, status=status)


Follow = Callable[..., Followed]


@pytest.fixture
def follow(cloned: Path, tmp_path: Path) -> Follow:
    """A repository of a scenario, and a copy of the template of its own."""

    def followed(extra: dict[str, str] | None = None, **answers: str) -> Followed:
        template = tmp_path / "template"
        shutil.copytree(cloned, template)
        for name, text in (extra or {}).items():
            (template / GENERATED.name / name).write_text(text, encoding="utf-8")
            repository_of(template)
        seed = tmp_path / "seed.json"
        seed.write_text(json.dumps(answers), encoding="utf-8")
        path = create(template, seed, tmp_path / "made")
        return Followed(template, Repository(repository_of(path)))

    return followed


STEP = "model_build/steps/evaluate.py"


def test_an_update_brings_the_templates_changes_and_keeps_the_teams(follow: Follow) -> None:
    both = follow(scenario="churn", ci="none")
    team, ours = both.repository.path, both.generated
    both.edit(team, "pipeline.toml", "jobs = 12", "jobs = 1")
    both.edit(team, "pipeline.toml", "parallel = 4", "parallel = 1")
    features = "feature_store/features.py"
    both.edit(team, features, '"never_mailed": _flag(sent == 0),', '"no_mail": _flag(sent == 0),')
    both.edit(team, "model_build/steps/train.py", '"""Step 2', '"""Our step 2')
    test = team / "tests/test_features.py"
    test.write_text(test.read_text("utf-8").replace('"never_mailed"', '"no_mail"'), "utf-8")

    both.repository.pipeline("readme")

    both.edit(ours, STEP, '"rows": len(test.labels),', '"test_rows": len(test.labels),')
    (ours / "governance/audit.py").write_text('"""New in the template."""\n', encoding="utf-8")
    (ours / "tests/test_cadence.py").unlink()
    questions = json.loads((both.template / "cookiecutter.json").read_text("utf-8"))
    questions["owner"] = "nobody yet"
    (both.template / "cookiecutter.json").write_text(json.dumps(questions), encoding="utf-8")

    both.update()

    settings = (team / "pipeline.toml").read_text(encoding="utf-8")
    assert "jobs = 1\n" in settings and "parallel = 1\n" in settings
    assert '"no_mail"' in (team / features).read_text(encoding="utf-8")
    assert "Our step 2" in (team / "model_build/steps/train.py").read_text(encoding="utf-8")
    assert '"test_rows"' in (team / STEP).read_text(encoding="utf-8")
    assert (team / "governance/audit.py").is_file()
    assert not (team / "tests/test_cadence.py").exists()
    kept = json.loads((team / ".cruft.json").read_text(encoding="utf-8"))["context"]
    assert kept["cookiecutter"]["owner"] == "nobody yet"
    assert "template    0 of its files changed" in both.repository.pipeline("check").stdout
    printed = both.repository.pipeline("run").stdout
    assert "registered customer-churn version 1" in printed
    (written,) = team.glob(".local/s3/*/*/executions/*/*Eval*/evaluation/evaluation.json")
    assert "test_rows" in json.loads(written.read_text(encoding="utf-8"))


def test_lines_that_both_changed_are_marked_and_the_check_refuses_them(follow: Follow) -> None:
    both = follow(scenario="churn", ci="none")
    for root, number in ((both.repository.path, 30), (both.generated, 40)):
        both.edit(root, "pipeline.toml", "jobs = 12", f"jobs = {number}")
    both.update()  # and says that all went well
    done = both.repository.pipeline("check", status=2)
    assert done.stderr.startswith("pipeline: pipeline.toml: it is no TOML") or (
        "pipeline.toml: it has marks of an unfinished merge" in done.stderr
    )


def test_marks_in_a_file_that_still_parses_are_refused_too(follow: Follow) -> None:
    both = follow(scenario="churn", ci="none")
    for root, text in ((both.repository.path, "Ours:"), (both.generated, "Theirs:")):
        both.edit(root, "README.md", "Python 3.11 to 3.13. Once:", text)
    both.update()
    done = both.repository.pipeline("check", status=2)
    assert "README.md: it has marks of an unfinished merge" in done.stderr


def test_a_removed_file_that_the_team_edited_is_named(follow: Follow) -> None:
    text = "".join(f"# line {number}\n" for number in range(20))
    both = follow(extra={"governance/audit.py": text}, scenario="churn", ci="none")
    team = both.repository.path / "governance/audit.py"
    team.write_text(text.replace("# line 7\n", "# ours\n"), encoding="utf-8")
    changed = both.repository.pipeline("check").stdout
    assert "1 of its files changed here: an update of these will conflict" in changed
    assert "governance/audit.py" in changed
    (both.generated / "governance/audit.py").unlink()
    both.update()
    assert team.is_file()  # cruft keeps what the team edited, and says that all went well
    done = both.repository.pipeline("check", status=2)
    assert "governance/audit.py: the template has no such file" in done.stderr


def test_a_file_of_the_teams_own_is_named_until_the_team_says_so(follow: Follow) -> None:
    both = follow(scenario="churn", ci="none")
    own = both.repository.path / "model_build/steps/seasons.py"
    own.write_text('"""What our training step imports."""\n', encoding="utf-8")
    done = both.repository.pipeline("check", status=2)
    assert "model_build/steps/seasons.py: the template has no such file" in done.stderr
    with (both.repository.path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('\n[tool.pipeline]\nteam_files = ["model_build/steps/seasons.py"]\n')
    both.repository.pipeline("check")


@pytest.mark.parametrize("left", ["pipeline.toml.rej", "cli/main.py.orig"])
def test_what_a_rejected_change_leaves_is_refused(follow: Follow, left: str) -> None:
    both = follow(scenario="churn", ci="none")
    (both.repository.path / left).write_text("@@ -1 +1 @@\n", encoding="utf-8")
    done = both.repository.pipeline("check", status=2)
    assert f"{left}: a change that an update could not make" in done.stderr


STANDARDS = "governance/standards.toml"
FLOOR = 'metric_gate = "auc > 0.70"'


def test_a_floor_that_is_raised_travels_and_is_in_force_until_the_teams_gate_follows(
    follow: Follow,
) -> None:
    """The answers are above it, and the team's own settings have come down since."""
    both = follow(scenario="churn", ci="none", metric_gate="auc > 0.85")
    both.edit(both.repository.path, "pipeline.toml", "auc > 0.85", "auc > 0.75")
    both.repository.pipeline("readme")
    both.repository.pipeline("check")
    both.edit(both.generated, STANDARDS, FLOOR, 'metric_gate = "auc > 0.80"')
    both.update()
    assert "auc > 0.80" in (both.repository.path / STANDARDS).read_text(encoding="utf-8")
    for command in ("check", "run", "compile"):
        assert both.repository.pipeline(command, status=2).stderr == (
            "pipeline: pipeline.toml [gate] metric: 'auc > 0.75' was read, where `auc > 0.75` is "
            "weaker than `auc > 0.8`: governance/standards.toml asks for `auc > 0.8` at least\n"
        )
    assert not (both.repository.path / ".local/runs").exists()
    both.edit(both.repository.path, "pipeline.toml", "auc > 0.75", "auc > 0.82")
    both.repository.pipeline("readme")
    assert "the gate is auc > 0.82" in both.repository.pipeline("check").stdout


def test_answers_below_a_raised_floor_stop_the_update_until_new_ones_go_with_it(
    follow: Follow,
) -> None:
    both = follow(scenario="churn", ci="none")
    both.edit(both.generated, STANDARDS, FLOOR, 'metric_gate = "auc > 0.80"')
    done = both.update(status=1)
    assert "metric_gate: 'auc > 0.75' was read, where `auc > 0.75` is weaker than" in done.stderr
    assert run("git", "status", "--short", cwd=both.repository.path).stdout == ""
    both.repository.pipeline("check")  # what is there is as it was
    both.update("--variables-to-update", json.dumps({"metric_gate": "auc > 0.82"}))
    settings = (both.repository.path / "pipeline.toml").read_text(encoding="utf-8")
    assert 'metric = "auc > 0.82"' in settings
    assert "the gate is auc > 0.82" in both.repository.pipeline("check").stdout
