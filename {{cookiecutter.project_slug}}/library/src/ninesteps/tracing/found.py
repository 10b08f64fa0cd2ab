"""Finds every file below `.local` with data of a record, without an index."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ninesteps.feature_store.ingest import SUMMARY
from ninesteps.feature_store.online import FILE as ONLINE
from ninesteps.local.state import State, digest_of
from ninesteps.local.storage import Storage
from ninesteps.tracing import rewriting
from ninesteps.tracing.uses import SPLITS, RunFiles, runs

PAGES = ("report.html", "report.md", "report.json")
SANDBOXES = ("sandboxes", "kept")
"""Folders of a run with the files of steps that did not end."""

ABANDONED = 3600
"""Seconds after which an unfinished table is considered abandoned."""

LINES, ROWS, COUNTS, WHOLE, ENTRIES = "lines", "rows", "counts", "whole", "entries"
"""What is deleted from a file: lines, rows of Parquet, rows from its counts, or all of it; or
entries of a database or a text, which are searched for again whenever an erasure continues."""


@dataclass(frozen=True)
class Change:
    """A file that has data of the record, and how it changes."""

    path: str  # below `.local`, with slashes
    uri: str  # in S3; else its path
    what: str  # in words
    how: str  # LINES, ROWS, COUNTS, WHOLE or ENTRIES
    before: str = ""  # SHA-256
    after: str = ""  # ... when it is done; empty for a deleted file
    lines: tuple[int, ...] = ()  # the numbers of the lines
    column: str = ""  # of Parquet, the one with the ids
    rows: int = 0  # how many


@dataclass(frozen=True)
class Found:
    """The data of a record in a folder such as `.local`."""

    local: Path
    identifier: str
    record_ids: Sequence[str]  # the names of the id column in the stores
    group: str  # the model package group
    on_work: Callable[[str], None] = lambda what: None

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """Every change, in the order of erasing: files without ids come first."""
        parts = (self._by_row, self._words, self._pages, self._sandboxes, self._unfinished,
                 self._lines, self._tables, self._entries)  # fmt: skip
        return tuple(change for part in parts for change in part())

    @cached_property
    def learnt(self) -> tuple[int, ...]:
        """The versions that learnt from the record or were selected on it, newest first."""
        found = {
            version
            for run in self._runs
            for split in ("train", "validation")
            if self._file(run.splits.get(split, "")) in self._in_lines
            for version in run.versions
        }
        return tuple(sorted(found, reverse=True))

    @property
    def quoted(self) -> str:
        """The id as messages have it."""
        return repr(self.identifier)

    # Files

    @cached_property
    def _runs(self) -> list[RunFiles]:
        if not (self.local / "state.db").is_file():
            return []
        return runs(State(self.local / "state.db", read_only=True), self.group)

    @cached_property
    def _uris(self) -> dict[Path, str]:
        """The S3 URI of each file that a step has written."""
        storage = Storage(self.local / "s3")
        return {storage.path(uri): uri for run in self._runs for uri in run.digests}

    def _file(self, uri: str) -> Path | None:
        return Storage(self.local / "s3").path(uri) if uri else None

    def _uri(self, file: Path) -> str:
        """The S3 URI of a file, even if it is not known which step wrote it."""
        if known := self._uris.get(file):
            return known
        return f"s3://{file.relative_to(self.local / 's3').as_posix()}"

    def _path(self, file: Path) -> str:
        return file.relative_to(self.local).as_posix()

    @cached_property
    def _in_lines(self) -> dict[Path, list[int]]:
        """The files whose lines begin with an id, and the numbers of the record's lines."""
        return dict(self._with_lines(self.local / "s3"))

    def _with_lines(self, folder: Path) -> Iterator[tuple[Path, list[int]]]:
        for name in (*(f"{split}.csv" for split in SPLITS), "*.csv.out"):
            for file in sorted(folder.rglob(name)):
                self.on_work(self._path(file))
                if numbers := rewriting.lines_of(file, self.identifier):
                    yield file, numbers
        for name in ("*.jsonl", "*.jsonl.out"):
            for file in sorted(folder.rglob(name)):
                self.on_work(self._path(file))
                if numbers := rewriting.json_lines_of(file, self.identifier):
                    yield file, numbers

    def _lines(self) -> Iterator[Change]:
        for file, numbers in self._in_lines.items():
            is_split = file.stem in SPLITS
            name = f"the {file.stem} split" if is_split else "predictions"
            if file.suffix == ".jsonl":
                name = f"{name}'s conversations" if is_split else f"the evaluation's {file.stem}"
            yield Change(
                self._path(file), self._uri(file), f"{_rows(len(numbers))} of {name}", LINES,
                digest_of(file), lines=tuple(numbers), rows=len(numbers),
            )  # fmt: skip

    def _by_row(self) -> Iterator[Change]:
        """Files without ids whose rows are those of the test split, in its order."""
        seen = set[Path]()
        for run in self._in_test:
            test = Storage(self.local / "s3").path(run.splits["test"])
            numbers = self._in_lines[test]
            for uri in run.by_row:
                file = Storage(self.local / "s3").path(uri)
                if file in seen or not file.is_file():
                    continue
                seen.add(file)
                yield self._of_rows(file, uri, numbers, _count(test))

    def _of_rows(self, file: Path, uri: str, numbers: Sequence[int], rows: int) -> Change:
        is_shap = file.name == "out.csv"
        lines = _count(file) - is_shap  # less its header
        what = "local explanations" if is_shap else "the evaluation's answers"
        if lines == rows:
            shifted = tuple(number + is_shap for number in numbers)
            return Change(self._path(file), uri, f"{_rows(len(shifted))} of {what}", LINES,
                          digest_of(file), lines=shifted, rows=len(shifted))  # fmt: skip
        # It has some rows of the split, identified by position only, which deleting a row would
        # shift.
        return Change(self._path(file), uri, f"{what}, all of them", WHOLE, digest_of(file))

    @cached_property
    def _in_test(self) -> list[RunFiles]:
        return [run for run in self._runs if self._file(run.splits.get("test", ""))
                in self._in_lines]  # fmt: skip

    def _tables(self) -> Iterator[Change]:
        """Parquet: the offline store, and the rows of queries."""
        for file in sorted((self.local / "s3").rglob("*.parquet")):
            if file.relative_to(self.local / "s3").parts[0].startswith("."):
                continue  # of an ingest in progress, or see `_unfinished`
            if (column := rewriting.id_column(file, self.record_ids)) and (
                rows := rewriting.rows_of(file, column, self.identifier)
            ):
                self.on_work(self._path(file))
                path, uri = self._path(file), self._uri(file)
                what = f"{_rows(rows)} of {_kind(file)}"
                yield Change(path, uri, what, ROWS, digest_of(file), column=column, rows=rows)
                if summary := _summary(file):
                    yield Change(
                        self._path(summary), self._uri(summary), "the counts of its table", COUNTS,
                        digest_of(summary), rows=rows,
                    )  # fmt: skip

    def _words(self) -> Iterator[Change]:
        """Word attributions that name the record: they have words of its conversation."""
        named = json.dumps(self.identifier, ensure_ascii=False).encode()
        for file in sorted((self.local / "s3").rglob("attributions.json")):
            if named in file.read_bytes():
                what = "the words that replies depend on, all of them"
                yield Change(self._path(file), self._uri(file), what, WHOLE, digest_of(file))

    def _pages(self) -> Iterator[Change]:
        """Reports that draw the record among others or name it."""
        drawn = {run.execution for run in self._in_test}
        for file in sorted(f for name in PAGES for f in self.local.glob(f"runs/*/{name}")):
            if file.parent.name in drawn or self._names(file):
                what = f"the report of run {file.parent.name}"
                yield Change(self._path(file), self._path(file), what, WHOLE, digest_of(file))

    def _sandboxes(self) -> Iterator[Change]:
        """Files of steps that failed or were stopped."""
        for folder in sorted(f for name in SANDBOXES for f in self.local.glob(f"runs/*/{name}")):
            tables = (file for file in folder.rglob("*.parquet") if file.is_file())
            if any(self._with_lines(folder)) or any(map(self._has_rows, tables)):
                what = f"files that a step of run {folder.parent.name} left behind"
                yield Change(self._path(folder), self._path(folder), what, WHOLE)

    def _unfinished(self) -> Iterator[Change]:
        """Unfinished tables of killed processes, whatever rows they have."""
        for left in sorted((self.local / "s3").glob(".*")):
            if time.time() - left.stat().st_mtime > ABANDONED:
                what = "an unfinished table of a killed process"
                yield Change(self._path(left), self._path(left), what, WHOLE)

    def _has_rows(self, file: Path) -> bool:
        column = rewriting.id_column(file, self.record_ids)
        return bool(column and rewriting.rows_of(file, column, self.identifier))

    # Entries

    def _entries(self) -> Iterator[Change]:
        """Databases and texts with entries about the record."""
        if count := self._online():
            what = "the record" if count == 1 else "the records of its feature groups"
            yield Change(ONLINE, ONLINE, f"{what} in the online store", ENTRIES)
        for file in self.refused():
            what = "records that an account refused"
            yield Change(self._path(file), self._path(file), what, ENTRIES)
        for file in self.texts():
            yield Change(self._path(file), self._path(file), "lines that name the record", ENTRIES)
        if self.steps():
            yield Change("state.db", "state.db", "messages of steps that name the record", ENTRIES)

    def _online(self) -> int:
        file = self.local / ONLINE
        if not file.is_file():
            return 0
        with closing(sqlite3.connect(file, timeout=30)) as store:
            query = "SELECT count(*) FROM records WHERE id = ?"
            return int(store.execute(query, (self.identifier,)).fetchone()[0])

    def refused(self) -> list[Path]:
        """Lists of refused records, of ingests into an account, that have the id."""
        files = sorted(self.local.glob("ingests/*.json"))
        return [file for file in files if any(i == self.identifier for i, _ in refused_in(file))]

    def texts(self) -> list[Path]:
        """Logs that name the record."""
        patterns = ("runs/*/logs/**/*.log", "endpoint/*.log")
        files = sorted(file for pattern in patterns for file in self.local.glob(pattern))
        return [file for file in files if self._names(file)]

    def _names(self, file: Path) -> bool:
        return self.quoted.encode() in file.read_bytes()

    def steps(self) -> list[tuple[str, str, str, str]]:
        """Messages of steps that name the record: (run, step, reason, record)."""
        if not (self.local / "state.db").is_file():
            return []
        state, escaped = State(self.local / "state.db", read_only=True), json.dumps(self.quoted)
        return state.rows(
            "SELECT execution, name, reason, record FROM steps "
            "WHERE instr(reason, ?) OR instr(record, ?)", self.quoted, escaped[1:-1],
        )  # fmt: skip


def refused_in(file: Path) -> list[list[str]]:
    """The id and event time of each record that an ingest lists as refused."""
    try:
        return list(json.loads(file.read_text(encoding="utf-8"))["refused"])
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _count(file: Path) -> int:
    """The lines of a file."""
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _kind(file: Path) -> str:
    parts = file.parts
    if "feature-store" in parts:
        return "the offline store"
    return "another repository's feature group" if "shared" in parts else "a query's result"


def _summary(file: Path) -> Path | None:
    """The summary of the table that a file of the main feature group belongs to."""
    data = next((folder for folder in file.parents if folder.name == "data"), None)
    if data is None or data.parent.parent.name != "feature-store":
        return None
    summary = data.parent / SUMMARY
    return summary if summary.is_file() else None
