"""A stand-in for Athena on this machine: runs a job's UNLOAD with DuckDB, in separate processes.

Responses have the shapes of botocore's model of Athena. Anything unsupported is refused.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ninesteps.errors import StepError
from ninesteps.local import athena_query
from ninesteps.local.offline_store import COMPRESSIONS, Catalog
from ninesteps.local.storage import Storage

Json = dict[str, Any]

_UNLOAD = re.compile(
    r"\s*UNLOAD\s*\((?P<query>.*)\)\s*TO\s*'(?P<to>s3://[^']+)'\s*WITH\s*\((?P<options>[^()]*)\)\s*",
    re.DOTALL | re.IGNORECASE,
)
_OPTION = re.compile(r"\s*(?P<name>\w+)\s*=\s*'(?P<value>[^']*)'\s*")


class RefusedError(Exception):
    """A request that Athena would refuse: the error code and the reason."""

    def __init__(self, message: str, code: str = "InvalidRequestException") -> None:
        super().__init__(message)
        self.code = code


class Running(Protocol):
    """A process that runs a query."""

    peak_bytes: int

    def wait(self, seconds: float) -> int | None:
        """Its exit status; None if it is still running after the timeout."""

    def end(self) -> None:
        """Kill it, if it is still running."""


Start = Callable[[list[str], Path], Running]
"""Starts a command whose output goes to a log."""


@dataclass
class Execution:
    """One query."""

    request: Json
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    submitted: float = field(default_factory=time.time)
    ended: float = 0.0
    state: str = "QUEUED"
    reason: str = ""

    def described(self) -> Json:
        """The answer of GetQueryExecution."""
        status: Json = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.reason:
            status["StateChangeReason"] = self.reason
        if self.ended:
            status["CompletionDateTime"] = self.ended
        return {
            "QueryExecutionId": self.identifier,
            "Query": self.request["QueryString"],
            "StatementType": "DML",
            "ResultConfiguration": self.request["ResultConfiguration"],
            "QueryExecutionContext": self.request["QueryExecutionContext"],
            "WorkGroup": self.request.get("WorkGroup", "primary"),
            "Status": status,
        }


class Athena:
    """The queries of one job."""

    def __init__(self, catalog: Catalog, storage: Storage, folder: Path, start: Start) -> None:
        self._catalog, self._storage = catalog, storage
        self._folder, self._start = folder, start  # the folder is for the queries only
        self._executions: dict[str, Execution] = {}
        self._by_token: dict[str, str] = {}
        self._running: dict[str, Running] = {}
        self._threads: list[threading.Thread] = []
        self._changing = threading.Lock()
        self.peak_bytes = 0  # the most memory that a query used

    def call(self, operation: str, request: Json) -> Json:
        """Answer one of the API's operations.

        Raises:
            RefusedError: for a request that cannot be answered.
        """
        operations = {
            "StartQueryExecution": self._start_query,
            "GetQueryExecution": self._get,
            "StopQueryExecution": self._stop,
        }
        if operation not in operations:
            raise RefusedError(
                f"expected {', '.join(operations)}, got {operation}: no other call of Athena is "
                "supported on this machine"
            )
        return operations[operation](request)

    def end(self) -> None:
        """End every query that is still running."""
        for identifier in list(self._executions):
            self._stop({"QueryExecutionId": identifier})
        for thread in self._threads:
            thread.join()

    def _start_query(self, request: Json) -> Json:
        known = {"QueryString", "ClientRequestToken", "QueryExecutionContext",
                 "ResultConfiguration", "WorkGroup"}  # fmt: skip
        if unknown := sorted(request.keys() - known):
            raise RefusedError(f"not supported on this machine: {', '.join(unknown)}")
        for name in ("QueryString", "QueryExecutionContext", "ResultConfiguration"):
            if name not in request:
                raise RefusedError(f"expected {name}, got none")
        statement = parsed(request["QueryString"])
        token = request.get("ClientRequestToken", uuid.uuid4().hex)
        with self._changing:
            if token in self._by_token:
                earlier = self._executions[self._by_token[token]]
                if earlier.request != request:
                    raise RefusedError("Idempotent parameters do not match")
                return {"QueryExecutionId": earlier.identifier}
            execution = Execution(request)
            self._executions[execution.identifier] = execution
            self._by_token[token] = execution.identifier
            thread = threading.Thread(target=self._answer, args=(execution, statement))
            self._threads.append(thread)
            thread.start()  # under the lock: `end` never joins a thread that has not started
        return {"QueryExecutionId": execution.identifier}

    def _get(self, request: Json) -> Json:
        with self._changing:
            return {"QueryExecution": self._found(request).described()}

    def _stop(self, request: Json) -> Json:
        with self._changing:
            execution = self._found(request)
            if not execution.ended:
                execution.state, execution.ended = "CANCELLED", time.time()
                execution.reason = "Query cancelled by user"
            process = self._running.get(execution.identifier)
        if process:
            process.end()
        return {}

    def _found(self, request: Json) -> Execution:
        identifier = str(request.get("QueryExecutionId"))
        if identifier not in self._executions:
            raise RefusedError(f"QueryExecution {identifier} was not found")
        return self._executions[identifier]

    # In a query's own thread

    def _answer(self, execution: Execution, statement: Statement) -> None:
        try:
            reason = self._unload(execution, statement)
        except StepError as error:
            reason = str(error)
        except Exception as error:  # or the job would wait forever
            reason = f"{type(error).__name__}: {error}"
        with self._changing:
            self._running.pop(execution.identifier, None)
            if not execution.ended:
                execution.ended, execution.reason = time.time(), reason
                execution.state = "FAILED" if reason else "SUCCEEDED"

    def _unload(self, execution: Execution, statement: Statement) -> str:
        """Run a query and store its rows; return the reason if it failed."""
        target = self._storage.path(statement.to)
        if target.exists() and any(target.iterdir()):
            return f"HIVE_PATH_ALREADY_EXISTS: Target directory {statement.to} already exists"
        folder = self._folder / execution.identifier
        folder.mkdir(parents=True)
        options, log, rows = folder / "query.json", folder / "log.txt", folder / "rows"
        content = {
            "query": statement.query,
            "database": execution.request["QueryExecutionContext"]["Database"],
            "catalog": [[*table, uri] for table, uri in self._catalog.items()],
            "storage": str(self._storage.root),
            "folder": str(rows),
            "compression": statement.compression,
        }
        rows.mkdir()
        options.write_text(json.dumps(content), encoding="utf-8")
        command = [sys.executable, athena_query.__file__, str(options)]
        with self._changing:
            if execution.ended:
                return execution.reason
            execution.state = "RUNNING"
            process = self._running[execution.identifier] = self._start(command, log)
        while (status := process.wait(1.0)) is None:
            pass
        self.peak_bytes = max(self.peak_bytes, process.peak_bytes)
        if status:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return lines[-1] if lines else f"the query ended with exit status {status}"
        self._storage.move(rows, statement.to)
        return ""


@dataclass(frozen=True)
class Statement:
    """A parsed UNLOAD statement."""

    query: str
    to: str
    compression: str


def parsed(text: str) -> Statement:
    """Parse an UNLOAD statement.

    Raises:
        RefusedError: for any other statement, and for unsupported options.
    """
    found = _UNLOAD.fullmatch(text)
    if not found:
        start = " ".join(text.split())[:60]
        raise RefusedError(
            f"expected UNLOAD (SELECT ...) TO 's3://...' WITH (format = 'PARQUET'), got {start!r}: "
            "no other statement is supported on this machine"
        )
    options: dict[str, str] = {}
    for part in found["options"].split(","):
        option = _OPTION.fullmatch(part)
        if not option or option["name"].lower() in options:
            raise RefusedError(f"expected an option such as format = 'PARQUET', got {part!r}")
        options[option["name"].lower()] = option["value"].upper()
    if unknown := sorted(options.keys() - {"format", "compression"}):
        raise RefusedError(f"not supported on this machine: {', '.join(unknown)}")
    if options.get("format") != "PARQUET":
        raise RefusedError(f"expected format = 'PARQUET', got {options.get('format')!r}")
    compression = options.get("compression", "GZIP")  # Athena's default
    if compression not in COMPRESSIONS:
        raise RefusedError(f"expected {', '.join(COMPRESSIONS)}, got {compression!r}")
    return Statement(found["query"], found["to"], compression)
