"""Erases a record from this machine; a killed erasure can be continued.

Everything that will change is listed, with digests and numbers of rows but without the id, before
the first file changes. The list is kept until the chain has its entry. Files are replaced one by
one, each atomically: a file has either its old content or its new one.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ninesteps.errors import StateError
from ninesteps.feature_store.online import FILE as ONLINE
from ninesteps.local import pseudonyms
from ninesteps.local.erasures import KIND, Erasures, rows_erased_on
from ninesteps.local.pseudonyms import Key
from ninesteps.local.state import LOCK, State, digest_of, is_run_locked, now, run_lock
from ninesteps.settings.settings import Settings
from ninesteps.tracing import rewriting
from ninesteps.tracing.found import COUNTS, ENTRIES, LINES, WHOLE, Change, Found, refused_in
from ninesteps.tracing.index import FOLDER, SUFFIX

NO_NAME = "'[erased]'"
"""What replaces the quoted id in a text."""


@dataclass(frozen=True)
class Plan:
    """What an erasure changes."""

    changes: tuple[Change, ...]
    learnt: tuple[int, ...]  # the versions that learnt from the record, newest first
    is_begun: bool = False  # an earlier erasure of the record was interrupted: this continues it


@dataclass(frozen=True)
class Erasing:
    """The erasure of one record from a folder such as `.local`."""

    local: Path
    identifier: str
    record_ids: tuple[str, ...]  # the names of the id column in the stores
    group: str  # the model package group
    on_work: Callable[[str], None] = lambda what: None

    def plan(self) -> Plan:
        """The files that have the record, and what is left of an interrupted erasure.

        Raises:
            StateError: if a run is in progress, which may write the record again.
        """
        self._check_no_run()
        found, key = self._found(), pseudonyms.read(self.local)
        earlier = self._listed(key) if key else None
        if earlier is None:
            return Plan(found.changes, found.learnt)
        listed = {change.path: change for change in earlier.changes if self._is_as_listed(change)}
        listed |= {c.path: c for c in found.changes if c.path not in listed}
        learnt = sorted({*earlier.learnt, *found.learnt}, reverse=True)
        return Plan(tuple(listed.values()), tuple(learnt), is_begun=True)

    def carry_out(self, plan: Plan) -> None:
        """Erase the record, then add an entry to the chain.

        Raises:
            StateError: if another erasure or a run is in progress, or a file has changed since it
                was planned.
        """
        key = pseudonyms.made(self.local)
        with self._alone():
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch.mkdir(parents=True)
            changes = {change.path: change for change in plan.changes}
            self._list(key, plan)
            for path, change in changes.items():
                self.on_work(path)
                if done := self._made(change):
                    changes[path] = done
                    self._list(key, replace(plan, changes=tuple(changes.values())))
                    self._put_in_place(done)
            self._take_entries_out()
            self._forget_indexes(changes.values())
            self._check_no_run()
            if left := self._found().changes:
                raise StateError(
                    f"{left[0].path} has the record again: another process wrote it meanwhile; "
                    "erase the record again"
                )
            self._tell(key, replace(plan, changes=tuple(changes.values())))
            self._list_of(key).unlink(missing_ok=True)
            shutil.rmtree(self._scratch, ignore_errors=True)

    # What there is

    def _found(self) -> Found:
        return Found(self.local, self.identifier, self.record_ids, self.group, self.on_work)

    def _check_no_run(self) -> None:
        for lock in sorted(self.local.glob(f"runs/*/{LOCK}")):
            if is_run_locked(lock.parent):
                raise StateError(
                    f"run {lock.parent.name} is in progress and may write the record again: "
                    "erase it when the run has ended"
                )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        (self.local / FOLDER).mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(run_lock(self.local / FOLDER))
            except StateError:
                raise StateError(
                    "another erasure is in progress in this repository: try again when it has ended"
                ) from None
            yield

    # The list

    def _list_of(self, key: Key) -> Path:
        return self.local / FOLDER / f"erasing-{key.of(self.identifier)[:16]}.json"

    def _list(self, key: Key, plan: Plan) -> None:
        changes = [asdict(change) for change in plan.changes]
        content = {"changes": changes, "learnt": plan.learnt}
        rewriting.write_json(self._list_of(key), content, self._scratch / "list")

    def _listed(self, key: Key) -> Plan | None:
        """The list of an interrupted erasure of the record; None if there is none."""
        try:
            content = json.loads(self._list_of(key).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        changes = (Change(**{**c, "lines": tuple(c["lines"])}) for c in content["changes"])
        return Plan(tuple(changes), tuple(content["learnt"]), is_begun=True)

    def _is_as_listed(self, change: Change) -> bool:
        """Whether a file has the content that was listed, or its new content."""
        file = self.local / change.path
        if not file.is_file() or change.how == ENTRIES:
            return True
        return digest_of(file) in (change.before, change.after)

    # The files

    @property
    def _scratch(self) -> Path:
        return self.local / FOLDER / "new"

    def _made(self, change: Change) -> Change | None:
        """Write the new file and add its digest to the change; None if nothing changes."""
        file, new = self.local / change.path, self._scratch / "file"
        if change.how == ENTRIES or not file.exists():
            return None
        if change.how == WHOLE:
            return change
        there = digest_of(file)
        if there == change.after:
            return None
        if there != change.before:
            raise StateError(f"{file} has changed since the erasure began: erase the record again")
        if change.how == LINES:
            rewriting.without_lines(file, change.lines, new)
        elif change.how == COUNTS:
            new.write_text(_recounted(file, change.rows), encoding="utf-8")
        else:
            rewriting.without_rows(file, change.column, self.identifier, new)
        return replace(change, after=digest_of(new))

    def _put_in_place(self, change: Change) -> None:
        file = self.local / change.path
        if change.how != WHOLE:
            rewriting.replace(self._scratch / "file", file)
        elif file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)

    # Entries of databases and texts

    def _take_entries_out(self) -> None:
        found = self._found()
        self._take_out_of_the_online_store()
        for file in found.refused():
            content = json.loads(file.read_text(encoding="utf-8"))
            kept = [one for one in refused_in(file) if one[0] != self.identifier]
            rewriting.write_json(file, {**content, "refused": kept}, self._scratch / "file")
        for file in found.texts():
            text = file.read_bytes().replace(found.quoted.encode(), NO_NAME.encode())
            (self._scratch / "file").write_bytes(text)
            rewriting.replace(self._scratch / "file", file)
        if steps := found.steps():
            self._take_out_of_the_state(steps, found.quoted)

    def _take_out_of_the_online_store(self) -> None:
        file = self.local / ONLINE
        if not file.is_file():
            return
        with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as store:
            store.execute("PRAGMA secure_delete = ON")  # else its bytes stay in the file
            store.execute("DELETE FROM records WHERE id = ?", (self.identifier,))
            store.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _take_out_of_the_state(self, steps: list[Any], quoted: str) -> None:
        escaped, no_name = json.dumps(quoted)[1:-1], json.dumps(NO_NAME)[1:-1]
        state = State(self.local / "state.db")
        with state.transaction() as connection:
            connection.execute("PRAGMA secure_delete = ON")
            for execution, name, reason, record in steps:
                texts = reason.replace(quoted, NO_NAME), record.replace(escaped, no_name)
                connection.execute(
                    "UPDATE steps SET reason = ?, record = ? WHERE execution = ? AND name = ?",
                    (*texts, execution, name),
                )
        state.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def _forget_indexes(self, changes: Any) -> None:
        """Delete indexes of contents that no longer exist: they have the keyed hash of the id."""
        tables = {Path(c.path).parent.name for c in changes if c.how == COUNTS}
        for name in {change.before for change in changes} | tables:
            (self.local / FOLDER / f"{name[:32]}{SUFFIX}").unlink(missing_ok=True)
        for unfinished in (self.local / FOLDER).glob(f".*{SUFFIX}"):
            unfinished.unlink(missing_ok=True)

    # The chain

    def _tell(self, key: Key, plan: Plan) -> None:
        """Add an entry to the chain: the id's keyed hash, the files, and affected versions."""
        files = {change.uri: [change.before, change.after] for change in plan.changes}
        state, record = State(self.local / "state.db"), key.of(self.identifier)
        every = Erasures.read(state, self.local).every
        told = [{**one.files} for one in every if one.record == record]
        if {uri: (before, after) for uri, (before, after) in files.items()} in told:
            return  # an earlier erasure was interrupted after its entry
        facts = {"record": record, "key": key.name, "files": files, "learnt": list(plan.learnt)}
        state.append_event(KIND, facts)


