"""Every combination of choices, read from `cookiecutter.json`: a choice added later is tested too.

Each pair of choices is in some render. Python is checked once for each different tree, the SDK is
imported once for all definitions.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
import yaml
from cookiecutter.main import cookiecutter

import golden
from conftest import GENERATED, QUESTIONS, SAMPLED, Repository, library_of
from definitions import service_errors, steps_by_name
from drafts import adopt
from workflows import SCHEMAS, schema_errors, unpinned, workflow

ROOT = GENERATED.parent
GOLDEN = Path(__file__).parent / "golden"
CHOICES: dict[str, tuple[str, ...]] = {
    question: tuple(answers)
    for question, answers in QUESTIONS.items()
    if isinstance(answers, list) and not question.startswith("_")
}
Answers = dict[str, str]
REFUSED = frozenset([("scenario", "assist"), ("bias_backend", "clarify")])
"""Clarify's image cannot judge replies: the settings say so."""


def pairwise_cover(choices: dict[str, tuple[str, ...]]) -> Iterator[Answers]:
    """Combinations that hold every pair of choices of two questions, greedily the fewest.

    But for the one pair that is refused.
    """
    names = list(choices)
    open_ = {
        frozenset([(one, a), (other, b)])
        for one, other in combinations(names, 2)
        for a, b in product(choices[one], choices[other])
    } - {REFUSED}
    combined = (dict(zip(names, values, strict=True)) for values in product(*choices.values()))
    every = [answers for answers in combined if not answers.items() >= REFUSED]
    while open_:
        best = max(every, key=lambda answers: sum(pair <= answers.items() for pair in open_))
        open_ = {pair for pair in open_ if not pair <= best.items()}
        yield best


COVER = list(pairwise_cover(CHOICES))


def named(answers: Answers) -> str:
    return "-".join(answers.values())


@pytest.fixture(scope="module", params=COVER, ids=named)
def chosen(
    request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Answers, Repository]:
    """One render of the cover; a scenario without a table gets churn's, by its draft."""
    answers: Answers = request.param
    folder = tmp_path_factory.mktemp(named(answers))
    path = cookiecutter(str(template), no_input=True, extra_context=answers, output_dir=str(folder))
    repository = Repository(Path(path))
    if answers["scenario"] not in SAMPLED:
        repository.edit("pipeline.toml", 'label = "label"', 'label = "retained"')
        shutil.copyfile(GENERATED / "data/churn.csv", folder / "table.csv")
        adopt(repository, folder / "table.csv")
        repository.pipeline("readme")
    return answers, repository


def test_every_pair_of_choices_is_in_the_cover() -> None:
    for one, other in combinations(CHOICES, 2):
        found = {(answers[one], answers[other]) for answers in COVER}
        refused = {tuple(dict(REFUSED).get(name) for name in (one, other))}
        assert found == set(product(CHOICES[one], CHOICES[other])) - refused
    small = {"a": ("1", "2"), "b": ("1", "2", "3"), "c": ("1", "2")}
    assert len(list(pairwise_cover(small))) < 12


WRITTEN_BY_THE_HOOK = {
    "README.md", "pipeline.toml", "pyproject.toml", "requirements.lock", ".template-files.json"
}  # fmt: skip


def test_every_file_stands_in_the_template_as_the_user_gets_it(
    chosen: tuple[Answers, Repository], template: Path
) -> None:
    """In place, or in the folder that a choice lays over it; but for the answers."""
    answers, repository = chosen
    base = template / GENERATED.name
    folders = {"problems": "problem_type", "scenarios": "scenario", "ci": "ci"}
    others = {*folders, "library"}
    expected = {n: p for n, p in files(base).items() if n.split("/")[0] not in others}
    if (base / "scenarios" / answers["scenario"]).is_dir():
        expected = {n: p for n, p in expected.items() if not n.startswith("data/")}
    for folder, question in folders.items():
        expected |= files(base / folder / answers_to(answers)[question])
    (wheel,) = (name for name in repository.files() if name.startswith("vendor/"))
    assert repository.files() == {*expected, ".template-files.json", wheel}
    for name in repository.files() - WRITTEN_BY_THE_HOOK - {wheel}:
        assert (repository.path / name).read_bytes() == expected[name].read_bytes(), name


