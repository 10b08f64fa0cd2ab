"""Many repositories at once: how each stands, and that one that is broken hides no other."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ninesteps.cli.main import main
from ninesteps.fleet import distance, standing, table
from ninesteps.local.state import State, run_lock
from ninesteps.profiles import profile as profiles
from ninesteps.repository import template_files, vendor
from ninesteps.step_code import bundle

ROOT = Path(__file__).resolve().parents[2]
MARKS = "<<<<<<< before\na\n=======\nb\n>>>>>>> after\n"
IGNORED = shutil.ignore_patterns(
    "library", "scenarios", "ci", "data", ".*", "*_cache", "__pycache__"
)

Make = Callable[..., Path]


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    folder.mkdir()
    return folder


@pytest.fixture
def make(fleet: Path, tmp_path: Path) -> Make:
    """Make a repository of churn's files, with a library of a version."""

    def made(name: str, version: str = "1.4.0+g00000001", commit: str = "") -> Path:
        root = fleet / name
        shutil.copytree(ROOT, root, ignore=IGNORED)
        edit(root, "pipeline.toml", 'pipeline = "customer-churn"', f'pipeline = "{name}"')
        wheel = tmp_path / f"ninesteps-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"ninesteps-{version}.dist-info/METADATA", version)
        vendor.place(root, wheel)
        template_files.write_list(root)
        if commit:
            (root / ".cruft.json").write_text(json.dumps({"commit": commit}), encoding="utf-8")
        return root

    return made


def edit(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert old in text
    (root / name).write_text(text.replace(old, new), encoding="utf-8")


def git(folder: Path, *arguments: str, date: str = "2026-01-01T00:00:00Z") -> str:
    who = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in {"NAME": "Jo", "EMAIL": "jo@example.com", "DATE": date}.items()
    }
    command = ["git", "-C", str(folder), *arguments]
    environment = {**os.environ, **who}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def template(tmp_path: Path) -> tuple[Path, list[str]]:
    """A checkout of a template with four commits, and these, the oldest first."""
    folder = tmp_path / "template"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for number in range(4):
        git(folder, "commit", "--quiet", "--allow-empty", "--message", str(number))
    return folder, git(folder, "rev-list", "--reverse", "HEAD").split()


def call(*arguments: object, status: int = 0) -> Result:
    done = CliRunner().invoke(main, ["fleet", *map(str, arguments)], prog_name="pipeline")
    assert done.exit_code == status, done.output + str(done.exception)
    return done


def as_json(*arguments: object, status: int = 0) -> dict[str, dict[str, Any]]:
    """Repositories by their names."""
    content = json.loads(call("--json", *arguments, status=status).stdout)
    return {entry["name"]: entry for entry in content["repositories"]}


def findings(root: Path) -> list[str]:
    return standing.read(root).findings


# One repository


def test_a_new_repository_has_no_findings_and_all_is_told_of_it(make: Make) -> None:
    root = make("pets", commit=40 * "a")
    told = as_json(root)["pets"]
    assert told == {
        "folder": str(root),
        "name": "pets",
        "is_old_form": False,
        "template_commit": 40 * "a",
        "library": "1.4.0+g00000001",
        "behind": None,
        "is_newest_library": True,
        "profile": "churn",
        "profile_sha256": profiles.digest("churn"),
        "gate": "auc > 0.75",
        "facets": ["doorstep", "city"],
        "meets_floors": True,
        "overridden": [],
        "last_run": None,
        "last_account_run": None,
        "findings": [],
        "notes": [],
    }


def test_overridden_modules_are_told_with_their_digests(make: Make) -> None:
    root = make("pets")
    bundle.eject(root, "curves.py")
    bundle.eject(root, "metrics.py").write_text("ours = 1\n", encoding="utf-8")
    told = as_json(root)["pets"]["overridden"]
    assert [(entry["name"], entry["is_changed"]) for entry in told] == [
        ("curves.py", False), ("metrics.py", True),
    ]  # fmt: skip
    assert told[0]["sha256"] == bundle.sha256(bundle.CONTAINERS / "curves.py")
    assert "  overridden: curves.py (same), metrics.py (changed)\n" in call(root).stdout


