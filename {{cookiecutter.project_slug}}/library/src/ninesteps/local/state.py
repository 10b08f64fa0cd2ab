"""The state of executions in one SQLite file: steps, models, packages, digests of files."""

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
"""The lock file in a run's folder."""

LONGEST_WAIT = 30
"""Seconds to wait for another writer."""

_SETTLED = 2_000_000_000
"""Nanoseconds after which writing a file again surely changes its time."""


Made = TypeVar("Made")


@dataclass(frozen=True)
class ModelPackage:
    """A registered version of a model."""

    group: str
    version: int
    status: str  # PendingManualApproval, Approved or Rejected, at present
    execution: str
    created: str
    request: dict[str, Any]
    head: str = ""  # of the chain of events before the registration; empty for older versions


@dataclass(frozen=True)
class StatusChange:
    """A change of a version's approval status."""

    version: int
    before: str
    after: str
    who: str
    why: str
    at: str
    stage: str = ""  # the stage of the life cycle, such as Production; empty: the version itself
    evidence: dict[str, str] = field(default_factory=dict)  # at that time: S3 URI -> SHA-256
    rules: str = ""  # in force then; empty if an earlier library recorded none
    signature: str = ""  # of the decision, by `ssh-keygen -Y sign`; empty: not signed


@dataclass(frozen=True)
class KeptExecution:
    """An execution in the file."""

    id: str
    pipeline: str
    parameters: dict[str, Any]
    status: str
    started: str
    ended: str | None
    definition: str  # its JSON
    catalog: list[list[str]]
    wanted: dict[str, Any]  # the options of the run: `RunOptions`
    started_by: str  # who started it; empty if not recorded
    origin: dict[str, Any] = field(default_factory=dict)  # code and table; empty for older runs


@dataclass
class Record:
    """What is recorded of a step, for later steps, later runs and people."""

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
    inputs: dict[str, str] = field(default_factory=dict)  # ... of its inputs; one for a whole table
    moves: list[list[str]] = field(default_factory=list)  # outputs to be moved: (path, S3 URI)
    repeats: bool = False  # its own code failed, and would fail again


@dataclass(frozen=True)
class KeptStep:
    """A step of an execution in the file."""

    execution: str
    name: str
    type: str
    status: str
    seconds: float
    reason: str
    record: Record


