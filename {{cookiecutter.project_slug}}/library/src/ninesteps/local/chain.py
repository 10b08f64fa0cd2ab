"""The chain of events: each entry has the hash of the previous one, so that changes are detected.

An entry's SHA-256 is that of its canonical JSON: keys sorted, no spaces, UTF-8, without the hash
itself. Someone with write access to the file can also rewrite the whole chain: only a head that is
kept elsewhere reveals that.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ninesteps.errors import StateError

KINDS = (
    "begun", "started", "registered", "approved", "rejected", "deployed", "rolled back", "erased",
)  # fmt: skip
"""The kinds of entries; `begun` is the first entry of a file that had no chain before."""

NO_ENTRY = "0" * 64
"""The first entry's hash of a previous entry."""

SCHEMA = f"""
CREATE TABLE events (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, at TEXT NOT NULL, facts TEXT NOT NULL,
    previous TEXT NOT NULL, sha256 TEXT NOT NULL
);
CREATE TRIGGER events_follow_each_other BEFORE INSERT ON events
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM events) OR NEW.previous IS NOT
    coalesce((SELECT sha256 FROM events ORDER BY number DESC LIMIT 1), '{NO_ENTRY}')
BEGIN SELECT RAISE(ABORT, 'an entry follows on the last one'); END;
CREATE TRIGGER events_stay BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'an entry stays as it is'); END;
CREATE TRIGGER events_are_kept BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'an entry is kept'); END;
"""

_SHORT, _SHORTEST = 32, 16
"""Hexadecimal digits of the hash in a printed head, and the fewest in a given one."""

_SEARCHES = 20
"""The most entries whose original position is searched: for all of them it could take minutes."""


@dataclass(frozen=True)
class Entry:
    """One event in the chain."""

    number: int  # from 1
    kind: str
    at: str  # in UTC, to the second
    facts: Mapping[str, Any]
    previous: str  # SHA-256 of the previous entry
    sha256: str

    @property
    def head(self) -> str:
        """The entry as a head to copy: its number and half of its hash."""
        return f"{self.number}:{self.sha256[:_SHORT]}"


@dataclass(frozen=True)
class Head:
    """The last entry at the time when someone noted it elsewhere."""

    number: int
    sha256: str  # or its first digits

    def __str__(self) -> str:
        return f"{self.number}:{self.sha256}"


@dataclass(frozen=True)
class Fault:
    """A place where the chain has been changed."""

    number: int | None  # of the entry; None if it concerns no entry
    text: str

    def __str__(self) -> str:
        return f"entry {self.number}: {self.text}" if self.number is not None else self.text


