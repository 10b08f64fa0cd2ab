"""The chain of events: every change of it, or of what it tells of, is found and named."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ninesteps.errors import StateError
from ninesteps.local import chain, chain_tables
from ninesteps.local.erasures import Erasures
from ninesteps.local.state import State
from ninesteps.local.state_schema import UPGRADES, VERSION_7
from test_state import as_nobody
from versions import Registered

JO = ("Jo Doe", "auc is what we need")
ALL = ("started", "registered", "approved", "rejected", "deployed", "rolled back", "erased")


def fill(local: Path) -> None:
    """Two runs with a version each, decided on, deployed and so on: an entry of each kind."""
    machine = Registered(local)
    machine.register()
    machine.register()
    machine.approvals().approve(1, *JO)
    machine.approvals().reject(2, *JO)
    for number, kind in enumerate(("deployed", "rolled back", "erased")):
        machine.state.append_event(kind, {"version": number, "of": ["a", "ü"]})


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a chain of all kinds."""
    local = tmp_path_factory.mktemp("chain") / ".local"
    fill(local)
    return local / "state.db"


@pytest.fixture
def file(filled: Path, tmp_path: Path) -> Path:
    """A copy of it, to be edited."""
    file = tmp_path / "state.db"
    with closing(sqlite3.connect(filled)) as source, closing(sqlite3.connect(file)) as copy:
        source.backup(copy)
    return file


LENGTH, DELETED = 9, 4


def edited(file: Path, *statements: str) -> list[str]:
    """What is said of a file after somebody's SQL, who takes the triggers away and puts them back.

    `rehash` in SQL is the hash of an entry with these values.
    """
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        edit(connection, statements)
    return [str(fault) for fault in State(file, read_only=True).event_faults()]


def edit(connection: sqlite3.Connection, statements: Iterable[str]) -> None:
    connection.create_function("rehash", 5, chain._hash)
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    triggers = connection.execute(query).fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in triggers:
        connection.execute(sql)


Tampered = Callable[..., list[str]]


@pytest.fixture(scope="module")
def tampered(filled: Path) -> Tampered:
    """The same of a copy in memory, which is quicker."""
    with closing(sqlite3.connect(filled)) as source:
        whole = sqlite3.connect(":memory:", isolation_level=None)
        source.backup(whole)

    def said(*statements: str) -> list[str]:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            whole.backup(connection)
            edit(connection, statements)
            entries = chain.entries(connection)
            found = [*chain.faults(connection), *chain_tables.disagreements(connection, entries)]
            return [str(fault) for fault in found]

    return said


def test_every_kind_of_event_is_an_entry_that_follows_on_the_one_before(file: Path) -> None:
    entries = State(file).events()
    assert [e.kind for e in entries] == ["started", "registered"] * 2 + [*ALL[2:]]
    assert [e.number for e in entries] == [*range(1, LENGTH + 1)]
    assert [e.previous for e in entries[1:]] == [e.sha256 for e in entries[:-1]]
    assert State(file, read_only=True).event_faults() == []


def test_an_entry_is_hashed_as_documented(file: Path) -> None:
    """As the pack's own program does it, with the standard library alone."""
    import hashlib

    for entry in State(file).events():
        content = {key: value for key, value in vars(entry).items() if key != "sha256"}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == entry.sha256


COLUMNS = {
    "kind": "'erased '", "at": "'2020-01-01T00:00:00Z'", "facts": "replace(facts, '{', '{ ')",
    "previous": "'" + "ab" * 32 + "'", "sha256": "'" + "cd" * 32 + "'",
}  # fmt: skip


@pytest.mark.parametrize("number", range(1, LENGTH + 1))
def test_an_edit_of_any_column_names_its_entry(tampered: Tampered, number: int) -> None:
    changed = f"entry {number}: was changed: it does not have the sha256 it was written with"
    for column, other in COLUMNS.items():
        for value in (other, "''", "x'ff'", "7"):
            found = tampered(f"UPDATE events SET {column} = {value} WHERE number = {number}")
            assert found[0] == changed, (column, value)
            assert not [
                fault for fault in found[1:]
                if f"entry {number}" not in fault and "no entry" not in fault
            ], (column, value)  # fmt: skip