@pytest.mark.parametrize(
    ("old", "new", "meets", "sentence"),
    [
        ("auc > 0.75", "auc > 0.6", False, "pipeline.toml [gate] metric: "),
        ('problem = "binary"', 'problem = "regression"', None, "pipeline.toml ["),
        ('profile = "churn"', 'profile = "nothing"', None, "pipeline.toml [project] profile: "),
        ("auc > 0.75", "auc >", None, "pipeline.toml [gate] metric: "),
        ("[gate]", "[gates]", None, "pipeline.toml gates: unknown key"),
        ("[gate]", MARKS, None, "pipeline.toml: not valid TOML"),
    ],
    ids=["floor", "problem", "profile", "gate", "key", "marks"],
)
def test_settings_below_the_floors_and_unreadable_ones_are_findings(
    make: Make, old: str, new: str, meets: bool | None, sentence: str
) -> None:
    root = make("pets")
    edit(root, "pipeline.toml", old, new)
    told = standing.read(root)
    assert told.meets_floors is meets
    assert told.findings[0].startswith(sentence), told.findings
    call(root, status=1)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("README.md", MARKS, "README.md: it has marks of an unfinished merge"),
        ("pipeline.toml.rej", "", "pipeline.toml.rej: a change that an update could not apply"),
        ("governance/gate.py", "", "governance/gate.py: the library has this file now"),
        ("tests/test_gate.py", "", "tests/test_gate.py: the library has this file now"),
        (".cruft.json", MARKS, ".cruft.json: expected JSON; an update may have left marks"),
        (".cruft.json", '{"commit": "--help"}', ".cruft.json: expected a commit of the template"),
        ("vendor/ninesteps-9-py3-none-any.whl", "", "vendor/ninesteps-9-py3-none-any.whl: "),
        ("requirements.lock", "", "requirements.lock: expected a line ninesteps==VERSION"),
    ],
)
def test_what_an_update_left_open_is_a_finding(
    make: Make, name: str, text: str, sentence: str
) -> None:
    root = make("pets")
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    assert any(finding.startswith(sentence) for finding in findings(root)), findings(root)
    call(root, status=1)


def test_a_repository_of_the_old_form_is_told_as_such(make: Make) -> None:
    root = make("pets")
    shutil.rmtree(root / "vendor")
    (root / vendor.LOCK).write_text("rich==14.0.0\n", encoding="utf-8")
    for name in ("cli/main.py", "local_sagemaker/engine.py", "governance/gate.py"):
        (root / name).parent.mkdir()
        (root / name).write_text("", encoding="utf-8")
    template_files.write_list(root)
    done = call(root)
    assert "pets                   (old form)" in done.stdout
    assert "1 of the old form" in done.stdout
    (root / "README.md").write_text(MARKS, encoding="utf-8")
    call(root, status=1)


def test_a_library_from_a_private_index_is_no_finding(make: Make) -> None:
    root = make("pets")
    shutil.rmtree(root / "vendor")
    edit(root, vendor.LOCK, "--find-links vendor\n", "")
    assert as_json(root)["pets"]["library"] == "1.4.0+g00000001"


# Runs


def test_the_last_local_run_is_told_and_nothing_in_local_changes(make: Make) -> None:
    root = make("pets")
    state = State(root / ".local/state.db")
    for run, status in (("first", "Succeeded"), ("second", "Failed")):
        state.start_execution(run, "pets", {}, "", [])
        state.end_execution(run, status)
    before = {path.name for path in (root / ".local").iterdir()}
    told = as_json(root)["pets"]["last_run"]
    assert (told["run"], told["status"]) == ("second", "Failed")
    assert told["started"] and told["ended"]
    assert {path.name for path in (root / ".local").iterdir()} == before
    state._connection.close()  # its log goes with it
    before = {path.name for path in (root / ".local").iterdir()}
    assert as_json(root)["pets"]["last_run"] == told
    assert {path.name for path in (root / ".local").iterdir()} == before
    assert "  last run Failed, 20" in call(root).stdout


