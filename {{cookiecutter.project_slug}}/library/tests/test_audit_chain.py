"""`pipeline audit --verify` and `--head`: what a person sees of the chain of events."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ninesteps.cli import here, main
from versions import Registered

JO = ("Jo Doe", "auc is what we need")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registered:
    """A machine with a version that was approved: three entries."""
    machine = Registered(tmp_path / ".local")
    machine.register()
    machine.approvals().approve(1, *JO)
    monkeypatch.setattr(here, "local", lambda: machine.local)
    return machine


def audit(*arguments: str, status: int = 0) -> Result:
    done = CliRunner(env={"COLUMNS": "80"}).invoke(main.main, ("audit", *arguments))
    assert done.exit_code == status, done.output
    return done


def edit(machine: Registered, trigger: str, statement: str) -> None:
    with closing(sqlite3.connect(machine.local / "state.db")) as connection, connection:
        connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(statement)


def test_a_whole_chain_says_so_and_what_it_does_not_show(machine: Registered) -> None:
    entries = machine.state.events()
    assert audit("--verify").stdout.splitlines() == [
        f"the chain is intact: 3 entries from {entries[0].at} to {entries[2].at}",
        "(1 started, 1 registered, 1 approved)",
        f"head: {entries[2].head}",
        "Anyone with write access to .local/state.db can rewrite the whole chain and its",
        "tables. Only a head that is kept elsewhere shows that. No head was given to",
        "compare with.",
    ]


def test_a_head_can_be_printed_and_compared_with_later(machine: Registered) -> None:
    printed = audit("--head").stdout
    assert printed == f"{machine.state.events()[2].head}\n"
    machine.register()
    said = audit("--verify", "--head", printed.strip()).stdout
    assert f"it continues from the head {printed}" in said
    assert "No head was given" not in said
    as_json = json.loads(audit("--head", "--json").stdout)
    assert (as_json["head"], as_json["number"]) == (machine.state.events()[4].head, 5)


def test_a_version_shows_the_head_of_its_registration(
    machine: Registered,
) -> None:
    assert machine.version(1).metadata["chain_head"] == machine.state.events()[0].head


def test_a_decision_that_was_edited_is_named_with_its_entry(machine: Registered) -> None:
    edit(machine, "changes_stay", "UPDATE status_changes SET who = 'Al'")
    done = audit("--verify", status=1)
    assert done.stderr == (
        "pipeline: entry 3: decision 1 on pets version 1 was changed since: who of its table is "
        "not what the entry says\n"
    )
    assert "the chain is intact" not in done.stdout
    content = json.loads(audit("--verify", "--json", status=1).stdout)
    assert (content["whole"], content["entries"]) == (False, 3)
    assert [fault["entry"] for fault in content["faults"]] == [3]


def test_an_entry_whose_facts_cannot_be_read_names_no_subject(machine: Registered) -> None:
    edit(machine, "events_stay", "UPDATE events SET facts = 'not json' WHERE number = 2")
    said = audit("--verify", status=1).stderr
    assert "entry 2: was changed" in said
    assert "None" not in said


def test_a_chain_whose_every_entry_was_deleted_is_not_one_that_never_began(
    machine: Registered,
) -> None:
    head = machine.state.events()[2].head
    edit(machine, "events_are_kept", "DELETE FROM events")
    deleted = "pipeline: the chain has no entry, but 1 run is there: its entries were deleted\n"
    assert audit("--verify", status=1).stderr.endswith(deleted)
    assert audit("--head", status=2).stderr == deleted
    said = audit("--verify", "--head", head, status=1).stderr
    assert f"entry 3: expected it because of the head {head}, but the chain ends at entry 0" in said
    as_json = json.loads(audit("--verify", "--json", status=1).stdout)
    assert (as_json["whole"], as_json["head"], as_json["entries"]) == (False, None, 0)


def test_a_chain_that_was_cut_and_an_older_copy_are_found_by_a_head(machine: Registered) -> None:
    head = audit("--head").stdout.strip()
    older = machine.local / "older.db"
    with (
        closing(sqlite3.connect(machine.local / "state.db")) as source,
        closing(sqlite3.connect(older)) as copy,
    ):
        source.backup(copy)
    machine.register()
    newer = audit("--head").stdout.strip()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (machine.local / name).unlink(missing_ok=True)
    older.rename(machine.local / "state.db")
    audit("--verify", "--head", head)
    said = audit("--verify", "--head", newer, status=1).stderr
    assert said == (
        f"pipeline: entry 5: expected it because of the head {newer}, but the chain ends at "
        "entry 3: its end was removed, or the file is an older copy\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected VERSION, --verify or --head, got none"),
        (("--head", "42:" + "ab" * 16), "--head HEAD: expected --verify too"),
        (("--verify", "--head"), "--verify --head: expected a head such as 42:3fa9..."),
        (("--verify", "--head", "42"), "head: expected NUMBER:HASH with 16 to 64 hexadecimal "
                                       "digits, got '42'"),
    ],
)  # fmt: skip
def test_what_is_asked_for_wrongly_is_refused(
    machine: Registered, arguments: tuple[str, ...], said: str
) -> None:
    assert said in audit(*arguments, status=2).stderr


@pytest.mark.parametrize("arguments", [("--verify",), ("--head",), ("--verify", "--json")])
def test_where_nothing_has_run_or_all_was_deleted_that_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(here, "local", lambda: tmp_path / ".local")
    said = audit(*arguments, status=2).stderr
    assert said.startswith(f"pipeline: {tmp_path / '.local'} has no state.db: nothing has run here")
    assert said.count("\n") == 1
