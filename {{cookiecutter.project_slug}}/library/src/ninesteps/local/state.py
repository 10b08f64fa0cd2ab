"""What executions leave behind, in one SQLite file: steps, models, packages, digests of files."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from ninesteps.errors import StateError
from ninesteps.local import chain, chain_tables
from ninesteps.local.state_schema import (
    APPROVAL_STATUS,
    SCHEMA_VERSION,
    STATUS_OF_P,
    schema_version,
    upgrade,
)

LOCK = "held.db"
"""The file in a run's folder by which a process keeps it."""

LONGEST_WAIT = 30
"""Seconds to wait for another that writes."""

_SETTLED = 2_000_000_000
"""Nanoseconds after which a file that is not written any more has another time if it is again."""


Made = TypeVar("Made")


@dataclass(frozen=True)
class ModelPackage:
    """A registered version of a model."""

    group: str
    version: int
    status: str  # PendingManualApproval, Approved or Rejected: as it stands now
    execution: str
    created: str
    request: dict[str, Any]
    head: str = ""  # of the chain of events before it was registered; older ones kept none


@dataclass(frozen=True)
class StatusChange:
    """How a version went from one approval status to another."""

    version: int
    before: str
    after: str
    who: str
    why: str
    at: str
    stage: str = ""  # of the life cycle, such as Production, that it concerns; none: the version
    evidence: dict[str, str] = field(default_factory=dict)  # as it was then: S3 URI -> SHA-256
    rules: str = ""  # in force then; empty where an earlier version of the library kept none
    signature: str = ""  # of the decision, as `ssh-keygen -Y sign` writes it; empty: not signed


@dataclass(frozen=True)
class KeptExecution:
    """An execution as the file has it."""

    id: str
    pipeline: str
    parameters: dict[str, Any]
    status: str
    started: str
    ended: str | None
    definition: str  # its JSON
    catalog: list[list[str]]
    wanted: dict[str, Any]  # the options of the run: `RunOptions`
    started_by: str  # who started it; empty where that was not kept
    origin: dict[str, Any] = field(default_factory=dict)  # code and table; older runs kept none


@dataclass
class Record:
    """What is kept of a step: all that a later step, a later run or a person may ask for."""

    detail: str = ""
    notes: list[str] = field(default_factory=list)
    log: str = ""
    peak_bytes: int = 0
    source: str = ""  # the execution whose result it reuses
    answer: dict[str, Any] = field(default_factory=dict)
    outcome: bool | None = None
    compared: list[list[Any]] = field(default_factory=list)
    frame: list[Any] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)  # of its outputs, by S3 URI
    inputs: dict[str, str] = field(default_factory=dict)  # ... of what it read; of a table, of all
    moves: list[list[str]] = field(default_factory=list)  # outputs on their way: (path, S3 URI)
    repeats: bool = False  # its own code failed: it would fail again


@dataclass(frozen=True)
class KeptStep:
    """A step of an execution as the file has it."""

    execution: str
    name: str
    type: str
    status: str
    seconds: float
    reason: str
    record: Record


