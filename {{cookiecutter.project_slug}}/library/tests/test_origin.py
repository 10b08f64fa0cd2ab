"""Where a run came from: what git, cruft and the table say of it, and what is not known."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ninesteps.feature_store.ingest import Ingested, ingest
from ninesteps.repository import modules, origin_text
from ninesteps.repository import origin as origins
from ninesteps.settings.environment import Environment
from pets import ROWS, raw_file, settings
from reports import CAME_FROM


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=Jo", "-c", "user.email=jo@example.com", "-c", "commit.gpgsign=false",
           "-c", "protocol.file.allow=always")  # fmt: skip
    command = ["git", "-C", str(folder), *who, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def of(root: Path) -> dict[str, Any]:
    """What is recorded of a repository."""
    return dict(origins.origin(root, {})["repository"])


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a pipeline, and git without anybody's own settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    root = tmp_path / "outer/models/pets"
    root.mkdir(parents=True)
    (root / "pipeline.toml").write_text("[project]\n")
    (root / ".gitignore").write_text(".local/\n")
    return root


def committed(folder: Path) -> str:
    git(folder, "init")
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "first")
    return git(folder, "rev-parse", "HEAD").strip()


def test_a_clean_tree_is_its_commit(repository: Path) -> None:
    head = committed(repository)
    (repository / ".local").mkdir()
    (repository / ".local/state.db").write_text("ignored")
    assert of(repository) == {
        "commit": head, "is_dirty": False, "changed": [], "changed_count": 0, "folder": "",
        "unknown": "",
    }  # fmt: skip


def test_changed_renamed_deleted_and_new_files_are_named(repository: Path) -> None:
    for name in ("edited.py", "gone.py", "früh er.py"):
        (repository / name).write_text(f"# {name} with enough lines\n" * 20)
    head = committed(repository)
    (repository / "edited.py").write_text("other")
    (repository / "gone.py").unlink()
    git(repository, "mv", "früh er.py", "spä\tter.py")
    (repository / "new").mkdir()
    (repository / "new/a.py").write_text("")
    found = of(repository)
    assert (found["commit"], found["is_dirty"]) == (head, True)
    assert sorted(found["changed"]) == ["edited.py", "gone.py", "new/", "spä\tter.py"]
    said = origin_text.dirty({"repository": found})
    assert said.startswith(f"4 files differ from commit {head[:12]} (") and "\\u" not in said


def test_most_of_many_changes_are_counted(repository: Path) -> None:
    committed(repository)
    for number in range(30):
        (repository / f"{number:02}.py").write_text("")
    found = of(repository)
    assert (len(found["changed"]), found["changed_count"]) == (20, 30)
    said = origin_text.dirty({"repository": found})
    assert said.endswith("(00.py, 01.py, 02.py, 03.py, 04.py and 25 more)")


def test_a_name_that_would_move_the_cursor_is_shown_as_codes(repository: Path) -> None:
    committed(repository)
    (repository / "a\x1b[2J\nb").write_text("")
    assert origin_text.dirty({"repository": of(repository)}).endswith("(a\\u001b[2J b)")


def test_a_folder_of_a_larger_repository_is_judged_by_itself(repository: Path) -> None:
    outer = repository.parents[1]
    (outer / "other.py").write_text("")
    head = committed(outer)
    (outer / "other.py").write_text("changed")
    assert of(repository)["is_dirty"] is False
    (repository / "pipeline.toml").write_text("changed")
    found = of(repository)
    assert (found["commit"], found["folder"]) == (head, "models/pets")
    assert found["changed"] == ["pipeline.toml"]


@pytest.mark.parametrize("ignored", ["models/pets/\n", "nothing\n"])
def test_a_repository_around_it_that_does_not_have_it_says_nothing(
    repository: Path, ignored: str
) -> None:
    outer = repository.parents[1]
    (outer / ".gitignore").write_text(ignored)
    git(outer, "init")
    git(outer, "add", ".gitignore")
    git(outer, "commit", "-m", "of another matter")
    found = of(repository)
    assert (found["commit"], found["is_dirty"]) == ("", None)
    assert found["unknown"] == (
        "the git repository around this folder does not include its pipeline.toml"
    )


def test_a_submodule_and_a_worktree_have_commits_of_their_own(
    repository: Path, tmp_path: Path
) -> None:
    head = committed(repository)
    super_project = tmp_path / "super"
    super_project.mkdir()
    (super_project / "README").write_text("")
    committed(super_project)
    git(super_project, "submodule", "add", str(repository), "pets")
    git(super_project, "commit", "-m", "with pets")
    assert of(super_project / "pets")["commit"] == head
    git(repository, "worktree", "add", str(tmp_path / "tree"), "-b", "other")
    (tmp_path / "tree/new.py").write_text("")
    found = of(tmp_path / "tree")
    assert (found["commit"], found["changed"]) == (head, ["new.py"])


def test_what_a_hook_is_told_of_its_own_repository_does_not_count(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = committed(repository)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere/index"))
    assert of(repository)["commit"] == head


def no_git(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))


def no_repository(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pass


def no_commit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(root, "init")


def of_another_user(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(root)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("LANGUAGE", "de")


def damaged(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(root)
    (root / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (root / ".git/index").write_bytes(b"\xff" * 99)


def slow(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = root / "git"
    script.write_text("#!/bin/sh\nexec sleep 30\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{root}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(origins, "WAIT_SECONDS", 0.1)


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (no_git, "git could not be started: it is not on the PATH"),
        (no_repository, "this folder is not in a git repository"),
        (no_commit, "the branch has no commit yet"),
        (of_another_user, "git does not read a repository that another user owns; git config "
                          "--global --add safe.directory FOLDER allows it"),
        (damaged, "git failed: "),
        (slow, "git did not answer within 0.1 seconds"),
    ],
)  # fmt: skip
def test_what_git_cannot_tell_is_recorded_as_not_known(
    repository: Path, monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Path, pytest.MonkeyPatch], None], why: str,
) -> None:  # fmt: skip
    prepare(repository, monkeypatch)
    began = time.monotonic()
    found = of(repository)
    assert time.monotonic() - began < 20  # less than git would have slept
    assert (found["commit"], found["is_dirty"], found["changed"]) == ("", None, [])
    assert found["unknown"].startswith(why) and "\n" not in found["unknown"]
    assert origin_text.commit({"repository": found}).startswith(f"not known: {why}")
    assert origin_text.dirty({"repository": found}) == ""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, None),
        (b'{"template": "https://host/t.git", "commit": "ab"}',
         {"source": "https://host/t.git", "commit": "ab"}),
        (b'{"template": "https://me%sword@host/t.git", "commit": null}' % b":",
         {"source": "https://host/t.git", "commit": ""}),
        (b'{"template": "git@host:t.git", "commit": "ab"}',
         {"source": "git@host:t.git", "commit": "ab"}),
        (b"<<<<<<< ours", {"source": "", "commit": ""}),
        (b"[]", {"source": "", "commit": ""}),
    ],
)  # fmt: skip
def test_the_template_is_what_cruft_says_without_a_password(
    repository: Path, content: bytes | None, expected: dict[str, str] | None
) -> None:
    if content is not None:
        (repository / ".cruft.json").write_bytes(content)
    assert origins.template(repository) == expected


def test_a_byte_of_the_library_changes_its_digest_and_a_cache_does_not(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report/page.css").write_text("a")
    digests = [origins.library_digest(tmp_path)]
    (tmp_path / "report/__pycache__").mkdir()
    (tmp_path / "report/__pycache__/x.pyc").write_text("a")
    assert origins.library_digest(tmp_path) == digests[0]
    (tmp_path / "report/page.css").write_text("b")
    digests.append(origins.library_digest(tmp_path))
    (tmp_path / "report/page.css").rename(tmp_path / "page.css")
    digests.append(origins.library_digest(tmp_path))
    assert len(set(digests)) == 3


def test_what_decides_on_a_run_is_recorded_by_digest(repository: Path) -> None:
    found = origins.origin(repository, {"metrics.py": "ab" * 32})
    assert found["settings_sha256"] == hashlib.sha256(b"[project]\n").hexdigest()
    assert (found["lock_sha256"], found["overridden"]) == ("", {"metrics.py": "ab" * 32})
    said = dict(origin_text.lines(found))
    assert said["lock"] == "there is no requirements.lock"
    assert said["overridden"] == f"metrics.py  sha256 {'ab' * 6}"


# The table


@pytest.fixture
def ingested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ingested]:
    team = modules.features(settings().root)
    monkeypatch.setattr(team, "features", lambda table, _: table[["age"]])
    monkeypatch.setattr(team, "findings", lambda table: {})

    def ingested(*rows: str) -> Ingested:
        place = Environment("1" * 12, "eu-west-1")
        return ingest(raw_file(tmp_path, *rows), settings("seen"), place, tmp_path / "s3")

    return ingested


def test_rows_are_read_left_out_for_a_reason_or_used(
    ingested: Callable[..., Ingested], tmp_path: Path
) -> None:
    rows = (
        *ROWS,
        ROWS[0].replace("1.5", "2"),  # the same id and event time again
        ROWS[1].replace("2026-01-02", "2026-01-05"),  # a newer row of the same id
        "9,,1,2020-01-31,cat,2026-01-01T00:00:00Z",
        ",1,1,2020-01-31,cat,2025-01-01T00:00:00Z",
        "10,1,1,2020-01-31,cat,",
    )
    read = ingested(*rows)
    table = read.origin("data/pets.csv")
    file = tmp_path / "pets.csv"
    assert (table["path"], table["bytes"]) == ("data/pets.csv", file.stat().st_size)
    assert table["left_out"] == [
        {"why": "empty chip", "rows": 1},
        {"why": "no adopted", "rows": 1},
        {"why": "no seen", "rows": 1},
        {"why": "a later row has the same chip and event time", "rows": 1},
        {"why": "a newer row has the same chip", "rows": 1},
    ]
    assert (table["rows"], table["kept"], table["used"]) == (8, 5, 3)
    assert table["rows"] - sum(one["rows"] for one in table["left_out"]) == table["used"]
    assert (table["first"], table["last"]) == (
        "2026-01-01T10:30:00.000Z", "2026-01-05T00:00:00.000Z"
    )  # fmt: skip
    earlier = read.origin("data/pets.csv", is_latest=False)
    assert earlier["used"] is None
    assert earlier["rows"] - sum(one["rows"] for one in earlier["left_out"]) == earlier["kept"]


def test_a_table_that_is_there_already_is_not_read_again_for_its_origin(
    ingested: Callable[..., Ingested], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ingested(*ROWS)

    def reads(*_: object) -> None:
        raise AssertionError("the table is read again")

    monkeypatch.setattr("ninesteps.feature_store.write.write_offline_store", reads)
    assert ingested(*ROWS).origin("p") == first.origin("p")
    assert len(first.origin("p")["sha256"]) == 64


def test_all_of_it_is_said_and_what_an_earlier_version_did_not_keep_too() -> None:
    said = list(origin_text.lines(CAME_FROM))
    assert [label for label, _ in said] == [
        "commit", "folder", "template", "installed", "python", "settings", "lock", "overridden",
        "table", "period", "rows", "left out",
    ]  # fmt: skip
    assert dict(said)["rows"] == "1,200 read, 1,190 kept, 400 used"
    assert dict(said)["left out"] == "10: empty chip"
    ((label, text),) = origin_text.lines({})
    assert (label, text) == ("came from", origin_text.NOT_RECORDED)
    json.dumps(CAME_FROM)