REWRITTEN = (
    "UPDATE events SET {column} = {value} WHERE number = {number}",
    "UPDATE events SET sha256 = rehash(number, kind, at, facts, previous) WHERE number = {number}",
)


@pytest.mark.parametrize("number", range(1, LENGTH))
@pytest.mark.parametrize("column", ["kind", "at", "facts"])
def test_an_entry_written_again_with_its_hash_is_named_by_the_one_that_follows(
    tampered: Tampered, number: int, column: str
) -> None:
    values = {"column": column, "value": COLUMNS[column], "number": number}
    found = tampered(*(statement.format(**values) for statement in REWRITTEN))
    assert found[0].startswith(
        f"entry {number}: was replaced: entry {number + 1} follows one with sha256 "
    )


@pytest.mark.parametrize("number", range(1, LENGTH))
def test_a_deletion_names_the_entry(tampered: Tampered, number: int) -> None:
    found = tampered(f"DELETE FROM events WHERE number = {number}")
    is_missing = f"was deleted: entry {number} is missing before entry {number + 1}"
    assert found[0] == f"entry {number}: {is_missing}"


def test_a_deletion_of_several_names_them(tampered: Tampered) -> None:
    found = tampered("DELETE FROM events WHERE number BETWEEN 2 AND 4")
    assert found[0] == "entry 2: was deleted: entries 2 to 4 are missing before entry 5"


@pytest.mark.parametrize("number", range(1, LENGTH))
def test_a_deletion_that_closes_the_gap_is_found(tampered: Tampered, number: int) -> None:
    found = tampered(
        f"DELETE FROM events WHERE number = {number}",
        f"UPDATE events SET number = -number WHERE number > {number}",
        "UPDATE events SET number = -number - 1 WHERE number < 0",
    )
    assert found[0].startswith(f"entry {number}: was moved")
    assert found[0].endswith(f"it was written as entry {number + 1}")


@pytest.mark.parametrize("number", range(1, LENGTH + 1))
def test_an_insertion_names_where_the_entries_after_it_were(
    tampered: Tampered, number: int
) -> None:
    found = tampered(
        f"UPDATE events SET number = -number WHERE number >= {number}",
        "UPDATE events SET number = 1 - number WHERE number < 0",
        f"INSERT INTO events SELECT {number}, 'erased', at, '{{}}', previous, "
        f"rehash({number}, 'erased', at, '{{}}', previous) FROM events WHERE number = {number + 1}",
    )
    assert found[0] == (
        f"entry {number}: was inserted: the entry at position {number + 1} was written as entry "
        f"{number}"
    )


@pytest.mark.parametrize("number", [0, -3])
def test_an_insertion_before_the_first_is_named(tampered: Tampered, number: int) -> None:
    values = f"{number}, 'erased', '', '{{}}', '{chain.NO_ENTRY}'"
    found = tampered(f"INSERT INTO events VALUES ({values}, rehash({values}))")
    assert found[0] == f"entry {number}: was inserted: entries are numbered from 1"


@pytest.mark.parametrize("one", range(1, LENGTH))
@pytest.mark.parametrize("by", [1, 3])
def test_a_swap_names_both(tampered: Tampered, one: int, by: int) -> None:
    other = min(one + by, LENGTH)
    found = tampered(
        f"UPDATE events SET number = -1 WHERE number = {one}",
        f"UPDATE events SET number = {one} WHERE number = {other}",
        f"UPDATE events SET number = {other} WHERE number = -1",
    )
    for here, there in ((one, other), (other, one)):
        said = f"entry {here}: was moved, or others were inserted before it: "
        assert f"{said}it was written as entry {there}" in found


@pytest.mark.parametrize("trigger", ["events_follow_each_other", "events_stay", "events_are_kept"])
def test_a_trigger_that_is_gone_is_named(file: Path, trigger: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"DROP TRIGGER {trigger}")
    (fault,) = State(file, read_only=True).event_faults()
    assert str(fault) == f"the trigger {trigger} is missing: the file was edited"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET at = ''",
        "DELETE FROM events",
        "INSERT INTO events SELECT 99, kind, at, facts, previous, sha256 FROM events LIMIT 1",
        "INSERT INTO events SELECT 10, kind, at, facts, previous, sha256 FROM events LIMIT 1",
        "REPLACE INTO events SELECT 9, 'erased', at, facts, previous, sha256 FROM events LIMIT 1",
    ],
)
def test_an_entry_is_not_written_over_without_taking_a_trigger_away(
    file: Path, statement: str
) -> None:
    with closing(sqlite3.connect(file)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)


