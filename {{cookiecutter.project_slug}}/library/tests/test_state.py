"""What executions leave in the SQLite file: versions that count up, models, how steps ended."""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ninesteps.errors import StateError
from ninesteps.local import chain
from ninesteps.local.state import (
    KeptStep,
    Record,
    State,
    StatusChange,
    is_run_locked,
    run_lock,
)
from ninesteps.local.state_schema import SCHEMA_VERSION, UPGRADES, VERSION_1, VERSION_2


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def state(file: Path) -> State:
    state = State(file)
    state.start_execution("e1", "pipeline", {"AsOf": "now"}, "{}", [])
    return state


def register(state: State, group: str = "group", execution: str = "e1", step: str = "") -> int:
    step = step or secrets.token_hex(8)
    return state.register(group, "PendingManualApproval", execution, step, {"by": execution})


def kept(name: str, status: str) -> KeptStep:
    return KeptStep("e1", name, "Processing", status, 1.5, "", Record())


def test_versions_count_up_in_each_group(state: State) -> None:
    assert [register(state), register(state), register(state, "other")] == [1, 2, 1]
    assert [package.version for package in state.model_packages("group")] == [2, 1]
    (package,) = state.model_packages("other")
    assert (package.status, package.execution) == ("PendingManualApproval", "e1")
    assert package.request == {"by": "e1"}
    assert state.model_packages("none") == []


def test_two_at_once_never_share_a_version(state: State, file: Path) -> None:
    another = State(file)  # as another process has it
    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(register, [state, another] * 20))
    assert sorted(versions) == list(range(1, 41))


def test_two_may_open_a_file_that_is_new(tmp_path: Path) -> None:
    for number in range(30):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(State, [tmp_path / f"{number}/state.db"] * 8))


def test_what_was_written_is_there_when_the_file_is_opened_again(state: State, file: Path) -> None:
    register(state)
    state.create_model("m", {"PrimaryContainer": {"Image": "i"}})
    again = State(file)
    assert again.model("m") == {"PrimaryContainer": {"Image": "i"}}
    assert register(again) == 2


def test_a_step_of_an_execution_registers_once(state: State) -> None:
    state.start_execution("e2", "pipeline", {}, "{}", [], started_by="Jo")
    assert {e.id: e.started_by for e in state.executions()} == {"e1": "", "e2": "Jo"}
    versions = [register(state, step="R"), register(state, step="R"), register(state, step="S")]
    assert versions == [1, 1, 2]
    assert register(state, execution="e2", step="R") == 3