def answers_to(answers: Answers) -> Answers:
    """The answers with the defaults of their scenario."""
    return {**QUESTIONS["_scenarios"][answers["scenario"]], **answers}


def files(folder: Path) -> dict[str, Path]:
    """Every file below a folder by its path there."""
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}


def test_a_team_can_read_its_repository_in_an_afternoon(
    chosen: tuple[Answers, Repository],
) -> None:
    _, repository = chosen
    lines = {False: 0, True: 0}
    for name in repository.files():
        if name.endswith(".py"):
            text = (repository.path / name).read_text(encoding="utf-8")
            lines[name.startswith("tests/")] += len(text.splitlines())
    assert 500 < lines[False] <= 1_500
    assert 50 < lines[True] <= 300


def test_the_linter_knows_every_module_that_travels_with_the_scripts() -> None:
    settings = tomllib.loads((GENERATED / "pyproject.toml").read_text(encoding="utf-8"))
    known = settings["tool"]["ruff"]["lint"]["isort"]["known-first-party"]
    containers = GENERATED / "library/src/ninesteps/containers"
    assert known == sorted(path.stem for path in containers.glob("*.py"))


def test_nothing_is_unrendered_and_every_file_parses(chosen: tuple[Answers, Repository]) -> None:
    _, repository = chosen
    for name in repository.files():
        path = repository.path / name
        if path.suffix in (".whl", ".safetensors"):  # no texts
            continue
        text = path.read_text(encoding="utf-8")
        if path.name != "cruft.lock":  # which names the package that cruft needs
            assert "cookiecutter" not in text, name
        if path.suffix == ".py":
            ast.parse(text, name)
        elif path.suffix == ".toml":
            tomllib.loads(text)


def test_workflows_are_what_their_schemas_ask_for(chosen: tuple[Answers, Repository]) -> None:
    answers, repository = chosen
    paths = [path for pattern in SCHEMAS for path in repository.path.glob(pattern)]
    assert [error for path in paths for error in schema_errors(path)] == []
    assert len(paths) == {"github": 3, "gitlab": 1, "none": 0}[answers["ci"]]


def test_actions_are_pinned_by_hash_and_permissions_are_least(
    chosen: tuple[Answers, Repository],
) -> None:
    """One job may ask for a token of AWS, one may comment, one may propose: no key is kept."""
    answers, repository = chosen
    read = {}
    for path in repository.path.glob(".github/workflows/*.yml"):
        read[path.name] = workflow(path)
        assert unpinned(path) == []
        assert read[path.name]["permissions"] == {"contents": "read"}
    assert sorted(read) == (["ci.yml", "template.yml"] if answers["ci"] == "github" else [])
    given = {
        name: job["permissions"]
        for content in read.values()
        for name, job in content["jobs"].items()
        if "permissions" in job
    }
    expected = {
        "comment": {"actions": "read", "pull-requests": "write"},
        "publish": {"contents": "read", "id-token": "write"},  # pragma: allowlist secret
        "propose": {"actions": "read", "contents": "write", "pull-requests": "write"},
    }
    assert given == (expected if read else {})
    for jobs in (content["jobs"] for content in read.values()):
        assert "AWS_ROLE_ARN" not in json.dumps({**jobs, "publish": {}})


EVERYTHING = (
    "pre-commit run --all-files --show-diff-on-failure",
    "pytest",
    "pipeline check",
    "pipeline compile -o definition.json",
    "pipeline run",
    "pipeline report last -o report.html",
    "pip install --require-hashes -r model_deploy/infrastructure/checkov.lock",
    "cfn-lint 'model_deploy/infrastructure/*.yaml'",
    "checkov --directory model_deploy/infrastructure --framework cloudformation "
    "--skip-download --compact --quiet",
)
"""What a generated repository's CI runs on every change."""