# What entries tell of


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE executions SET definition = '{ }' WHERE id = 'run1'",
         "entry 1: run run1 was changed since: definition of its table is not what the entry says"),
        ("UPDATE executions SET started_by = 'Al', origin = '{ }' WHERE id = 'run2'",
         "entry 3: run run2 was changed since: by, origin of its table"),
        ("UPDATE model_packages SET request = replace(request, 'auc gt', 'auc gt 0') "
         "WHERE version = 2", "entry 4: pets version 2 was changed since: request of its table"),
        ("UPDATE model_packages SET status = 'Approved' WHERE version = 2",
         "entry 4: pets version 2 was changed since: status of its table"),
        ("UPDATE steps SET record = '{}' WHERE name LIKE '%run1/model%'",
         "entry 2: pets version 1 was changed since: files of its table"),
        ("UPDATE model_digests SET sha256 = '0' WHERE version = 1",
         "entry 2: the digest of the model of pets version 1 was changed or deleted"),
        ("DELETE FROM model_digests WHERE version = 2",
         "entry 4: the digest of the model of pets version 2 was changed or deleted"),
        ("UPDATE definitions SET sha256 = '0' WHERE subject = 'run1'",
         "entry 1: the digest of the definition of run run1 was changed or deleted"),
        ("UPDATE status_changes SET who = 'Al' WHERE version = 1",
         "entry 5: decision 1 on pets version 1 was changed since: who of its table"),
        ("UPDATE status_changes SET why = 'so' WHERE version = 1",
         "entry 5: decision 1 on pets version 1 was changed since: why_sha256 of its table"),
        ("UPDATE status_changes SET evidence = '{}' WHERE version = 2",
         "entry 6: decision 2 on pets version 2 was changed since: evidence of its table"),
        ("DELETE FROM status_changes WHERE version = 2",
         "entry 6: decision 2 on pets version 2 no longer exists"),
        ("DELETE FROM model_packages WHERE version = 1",
         "entry 2: pets version 1 no longer exists: it was deleted"),
        ("DELETE FROM executions WHERE id = 'run1'",
         "entry 1: run run1 no longer exists: it was deleted"),
        ("INSERT INTO model_packages SELECT package_group, 3, status, execution, created, request, "
         "'S', head FROM model_packages WHERE version = 1",
         "pets version 3 has no entry: it was inserted"),
        ("INSERT INTO status_changes SELECT 3, package_group, version, stage, after, before, who, "
         "why, at, evidence, rules, signature FROM status_changes WHERE version = 2",
         "decision 3 on pets version 2 has no entry: it was inserted"),
        ("INSERT INTO executions (id, pipeline, parameters, status, started) "
         "VALUES ('run9', 'pets', '{}', 'Succeeded', '')",
         "run run9 has no entry: it was inserted"),
    ],
)  # fmt: skip
def test_what_was_changed_in_its_table_and_not_in_the_chain_is_named(
    tampered: Tampered, statement: str, said: str
) -> None:
    found = tampered(statement)
    assert [fault[: len(said)] for fault in found] == [said]


def test_an_entry_of_what_never_was_is_named(file: Path) -> None:
    State(file).append_event("approved", {"decision": 7, "group": "pets", "version": 9})
    (fault,) = State(file).event_faults()
    assert str(fault).startswith(
        f"entry {LENGTH + 1}: decision 7 on pets version 9 no longer exists"
    )


def test_an_erasure_whose_facts_are_not_as_written_is_a_damaged_file(file: Path) -> None:
    with pytest.raises(StateError, match=r"state\.db is damaged: 'files'"):
        Erasures.read(State(file, read_only=True), file.parent)


# Heads