def test_a_file_of_the_first_version_keeps_what_it_has(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.executescript(
            VERSION_1
            + """
            INSERT INTO executions VALUES ('old', 'p', '{}', 'Succeeded', '2026-01-01', '');
            INSERT INTO steps VALUES ('old', 'S', 'Processing', 'Succeeded', 1.0, '');
            INSERT INTO model_packages VALUES ('group', 1, 'Approved', 'old', '', '{"by": "old"}');
            PRAGMA user_version = 1;
            """
        )
    state = State(file)
    (package,) = state.model_packages("group")
    assert (package.version, package.status, package.request) == (1, "Approved", {"by": "old"})
    assert [step.record for step in state.steps("old")] == [Record()]
    state.start_execution("e1", "pipeline", {}, "{}", [])
    assert register(state) == 2


def test_a_file_of_the_second_version_keeps_what_it_has_and_can_be_decided_on(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.executescript(
            VERSION_1
            + VERSION_2
            + """
            INSERT INTO executions
            VALUES ('old', 'p', '{}', 'Succeeded', '2026-01-01', '', '{}', '[]', '{}');
            INSERT INTO model_packages
            VALUES ('group', 1, 'PendingManualApproval', 'old', '', '{"by": "old"}', 'R');
            PRAGMA user_version = 2;
            """
        )
    state = State(file)
    ((execution,), (package,)) = (state.executions(), state.model_packages("group"))
    assert (execution.id, execution.started_by) == ("old", "")
    assert (package.status, package.request) == ("PendingManualApproval", {"by": "old"})
    assert state.change_status("group", change())
    assert State(file).model_packages("group")[0].status == "Approved"
    assert state.register("group", "PendingManualApproval", "old", "R", {}) == 1


def change(version: int = 1, **fields: Any) -> StatusChange:
    usual = {"before": "PendingManualApproval", "after": "Approved", "who": "Jo", "why": "good"}
    return StatusChange(version, **{**usual, "at": "2026-01-31T00:00:00Z", **fields})


def test_changes_of_a_status_are_kept_in_their_order(state: State) -> None:
    register(state)
    register(state)
    approved = change(evidence={"s3://b/k": "00"})
    withdrawn = change(before="Approved", after="Rejected", who="Al")
    assert state.change_status("group", approved)
    assert state.change_status("group", change(stage="Production"))
    assert state.change_status("group", withdrawn)
    assert state.changes("group", 1) == [approved, change(stage="Production"), withdrawn]
    assert state.changes("group", 2) == state.changes("other", 1) == []
    statuses = [package.status for package in state.model_packages("group")]
    assert statuses == ["PendingManualApproval", "Rejected"]


@pytest.mark.parametrize("fields", [{"before": "Approved"}, {"version": 2}, {"before": ""}])
def test_a_change_from_where_a_version_does_not_stand_is_not_kept(
    state: State, fields: dict[str, Any]
) -> None:
    register(state)
    assert not state.change_status("group", change(**fields))
    assert state.changes("group", 1) == state.changes("group", 2) == []
    assert state.model_packages("group")[0].status == "PendingManualApproval"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE status_changes SET who = 'Al'",
        "DELETE FROM status_changes",
        "REPLACE INTO status_changes SELECT number, package_group, version, stage, after, before, "
        "'Al', why, at, evidence, rules, signature FROM status_changes",
        "INSERT INTO status_changes SELECT NULL, package_group, version, stage, before, after, "
        "who, why, at, evidence, rules, signature FROM status_changes",
        "UPDATE model_packages SET status = 'Approved'",
        "UPDATE model_packages SET request = '{}'",
        "DELETE FROM model_packages",
        "REPLACE INTO model_packages "
        "SELECT package_group, version, 'Approved', execution, '', '{}', '', '' "
        "FROM model_packages",
        "REPLACE INTO model_packages "
        "SELECT package_group, 9, 'Approved', execution, '', '{}', step, '' FROM model_packages",
    ],
)
def test_what_was_decided_and_what_it_was_about_cannot_be_written_over(
    state: State, file: Path, statement: str
) -> None:
    """By nobody's SQL, unless it takes the triggers away first."""
    register(state)
    state.change_status("group", change())
    before = (state.model_packages("group"), state.changes("group", 1))
    with sqlite3.connect(file) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    assert (state.model_packages("group"), state.changes("group", 1)) == before


def test_a_folder_is_kept_to_one_at_a_time(tmp_path: Path) -> None:
    with (
        run_lock(tmp_path),
        pytest.raises(StateError, match="is still running"),
        run_lock(tmp_path),
    ):
        pass
    with run_lock(tmp_path):
        pass