def test_the_ci_runs_everything_that_there_is_to_run(chosen: tuple[Answers, Repository]) -> None:
    answers, repository = chosen
    if answers["ci"] == "github":
        jobs = workflow(repository.path / ".github/workflows/ci.yml")["jobs"]
        scripts = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
        ran = "\n".join(scripts).splitlines()
    elif answers["ci"] == "gitlab":
        content = yaml.safe_load((repository.path / ".gitlab-ci.yml").read_text(encoding="utf-8"))
        ran = [line for name in ("test", "infrastructure") for line in content[name]["script"]]
        ran += content["test"]["after_script"]
    else:
        return
    assert [command for command in EVERYTHING if command not in ran] == []
    assert not [command for command in ran if "cruft" in command]


def test_the_template_is_looked_at_on_a_schedule_and_never_for_a_change(
    chosen: tuple[Answers, Repository],
) -> None:
    answers, repository = chosen
    if answers["ci"] == "github":
        content: dict[Any, Any] = workflow(repository.path / ".github/workflows/template.yml")
        assert set(content[True]) == {"schedule", "workflow_dispatch"}  # YAML reads `on` as true
        update, propose = content["jobs"]["update"], content["jobs"]["propose"]
        assert update["steps"][0]["with"]["persist-credentials"] is False
        assert "vars.TEMPLATE_PULL_REQUESTS == 'true'" in propose["if"]
        assert "cruft" not in "".join(step.get("run", "") for step in propose["steps"])
        for step in [*update["steps"], *propose["steps"]]:
            assert "${{" not in step.get("run", "")
    elif answers["ci"] == "gitlab":
        content = yaml.safe_load((repository.path / ".gitlab-ci.yml").read_text(encoding="utf-8"))
        (rule,) = content["template"]["rules"]
        assert rule == {"if": '$CI_PIPELINE_SOURCE == "schedule"', "exists": [".cruft.json"]}
        for name in ("test", "infrastructure"):
            assert content[name]["rules"] == [{"if": '$CI_PIPELINE_SOURCE != "schedule"'}]
        assert '$CI_PIPELINE_SOURCE == "push"' in content["publish"]["rules"][0]["if"]


def test_the_ci_installs_what_is_locked_by_hash_and_builds_nothing(
    chosen: tuple[Answers, Repository],
) -> None:
    """A build would install setuptools from an index, by no hash, beside the account's role."""
    answers, repository = chosen
    files = {"github": ".github/workflows/ci.yml", "gitlab": ".gitlab-ci.yml"}
    if answers["ci"] not in files:
        return
    text = (repository.path / files[answers["ci"]]).read_text(encoding="utf-8")
    if answers["ci"] == "github":
        template = repository.path / ".github/workflows/template.yml"
        assert workflow(template)["env"]["PIP_ONLY_BINARY"] == ":all:"
        text += template.read_text(encoding="utf-8").replace("env:\n  PIP", "#")
    installs = re.findall(r"\b(?:pip|uv|pipx) (?!_)[\w ]+.*", text)
    locks = [re.fullmatch(r"pip install --require-hashes -r (\S+)", line) for line in installs]
    assert len(locks) == 4 and all(locks), installs
    content = yaml.safe_load(text)
    assert (content.get("env") or content["variables"])["PIP_ONLY_BINARY"] == ":all:"
    for lock in {match[1] for match in locks if match}:
        lines = (repository.path / lock).read_text(encoding="utf-8").splitlines()
        assert all(re.match(r"[\w.-]+==|    --hash=|#|--find-links vendor$|$", line)
                   for line in lines), lock  # fmt: skip
    if answers["ci"] == "gitlab":
        image = content["publish"]["image"]
        assert re.fullmatch(r"python:3\.12@sha256:[0-9a-f]{64}", image)


