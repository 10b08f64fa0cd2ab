"""The last runs in a repository's `.local`, read without changing anything."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ninesteps.errors import StateError
from ninesteps.local.execution import EXECUTING, KILLED
from ninesteps.local.state import is_run_locked

_LAST = (
    "SELECT id, status, started, ended FROM executions ORDER BY started DESC, rowid DESC LIMIT 1"
)


@dataclass(frozen=True)
class LocalRun:
    """A run on the machine that has the repository."""

    run: str
    status: str
    started: str
    ended: str | None


@dataclass(frozen=True)
class AccountRun:
    """An execution in an account, known from a report that was written here."""

    environment: str
    execution: str
    reported: str  # the moment at which the report was written, in UTC


def last_local_run(local: Path) -> LocalRun | None:
    """The last run; None if there was none.

    Raises:
        StateError: if the file cannot be read.
    """
    file = local / "state.db"
    if not file.is_file():
        return None
    try:
        with closing(sqlite3.connect(_address(file), uri=True, timeout=1)) as connection:
            row = connection.execute(_LAST).fetchone()
    except sqlite3.Error as error:
        raise StateError(f".local/{file.name} cannot be read: {error}") from None
    if row is None:
        return None
    run, status, started, ended = map(_text, row)
    if status == EXECUTING and not _is_going_on(local / "runs" / run):
        status = KILLED
    return LocalRun(run, status, started, ended or None)


def _address(file: Path) -> str:
    """The file's address, read only; as an immutable file if there is no write-ahead log beside it.

    SQLite would otherwise write such a log to read it.
    """
    log = file.with_name(f"{file.name}-wal")
    mode = "mode=ro" if log.is_file() and log.stat().st_size else "immutable=1"
    return f"{file.resolve().as_uri()}?{mode}"


def _is_going_on(folder: Path) -> bool:
    return (folder / "held.db").is_file() and is_run_locked(folder)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def last_account_run(local: Path) -> AccountRun | None:
    """The execution in an account whose report was written last; None if there is no report."""
    reports = [(p.stat().st_mtime, p) for p in local.glob("executions/*/*/report.html")]
    if not reports:
        return None
    moment, page = max(reports)
    written = datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return AccountRun(page.parents[1].name, page.parent.name, written)
