"""Finds the files that differ in the steps' code, which definitions name by content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ninesteps.report.comparison.model import FileChange, Part
from ninesteps.report.comparison.side import Side, training_files
from ninesteps.report.evidence import MOST_BYTES, Absent

_ARCHIVE = ".tar.gz"


def code(first: Side, second: Side) -> Part[FileChange]:
    """The files that differ, step by step; a step whose code is the same has one row.

    Raises:
        Absent: if neither says where its code lies, or it is gone, or may not be looked at.
    """
    if not first.code and not second.code:
        raise Absent("no step says where its code is")
    rows = [
        row
        for step in dict.fromkeys((*first.code, *second.code))
        for row in _step(step, first, second)
    ]
    return Part(tuple(rows))


def _step(step: str, first: Side, second: Side) -> Iterator[FileChange]:
    places = first.code.get(step), second.code.get(step)
    if None in places:
        yield FileChange(step, "(all files)", "removed" if places[0] else "added")
        return
    rows = [] if places[0] == places[1] else list(_files(step, first, second))
    yield from rows or [FileChange(step, "", "the same")]


def _files(step: str, first: Side, second: Side) -> Iterator[FileChange]:
    """The files of a step that differ."""
    before, now = (_marks(side, side.code[step]) for side in (first, second))
    for name in sorted({*before, *now}):
        if name not in before:
            yield FileChange(step, name, "added")
        elif name not in now:
            yield FileChange(step, name, "removed")
        elif before[name] != now[name] and _content(first, step, name) != _content(
            second, step, name
        ):
            yield FileChange(step, name, "changed")


def _marks(side: Side, uri: str) -> dict[str, str]:
    """A mark of each file's content, by its name."""
    if not uri.endswith(_ARCHIVE):
        if names := side.store.listing(uri):
            return names
        raise Absent(f"the code of {side.name} is gone: there is nothing at {uri}")
    raw = side.store.read(uri, MOST_BYTES)
    if raw is None:
        raise Absent(f"the code of {side.name} is gone: there is nothing at {uri}")
    return {name: hashlib.sha256(file).hexdigest() for name, file in training_files(raw).items()}


def _content(side: Side, step: str, name: str) -> str | bytes | None:
    """A file's content, where its mark says too little: files in archives are marked by theirs."""
    uri = side.code[step]
    if uri.endswith(_ARCHIVE):
        return _marks(side, uri)[name]
    return side.store.read(f"{uri.rstrip('/')}/{name}", MOST_BYTES)