def test_a_run_that_no_process_goes_on_with_was_killed(make: Make) -> None:
    root = make("pets")
    State(root / ".local/state.db").start_execution("only", "pets", {}, "", [])
    (root / ".local/runs/only").mkdir(parents=True)
    assert as_json(root)["pets"]["last_run"]["status"] == "Killed"
    assert not list((root / ".local/runs/only").iterdir())
    with run_lock(root / ".local/runs/only"):
        assert as_json(root)["pets"]["last_run"]["status"] == "Executing"


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + 90 * b"\1"])
def test_runs_that_cannot_be_read_are_a_note_and_no_finding(make: Make, content: bytes) -> None:
    root = make("pets")
    (root / ".local").mkdir()
    (root / ".local/state.db").write_bytes(content)
    told = as_json(root)["pets"]
    assert told["last_run"] is None
    assert told["notes"][-1].startswith(".local/state.db cannot be read: ")


def test_runs_of_the_first_version_of_the_state_are_read(make: Make) -> None:
    root = make("pets")
    (root / ".local").mkdir()
    with sqlite3.connect(root / ".local/state.db") as connection:
        connection.execute(
            "CREATE TABLE executions (id, pipeline, parameters, status, started, ended)"
        )
        connection.execute(
            "INSERT INTO executions VALUES ('a', 'b', '{}', 'Succeeded', '2025', NULL)"
        )
    assert as_json(root)["pets"]["last_run"]["started"] == "2025"


def test_an_account_run_is_told_where_a_report_of_one_was_kept(make: Make) -> None:
    root = make("pets")
    for name, moment in (("older", 1_700_000_000), ("newer", 1_750_000_000)):
        page = root / f".local/executions/prod/{name}/report.html"
        page.parent.mkdir(parents=True)
        page.write_text("", encoding="utf-8")
        os.utime(page, (moment, moment))
    told = as_json(root)["pets"]["last_account_run"]
    assert told == {
        "environment": "prod", "execution": "newer", "reported": "2025-06-15T15:06:40Z",
    }  # fmt: skip


# How far behind


def test_the_templates_commits_since_a_repositorys_own_are_counted(
    make: Make, template: tuple[Path, list[str]], fleet: Path
) -> None:
    checkout, commits = template
    make("current", commit=commits[3])
    make("older", commit=commits[1])
    make("stranger", commit=40 * "f")
    make("alone")
    told = as_json(fleet, "--template", checkout)
    assert {name: entry["behind"] for name, entry in told.items()} == {
        "alone": None, "current": 0, "older": 2, "stranger": None,
    }  # fmt: skip
    assert told["stranger"]["notes"] == [
        "the template's checkout has no commit ffffffffff: fetch all of its history"
    ]
    shown = call(fleet, "--template", checkout).stdout
    assert f"older                  1.4.0+g00000001  {commits[1][:8]} 2       churn" in shown


def test_without_the_template_older_plain_versions_differ_from_the_newest(
    make: Make, fleet: Path
) -> None:
    versions = {"newest": "1.10.0+gaaaaaaaa", "older": "1.9.0+gbbbbbbbb", "plain": "1.9.0"}
    for name, version in versions.items():
        make(name, version)
    told = as_json(fleet)
    assert {name: entry["is_newest_library"] for name, entry in told.items()} == {
        "newest": True, "older": False, "plain": False,
    }  # fmt: skip
    assert "older                  1.9.0+gbbbbbbbb  ?        differs" in call(fleet).stdout


def test_suffixes_have_no_order_but_that_of_the_commits_that_brought_them(
    make: Make, fleet: Path
) -> None:
    roots = [make("first", "1.4.0+gffffffff"), make("second", "1.4.0+gaaaaaaaa")]
    make("old", "1.3.0")
    told = as_json(fleet)
    assert [told[name]["is_newest_library"] for name in ("first", "second", "old")] == [
        None, None, False,
    ]  # fmt: skip
    for root, date in zip(roots, ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), strict=True):
        git(root, "init", "--quiet")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message=all", date=date)
    told = as_json(fleet)
    assert [told[name]["is_newest_library"] for name in ("first", "second", "old")] == [
        False, True, False,
    ]  # fmt: skip


# Many