def test_a_report_is_kept_and_shown_where_the_change_is(
    chosen: tuple[Answers, Repository],
) -> None:
    """Also after a failure; what may write comments runs nothing of the repository's."""
    answers, repository = chosen
    if answers["ci"] == "github":
        jobs = workflow(repository.path / ".github/workflows/ci.yml")["jobs"]
        *_, report, upload = jobs["test"]["steps"][:-1]
        assert report["if"] == upload["if"]
        assert report["if"].startswith("${{ !cancelled() && steps.nine-steps.outcome != 'skipped'")
        assert 'cat report.md >> "$GITHUB_STEP_SUMMARY"' in report["run"].splitlines()
        assert upload["with"]["path"].split() == ["report.html", "report.md"]
        comment = jobs["comment"]
        assert comment["needs"] == "test"
        assert comment["if"].split(" && ") == [
            "!cancelled()", "github.event_name == 'pull_request'",
            "github.event.pull_request.head.repo.full_name == github.repository",
        ]  # fmt: skip
        (step,) = comment["steps"]
        assert set(step) == {"name", "run"}, "no action, and so no checkout either"
        assert "${{" not in step["run"]
        assert re.findall(r"^ *(?:if |)(\w+)", step["run"], re.MULTILINE) == [
            "gh", "printf", "gh", "fi"
        ]  # fmt: skip
        assert f"--name {upload['with']['name']}" in step["run"]
    elif answers["ci"] == "gitlab":
        content = yaml.safe_load((repository.path / ".gitlab-ci.yml").read_text(encoding="utf-8"))
        artifacts = content["test"]["artifacts"]
        assert artifacts["when"] == "always"
        assert {"report.html", "report.md"} <= set(artifacts["paths"])


def test_the_summary_becomes_one_comment_and_none_where_there_is_no_report(
    chosen: tuple[Answers, Repository], tmp_path: Path
) -> None:
    """The job's own script, with a `gh` that notes what it was asked for."""
    answers, repository = chosen
    if answers["ci"] != "github":
        return
    job = workflow(repository.path / ".github/workflows/ci.yml")["jobs"]["comment"]
    script = job["steps"][0]["run"]
    asked = tmp_path / "asked"
    (tmp_path / "bin").mkdir()
    gh = tmp_path / "bin/gh"
    gh.write_text(
        f'#!/bin/sh\necho "$@" >> {asked}\n'
        'case "$1" in run) [ -n "$THERE" ] && echo summary > report.md;; esac\n'
    )
    gh.chmod(0o755)
    for there in ("", "1"):
        subprocess.run(
            ["bash", "-e", "-c", script], cwd=tmp_path, check=True,
            env={"PATH": f"{gh.parent}:{os.environ['PATH']}", "NUMBER": "7", "RUN": "12",
                 "GH_REPO": "us/pets", "GITHUB_SERVER_URL": "https://git.example.com",
                 "THERE": there},
        )  # fmt: skip
    download = "run download 12 --name report"
    comment = "pr comment 7 --edit-last --create-if-none --body-file report.md"
    assert asked.read_text().splitlines() == [download, download, comment]
    said = (tmp_path / "report.md").read_text()
    assert said.startswith("summary\n")
    assert "https://git.example.com/us/pets/actions/runs/12" in said


