"""The line of a setting in a TOML file: that of its key, or of the table that should have it.

`tomllib` keeps no line numbers. The text is known to be valid TOML, so a simple reading is enough:
a line begins with a table's header, a key, or the rest of a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEADER = re.compile(r"\s*\[\[?(?P<path>[^\[\]]+)\]\]?\s*(#.*)?")
_NAME = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEY = re.compile(rf"\s*(?P<path>{_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
_PART = re.compile(r"""[\w-]+|"([^"]*)"|'([^']*)'""")
_LONG = re.compile("\"\"\"|'''")


def line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The line of a key, counted from 1; for a missing key, that of the innermost table.

    A key of an inline table is on the line that the inline table begins on.

    Args:
        path: the tables and the key.
    """
    best, deepest = None, 0
    for number, found in _places(text):
        depth = len(found)
        if depth > deepest and path[:depth] == found:
            best, deepest = number, depth
    return best


def _places(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Each header and each key: its line, and its path."""
    table: tuple[str, ...] = ()
    ends = ""  # what ends the long string that the line is in
    for number, line in enumerate(text.splitlines(), start=1):
        if not ends:
            if header := _HEADER.fullmatch(line):
                table = _parts(header["path"])
                yield number, table
            elif key := _KEY.match(line):
                yield number, (*table, *_parts(key["path"]))
        for mark in _LONG.findall(line):
            ends = mark if not ends else "" if mark == ends else ends


def _parts(path: str) -> tuple[str, ...]:
    """The parts of a dotted path, without their quotes."""
    return tuple(match[1] or match[2] or match[0] for match in _PART.finditer(path))
