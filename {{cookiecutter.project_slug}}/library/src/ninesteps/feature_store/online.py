"""The online store on this machine: the newest record of each id, in SQLite.

As in AWS's runtime API, a record whose event time is not later than the stored one goes to the
offline store only.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_feature_store_PutRecord.html
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ninesteps.errors import StateError
from ninesteps.feature_store.records import Record, milliseconds

FILE = "online.db"
"""In `.local`: one file for all feature groups of a repository."""


class OnlineStore(Protocol):
    """The newest records of one feature group."""

    def get(self, ids: Sequence[str]) -> dict[str, Record]:
        """The records of some ids; an id without a record, or with a deleted one, has no entry."""

    def put(self, records: Iterable[Record]) -> int:
        """Put records, and return how many were accepted: here, those newer than the stored
        ones."""

    def delete(self, identifier: str, event_time: str) -> bool:
        """Delete the record of an id, and return whether one older than the event time existed."""


_TABLE = """
CREATE TABLE IF NOT EXISTS records (
    feature_group TEXT NOT NULL,
    id TEXT NOT NULL,
    event_time INTEGER NOT NULL,  -- milliseconds since 1970
    record TEXT NOT NULL,         -- JSON
    PRIMARY KEY (feature_group, id)
) WITHOUT ROWID
"""

_PUT = """
INSERT INTO records VALUES (?, ?, ?, ?)
ON CONFLICT (feature_group, id) DO UPDATE
SET event_time = excluded.event_time, record = excluded.record
WHERE excluded.event_time > records.event_time
"""

_AT_ONCE = 500  # variables in a statement that every SQLite accepts


@dataclass(frozen=True)
class LocalOnlineStore:
    """An `OnlineStore` in one SQLite file."""

    file: Path
    group: str
    record_id: str  # the columns with the record's id and its moment
    event_time: str

    def get(self, ids: Sequence[str]) -> dict[str, Record]:
        """The records of some ids."""
        if not self.file.is_file():
            return {}
        found: dict[str, Record] = {}
        with self._connection() as connection:
            for start in range(0, len(ids), _AT_ONCE):
                some = ids[start : start + _AT_ONCE]
                marks = ", ".join("?" * len(some))
                query = (
                    f"SELECT id, record FROM records WHERE feature_group = ? AND id IN ({marks})"
                )
                rows = connection.execute(query, (self.group, *some))
                found |= {identifier: json.loads(record) for identifier, record in rows}
        return found

    def put(self, records: Iterable[Record]) -> int:
        """Put all records, or none if one of them fails."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait
            connection.execute(_TABLE)
            before = connection.total_changes
            connection.executemany(_PUT, self._rows(records))
            return connection.total_changes - before

    def delete(self, identifier: str, event_time: str) -> bool:
        """Delete a record as HardDelete does: it is removed, not marked."""
        if not self.file.is_file():
            return False
        with self._connection() as connection:
            older = connection.execute(
                "DELETE FROM records WHERE feature_group = ? AND id = ? AND event_time < ?",
                (self.group, identifier, milliseconds(event_time)),
            )
            return older.rowcount > 0

    def _rows(self, records: Iterable[Record]) -> Iterator[tuple[str, str, int, str]]:
        for record in records:
            moment = milliseconds(record[self.event_time])
            text = json.dumps(record, ensure_ascii=False)
            yield self.group, record[self.record_id], moment, text

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that commits at the end of the block, or rolls back on an error."""
        connection = sqlite3.connect(self.file, timeout=30)
        try:
            with connection:
                yield connection
        except sqlite3.Error as error:
            raise StateError(f"{self.file} cannot be used: {error}") from None
        finally:
            connection.close()
