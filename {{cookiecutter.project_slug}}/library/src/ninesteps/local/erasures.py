"""Reads the erasures in the chain of events: which records, and how files changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ninesteps.local import pseudonyms
from ninesteps.local.state import State
from ninesteps.local.step_cache import listing_sha256

KIND = "erased"

_ROWS = "row of a record erased on "
LOST = "erased records that cannot be recognised: their key is lost"
"""A count in a table's summary, beside `rows_erased_on`."""


@dataclass(frozen=True)
class Erasure:
    """One record that was erased."""

    at: str  # in UTC, to the second
    record: str  # the id's keyed hash
    key: str  # the key's name
    files: Mapping[str, tuple[str, str]]  # URI -> SHA-256 before and after; "": it is deleted
    learnt: tuple[int, ...] = ()  # versions trained on it, the newest first


@dataclass(frozen=True)
class Erasures:
    """Every erasure of a folder such as `.local`, the oldest first."""

    every: tuple[Erasure, ...] = ()
    key: pseudonyms.Key | None = None

    @staticmethod
    def read(state: State, local: Path) -> Erasures:
        """The erasures in a state's chain.

        Raises:
            StateError: if the file of the key has no valid key.
        """
        rows = state.rows("SELECT at, facts FROM events WHERE kind = ? ORDER BY number", KIND)
        every = state.made(rows, _erasure)
        return Erasures(tuple(every), pseudonyms.read(local))

    def of(self, identifier: str) -> Erasure | None:
        """The last erasure of a record; None if it was not erased, or if the key is lost."""
        if not self.every or self.key is None:
            return None
        record = self.key.of(identifier)
        return next((one for one in reversed(self.every) if one.record == record), None)

    def after(self, uri: str, sha256: str) -> str:
        """The digest that a file should have now, after erasures in it."""
        for one in self.every:
            before, after = one.files.get(uri, ("", ""))
            sha256 = after if before == sha256 and before else sha256
        return sha256

    def of_folder(self, uri: str, sha256: str, now: Mapping[str, str]) -> str:
        """Why the files of a folder no longer match their common digest.

        Empty if erasures alone do not explain the present files.

        Args:
            now: SHA-256 by name in the folder.
        """
        files, folder, last = dict(now), f"{uri.rstrip('/')}/", ""
        for one in reversed(self.every):
            for changed, (before, after) in one.files.items():
                name = changed.removeprefix(folder)
                if changed.startswith(folder) and files.get(name, "") == after:
                    files[name], last = before, last or one.at[:10]
        is_theirs = last and listing_sha256(files) == sha256
        return f"was changed by an erasure on {last}" if is_theirs else ""

    def says(self, uri: str, sha256: str) -> str:
        """Why a file no longer has a digest, such as `was changed by an erasure on ...`.

        Empty if no erasure changed it.
        """
        changes = [(one, one.files[uri]) for one in self.every if uri in one.files]
        changes = [(one, files) for one, files in changes if sha256 in files]
        if not changes:
            return ""
        last, (_, after) = changes[-1]
        return f"was {'changed' if after else 'deleted'} by an erasure on {last.at[:10]}"

    def learnt_by(self, version: int) -> str:
        """The remark that a version was trained on records that were erased since; else empty.

        It continues a sentence after the version's name.
        """
        days = [one.at[:10] for one in self.every if version in one.learnt]
        if not days:
            return ""
        if len(days) == 1:
            return f"was trained on a record that was erased on {days[0]}, or was selected with it"
        return (
            f"was trained on {len(days)} records that were erased, the last on {days[-1]}, or was "
            "selected with them"
        )

    @property
    def under_lost_keys(self) -> int:
        """How many erased records cannot be recognised, because their key is lost."""
        name = self.key.name if self.key else ""
        return sum(one.key != name for one in self.every)

    def among(self, identifiers: Iterable[str]) -> dict[str, str]:
        """Which of some ids belong to erased records: id -> the moment of the last erasure."""
        if not self.every or self.key is None:
            return {}
        moments = {bytes.fromhex(e.record): e.at for e in self.every if e.key == self.key.name}
        hashed = self.key.hash
        return {i: moments[h] for i in identifiers if (h := hashed(i.encode())) in moments}


def _erasure(at: str, facts: str) -> Erasure:
    content = json.loads(facts)
    files = {str(uri): (str(b), str(a)) for uri, (b, a) in content["files"].items()}
    learnt = tuple(map(int, content["learnt"]))
    return Erasure(at, str(content["record"]), str(content["key"]), files, learnt)


def read(local: Path) -> Erasures:
    """The erasures of a folder such as `.local`; empty if there is no state yet.

    Raises:
        StateError: if the state cannot be read.
    """
    if not (local / "state.db").is_file():
        return Erasures()
    return Erasures.read(State(local / "state.db", read_only=True), local)


def rows_erased_on(at: str) -> str:
    """The key in a table's summary for rows of records erased on a day."""
    return f"{_ROWS}{at[:10]}: left out"


def notices(file: Path, found: Mapping[str, int]) -> list[str]:
    """The warnings about a table with rows of erased records, one sentence each.

    Args:
        found: the counts in its summary.
    """
    sentences = []
    for what, count in found.items():
        if what.startswith(_ROWS):
            has = (
                "1 row of a record that was"
                if count == 1
                else f"{count:,} rows of records that were"
            )
            day = what.removeprefix(_ROWS).partition(":")[0]
            sentences.append(f"{file} still has {has} erased on {day}: left out; delete them there")
        elif what == LOST:
            has = "1 record was" if count == 1 else f"{count:,} records were"
            sentences.append(
                f"{has} erased under a key that {pseudonyms.FILE} does not have: {file} may still "
                "have rows of them, and none was left out; restore the key from a backup"
            )
    return sentences