def test_a_file_that_has_not_changed_is_not_read_again_and_one_that_has_is(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ninesteps.local.state as module

    read: list[Path] = []
    digest = module.digest_of
    monkeypatch.setattr(module, "digest_of", lambda file: read.append(file) or digest(file))
    data = tmp_path / "data"
    data.write_text("one")
    just_now = state.digest(data)
    assert state.digest(data) == just_now == hashlib.sha256(b"one").hexdigest()
    assert len(read) == 2, "a file of this moment could be written again unseen"
    monkeypatch.setattr(module, "_SETTLED", 10_000_000)
    time.sleep(0.02)
    assert [state.digest(data) for _ in range(3)] == [just_now] * 3
    assert len(read) == 3
    data.write_text("two")
    assert state.digest(data) == hashlib.sha256(b"two").hexdigest()


def test_a_model_that_there_is_not(state: State) -> None:
    with pytest.raises(StateError, match="there is no model m"):
        state.model("m")


def test_a_version_of_an_execution_that_there_is_not_is_refused(state: State) -> None:
    with pytest.raises(StateError, match="FOREIGN KEY"):
        register(state, execution="none")
    assert state.model_packages("group") == []


def test_a_step_that_runs_when_its_execution_ends_has_ended_with_it(
    state: State, file: Path
) -> None:
    state.note_step(kept("Done", "Succeeded"))
    state.note_step(kept("Running", "Executing"))
    state.end_execution("e1", "Stopped")
    with sqlite3.connect(file) as connection:
        steps = dict(connection.execute("SELECT name, status FROM steps").fetchall())
        ((status, ended),) = connection.execute("SELECT status, ended FROM executions")
    assert steps == {"Done": "Succeeded", "Running": "Stopped"}
    assert status == "Stopped" and ended


def test_what_a_run_came_from_is_kept_with_it(state: State, file: Path) -> None:
    origin = {"repository": {"commit": "ab12", "is_dirty": None}, "table": {"rows": 3}}
    state.start_execution("e2", "pipeline", {}, "{}", [], origin=origin)
    assert {e.id: e.origin for e in State(file).executions()} == {"e1": {}, "e2": origin}


@pytest.mark.parametrize("version", range(len(UPGRADES)))
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_any_earlier_version_can_be_read(
    file: Path, version: int, read_only: bool
) -> None:
    with sqlite3.connect(file) as connection:
        for schema in UPGRADES[:version]:
            connection.executescript(schema)
        connection.execute(f"PRAGMA user_version = {version}")
        if version:
            connection.execute(
                "INSERT INTO executions (id, pipeline, parameters, status, started) "
                "VALUES ('old', 'p', '{}', 'Failed', '')"
            )
    state = State(file, read_only=read_only)
    assert [(e.id, e.origin) for e in state.executions()] == [("old", {})][:version]
    assert state.rows("PRAGMA user_version") == [(SCHEMA_VERSION,)]
    with sqlite3.connect(file) as connection:
        kept = connection.execute("PRAGMA user_version").fetchall()
    assert kept == [(version if read_only else SCHEMA_VERSION,)]


def test_a_module_of_its_own_writes_all_or_nothing(state: State) -> None:
    def write(then: int) -> None:
        with state.transaction() as connection:
            connection.execute("INSERT INTO models VALUES ('m', '{}')")
            assert 1 / then

    with pytest.raises(ZeroDivisionError):
        write(0)
    assert state.rows("SELECT name FROM models") == []
    write(1)
    assert state.rows("SELECT name FROM models WHERE name = ?", "m") == [("m",)]
    with pytest.raises(StateError, match=r"state\.db cannot be used: no such table: none"):
        state.rows("SELECT 1 FROM none")


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(state: State, file: Path) -> None:
    register(state)
    with sqlite3.connect(file) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = file.read_bytes()
    newer = rf"state.db: expected version {SCHEMA_VERSION} or older, got {SCHEMA_VERSION + 1}: "
    with pytest.raises(StateError, match=newer):
        State(file)
    assert file.read_bytes() == before


# Damaged, or gone


def with_runs(file: Path) -> bytes:
    """A file that has been used, with runs beside it; what it holds."""
    state = State(file)
    for number in range(60):
        state.start_execution(f"e{number}", "pipeline", {"AsOf": "now"}, "{}" * 200, [])
        register(state, execution=f"e{number}")
    (file.parent / "runs/e0").mkdir(parents=True)
    with run_lock(file.parent / "runs/e0"):
        pass
    close(state)
    return file.read_bytes()


def close(state: State) -> None:
    """As at the end of a process: what is in the log goes into the file."""
    state._connection.close()


BOTH = pytest.mark.parametrize("read_only", [True, False])


@BOTH
@pytest.mark.parametrize("share", [0.5, 0.99, 0.1, 100, 50, 1, 0])
def test_a_file_that_is_cut_is_refused_with_what_helps_and_left_as_it_is(
    file: Path, share: float, read_only: bool
) -> None:
    whole = with_runs(file)
    cut = whole[: int(share * len(whole) if isinstance(share, float) else share)]
    file.write_bytes(cut)
    with pytest.raises(StateError) as refused:
        state = State(file, read_only)
        state.executions()
        state.model_packages("group")
    said = str(refused.value)
    assert said.startswith(str(file)) and "\n" not in said
    assert said.endswith(
        f": restore it from a backup; or move {file.parent} away and start again with version 1"
    )
    assert file.read_bytes() == cut


@BOTH
def test_a_file_that_is_gone_while_runs_lie_there_is_not_begun_again(
    file: Path, read_only: bool
) -> None:
    with_runs(file)
    file.unlink()
    with pytest.raises(StateError, match="although there are runs beside it: restore it"):
        State(file, read_only)
    assert [path.name for path in file.parent.iterdir()] == ["runs"]


@BOTH
def test_bytes_that_were_changed_within_a_row_are_refused(file: Path, read_only: bool) -> None:
    file.write_bytes(with_runs(file).replace(b'{"AsOf"', b'{#AsOf"', 1))
    with pytest.raises(StateError, match=r"state.db is damaged: Expecting property name"):
        State(file, read_only).executions()


def test_an_empty_file_is_a_new_one_where_nothing_has_run(file: Path) -> None:
    file.touch()
    assert State(file, read_only=True).executions() == []
    assert file.stat().st_size == 0
    assert State(file).executions() == []


def test_a_file_that_another_process_keeps_to_itself_says_so(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_runs(file)
    monkeypatch.setattr("ninesteps.local.state.LONGEST_WAIT", 0.05)
    other = sqlite3.connect(file)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StateError, match="database is locked: another process writes to it; try"):
        register(State(file))
    other.close()
    assert register(State(file)) == 61


@pytest.mark.skipif(sys.platform == "win32", reason="there a file in use cannot be removed")
@pytest.mark.parametrize("is_replaced", [True, False])
def test_what_is_written_after_the_file_was_removed_is_an_error(
    state: State, file: Path, is_replaced: bool
) -> None:
    whole = file.read_bytes()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        file.with_name(name).unlink()
    if is_replaced:
        file.with_name("another").write_bytes(whole)  # with the first in use, of another inode
        file.with_name("another").rename(file)
    with pytest.raises(StateError, match="was removed or replaced while it was in use: what was"):
        register(state)


# Read only


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def has_live_log(file: Path) -> None:
    """As a process left it that was killed, or that still runs: with its log beside it."""
    source = State(file.with_name("source.db"))
    source.start_execution("e1", "pipeline", {"AsOf": "now"}, "{}", [])
    register(source)
    for ending in ("", "-wal", "-shm"):
        content = Path(f"{source._file}{ending}").read_bytes()
        Path(f"{file}{ending}").write_bytes(content)
    close(source)
    source._file.unlink()
    assert Path(f"{file}-wal").stat().st_size > 4096


@pytest.mark.parametrize("removed", [[], ["-shm"], ["-wal", "-shm"]])
def test_who_reads_sees_what_was_written_and_leaves_every_file_as_it_was(
    file: Path, removed: list[str]
) -> None:
    if "-wal" in removed:
        with_runs(file)
    else:
        has_live_log(file)
        for ending in removed:
            Path(f"{file}{ending}").unlink()
    (file.parent / "runs/e1").mkdir(parents=True)
    with run_lock(file.parent / "runs/e1"):
        pass
    before = contents(file.parent)
    state = State(file, read_only=True)
    assert state.executions()[-1].parameters == {"AsOf": "now"}
    assert state.model_packages("group")[-1].version == 1
    assert not is_run_locked(file.parent / "runs/e1")
    assert contents(file.parent) == before


def test_who_reads_sees_what_another_has_just_written(state: State, file: Path) -> None:
    register(state)
    assert State(file, read_only=True).versions("e1") == [1]
    register(state)
    assert State(file, read_only=True).versions("e1") == [1, 2]
    close(state)
    assert State(file, read_only=True).versions("e1") == [1, 2]


def test_who_reads_where_nothing_is_makes_nothing(tmp_path: Path) -> None:
    assert State(tmp_path / "none/state.db", read_only=True).executions() == []
    assert not is_run_locked(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_an_earlier_version_is_read_without_being_changed(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.executescript(f"{VERSION_1}; PRAGMA user_version = 1;")
        connection.execute("INSERT INTO executions VALUES ('old', 'p', '{}', 'Failed', '', '')")
    before = contents(file.parent)
    assert [e.id for e in State(file, read_only=True).executions()] == ["old"]
    assert contents(file.parent) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="another user is a process of its own")
@pytest.mark.parametrize("removed", [[], ["-shm"], ["-wal", "-shm"]])
def test_a_folder_of_another_users_is_read_all_the_same(removed: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "local/state.db")
        file.parent.mkdir()
        has_live_log(file)
        if "-wal" in removed:
            close(State(file))
        for ending in removed:
            Path(f"{file}{ending}").unlink(missing_ok=True)
        held = file.parent / "runs/e1"
        held.mkdir(parents=True)
        with run_lock(held):
            for path in (Path(folder), *Path(folder).rglob("*")):
                path.chmod(0o555 if path.is_dir() else 0o444)
            read = as_nobody(
                lambda: f"{State(file, read_only=True).versions('e1')} {is_run_locked(held)}"
            )
            with pytest.raises(AssertionError, match="cannot be used: "):
                as_nobody(lambda: str(register(State(file))))
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755)
    assert read == "[1] True"


def as_nobody(function: Callable[[], str]) -> str:
    """What a function says in a process that may write nowhere: root may everywhere."""
    here, there = os.pipe()
    if (child := os.fork()) == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            os.write(there, f"+{function()}".encode())
        except BaseException as error:
            os.write(there, f"-{error}".encode())
        os._exit(0)
    os.close(there)
    with os.fdopen(here) as reading:
        said = reading.read()
    os.waitpid(child, 0)
    assert said.startswith("+"), said
    return said[1:]


def test_a_file_that_is_no_database_is_refused(file: Path) -> None:
    file.write_text("some notes of somebody's, long enough to be a header of SQLite's\n" * 20)
    with pytest.raises(StateError, match=r"state.db cannot be used: file is not a database"):
        State(file)


def test_who_looks_at_a_file_keeps_the_locks_of_who_writes_to_it(state: State, file: Path) -> None:
    """Else another process that ends takes the log away, and what is written since is lost."""
    for group in ("a", "b"):
        assert State(file, read_only=True).steps("e1") == []
        other = f"State(pathlib.Path({str(file)!r})).create_model({group!r}, {{}})"
        code = f"import pathlib\nfrom ninesteps.local.state import State\n{other}"
        path = {**os.environ, "PYTHONPATH": str(Path(chain.__file__).parents[2])}
        subprocess.run([sys.executable, "-c", code], check=True, env=path)
        register(state, group)
    count = "SELECT (SELECT count(*) FROM models), (SELECT count(*) FROM model_packages)"
    read = f"import sqlite3\nprint(sqlite3.connect({str(file)!r}).execute({count!r}).fetchone())"
    done = subprocess.run([sys.executable, "-c", read], check=True, capture_output=True, text=True)
    assert done.stdout == "(2, 2)\n"