def now() -> str:
    """The moment in UTC, to the second."""
    return datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class State:
    """The SQLite file; one connection, by which any thread may call.

    What was committed survives the end of the process, however it came; after a power cut the file
    is whole, and may lack the last moments.
    """

    def __init__(self, file: Path, read_only: bool = False) -> None:
        """Open the file, or make it.

        Args:
            read_only: read a copy of it in memory, as it is now: nothing on disk is made or
                changed, and a missing file counts as an empty one.

        Raises:
            StateError: if a newer version of this code wrote it, it is damaged, or it is missing
                while there are runs beside it.
        """
        self._file = file
        self._lock = threading.RLock()
        self._opened: tuple[int, int] | None = None
        self._check_not_lost(lambda: not _has_content(file))
        if _is_cut(file):
            raise StateError(f"{file} is damaged: its end is missing{self._remedy}")
        with self._named_errors():
            self._connection = _snapshot(file) if read_only else _opened(file)
            self._check_not_lost(lambda: schema_version(self._connection) == 0)
            if not read_only:
                _write_ahead(self._connection)
                self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            version = schema_version(self._connection)
        if version > SCHEMA_VERSION:
            raise StateError(
                f"{file}: expected version {SCHEMA_VERSION} or older, got {version}: it was "
                "written by a newer version of the library"
            )
        if version < SCHEMA_VERSION:
            self._upgrade()
        if not read_only:
            self._opened = _identity(file)

    def _check_not_lost(self, is_new: Callable[[], bool]) -> None:
        """Refuse to make a new file where there are runs: it would give their versions again.

        It checks twice, since another process may make the file and its first run in between.
        """
        runs = self._file.parent.glob(f"runs/*/{LOCK}")
        if is_new() and any(runs) and is_new():
            what = "is empty" if self._file.exists() else "is not there"
            raise StateError(f"{self._file} {what}, though runs lie beside it{self._remedy}")

    @property
    def _remedy(self) -> str:
        return (
            f": put it back from a copy; or move {self._file.parent} away, and versions count from "
            "1 again"
        )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at its end, rolled back on an error.

        Raises:
            StateError: if the file cannot be used, or was replaced.
        """
        with self._guarded() as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def rows(self, query: str, *values: object) -> list[Any]:
        """What a query gives.

        Raises:
            StateError: if the file cannot be used, or was replaced.
        """
        with self._guarded() as connection:
            return connection.execute(query, values).fetchall()

    def made(self, rows: Iterable[Any], make: Callable[..., Made]) -> list[Made]:
        """Objects made of rows.

        Raises:
            StateError: if a row cannot be read, because its bytes were changed.
        """
        try:
            return [make(*row) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"{self._file} is damaged: {error}{self._remedy}") from None

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time, while the file is the one that was opened."""
        with self._named_errors(), self._lock:
            if self._opened and _identity(self._file) != self._opened:
                raise StateError(
                    f"{self._file} was removed or replaced while it was in use: what was recorded "
                    "since then is lost"
                )
            yield self._connection

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """SQLite's errors with the name of the file and a remedy."""
        try:
            yield
        except sqlite3.Error as error:
            is_locked = "locked" in str(error)  # by another run
            helps = ""
            if is_locked:
                helps = ": another process writes to it; try again when it has ended"
            elif _is_damage(error):
                helps = self._remedy
            fault = "Step.THROTTLING" if is_locked else ""
            raise StateError(f"{self._file} cannot be used: {error}{helps}", fault) from None

    def _upgrade(self) -> None:
        """Bring a file of an earlier version up to this one; another run may have just done so."""
        with self.transaction() as connection:
            upgrade(connection)

    # Executions

    def start_execution(
        self,
        execution: str,
        pipeline: str,
        parameters: dict[str, Any],
        definition: str,
        catalog: Sequence[Sequence[str]],
        wanted: dict[str, Any] | None = None,
        started_by: str = "",
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        """Note that an execution began, with all that it takes to go on with it.

        Args:
            origin: where it came from: code, library, settings and table.
        """
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO executions (id, pipeline, parameters, status, started, definition, "
                "catalog, wanted, started_by, origin) "
                "VALUES (?, ?, ?, 'Executing', ?, ?, ?, ?, ?, ?)",
                (execution, pipeline, json.dumps(parameters), now(), definition,
                 json.dumps(list(catalog)), json.dumps(wanted or {}), started_by,
                 json.dumps(origin or {})),
            )  # fmt: skip
            _note_definition(connection, execution, definition)
            chain_tables.run_started(connection, execution)

    def note_definition(self, subject: str, text: str) -> None:
        """Record the digest of a definition: an execution's, or a compiled one."""
        with self.transaction() as connection:
            _note_definition(connection, subject, text)

    def definition_digests(self, subject: str) -> list[str]:
        """SHA-256 of each definition that was recorded for a subject, the oldest first."""
        query = "SELECT sha256 FROM definitions WHERE subject = ? ORDER BY rowid"
        return [str(sha256) for (sha256,) in self.rows(query, subject)]

    def continue_execution(self, execution: str) -> None:
        """Note that an execution goes on."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE executions SET status = 'Executing', ended = NULL WHERE id = ?",
                (execution,),
            )

    def end_execution(self, execution: str, status: str) -> None:
        """Note how an execution ended; a step that was still running ended with it."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE steps SET status = ? WHERE execution = ? AND status = 'Executing'",
                (status, execution),
            )
            connection.execute(
                "UPDATE executions SET status = ?, ended = ? WHERE id = ?",
                (status, now(), execution),
            )

    def executions(self, execution: str | None = None) -> list[KeptExecution]:
        """Every execution, the newest first; or the one of an id, if there is one."""
        rows = self.rows(
            "SELECT id, pipeline, parameters, status, started, ended, definition, catalog, wanted, "
            "started_by, origin FROM executions WHERE ?1 IS NULL OR id = ?1 "
            "ORDER BY started DESC, rowid DESC",
            execution,
        )
        return self.made(rows, _kept_execution)

    # Steps

    def note_step(
        self, step: KeptStep, cache_key: str | None = None, ended: float | None = None
    ) -> None:
        """Note how a step stands."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (step.execution, step.name, step.type, step.status, step.seconds, step.reason,
                 json.dumps(vars(step.record)), cache_key, ended),
            )  # fmt: skip

    def steps(self, execution: str) -> list[KeptStep]:
        """The steps of an execution that have begun, or were passed over."""
        rows = self.rows(
            f"SELECT {_STEP} FROM steps WHERE execution = ? ORDER BY rowid",
            execution,
        )
        return self.made(rows, _kept_step)

    def step_ends(self, execution: str) -> dict[str, float]:
        """When each step of an execution ended, in seconds since 1970; of those that have."""
        query = "SELECT name, ended FROM steps WHERE execution = ? AND ended IS NOT NULL"
        return {str(name): float(ended) for name, ended in self.rows(query, execution)}

    def deciding_steps(self) -> list[KeptStep]:
        """The gates and registrations of every execution."""
        rows = self.rows(
            f"SELECT {_STEP} FROM steps WHERE type IN ('Condition', 'RegisterModel') ORDER BY rowid"
        )
        return self.made(rows, _kept_step)

    def steps_before(self, execution: str, step: str, most: int) -> list[tuple[str, KeptStep]]:
        """A step in earlier executions of the same pipeline that succeeded, the newest first.

        Each with the moment that its execution began; no more than `most`.
        """
        rows = self.rows(
            f"SELECT o.started, {', '.join(f's.{name}' for name in _STEP.split(', '))} "
            "FROM executions e JOIN executions o ON o.pipeline = e.pipeline "
            "AND (o.started, o.rowid) < (e.started, e.rowid) AND o.status = 'Succeeded' "
            "JOIN steps s ON s.execution = o.id AND s.name = ?2 AND s.status = 'Succeeded' "
            "WHERE e.id = ?1 ORDER BY o.started DESC, o.rowid DESC LIMIT ?3",
            execution,
            step,
            most,
        )
        return self.made(rows, lambda started, *row: (started, _kept_step(*row)))

    def done_before(self, cache_key: str, since: float) -> list[KeptStep]:
        """The steps of a key that ran and succeeded since a moment, the newest first."""
        rows = self.rows(
            f"SELECT {_STEP} FROM steps WHERE cache_key = ? AND status = 'Succeeded' "
            "AND ended >= ? ORDER BY ended DESC",
            cache_key,
            since,
        )
        return [step for step in self.made(rows, _kept_step) if not step.record.source]

    # Models and packages

    def create_model(self, name: str, request: dict[str, Any]) -> None:
        """Keep a SageMaker Model; one of the name that a killed run left gives way."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO models VALUES (?, ?)", (name, json.dumps(request))
            )

    def model(self, name: str) -> dict[str, Any]:
        """The request that created a model.

        Raises:
            StateError: if there is none of that name.
        """
        rows = self.rows("SELECT request FROM models WHERE name = ?", name)
        if not rows:
            raise StateError(f"there is no model {name}")
        (request,) = self.made(rows[:1], lambda text: dict(json.loads(text)))
        return request

    def register(
        self, group: str, status: str, execution: str, step: str, request: dict[str, Any],
        model_sha256: str = "",
    ) -> int:  # fmt: skip
        """Add a version to a model package group and give its number.

        A step of an execution registers once: if it had, before the run was killed, that is it.

        Args:
            model_sha256: of its archive, by which versions of the same bytes are known.
        """
        with self.transaction() as connection:
            registered = connection.execute(
                "SELECT version FROM model_packages WHERE execution = ? AND step = ?",
                (execution, step),
            ).fetchone()
            if registered:
                return int(registered[0])
            (version,) = connection.execute(
                "SELECT coalesce(max(version), 0) + 1 FROM model_packages WHERE package_group = ?",
                (group,),
            ).fetchone()
            last = chain.last(connection)
            connection.execute(
                "INSERT INTO model_packages "
                "(package_group, version, status, execution, created, request, step, head) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (group, version, status, execution, now(), json.dumps(request), step,
                 last.head if last else ""),
            )  # fmt: skip
            chain_tables.version_registered(connection, group, version)
            if model_sha256:
                connection.execute(
                    "INSERT INTO model_digests VALUES (?, ?, ?)", (group, version, model_sha256)
                )
        return int(version)

    def model_packages(self, group: str, version: int | None = None) -> list[ModelPackage]:
        """Every version of a group, the newest first; or the one of a number, if there is one."""
        rows = self.rows(
            f"SELECT package_group, version, {APPROVAL_STATUS}, execution, created, request, head "
            "FROM model_packages p WHERE package_group = ?1 AND (?2 IS NULL OR version = ?2) "
            "ORDER BY version DESC",
            group,
            version,
        )
        return self.made(rows, _model_package)

    def same_model_as(self, group: str, version: int) -> int | None:
        """The first version of a group with the same archive, if it is an earlier one."""
        rows = self.rows(
            "SELECT min(o.version) FROM model_digests v JOIN model_digests o "
            "ON o.package_group = v.package_group AND o.sha256 = v.sha256 "
            "AND o.version < v.version WHERE v.package_group = ? AND v.version = ?",
            group,
            version,
        )
        return None if rows[0][0] is None else int(rows[0][0])

    def versions(self, execution: str) -> list[int]:
        """The versions that an execution has registered, in whatever group."""
        rows = self.rows(
            "SELECT version FROM model_packages WHERE execution = ? ORDER BY rowid", execution
        )
        return [version for (version,) in rows]

    def change_status(self, group: str, change: StatusChange) -> bool:
        """Keep a change of a version's status, if the version still stands as before it.

        Of several at once one is kept; it says so. What is kept is never changed or taken away.
        """
        status = STATUS_OF_P.format(stage="?1")
        with self.transaction() as connection:
            kept = connection.execute(
                "INSERT INTO status_changes (package_group, version, stage, before, after, who, "
                "why, at, evidence, rules, signature) "
                "SELECT p.package_group, p.version, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 "
                "FROM model_packages p "
                f"WHERE package_group = ?10 AND version = ?11 AND {status} = ?2",
                (change.stage, change.before, change.after, change.who, change.why, change.at,
                 json.dumps(change.evidence), change.rules, change.signature, group,
                 change.version),
            )  # fmt: skip
            if kept.rowcount == 1:
                chain_tables.status_changed(connection, int(kept.lastrowid or 0))
            return kept.rowcount == 1

    def changes(self, group: str, version: int) -> list[StatusChange]:
        """Every change of a version's status, the oldest first."""
        rows = self.rows(
            "SELECT version, before, after, who, why, at, stage, evidence, rules, signature "
            "FROM status_changes "
            "WHERE package_group = ? AND version = ? ORDER BY number",
            group,
            version,
        )
        return self.made(rows, _status_change)

    # Events

    def append_event(self, kind: str, facts: Mapping[str, Any]) -> chain.Entry:
        """Add an entry to the chain, about something that is not kept in this file."""
        with self.transaction() as connection:
            return chain.append(connection, kind, facts)

    def events(self) -> list[chain.Entry]:
        """Every entry of the chain, the oldest first."""
        with self._guarded() as connection:
            return chain.entries(connection)

    def event_faults(self, heads: Iterable[chain.Head] = ()) -> list[chain.Fault]:
        """What is wrong with the chain, and where it and the tables disagree; none: nothing is.

        Args:
            heads: those that were kept elsewhere.
        """
        with self.transaction() as connection:  # all as of one moment
            entries = chain.entries(connection)
            ends = (chain.head_fault(head, entries) for head in heads)
            return [
                *chain.faults(connection),
                *(fault for fault in ends if fault),
                *chain_tables.disagreements(connection, entries),
            ]

    # Files

    def digest(self, file: Path) -> str:
        """SHA-256 of a file, as 64 hexadecimal digits; one that has not changed is not read again.

        Whether it has is told by place, inode, size and times, as git does; a file written just
        now is not trusted to have another time if it is written again.
        """
        stat = file.stat()
        told_by = (str(file), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        known = self.rows(
            "SELECT sha256 FROM digests "
            "WHERE path = ? AND inode = ? AND size = ? AND modified = ? AND changed = ?",
            *told_by,
        )
        if known:
            return str(known[0][0])
        digest = digest_of(file)
        if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _SETTLED:
            with self.transaction() as connection:
                connection.execute(
                    "INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?)", (*told_by, digest)
                )
        return digest


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Keep the folder of an execution to this process; when that ends, however, it is free again.

    Raises:
        StateError: if another process keeps it.
    """
    file = folder / LOCK
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if "locked" in str(error):
                sentence = f"run {folder.name} is still running in another process"
                raise StateError(sentence) from None
            raise StateError(f"{file} cannot be used: {error}") from None
        yield


def is_run_locked(folder: Path) -> bool:
    """Whether a process keeps the folder of an execution; nothing is written to find out."""
    file = folder / LOCK
    if not file.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", 0, uri=True)) as held:
            held.execute("SELECT 1 FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        return "locked" in str(error)
    return False


def _opened(file: Path) -> sqlite3.Connection:
    """A connection that writes to the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return sqlite3.connect(
        file, timeout=LONGEST_WAIT, isolation_level=None, check_same_thread=False
    )


def _snapshot(file: Path) -> sqlite3.Connection:
    """A copy of a file in memory.

    SQLite writes even to read a file with a log beside it. Where it may not, as in another user's
    folder, file and log are copied and read elsewhere.
    """
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    if not file.is_file():
        return memory
    log, address = Path(f"{file}-wal"), file.resolve().as_uri()
    if not _has_content(log):
        _copy(f"{address}?mode=ro&immutable=1", memory)
        return memory
    with suppress(sqlite3.OperationalError):
        _copy(f"{address}?mode=ro&readonly_shm=1", memory)
        return memory
    with tempfile.TemporaryDirectory() as folder:
        for source in (file, log):
            with suppress(FileNotFoundError):  # whoever wrote has just ended
                shutil.copyfile(source, Path(folder, source.name))
        _copy((Path(folder) / file.name).as_uri(), memory)
    return memory


def _copy(address: str, memory: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(address, LONGEST_WAIT, uri=True)) as source:
        source.execute("SELECT 1 FROM sqlite_master").fetchall()  # `backup` waits without end
        source.backup(memory)


def _has_content(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _is_cut(file: Path) -> bool:
    """Whether a file's last page is incomplete; SQLite would read the missing bytes as zeros.

    SQLite itself is asked: to close a file that Python opened takes away the locks of every
    connection of this process to it (POSIX), and another process may then remove their log.
    """
    if not _has_content(file):
        return False
    address = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
    with suppress(sqlite3.Error), closing(sqlite3.connect(address, uri=True)) as connection:
        connection.execute("PRAGMA schema_version").fetchone()  # an error if it is no database
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        return bool(file.stat().st_size % page)
    return False


def _identity(file: Path) -> tuple[int, int] | None:
    """The identity of a file, whatever its name; None if there is none."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino)


def _is_damage(error: sqlite3.Error) -> bool:
    texts = ("malformed", "not a database", "already exists", "no such table", "no such column")
    return any(text in str(error) for text in texts)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Keep a log ahead of the file; SQLite does not wait by itself while another turns to one."""
    until = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


_STEP = "execution, name, type, status, seconds, reason, record"


def _kept_step(
    execution: str, name: str, type_: str, status: str, seconds: float, reason: str, record: str
) -> KeptStep:
    kept = Record(**json.loads(record))
    return KeptStep(execution, name, type_, status, seconds, reason, kept)


def _model_package(
    group: str, version: int, status: str, execution: str, created: str, request: str, head: str
) -> ModelPackage:
    return ModelPackage(group, version, status, execution, created, json.loads(request), head)


def _status_change(*row: Any) -> StatusChange:
    version, before, after, who, why, at, stage, evidence, *rest = row
    return StatusChange(version, before, after, who, why, at, stage, json.loads(evidence), *rest)


def _kept_execution(*row: Any) -> KeptExecution:
    i, pipeline, parameters, status, started, ended, definition, catalog, wanted, by, origin = row
    texts = (parameters, catalog, wanted, origin)
    given, tables, options, came_from = (json.loads(text) for text in texts)
    return KeptExecution(
        i, pipeline, given, status, started, ended, definition, tables, options, by, came_from
    )


def _note_definition(connection: sqlite3.Connection, subject: str, text: str) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO definitions VALUES (?, ?, ?)", (subject, digest_of_text(text), now())
    )


def digest_of_text(text: str) -> str:
    """SHA-256 of a text, such as a definition."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(file: Path) -> str:
    """SHA-256 of a file's content."""
    import hashlib

    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
