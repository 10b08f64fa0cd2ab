"""What executions leave behind, in one SQLite file: their steps, models and model packages."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local_sagemaker.errors import StateError

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE executions (
    id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, parameters TEXT NOT NULL,
    status TEXT NOT NULL, started TEXT NOT NULL, ended TEXT
);
CREATE TABLE steps (
    execution TEXT NOT NULL REFERENCES executions (id), name TEXT NOT NULL, type TEXT NOT NULL,
    status TEXT NOT NULL, seconds REAL, reason TEXT NOT NULL,
    PRIMARY KEY (execution, name)
);
CREATE TABLE models (name TEXT PRIMARY KEY, request TEXT NOT NULL);
CREATE TABLE model_packages (
    package_group TEXT NOT NULL, version INTEGER NOT NULL, status TEXT NOT NULL,
    execution TEXT NOT NULL REFERENCES executions (id), created TEXT NOT NULL,
    request TEXT NOT NULL,
    PRIMARY KEY (package_group, version)
);
"""


@dataclass(frozen=True)
class ModelPackage:
    """A registered version of a model."""

    group: str
    version: int
    status: str  # PendingManualApproval, Approved or Rejected
    execution: str
    created: str
    request: dict[str, Any]


def now() -> str:
    """The moment in UTC, to the second."""
    return datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class State:
    """The SQLite file; a connection a call, so that any thread may call."""

    def __init__(self, file: Path) -> None:
        """Open the file, or make it.

        Raises:
            StateError: if a newer version of this code wrote it.
        """
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        if version > SCHEMA_VERSION:
            raise StateError(
                f"{file} has version {version}, where {SCHEMA_VERSION} is known here: it was "
                "written by a newer version of this repository"
            )

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at its end, rolled back on an error."""
        try:
            with closing(
                sqlite3.connect(self._file, timeout=30, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection
                if connection.in_transaction:
                    connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StateError(f"{self._file} cannot be used: {error}") from None

    def start_execution(self, execution: str, pipeline: str, parameters: dict[str, Any]) -> None:
        """Note that an execution began."""
        with self._connect() as connection:
            connection.execute(
                "INSERT INTO executions VALUES (?, ?, ?, 'Executing', ?, NULL)",
                (execution, pipeline, json.dumps(parameters), now()),
            )

    def end_execution(self, execution: str, status: str) -> None:
        """Note how an execution ended; a step that was still running ended with it."""
        with self._connect() as connection:
            connection.execute(
                "UPDATE steps SET status = ? WHERE execution = ? AND status = 'Executing'",
                (status, execution),
            )
            connection.execute(
                "UPDATE executions SET status = ?, ended = ? WHERE id = ?",
                (status, now(), execution),
            )

    def note_step(
        self, execution: str, name: str, type_: str, status: str, seconds: float, reason: str
    ) -> None:
        """Note how a step stands."""
        with self._connect() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?)",
                (execution, name, type_, status, seconds, reason),
            )

    def create_model(self, name: str, request: dict[str, Any]) -> None:
        """Keep a SageMaker Model."""
        with self._connect() as connection:
            connection.execute("INSERT INTO models VALUES (?, ?)", (name, json.dumps(request)))

    def model(self, name: str) -> dict[str, Any]:
        """The request that created a model.

        Raises:
            StateError: if there is none of that name.
        """
        with self._connect() as connection:
            row = connection.execute(
                "SELECT request FROM models WHERE name = ?", (name,)
            ).fetchone()
        if row is None:
            raise StateError(f"there is no model {name}")
        return dict(json.loads(row[0]))

    def register(self, group: str, status: str, execution: str, request: dict[str, Any]) -> int:
        """Add a version to a model package group and give its number."""
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute(
                "SELECT coalesce(max(version), 0) + 1 FROM model_packages WHERE package_group = ?",
                (group,),
            ).fetchone()
            connection.execute(
                "INSERT INTO model_packages VALUES (?, ?, ?, ?, ?, ?)",
                (group, version, status, execution, now(), json.dumps(request)),
            )
        return int(version)

    def model_packages(self, group: str) -> list[ModelPackage]:
        """Every version of a group, the newest first."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT package_group, version, status, execution, created, request "
                "FROM model_packages WHERE package_group = ? ORDER BY version DESC",
                (group,),
            ).fetchall()
        return [
            ModelPackage(group, version, status, execution, created, json.loads(request))
            for group, version, status, execution, created, request in rows
        ]