def _recounted(summary: Path, rows: int) -> str:
    """A table's summary without some rows of a record."""
    content = json.loads(summary.read_text(encoding="utf-8"))
    found = content["found"]
    what = rows_erased_on(now())
    content["found"] = {**found, what: found.get(what, 0) + rows}
    content["kept"] -= rows
    if content.get("used") is not None:
        content["used"] -= 1
    return json.dumps(content, indent=2)


def of(
    local: Path,
    settings: Settings,
    identifier: str,
    on_work: Callable[[str], None] = lambda _: None,
) -> Erasing:
    """The erasure of one record of a pipeline."""
    features = settings.features_of(settings.environment())
    ids = [settings.stored_record_id, *(group.record_id for group in features.groups.values())]
    group = settings.model_package_group
    return Erasing(local, identifier, tuple(dict.fromkeys(filter(None, ids))), group, on_work)


def tables(local: Path, settings: Settings) -> list[str]:
    """The team's raw tables, and other repositories whose feature groups are read here."""
    kept = State(local / "state.db", read_only=True).executions()
    paths = [str(run.origin.get("table", {}).get("path", "")) for run in kept]
    features = settings.features_of(settings.environment())
    stores = [f"the repository {group.store}" for group in features.groups.values() if group.store]
    return list(dict.fromkeys(filter(None, [settings.data.file, *paths, *stores])))