def test_a_head_that_is_kept_elsewhere_finds_a_cut_and_a_chain_written_again(
    file: Path, tmp_path: Path
) -> None:
    last = State(file).events()[-1]
    assert re.fullmatch(r"9:[0-9a-f]{32}", last.head)
    heads = [chain.head(text) for text in (last.head, last.sha256, f" {last.head.upper()}\n")]
    assert State(file).event_faults(heads) == []
    assert edited(file, f"DELETE FROM events WHERE number = {LENGTH}") == []  # none without it
    found = [str(fault) for fault in State(file).event_faults(heads[:2])]
    assert found == [
        f"entry 9: expected it because of the head {last.head}, but the chain ends at entry 8: its "
        "end was removed, or the file is an older copy",
        f"no entry has the sha256 {last.sha256} of the head",
    ]
    fill(tmp_path / "again")
    (fault,) = State(tmp_path / "again/state.db").event_faults([chain.head(f"9:{'ab' * 16}")])
    assert str(fault).startswith(f"entry 9: expected sha256 {'ab' * 16} as in the head, got ")


def test_a_version_keeps_the_head_of_its_registration(file: Path) -> None:
    entries = State(file).events()
    heads = State(file).rows("SELECT head FROM model_packages ORDER BY version")
    assert heads == [(entries[0].head,), (entries[2].head,)]
    (fault,) = edited(file, "UPDATE model_packages SET head = '3:' || hex(randomblob(16)) "
                            "WHERE version = 2")  # fmt: skip
    assert fault.startswith("entry 3: at the registration of pets version 2: expected sha256 ")


@pytest.mark.parametrize("text", ["", "9", "9:abc", "0:" + "ab" * 16, "x:" + "ab" * 16, "ab" * 33])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(StateError, match=r"head: expected NUMBER:HASH with 16 to 64 hexadecimal"):
        chain.head(text)


# Files that had no chain


