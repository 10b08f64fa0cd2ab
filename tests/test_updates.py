"""A repository that follows its template: both sides' changes, and nothing lost in silence."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from conftest import GENERATED, ROOT, Repository, in_full_tier, library_of
from cruft_runs import create, repository_of, run
from workflows import workflow

OLD_FORM = "c9dd8c2"
"""The template's last commit before the library: what it made holds engine and checker itself."""

LIBRARY = "library/src/ninesteps"


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
        Repository(root).edit(name, old, new)

    def changes(self) -> dict[str, str]:
        """What the last update changed in the repository, as git tells it: path -> status."""
        told = run("git", "status", "--porcelain", "--untracked-files=all", "--no-renames",
                   cwd=self.repository.path).stdout  # fmt: skip
        return {line[3:]: line[:2].strip() for line in told.splitlines()}

    def update(self, *options: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Commit what both sides did, and update as `docs/fleet.md` says."""
        for folder in (self.template, self.repository.path):
            self.commit(folder)
        command = (sys.executable, "-m", "cruft", "update", "--skip-apply-ask", *options)
        return run(*command, cwd=self.repository.path, status=status)


def put(file: Path, text: str) -> None:
    """Write a file, with its folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


Follow = Callable[..., Followed]


@pytest.fixture
def follow(cloned: Path, tmp_path: Path) -> Follow:
    """A repository of a scenario, and a copy of the template of its own."""

    def followed(extra: dict[str, str] | None = None, **answers: str) -> Followed:
        template = tmp_path / "template"
        shutil.copytree(cloned, template)
        for name, text in (extra or {}).items():
            put(template / GENERATED.name / name, text)
            repository_of(template)
        seed = tmp_path / "seed.json"
        seed.write_text(json.dumps(answers), encoding="utf-8")
        path = create(template, seed, tmp_path / "made")
        return Followed(template, Repository(repository_of(path)))

    return followed


STEP = "model_build/steps/evaluate.py"
FEATURES = "feature_store/features.py"
OURS = "  # ours"


def edit_as_a_team(both: Followed) -> None:
    """Change settings, a feature and its test, and a step's script."""
    team = both.repository.path
    both.edit(team, "pipeline.toml", "jobs = 12", "jobs = 1")
    both.edit(team, "pipeline.toml", "parallel = 4", "parallel = 1")
    both.edit(team, FEATURES, '"never_mailed": _flag(sent == 0),', '"no_mail": _flag(sent == 0),')
    if "never_mailed = {" in (team / "pipeline.toml").read_text("utf-8"):  # not in the old form
        both.edit(team, "pipeline.toml", "never_mailed = {", "no_mail = {")
    both.edit(
        team, "model_build/steps/train.py", "import annotations\n", f"import annotations{OURS}\n"
    )
    test = team / "tests/test_features.py"
    test.write_text(test.read_text("utf-8").replace('"never_mailed"', '"no_mail"'), "utf-8")


def assert_the_teams_edits_are_there(team: Path) -> None:
    settings = (team / "pipeline.toml").read_text(encoding="utf-8")
    assert "jobs = 1\n" in settings and "parallel = 1\n" in settings
    assert '"no_mail"' in (team / FEATURES).read_text(encoding="utf-8")
    assert OURS in (team / "model_build/steps/train.py").read_text(encoding="utf-8")
    assert '"no_mail"' in (team / "tests/test_features.py").read_text(encoding="utf-8")


def test_an_update_brings_the_templates_changes_and_keeps_the_teams(follow: Follow) -> None:
    both = follow(scenario="churn", ci="none")
    team, ours = both.repository.path, both.generated
    edit_as_a_team(both)
    both.repository.pipeline("readme")

    both.edit(ours, STEP, '"rows": len(test.labels),', '"test_rows": len(test.labels),')
    put(ours / "model_deploy/infrastructure/new.asl.json", "{}\n")
    (ours / "model_deploy/infrastructure/checkov.in").unlink()
    put(ours / LIBRARY / "news.py", '"""New in the library."""\n')
    questions = json.loads((both.template / "cookiecutter.json").read_text("utf-8"))
    questions["owner"] = "nobody yet"
    (both.template / "cookiecutter.json").write_text(json.dumps(questions), encoding="utf-8")

    both.update()

    assert_the_teams_edits_are_there(team)
    assert '"test_rows"' in (team / STEP).read_text(encoding="utf-8")
    assert (team / "model_deploy/infrastructure/new.asl.json").is_file()
    assert not (team / "model_deploy/infrastructure/checkov.in").exists()
    assert (library_of(team) / "ninesteps/news.py").is_file()
    kept = json.loads((team / ".cruft.json").read_text(encoding="utf-8"))["context"]
    assert kept["cookiecutter"]["owner"] == "nobody yet"
    assert "template    0 of its files were changed" in both.repository.pipeline("check").stdout
    printed = both.repository.pipeline("run").stdout
    assert "registered customer-churn version 1" in printed
    (written,) = team.glob(".local/s3/*/*/executions/*/*Eval*/evaluation/evaluation.json")
    assert "test_rows" in json.loads(written.read_text(encoding="utf-8"))


def test_a_changed_library_is_a_wheel_two_lines_of_the_lock_and_two_of_cruft(
    follow: Follow,
) -> None:
    both = follow(scenario="churn", ci="none")
    edit_as_a_team(both)
    both.repository.pipeline("readme")
    (before,) = both.repository.path.glob("vendor/*.whl")
    both.edit(both.generated, f"{LIBRARY}/containers/metrics.py", "from __future__",
              "# A line more.\nfrom __future__")  # fmt: skip
    both.update()
    assert_the_teams_edits_are_there(both.repository.path)
    (after,) = both.repository.path.glob("vendor/*.whl")
    assert set(both.changes()) == {
        ".cruft.json", "requirements.lock", f"vendor/{before.name}", f"vendor/{after.name}",
    }  # fmt: skip
    run("git", "add", "--all", cwd=both.repository.path)
    told = run("git", "diff", "HEAD", "--numstat", "--", "*.json", "*.lock",
               cwd=both.repository.path).stdout  # fmt: skip
    assert told.splitlines() == ["2\t2\t.cruft.json", "2\t2\trequirements.lock"]
    both.repository.pipeline("check")


# From the form before the library


@pytest.fixture
def old_form(cloned: Path, tmp_path: Path) -> Followed:
    """A repository of the template before the library, and the template moved on to this one."""
    archive = tmp_path / "old.tar"
    done = subprocess.run(
        ["git", "archive", "--format=tar", f"--output={archive}", OLD_FORM],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"this clone has no commit {OLD_FORM}: it is shallow, or no git repository")
    template = tmp_path / "template"
    template.mkdir()
    with tarfile.open(archive) as packed:
        packed.extractall(template, filter="data")
    repository_of(template)
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps({"scenario": "churn", "ci": "none"}), encoding="utf-8")
    path = repository_of(create(template, seed, tmp_path / "made"))
    for inside in template.iterdir():
        if inside.is_dir() and inside.name != ".git":
            shutil.rmtree(inside)
        elif inside.is_file():
            inside.unlink()
    shutil.copytree(cloned, template, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
    return Followed(template, Repository(path))


def old_files(repository: Repository) -> set[str]:
    """What is left in a repository of the folders that the library stands for."""
    folders = ("cli/", "governance/", "local_sagemaker/")
    return {name for name in repository.files() if name.startswith(folders)}


@in_full_tier
def test_the_old_form_becomes_the_thin_one_with_every_edit_kept(old_form: Followed) -> None:
    team = old_form.repository.path
    edit_as_a_team(old_form)
    before = len(old_form.repository.files())
    old_form.update()
    old_form.edit(team, "pipeline.toml", "never_mailed = {", "no_mail = {")  # as the check asks
    assert_the_teams_edits_are_there(team)
    assert old_files(old_form.repository) == set()
    assert len(list(team.glob("vendor/ninesteps-*.whl"))) == 1
    made = {name for name in old_form.repository.files() if not name.startswith(".git/")}
    assert len(made) < 60 < before
    assert not [name for name in made if name.endswith((".rej", ".orig"))]
    assert 'profile = "churn"' in (team / "pipeline.toml").read_text(encoding="utf-8")
    old_form.repository.pipeline("readme")
    told = old_form.repository.pipeline("check").stdout
    assert "template    0 of its files were changed" in told
    assert "modules overridden here: 0" in told
    assert "registered customer-churn version 1" in old_form.repository.pipeline("run").stdout


SURVIVORS = ("governance/gate.py", "tests/test_gate.py", "local_sagemaker/engine.py")
"""Files that the team edited and the template has no more."""


@in_full_tier
def test_files_of_the_old_form_that_the_team_edited_are_named_and_no_edit_is_lost(
    old_form: Followed,
) -> None:
    team = old_form.repository.path
    edit_as_a_team(old_form)
    for name in (*SURVIVORS, "model_build/steps/metrics.py"):
        with (team / name).open("a", encoding="utf-8") as file:
            file.write("# ours\n")
    old_form.update()  # and says that all went well
    for name in (*SURVIVORS, "model_build/steps/metrics.py"):
        assert (team / name).read_text(encoding="utf-8").endswith("# ours\n")
    assert old_files(old_form.repository) == {n for n in SURVIVORS if not n.startswith("tests/")}
    (wheel,) = team.glob("vendor/ninesteps-*.whl")
    assert old_form.changes()[f"vendor/{wheel.name}"] == "??"  # `git add` is a person's
    refused = old_form.repository.pipeline("check", status=2).stderr
    for name in SURVIVORS:
        assert f"pipeline: {name}: the library has this file now; move your changes" in refused

    old_form.edit(team, "pipeline.toml", "never_mailed = {", "no_mail = {")  # as the check asks
    finish_by_hand(old_form, refused)
    told = old_form.repository.pipeline("check").stdout
    assert_the_teams_edits_are_there(team)
    assert "modules overridden here: 1\n            metrics.py" in told


def finish_by_hand(both: Followed, refused: str) -> None:
    """What a person does after such an update: rejected changes made, survivors deleted."""
    team = both.repository.path
    for name in SURVIVORS:
        (team / name).unlink()
    rejected = [name for name in both.repository.files() if name.endswith(".rej")]
    for name in rejected:
        assert f"pipeline: {name}: a change that an update could not apply" in refused
        (team / name).unlink()
    both.repository.pipeline("readme")


@in_full_tier
def test_a_removed_file_that_the_team_edited_is_named(follow: Follow) -> None:
    """The same without the old commit, which a shallow clone lacks: one file of the old form."""
    text = "".join(f"# line {number}\n" for number in range(20))
    files = {"governance/gate.py": text, "model_deploy/infrastructure/old.yaml": text}
    both = follow(extra=files, scenario="churn", ci="none")
    team = both.repository.path
    for name in files:
        put(team / name, text.replace("# line 7\n", "# ours\n"))
        (both.generated / name).unlink()
    both.update()
    assert all((team / name).is_file() for name in files)  # cruft says that all went well
    refused = both.repository.pipeline("check", status=2).stderr
    assert "governance/gate.py: the library has this file now" in refused
    assert "model_deploy/infrastructure/old.yaml: the template has no such file" in refused


# Marks and leftovers


def test_lines_that_both_changed_are_marked_and_the_check_refuses_them(follow: Follow) -> None:
    both = follow(scenario="churn", ci="none")
    for root, number in ((both.repository.path, 30), (both.generated, 40)):
        both.edit(root, "pipeline.toml", "jobs = 12", f"jobs = {number}")
    both.update()  # and says that all went well
    done = both.repository.pipeline("check", status=2)
    assert done.stderr.startswith("pipeline: pipeline.toml: not valid TOML") or (
        "pipeline.toml: it has marks of an unfinished merge" in done.stderr
    )


@in_full_tier
def test_marks_in_a_file_that_still_parses_are_refused_too(follow: Follow) -> None:
    both = follow(scenario="churn", ci="none")
    for root, text in ((both.repository.path, "Ours:"), (both.generated, "Theirs:")):
        both.edit(root, "README.md", "Python 3.11 to 3.13. Once:", text)
    both.update()
    done = both.repository.pipeline("check", status=2)
    assert "README.md: it has marks of an unfinished merge" in done.stderr


@in_full_tier
def test_a_changed_file_of_the_templates_is_told_before_it_conflicts(follow: Follow) -> None:
    both = follow(scenario="churn", ci="none")
    name = "model_build/pipeline.py"
    both.edit(both.repository.path, name, '"""The nine steps', '"""Our nine steps')
    changed = both.repository.pipeline("check").stdout
    assert "1 of its files were changed here: updates of these files will conflict" in changed
    assert f"            {name}\n" in changed


@in_full_tier
def test_a_file_of_the_teams_own_is_named_until_the_team_says_so(follow: Follow) -> None:
    both = follow(scenario="churn", ci="none")
    team, name = both.repository.path, "model_deploy/infrastructure/queue.yaml"
    put(team / "model_build/steps/seasons.py", '"""What our training step imports."""\n')
    both.repository.pipeline("check")  # modules among the steps are the team's anyway
    put(team / name, "Resources: {}\n")
    done = both.repository.pipeline("check", status=2)
    assert f"{name}: the template has no such file" in done.stderr
    with (team / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[tool.pipeline]\nteam_files = ["{name}"]\n')
    both.repository.pipeline("check")


@pytest.mark.parametrize("left", ["pipeline.toml.rej", "model_build/pipeline.py.orig"])
def test_what_a_rejected_change_leaves_is_refused(follow: Follow, left: str) -> None:
    both = follow(scenario="churn", ci="none")
    (both.repository.path / left).write_text("@@ -1 +1 @@\n", encoding="utf-8")
    done = both.repository.pipeline("check", status=2)
    assert f"{left}: a change that an update could not apply" in done.stderr


# Floors

PROFILE = f"{LIBRARY}/profiles/churn.toml"
FLOOR = 'metric_gate = "auc > 0.70"'


def test_a_floor_that_is_raised_travels_and_is_in_force_until_the_teams_gate_follows(
    follow: Follow, tmp_path: Path
) -> None:
    """The answers in .cruft.json are below it too; `pipeline.toml` is what is judged."""
    both = follow(scenario="churn", ci="none")
    raise_the_floor(both)
    profile = library_of(both.repository.path) / "ninesteps/profiles/churn.toml"
    assert "auc > 0.80" in profile.read_text(encoding="utf-8")
    sentence = (
        "expected at least `auc > 0.8`, got 'auc > 0.75', where `auc > 0.75` is weaker than "
        "`auc > 0.8`: the profile churn requires it\n"
    )
    for command in ("check", "run", "compile"):
        said = both.repository.pipeline(command, status=2).stderr
        assert re.sub(r" line \d+", "", said) == (
            f"pipeline: pipeline.toml [gate] metric: {sentence}"
        )
    assert not (both.repository.path / ".local/runs").exists()
    both.edit(both.repository.path, "pipeline.toml", "auc > 0.75", "auc > 0.82")
    both.repository.pipeline("readme")
    assert "the gate is auc > 0.82" in both.repository.pipeline("check").stdout

    made = run(sys.executable, "-m", "cruft", "create", both.template, "-y",
               "--output-dir", tmp_path / "new", cwd=tmp_path, status=1)  # fmt: skip
    assert made.stderr.startswith(f"metric_gate: {sentence}")  # a new repository is still refused
    assert list((tmp_path / "new").iterdir()) == []


def raise_the_floor(both: Followed) -> None:
    """... above what was answered, and update the repository."""
    both.edit(both.generated, PROFILE, FLOOR, 'metric_gate = "auc > 0.80"')
    both.update()


@in_full_tier
def test_old_answers_below_the_floor_stop_no_later_update_of_a_team_above_it(
    follow: Follow,
) -> None:
    both = follow(scenario="churn", ci="none")
    team = both.repository
    both.edit(team.path, "pipeline.toml", "auc > 0.75", "auc > 0.82")
    team.pipeline("readme")
    raise_the_floor(both)
    team.pipeline("check")
    both.edit(both.generated, STEP, '"rows": len(test.labels),', '"test_rows": len(test.labels),')
    both.update()  # both of its renders are below the floor now
    assert '"test_rows"' in (team.path / STEP).read_text(encoding="utf-8")
    assert "the gate is auc > 0.82" in team.pipeline("check").stdout
    assert "auc > 0.82" in run(sys.executable, "-m", "cruft", "diff", cwd=team.path).stdout


# What a repository's CI does about the template


def with_a_conflict(both: Followed, tmp_path: Path) -> Path:
    """Both sides change a line, and the repository has an origin; the origin."""
    for root, number in ((both.repository.path, 30), (both.generated, 40)):
        both.edit(root, "pipeline.toml", "jobs = 12", f"jobs = {number}")
        both.commit(both.template if root == both.generated else root)
    origin = tmp_path / "origin.git"
    run("git", "clone", "--quiet", "--bare", both.repository.path, origin, cwd=tmp_path)
    run("git", "remote", "add", "origin", origin, cwd=both.repository.path)
    return origin


def branches(origin: Path) -> dict[str, str]:
    """The branches of a repository, and the subject of the newest commit of each."""
    told = run("git", "branch", "--format=%(refname:short)=%(subject)", cwd=origin).stdout
    return dict(line.split("=", 1) for line in told.splitlines())


GH = """#!/bin/sh
echo "$@" >> "$ASKED"
case "$1" in
  run) cp "$UPDATE"/update.bundle "$UPDATE"/update.md . ;;
  pr) cp update.md "$TEXT" ;;
esac
"""


def test_the_scheduled_workflow_tells_of_the_template_and_proposes_its_update(
    follow: Follow, tmp_path: Path
) -> None:
    """Its scripts, run, with a `gh` that notes what it was asked for."""
    both = follow(scenario="churn", ci="github")
    team, jobs = both.repository.path, {}
    for name, job in workflow(team / ".github/workflows/template.yml")["jobs"].items():
        *_, jobs[name] = (step["run"] for step in job["steps"] if "run" in step)
    summary, output = tmp_path / "summary", tmp_path / "output"
    variables = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output)}
    both.commit(team)
    run("bash", "-e", "-c", jobs["update"], cwd=team, status=0, **variables)
    assert "at the template's newest commit" in summary.read_text(encoding="utf-8")
    assert not output.exists()

    origin = with_a_conflict(both, tmp_path)
    run("bash", "-e", "-c", jobs["update"], cwd=team, status=0, **variables)
    newest = run("git", "rev-parse", "HEAD", cwd=both.template).stdout.strip()
    text = (team / "update.md").read_text(encoding="utf-8")
    assert f"has a newer commit, {newest}:" in text
    assert "- `pipeline.toml`\n" in text
    assert text in summary.read_text(encoding="utf-8")
    branch = f"template-{newest[:12]}"
    assert output.read_text(encoding="utf-8") == f"branch={branch}\n"

    checkout, asked = tmp_path / "checkout", tmp_path / "asked"
    run("git", "clone", "--quiet", origin, checkout, cwd=tmp_path)
    put(tmp_path / "bin/gh", GH)
    (tmp_path / "bin/gh").chmod(0o755)
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    variables |= {"PATH": path, "ASKED": str(asked), "UPDATE": str(team), "BRANCH": branch,
                  "TEXT": str(tmp_path / "text"), "BASE": "main", "RUN": "12"}  # fmt: skip
    for _ in range(2):  # the second finds the branch, and leaves it alone
        run("bash", "-e", "-c", jobs["propose"], cwd=checkout, status=0, **variables)
    assert branches(origin) == {"main": "A change", branch: f"Update to {newest} of the template"}
    assert asked.read_text(encoding="utf-8").splitlines() == [
        "run download 12 --name update",
        f"pr create --base main --head {branch} --title Update from the template "
        "--body-file update.md",
    ]
    assert (tmp_path / "text").read_text(encoding="utf-8").startswith(text)


