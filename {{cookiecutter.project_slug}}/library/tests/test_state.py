"""What executions leave in the SQLite file: versions that count up, models, how steps ended."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ninesteps.errors import StateError
from ninesteps.local.state import (
    _VERSION_1,
    _VERSION_2,
    SCHEMA_VERSION,
    KeptStep,
    Record,
    State,
    StatusChange,
    run_lock,
)


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
            _VERSION_1
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
            _VERSION_1
            + _VERSION_2
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
        "'Al', why, at, evidence FROM status_changes",
        "INSERT INTO status_changes SELECT NULL, package_group, version, stage, before, after, "
        "who, why, at, evidence FROM status_changes",
        "UPDATE model_packages SET status = 'Approved'",
        "UPDATE model_packages SET request = '{}'",
        "DELETE FROM model_packages",
        "REPLACE INTO model_packages "
        "SELECT package_group, version, 'Approved', execution, '', '{}', '' FROM model_packages",
        "REPLACE INTO model_packages "
        "SELECT package_group, 9, 'Approved', execution, '', '{}', step FROM model_packages",
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


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(state: State, file: Path) -> None:
    register(state)
    with sqlite3.connect(file) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = file.read_bytes()
    newer = rf"state.db: expected version {SCHEMA_VERSION} or older, got {SCHEMA_VERSION + 1}: "
    with pytest.raises(StateError, match=newer):
        State(file)
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(file: Path) -> None:
    file.write_text("some notes of somebody's, long enough to be a header of SQLite's\n" * 20)
    with pytest.raises(StateError, match=r"state.db cannot be used: file is not a database"):
        State(file)