def test_only_the_default_branch_is_published_and_only_where_a_role_is_named(
    chosen: tuple[Answers, Repository],
) -> None:
    answers, repository = chosen
    command = 'pipeline publish --env "$PIPELINE_ENVIRONMENT"'
    if answers["ci"] == "github":
        job = workflow(repository.path / ".github/workflows/ci.yml")["jobs"]["publish"]
        assert job["if"].split(" && ") == [
            "github.event_name == 'push'",
            "github.ref == 'refs/heads/main'",
            "vars.AWS_ROLE_ARN != ''",
        ]
        assert job["needs"] == ["test", "infrastructure"]
        assert job["steps"][-1]["run"] == command
        (role,) = (step["with"] for step in job["steps"] if "aws-actions/" in step.get("uses", ""))
        assert role["role-to-assume"] == "${{ vars.AWS_ROLE_ARN }}"
        assert not [key for key in role if "key" in key or "secret" in key]
    elif answers["ci"] == "gitlab":
        content = yaml.safe_load((repository.path / ".gitlab-ci.yml").read_text(encoding="utf-8"))
        job = content["publish"]
        (rule,) = job["rules"]
        assert rule["if"].split(" && ") == [
            '$CI_PIPELINE_SOURCE == "push"', "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH",
            "$AWS_ROLE_ARN",
        ]  # fmt: skip
        assert [name for name in content if "id_tokens" in content[name]] == ["publish"]
        assert job["id_tokens"] == {"AWS_ID_TOKEN": {"aud": "sts.amazonaws.com"}}
        assert job["needs"] == ["test", "infrastructure"]
        assert job["script"][-1] == command


@cache
def lint_and_types(digest: str, path: Path, types: Path) -> str:
    """What ruff and mypy say of a tree of Python; once for each different one."""
    library = str(library_of(path))
    said = ""
    for command in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=path, capture_output=True, text=True, check=False,
            env={**os.environ, "RUFF_NO_CACHE": "true", "MYPY_CACHE_DIR": str(types),
                 "MYPYPATH": library},
        )  # fmt: skip
        said += "" if done.returncode == 0 else done.stdout + done.stderr
    return said


def test_lint_and_strict_types_are_clean(chosen: tuple[Answers, Repository], types: Path) -> None:
    _, repository = chosen
    total = hashlib.sha256((repository.path / "pyproject.toml").read_bytes().split(b"\n", 5)[5])
    for name in sorted(repository.files()):
        if name.endswith(".py"):
            total.update(name.encode() + (repository.path / name).read_bytes())
    assert lint_and_types(total.hexdigest(), repository.path, types) == ""


def test_the_definition_compiles_and_is_what_aws_takes(chosen: tuple[Answers, Repository]) -> None:
    from ninesteps.runs import compiled
    from ninesteps.settings import loading as pipeline_settings

    _, repository = chosen
    settings = pipeline_settings.load(repository.path)
    definition = json.loads(compiled.definition(settings, settings.environment()))
    steps = steps_by_name(definition)
    assert len(steps) == 9
    assert not list(service_errors(steps))


@pytest.mark.parametrize("name", golden.kept())
def test_what_aws_receives_is_what_was_reviewed(template: Path, tmp_path: Path, name: str) -> None:
    path = cookiecutter(
        str(template), no_input=True, extra_context=golden.kept()[name], output_dir=str(tmp_path)
    )
    kept = (GOLDEN / f"{name}.json").read_text(encoding="utf-8")
    assert golden.golden(Path(path)) == kept, "run `python tools/golden.py`, and look at the diff"


def test_every_scenario_that_compiles_is_kept() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(golden.kept()) >= set(SAMPLED)


@pytest.mark.parametrize("platform", ["linux", "macos", "windows"])
@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_the_lock_installs_everywhere(tmp_path: Path, platform: str, python: str) -> None:
    """A dry run: uv resolves wheels of the platform against the hashes, and installs nothing.

    Of macOS the release is 14, whose own wheels of numpy 2.1.0 there are for every Python.
    """
    from uv import find_uv_bin

    command = [
        *(find_uv_bin(), "pip", "install", "--dry-run", "--quiet", "--require-hashes"),
        *("--python-platform", platform, "--python-version", python),
        *("--target", str(tmp_path / "nothing"), "--only-binary", ":all:"),
        *("-r", str(GENERATED / "requirements.lock")),
    ]
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