def test_one_broken_repository_hides_no_other(make: Make, fleet: Path) -> None:
    make("broken")
    make("whole")
    broken = fleet / "broken"
    (broken / "pipeline.toml").write_bytes(b"\xff\xfe")
    (broken / "requirements.lock").write_bytes(b"\xff")
    (broken / ".cruft.json").write_bytes(b"[]")
    (broken / template_files.LIST).write_text("[1]", encoding="utf-8")
    told = as_json(fleet, status=1)
    assert told["whole"]["findings"] == []
    assert len(told["broken"]["findings"]) >= 3
    assert "2 repositories: 1 without findings, 1 with" in call(fleet, status=1).stdout


def test_a_repository_whose_settings_are_gone_is_still_one(make: Make, fleet: Path) -> None:
    (make("pets") / "pipeline.toml").unlink()
    (finding,) = findings(fleet / "pets")
    assert finding.startswith("pipeline.toml: there is no such file")


def test_repositories_are_found_once_by_themselves_or_in_a_folder(make: Make, fleet: Path) -> None:
    make("one")
    make("two")
    (fleet / "notes").mkdir()
    (fleet / "a file").write_text("", encoding="utf-8")
    assert [path.name for path in standing.repositories([fleet / "two", fleet])] == ["two", "one"]


def test_wrong_use_ends_with_2(make: Make, fleet: Path, tmp_path: Path) -> None:
    assert (
        "expected a repository or a folder of repositories, found none"
        in call(fleet, status=2).stderr
    )
    make("pets")
    call(status=2)
    call(fleet / "nothing", status=2)
    call(fleet, "--template", fleet / "nothing", status=2)
    done = call(fleet, "--template", tmp_path, status=2)
    assert done.stderr.startswith("pipeline: --template: expected a git checkout, got ")


def test_the_table_fits_80_columns_whatever_it_says(make: Make, fleet: Path) -> None:
    root = make("a-name-that-is-longer-than-any-column-of-the-table-is-wide", "10.20.30+g0a1b2c3d")
    for number in range(8):
        (root / f"a-long-name-of-a-file-that-an-update-could-not-change-{number}.rej").touch()
    for name in bundle.modules():
        bundle.eject(root, name)
    shown = call(fleet, status=1).stdout
    assert max(map(len, shown.splitlines())) <= table.WIDTH
    assert "  ! 3 more findings: --json lists all\n" in shown
    assert len(as_json(fleet, status=1)[root.name]["findings"]) == 8


def test_thirty_repositories_take_seconds_and_no_heavy_library(
    make: Make, fleet: Path, template: tuple[Path, list[str]], tmp_path: Path
) -> None:
    checkout, commits = template
    first = make("pets-0", commit=commits[0])
    packages = first / ".venv/lib/site-packages"  # which nobody reads through
    packages.mkdir(parents=True)
    for number in range(200):
        (packages / f"{number}.py.rej").touch()
    state = State(first / ".local/state.db")
    state.start_execution("only", "pets-0", {}, "", [])
    state.end_execution("only", "Succeeded")
    for number in range(1, 30):
        root = fleet / f"pets-{number}"
        shutil.copytree(first, root)
        edit(root, "pipeline.toml", 'pipeline = "pets-0"', f'pipeline = "pets-{number}"')
    program = (
        "import sys; from ninesteps.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(*sorted({m.partition('.')[0] for m in sys.modules}), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "fleet", str(fleet), "--template", str(checkout)]
    began = time.monotonic()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    print(f"30 repositories: {seconds:.2f} s")  # noqa: T201  # `pytest -s` shows it
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f"{commits[0][:8]} 3       churn     20") == 30
    heavy = {"boto3", "duckdb", "jinja2", "numpy", "optuna", "pandas", "pyarrow", "rich",
             "sagemaker", "scipy", "xgboost", "yaml"}  # fmt: skip
    assert not heavy & set(done.stderr.split())
    assert seconds < 60  # it takes about one; this bound is for a machine that is very busy


def test_a_checkout_is_asked_once_for_each_commit(
    make: Make, template: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout, commits = template
    standings = [standing.read(make(name, commit=commits[0])) for name in ("one", "two", "three")]
    asked: list[tuple[str, ...]] = []
    ask = distance._git
    monkeypatch.setattr(
        distance, "_git", lambda folder, *words: asked.append(words) or ask(folder, *words)
    )
    distance.measure(standings, distance.Template(checkout))
    assert [words[0] for words in asked] == ["rev-parse", "rev-list"]
    assert [s.behind for s in standings] == [3, 3, 3]
