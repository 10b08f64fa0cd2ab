"""The way out to a terminal, a file or a pipe: every text that a command prints passes here.

Names, logs, errors and file names are others' texts. What a terminal would obey instead of showing
is written as its code (`\\u001b`), and so is what the console's encoding does not have. JSON and
TOML read those codes back. Standard library alone: each command imports this first.
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
"""What an error names, where the output cannot be written."""


@contextlib.contextmanager
def plain_streams() -> Iterator[None]:
    """Let everything that is printed meanwhile pass here."""
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
    """Throw away what is still printed: nothing takes it, and the interpreter tries at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError):  # a stream of no file
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_closed() -> None:
    """Nothing for a stream that the shell has closed: or the next file opened gets its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123


def _encodable(error: UnicodeError) -> tuple[str, int]:
    """Characters that an encoding does not have, as the codes that JSON and TOML read."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = map(ord, error.object[error.start : error.end])
    return "".join(f"\\u{n:04x}" if n < 0x10000 else f"\\U{n:08x}" for n in missing), error.end


codecs.register_error(_encodable.__name__, _encodable)


class _Stream:
    """A stream that shows what a terminal would obey; it has no `buffer`, the way around it."""

    def __init__(self, stream: TextIO, shows: bool = True) -> None:
        self._stream = stream
        self._shows = shows

    @property
    def rich_proxied_file(self) -> _Stream:
        """Where rich writes its own colours and movements: `Console` has cleaned its texts."""
        return _Stream(self._stream, shows=False)

    def write(self, text: str) -> int:
        """Write a text; an error of the output says so."""
        with _named():
            self._stream.write(plain(text) if self._shows else text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what was written."""
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