@in_full_tier
@pytest.mark.parametrize("proposes", ["", "true"])
def test_gitlabs_scheduled_job_tells_and_proposes_too(
    follow: Follow, tmp_path: Path, proposes: str
) -> None:
    both = follow(scenario="churn", ci="gitlab")
    team = both.repository.path
    content = yaml.safe_load((team / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    _, script = content["template"]["script"]
    origin = with_a_conflict(both, tmp_path)
    run("git", "config", "receive.advertisePushOptions", "true", cwd=origin)
    # The address that is pushed to has a token in it, and leads to no server here.
    run("git", "config", f"url.{origin}.insteadOf",
        "https://gitlab-ci-token:t@git.example.com/us/churn.git", cwd=team)  # fmt: skip
    variables = {"TEMPLATE_MERGE_REQUESTS": proposes, "CI_JOB_TOKEN": "t",
                 "CI_SERVER_HOST": "git.example.com", "CI_PROJECT_PATH": "us/churn",
                 "CI_DEFAULT_BRANCH": "main"}  # fmt: skip
    put(origin / "hooks/pre-receive", f"#!/bin/sh\nenv | grep GIT_PUSH > {tmp_path / 'options'}\n")
    (origin / "hooks/pre-receive").chmod(0o755)
    done = run("bash", "-e", "-o", "pipefail", "-c", script, cwd=team, status=0, **variables)
    assert "Conflicts to resolve first: pipeline.toml." in done.stdout
    newest = run("git", "rev-parse", "HEAD", cwd=both.template).stdout.strip()
    proposed = {f"template-{newest[:12]}": f"Update to {newest} of the template"}
    assert branches(origin) == {"main": "A change"} | (proposed if proposes else {})
    if proposes:
        options = (tmp_path / "options").read_text(encoding="utf-8")
        assert "merge_request.create" in options
        assert "Conflicts to resolve first: pipeline.toml." in options