@pytest.fixture(scope="module")
def without_a_chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as a library without a chain left it, with a run, a version and a decision."""
    file = tmp_path_factory.mktemp("older") / "state.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        before = UPGRADES.index(VERSION_7)
        for schema in UPGRADES[:before]:
            connection.executescript(schema)
        connection.executescript(
            f"""
            PRAGMA user_version = {before};
            INSERT INTO executions (id, pipeline, parameters, status, started, definition)
            VALUES ('run1', 'pets', '{{}}', 'Succeeded', '2026-01-31T00:00:00Z', '{{}}');
            INSERT INTO model_packages
            VALUES ('pets', 1, 'PendingManualApproval', 'run1', '2026-01-31T00:05:00Z', '{{}}', '');
            INSERT INTO status_changes VALUES (NULL, 'pets', 1, '', 'PendingManualApproval',
            'Approved', 'Jo', 'so', '2026-02-01T00:00:00Z', '{{}}', '');
            """
        )
    return file


@pytest.fixture
def older(without_a_chain: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(without_a_chain, tmp_path / "state.db"))


def test_what_was_there_before_the_chain_is_taken_in_as_one_entry(older: Path) -> None:
    file = older
    (seen,) = State(file, read_only=True).events()  # read, not changed
    (begun,) = State(file).events()
    assert begun == seen
    assert (begun.kind, begun.at) == ("begun", "2026-02-01T00:00:00Z")
    counts = {key: value for key, value in begun.facts.items() if key != "sha256"}
    assert counts == {"runs": 1, "versions": 1, "decisions": 1}
    assert State(file).event_faults() == []
    State(file).start_execution("run2", "pets", {}, "{}", [])
    assert [entry.kind for entry in State(file).events()] == ["begun", "started"]
    assert State(file).event_faults() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE status_changes SET who = 'Al'",
        "DELETE FROM status_changes",
        "UPDATE executions SET definition = '{ }'",
        "UPDATE model_packages SET status = 'Approved'",
        "UPDATE executions SET id = 'run0'",
    ],
)
def test_a_change_of_what_was_there_before_the_chain_is_found(older: Path, statement: str) -> None:
    State(older).start_execution("run2", "pets", {}, "{}", [])
    found = edited(
        older, statement if "id =" not in statement else f"{statement} WHERE id = 'run1'"
    )
    assert found[0].startswith("entry 1: the records from before the chain have changed: ")


def test_a_new_file_has_no_entry(tmp_path: Path) -> None:
    state = State(tmp_path / "state.db")
    assert (state.events(), state.event_faults()) == ([], [])


# Both or neither


def test_an_event_that_does_not_happen_leaves_no_entry(file: Path) -> None:
    state = State(file)

    def stopped() -> Iterator[None]:
        with state.transaction() as connection:
            chain.append(connection, "erased", {})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()  # type: ignore[func-returns-value]
    assert len(state.events()) == LENGTH


@pytest.mark.parametrize(
    ("kind", "facts"), [("paid", {}), ("erased", {"x": float("nan")}), ("erased", {"x": b""})]
)
def test_what_is_no_event_is_refused_and_writes_nothing(file: Path, kind: str, facts: Any) -> None:
    state = State(file)
    with pytest.raises((ValueError, TypeError)):
        state.append_event(kind, facts)
    assert len(state.events()) == LENGTH


def test_an_entry_needs_the_transaction_of_what_it_tells_of(file: Path) -> None:
    with (
        closing(sqlite3.connect(file)) as connection,
        pytest.raises(ValueError, match="transaction"),
    ):
        chain.append(connection, "erased", {})


def test_several_at_once_make_one_chain(file: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write, args=(file, n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(State(file).events()) == LENGTH + 3 * 20
    assert State(file).event_faults() == []


def write(file: Path, writer: int) -> None:
    state = State(file)
    for number in range(20):
        state.append_event("erased", {"writer": writer, "number": number})


KILLS = int(os.environ.get("KILLS_TRIED", "4"))
"""How many random moments of a kill are tried; 100 in the full tier."""


def decide_and_erase(local: Path) -> None:
    """Register, decide and erase without end."""
    machine = Registered(local)
    machine.runs += [
        entry.facts["run"] for entry in machine.state.events() if "origin" in entry.facts
    ]
    while True:
        number = machine.register()
        machine.approvals().approve(number, *JO)
        machine.state.append_event(
            "erased", {"record": "ab", "key": "k", "files": {}, "learnt": []}
        )
        machine.approvals().reject(number, *JO)


def test_whatever_is_killed_whenever_both_are_there_or_neither(tmp_path: Path) -> None:
    context, moments, kinds = multiprocessing.get_context("fork"), random.Random(7), set[str]()
    local = tmp_path / ".local"
    for number in range(KILLS):
        process = context.Process(target=decide_and_erase, args=(local,))
        process.start()
        before = 0 if number == 0 else len(State(local / "state.db", read_only=True).events())
        until = time.monotonic() + 60
        while number == 0 and not (local / "state.db").exists() and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(moments.uniform(0.05, 0.5))
        assert process.is_alive()
        process.kill()
        process.join()
        state = State(local / "state.db")
        assert state.event_faults() == [], f"kill {number}"
        assert len(state.events()) >= before
        kinds.add(state.events()[-1].kind)
    assert len(state.events()) > 4 * KILLS and kinds


def test_a_full_file_keeps_neither_the_decision_nor_its_entry(file: Path) -> None:
    state = State(file)
    with state.transaction() as connection:
        connection.execute("CREATE TABLE ballast (x)")
    pages = state.rows("PRAGMA page_count")[0][0]
    state.rows(f"PRAGMA max_page_count = {pages}")
    before = state.events()
    with pytest.raises(StateError, match=r"state\.db cannot be used: database or disk is full"):
        for _ in range(1000):
            state.append_event("erased", {"x": "y" * 2000})
    assert state.event_faults() == []
    assert state.events()[: len(before)] == before


@pytest.mark.skipif(os.name != "posix", reason="it has no such users")
def test_a_file_that_may_not_be_written_is_named_and_can_be_checked(file: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, copy = Path(name), Path(name, "state.db")
        shutil.copyfile(file, copy)
        copy.chmod(0o444)
        folder.chmod(0o555)

        def write() -> str:
            try:
                State(copy).append_event("erased", {})
            except StateError as error:
                return str(error)
            return ""

        said = as_nobody(write)
        assert as_nobody(lambda: str(State(copy, read_only=True).event_faults())) == "[]"
        folder.chmod(0o755)
    assert said.startswith(f"{copy} cannot be used: ")
