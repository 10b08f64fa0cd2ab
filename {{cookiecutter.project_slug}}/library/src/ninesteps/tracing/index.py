"""Finds ids in large files by an index of sorted keyed hashes, each with its row's position.

An index is a file of its own under `.local/trace`, one for each different content: versions that
share a split share its index. An entry is the first 12 bytes of an id's keyed hash, the row's
position in 5 bytes and its number in 4. The chance that any two of a billion ids have the same
12 bytes is one in a hundred billion; in a text file the row itself is compared too, since it may
have changed.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ninesteps.errors import StateError
from ninesteps.local.pseudonyms import Key

FOLDER = "trace"
SUFFIX = ".ids"

_MAGIC = b"ids of 2"
_KEY = slice(8, 24)  # the key's name, since under another key no hash is found
_CONTENT = slice(24, 56)  # SHA-256 of what was indexed
_SIZE = slice(56, 64)  # ... and its bytes
_HEADER = 64
_HASH, _PLACE = 12, 5
_ENTRY = _HASH + _PLACE + 4


@dataclass(frozen=True)
class Place:
    """The position of a row."""

    place: int  # bytes before it, in a text file; or the number of its file, if there are several
    row: int  # how many rows there are before it


@dataclass(frozen=True)
class Index:
    """An index of ids on disk."""

    file: Path
    key: Key

    def is_of(self, content: str, size: int) -> bool:
        """Whether it exists, is complete, and was made with this key from this content.

        Args:
            content: SHA-256 of what was indexed; empty: whatever it is.
            size: its bytes.
        """
        try:
            with self.file.open("rb") as opened:
                header = opened.read(_HEADER)
        except OSError:
            return False
        return (
            len(header) == _HEADER
            and header.startswith(_MAGIC)
            and header[_KEY] == self.key.name.encode()
            and content in ("", header[_CONTENT].hex())
            and int.from_bytes(header[_SIZE], "big") == size
        )

    @property
    def count(self) -> int:
        """How many rows it has."""
        return (self.file.stat().st_size - _HEADER) // _ENTRY

    def find(self, identifier: str) -> list[Place]:
        """The rows that an id may have: its own, and those of hashes that begin alike."""
        wanted = self.key.hash(identifier.encode())[:_HASH]
        with (
            self.file.open("rb") as opened,
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            count = (len(content) - _HEADER) // _ENTRY
            low, high = 0, count
            while low < high:
                middle = (low + high) // 2
                start = _HEADER + middle * _ENTRY
                if content[start : start + _HASH] < wanted:
                    low = middle + 1
                else:
                    high = middle
            return list(_places(content, low, count, wanted))

    def write(self, rows: Iterable[tuple[bytes, int, int]], content: bytes, size: int) -> None:
        """Write it; it appears under its name when it is complete.

        Args:
            rows: of each its id, its place and its number.
            content: SHA-256 of what is indexed.
            size: its bytes.
        """
        hashed = self.key.hash
        entries = sorted(
            hashed(identifier)[:_HASH] + place.to_bytes(_PLACE, "big") + row.to_bytes(4, "big")
            for identifier, place, row in rows
        )
        self.file.parent.mkdir(parents=True, exist_ok=True)
        whole = self.file.with_name(f".{secrets.token_hex(8)}{SUFFIX}")
        with whole.open("wb") as opened:
            opened.write(_MAGIC + self.key.name.encode() + content + size.to_bytes(8, "big"))
            opened.write(b"".join(entries))
        whole.replace(self.file)


def _places(content: mmap.mmap, first: int, count: int, wanted: bytes) -> Iterator[Place]:
    for number in range(first, count):
        start = _HEADER + number * _ENTRY
        if content[start : start + _HASH] != wanted:
            return
        number_at = start + _HASH + _PLACE
        place = int.from_bytes(content[start + _HASH : number_at], "big")
        yield Place(place, int.from_bytes(content[number_at : start + _ENTRY], "big"))


def index_lines(index: Index, file: Path) -> str:
    """Index a text file whose lines begin with an id, such as a split; gives its SHA-256.

    Raises:
        StateError: if the file changes meanwhile.
    """
    total, size = hashlib.sha256(), file.stat().st_size

    def rows() -> Iterator[tuple[bytes, int, int]]:
        place = 0
        with file.open("rb") as lines:
            for number, line in enumerate(lines):
                total.update(line)
                yield first_field(line), place, number
                place += len(line)

    every = list(rows())
    if file.stat().st_size != size:
        raise StateError(f"{file} is being written: try again when the run has ended")
    index.write(every, total.digest(), size)
    return total.hexdigest()


def first_field(line: bytes) -> bytes:
    """The first field of a line of CSV."""
    if not line.startswith(b'"'):
        return line.partition(b",")[0].rstrip(b"\r\n")
    end = line.find(b'"', 1)
    while end >= 0 and line[end + 1 : end + 2] == b'"':
        end = line.find(b'"', end + 2)
    return line[1 : end if end > 0 else len(line)].replace(b'""', b'"')


def line_at(file: Path, place: int) -> bytes:
    """The line that begins after so many bytes."""
    with file.open("rb") as content:
        content.seek(place, os.SEEK_SET)
        return content.readline()