def now() -> str:
    """The present moment in UTC, to the second."""
    return datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class State:
    """The SQLite file, with one connection for all threads.

    Committed data survives any end of the process; after a power cut the file is intact, but may
    lack the latest changes.
    """

    def __init__(self, file: Path, read_only: bool = False) -> None:
        """Open the file, or create it.

        Args:
            read_only: read a copy of its present content in memory: nothing on disk is created or
                changed, and a missing file counts as empty.

        Raises:
            StateError: if a newer version of the library wrote it, it is damaged, or it is missing
            although there are runs beside it.
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
        """Refuse to create a new file where there are runs: it would assign their version numbers
        again.

        It checks twice, since another process may create the file and a first run in between.
        """
        runs = self._file.parent.glob(f"runs/*/{LOCK}")
        if is_new() and any(runs) and is_new():
            what = "is empty" if self._file.exists() else "does not exist"
            beside = "although there are runs beside it"
            raise StateError(f"{self._file} {what}, {beside}{self._remedy}")

    @property
    def _remedy(self) -> str:
        return (
            f": restore it from a backup; or move {self._file.parent} away and start again with "
            "version 1"
        )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the end of the block, rolled back on an error.

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
        """The rows of a query.

        Raises:
            StateError: if the file cannot be used, or was replaced.
        """
        with self._guarded() as connection:
            return connection.execute(query, values).fetchall()

    def made(self, rows: Iterable[Any], make: Callable[..., Made]) -> list[Made]:
        """Rows converted to objects.

        Raises:
            StateError: if a row cannot be read because its bytes were changed.
        """
        try:
            return [make(*row) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"{self._file} is damaged: {error}{self._remedy}") from None

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time, as long as the file is still the one that was
        opened."""
        with self._named_errors(), self._lock:
            if self._opened and _identity(self._file) != self._opened:
                raise StateError(
                    f"{self._file} was removed or replaced while it was in use: what was recorded "
                    "since then is lost"
                )
            yield self._connection

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Turn SQLite's errors into StateErrors with the file's name and a remedy."""
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
        """Upgrade a file of an earlier version; another run may just have done so."""
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
        """Record the start of an execution, with everything needed to resume it.

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
        """SHA-256 of each recorded definition of a subject, the oldest first."""
        query = "SELECT sha256 FROM definitions WHERE subject = ? ORDER BY rowid"
        return [str(sha256) for (sha256,) in self.rows(query, subject)]

    def continue_execution(self, execution: str) -> None:
        """Record that an execution continues."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE executions SET status = 'Executing', ended = NULL WHERE id = ?",
                (execution,),
            )

    def end_execution(self, execution: str, status: str) -> None:
        """Record how an execution ended; steps that were still running ended with it."""
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
        """Every execution, the newest first; or the one with an id, if there is one."""
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
        """Record the status of a step."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (step.execution, step.name, step.type, step.status, step.seconds, step.reason,
                 json.dumps(vars(step.record)), cache_key, ended),
            )  # fmt: skip

    def steps(self, execution: str) -> list[KeptStep]:
        """The steps of an execution that have started or were skipped."""
        rows = self.rows(
            f"SELECT {_STEP} FROM steps WHERE execution = ? ORDER BY rowid",
            execution,
        )
        return self.made(rows, _kept_step)

    def step_ends(self, execution: str) -> dict[str, float]:
        """When the ended steps of an execution ended, in seconds since 1970."""
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

        Each with the start of its execution; at most `most`.
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
        """The steps with a cache key that succeeded since a moment, the newest first."""
        rows = self.rows(
            f"SELECT {_STEP} FROM steps WHERE cache_key = ? AND status = 'Succeeded' "
            "AND ended >= ? ORDER BY ended DESC",
            cache_key,
            since,
        )
        return [step for step in self.made(rows, _kept_step) if not step.record.source]

    # Models and packages

    def create_model(self, name: str, request: dict[str, Any]) -> None:
        """Store a SageMaker Model, replacing one of the same name from a killed run."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO models VALUES (?, ?)", (name, json.dumps(request))
            )

    def model(self, name: str) -> dict[str, Any]:
        """The request that created a model.

        Raises:
            StateError: if there is no model with this name.
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
        """Add a version to a model package group and return its number.

        A step of an execution registers only once: if it already had before the run was killed,
        that version is returned.

        Args:
            model_sha256: of its archive, to find versions with the same bytes.
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
        """Every version of a group, the newest first; or the one with a number, if there is one."""
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
        """The versions that an execution has registered, in any group."""
        rows = self.rows(
            "SELECT version FROM model_packages WHERE execution = ? ORDER BY rowid", execution
        )
        return [version for (version,) in rows]

    def change_status(self, group: str, change: StatusChange) -> bool:
        """Store a change of a version's status, if the version still has the status before it.

        Of several changes at once, one is stored, and the result says which. Stored changes are
        never altered or deleted.
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
        """Add an entry to the chain, about something that is not stored in this file."""
        with self.transaction() as connection:
            return chain.append(connection, kind, facts)

    def events(self) -> list[chain.Entry]:
        """Every entry of the chain, the oldest first."""
        with self._guarded() as connection:
            return chain.entries(connection)

    def event_faults(self, heads: Iterable[chain.Head] = ()) -> list[chain.Fault]:
        """The faults of the chain, and where it and the tables disagree; empty if there are none.

        Args:
            heads: heads that were kept elsewhere.
        """
        with self.transaction() as connection:  # all from the same moment
            entries = chain.entries(connection)
            ends = (chain.head_fault(head, entries) for head in heads)
            return [
                *chain.faults(connection),
                *(fault for fault in ends if fault),
                *chain_tables.disagreements(connection, entries),
            ]

    # Files

    def digest(self, file: Path) -> str:
        """SHA-256 of a file, as 64 hexadecimal digits; an unchanged file is not read again.

        Changes are detected by path, inode, size and times, as in git. A file that was just written
        is not cached, since another write may not change its time.
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
    """Lock the folder of an execution for this process, until the process ends in any way.

    Raises:
        StateError: if another process has locked it.
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
    """Whether a process has locked the folder of an execution, without writing anything."""
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

    SQLite writes even when it reads a file with a log beside it. Where it must not write, as in
    another user's folder, file and log are copied and read elsewhere.
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
            with suppress(FileNotFoundError):  # the writer has just ended
                shutil.copyfile(source, Path(folder, source.name))
        _copy((Path(folder) / file.name).as_uri(), memory)
    return memory


def _copy(address: str, memory: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(address, LONGEST_WAIT, uri=True)) as source:
        source.execute("SELECT 1 FROM sqlite_master").fetchall()  # `backup` would wait forever
        source.backup(memory)


def _has_content(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _is_cut(file: Path) -> bool:
    """Whether a file's last page is incomplete; SQLite would read the missing bytes as zeros.

    SQLite itself reads it: closing a file that Python opened would release the locks of all
    connections of this process to it (POSIX), and another process might then remove their log.
    """
    if not _has_content(file):
        return False
    address = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
    with suppress(sqlite3.Error), closing(sqlite3.connect(address, uri=True)) as connection:
        connection.execute("PRAGMA schema_version").fetchone()  # fails if it is not a database
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        return bool(file.stat().st_size % page)
    return False


def _identity(file: Path) -> tuple[int, int] | None:
    """The identity of a file, independent of its name; None if it does not exist."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino)


def _is_damage(error: sqlite3.Error) -> bool:
    texts = ("malformed", "not a database", "already exists", "no such table", "no such column")
    return any(text in str(error) for text in texts)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn on write-ahead logging; SQLite itself does not wait while another process does so."""
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
