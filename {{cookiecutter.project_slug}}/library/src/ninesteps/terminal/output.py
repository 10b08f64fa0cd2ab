"""Filters everything that a command prints, to a terminal, a file or a pipe.

Names, logs, errors and file names may hold control characters. Those that a terminal would obey
instead of showing are written as escapes (`\\u001b`), and so are characters that the console's
encoding lacks. JSON and TOML read these escapes back. Only the standard library is used: each
command imports this first.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

from ninesteps.plain_text import plain

_OUTPUT = "output"
"""The name of the output in an error about writing it."""


@contextlib.contextmanager
def plain_streams() -> Iterator[None]:
    """Filter everything that is printed in this context."""
    before = sys.stdin, sys.stdout, sys.stderr
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_encodable.__name__)
    sys.stdout, sys.stderr = (cast(TextIO, _Stream(s)) for s in (sys.stdout, sys.stderr))
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def discard() -> None:
    """Discard further output: nobody reads it, and the interpreter would fail to flush it at
    exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError):  # a stream without a file
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_closed() -> None:
    """Open the null device if the shell has closed a stream, or the next file takes its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123


def _encodable(error: UnicodeError) -> tuple[str, int]:
    """Characters that an encoding lacks, as the escapes that JSON and TOML read."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = map(ord, error.object[error.start : error.end])
    return "".join(f"\\u{n:04x}" if n < 0x10000 else f"\\U{n:08x}" for n in missing), error.end


codecs.register_error(_encodable.__name__, _encodable)


class _Stream:
    """A stream that escapes control characters; it has no `buffer`, which would bypass it."""

    def __init__(self, stream: TextIO, shows: bool = True) -> None:
        self._stream = stream
        self._shows = shows

    @property
    def rich_proxied_file(self) -> _Stream:
        """The stream for rich's own colours and cursor movements: `Console` has escaped its
        texts."""
        return _Stream(self._stream, shows=False)

    def write(self, text: str) -> int:
        """Write a text; an error names the output."""
        with _named():
            self._stream.write(plain(text) if self._shows else text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush what was written."""
        with _named():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self._stream, name)


@contextlib.contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = _OUTPUT
        raise