def append(
    connection: sqlite3.Connection, kind: str, facts: Mapping[str, Any], at: str = ""
) -> Entry:
    """Add an entry, in the same transaction as what it records: both are stored, or neither.

    Args:
        facts: texts, whole numbers, and lists and mappings of these; no personal data.
        at: the moment; by default, now.

    Raises:
        ValueError: for an unknown kind, or without a transaction.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    if not connection.in_transaction:
        raise ValueError("an entry must be written in the same transaction as what it records")
    last = connection.execute(
        "SELECT number, sha256 FROM events ORDER BY number DESC LIMIT 1"
    ).fetchone()
    number, previous = (last[0] + 1, last[1]) if last else (1, NO_ENTRY)
    at = at or datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = canonical(facts)
    sha256 = _hash(number, kind, at, text, previous)
    connection.execute(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", (number, kind, at, text, previous, sha256)
    )
    return Entry(number, kind, at, facts, previous, sha256)


def canonical(content: Any) -> str:
    """JSON with sorted keys and no spaces: the same text for the same content."""
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def last(connection: sqlite3.Connection) -> Entry | None:
    """The last entry; None if there is none."""
    return next(_read(connection, "ORDER BY number DESC LIMIT 1"), (None, ""))[0]


def entries(connection: sqlite3.Connection) -> list[Entry]:
    """Every entry, the oldest first, whether or not it was changed."""
    return [entry for entry, _ in _read(connection)]


def faults(connection: sqlite3.Connection) -> list[Fault]:
    """Where entries were changed, deleted, inserted or moved; empty if the chain is intact.

    A missing end, or a chain rewritten as a whole, is detected only by a head: see `head_fault`.
    """
    return [*_missing_triggers(connection), *_broken_links([*_read(connection)])]


def head_fault(head: Head, chain: Sequence[Entry]) -> Fault | None:
    """Why a chain does not match a head; None if it does."""
    if not head.number:
        found = any(entry.sha256.startswith(head.sha256) for entry in chain)
        return None if found else Fault(None, f"no entry has the sha256 {head.sha256} of the head")
    entry = next((entry for entry in chain if entry.number == head.number), None)
    if entry is None:
        end = chain[-1].number if chain else 0
        return Fault(
            head.number,
            f"expected it because of the head {head}, but the chain ends at entry {end}: its end "
            "was removed, or the file is an older copy",
        )
    if not entry.sha256.startswith(head.sha256):
        return Fault(
            head.number,
            f"expected sha256 {head.sha256} as in the head, got "
            f"{entry.sha256[: len(head.sha256)]}: the chain was rewritten, or the head belongs to "
            "another chain",
        )
    return None


def head(text: str) -> Head:
    """Parse a head: NUMBER:HASH, or a hash alone.

    Raises:
        StateError: if it is not one.
    """
    parts = re.fullmatch(r"(?:([1-9][0-9]{0,11}):)?([0-9a-f]{16,64})", text.strip().lower())
    if not parts:
        raise StateError(
            f"head: expected NUMBER:HASH with {_SHORTEST} to 64 hexadecimal digits, got {text!r}"
        )
    return Head(int(parts[1] or 0), parts[2])


def _read(connection: sqlite3.Connection, which: str = "ORDER BY number") -> Iterator[
    tuple[Entry, str]
]:  # fmt: skip
    """Entries with the text of their facts, which may be anything if the file was edited."""
    columns = ", ".join(f"CAST({name} AS BLOB)" for name in ("kind", "at", "facts", "previous",
                                                             "sha256"))  # fmt: skip
    for number, *values in connection.execute(f"SELECT number, {columns} FROM events {which}"):
        kind, at, text, previous, sha256 = (
            bytes(value or b"").decode("utf-8", "surrogateescape") for value in values
        )
        try:
            facts = json.loads(text)
        except (ValueError, RecursionError):
            facts = None
        yield Entry(number, kind, at, facts if isinstance(facts, dict) else {}, previous,
                    sha256), text  # fmt: skip


def _hash(number: int, kind: str, at: str, facts: str, previous: str) -> str:
    """SHA-256 of an entry, with its facts as stored text."""
    import hashlib

    others = {"at": at, "kind": kind, "number": number, "previous": previous}
    texts = {**{key: canonical(value) for key, value in others.items()}, "facts": facts}
    content = ",".join(f'"{key}":{texts[key]}' for key in sorted(texts))
    return hashlib.sha256(f"{{{content}}}".encode("utf-8", "surrogateescape")).hexdigest()


_Row = tuple[Entry, str]
"""An entry, and the text of its facts."""


def _broken_links(rows: Sequence[_Row]) -> Iterator[Fault]:
    """The faults of each entry, and of its link to the previous one."""
    written_as = _written_numbers(rows)
    last = 0
    for index, (entry, _) in enumerate(rows):
        number, written, following = entry.number, written_as[index], written_as[index + 1 :][:1]
        if number < 1:
            yield Fault(number, "was inserted: entries are numbered from 1")
            continue
        if number > last + 1:
            missing = range(last + 1, number)
            which = f"entry {missing[0]} is" if len(missing) == 1 else (
                f"entries {missing[0]} to {missing[-1]} are")  # fmt: skip
            yield Fault(missing[0], f"was deleted: {which} missing before entry {number}")
        if not written:
            yield Fault(number, "was changed: it does not have the sha256 it was written with")
        elif written != number:
            sentence = f"it was written as entry {written}"
            yield Fault(number, f"was moved, or others were inserted before it: {sentence}")
        elif following == [number]:
            sentence = f"the entry at position {number + 1} was written as entry {number}"
            yield Fault(number, f"was inserted: {sentence}")
        elif number == 1 and entry.previous != NO_ENTRY:
            yield Fault(number, "does not begin the chain: it follows another entry")
        elif index and number == last + 1 and written_as[index - 1] == last:
            before, _ = rows[index - 1]
            if entry.previous != before.sha256:
                yield Fault(
                    last, f"was replaced: entry {number} follows one with sha256 "
                    f"{entry.previous[:12]}, and it has {before.sha256[:12]}",
                )  # fmt: skip
        last = number


def _written_numbers(rows: Sequence[_Row]) -> list[int]:
    """The number that each entry was written with; 0 for a changed entry."""
    numbers, searches, shift = [], _SEARCHES, 0
    for entry, facts in rows:
        own = entry.number
        tried: Iterable[int] = (own, own + shift)
        if searches and not any(_is_written_as(n, entry, facts) for n in tried):
            searches -= 1
            tried = range(1, len(rows) + 2)
        written = next((n for n in tried if _is_written_as(n, entry, facts)), 0)
        shift = written - own if written else shift
        numbers.append(written)
    return numbers


def _is_written_as(number: int, entry: Entry, facts: str) -> bool:
    return _hash(number, entry.kind, entry.at, facts, entry.previous) == entry.sha256


def _missing_triggers(connection: sqlite3.Connection) -> Iterator[Fault]:
    """The missing triggers that protect entries: editing the file by SQL requires dropping them."""
    query = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events'"
    there = {_plain(sql) for (sql,) in connection.execute(query)}
    for text in re.findall(r"CREATE TRIGGER .*?END(?=;)", SCHEMA, re.DOTALL):
        if _plain(text) not in there:
            yield Fault(None, f"the trigger {text.split()[2]} is missing: the file was edited")


def _plain(sql: str) -> str:
    return " ".join(sql.split())
