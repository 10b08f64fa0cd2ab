"""Compares two files that should be the same: as bytes, otherwise as numbers.

Numbers are compared as numbers only if everything else is the same: the text between them, the
names in JSON, the columns of a table, the members of an archive.
"""

from __future__ import annotations

import io
import json
import math
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_NUMBER = re.compile(
    r"(?<![\w.+-])([+-]?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|nan|inf)"
    r"(?![\w.+-]|:\d))",
    re.ASCII,
)
"""A number in a text that is not part of a word, a timestamp or a version."""

_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)


class _OtherwiseError(Exception):
    """Something other than a number differs; the message says what and where."""


@dataclass(frozen=True)
class Difference:
    """How two files differ."""

    what: str  # that differs, in words; empty: nothing but numbers
    numbers: int = 0  # that differ; 0: only bytes do
    absolute: float = 0.0  # the largest absolute difference
    relative: float = 0.0  # the largest relative difference, of the larger of the two
    where: str = ""  # the place of the largest absolute difference
    excess: bool = False  # whether a number is beyond the tolerance

    @property
    def is_within(self) -> bool:
        """Whether only numbers differ, and none beyond the tolerance."""
        return not self.what and not self.excess


def difference(name: str, recorded: bytes, made: bytes, tolerance: float) -> Difference:
    """How a file that was made again differs from the recorded one.

    A number is within the tolerance if the absolute difference is at most that, or the relative
    one. Whole numbers are counts and ids: they are compared exactly.

    Args:
        name: of the file; its ending says how it is read.
    """
    numbers = _Numbers(tolerance)
    try:
        _compare(name, "", recorded, made, numbers)
    except _OtherwiseError as otherwise:
        return Difference(str(otherwise))
    return Difference(
        "", numbers.count, numbers.absolute, numbers.relative, numbers.where, numbers.excess
    )


class _Numbers:
    """The differences between pairs of numbers."""

    def __init__(self, tolerance: float) -> None:
        self.count = 0
        self.absolute = self.relative = 0.0
        self.where = ""
        self.excess = False
        self._tolerance = tolerance

    def add(self, where: str, recorded: float, made: float, is_exact: bool) -> None:
        """Count a pair, unless its numbers are equal, as a pair of NaN is."""
        try:
            recorded, made = float(recorded), float(made)
        except OverflowError:
            raise _otherwise(where, "numbers too large to be compared") from None
        if recorded == made or (math.isnan(recorded) and math.isnan(made)):
            return
        absolute = abs(recorded - made)
        absolute = math.inf if math.isnan(absolute) else absolute
        largest = max(abs(recorded), abs(made))
        relative = 1.0 if math.isinf(absolute) else absolute / largest
        self.count += 1
        if not self.where or absolute > self.absolute:
            self.absolute, self.where = absolute, where
        self.relative = max(self.relative, relative)
        self.excess |= is_exact or min(absolute, relative) > self._tolerance


def _compare(name: str, place: str, recorded: bytes, made: bytes, numbers: _Numbers) -> None:
    """Compare two contents of a file, or of an archive's member.

    Raises:
        _OtherwiseError: if something other than a number differs.
    """
    if recorded == made:
        return
    if name.endswith((".tar.gz", ".tgz")):
        _compare_archives(place, recorded, made, numbers)
    elif name.endswith(".parquet"):
        _compare_tables(place, recorded, made, numbers)
    elif name.endswith(".json"):
        _compare_values(place, _json(place, recorded), _json(place, made), numbers)
    else:
        _compare_texts(place, recorded, made, numbers)


def _compare_archives(place: str, recorded: bytes, made: bytes, numbers: _Numbers) -> None:
    ours, theirs = _members(place, recorded), _members(place, made)
    if ours.keys() != theirs.keys():
        only = ", ".join(sorted(ours.keys() ^ theirs.keys())[:3])
        raise _otherwise(place, f"only one of the two archives has {only}")
    for name, content in ours.items():
        _compare(name, f"{place}{name} ", content, theirs[name], numbers)


def _members(place: str, content: bytes) -> dict[str, bytes]:
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            files = ((member.name, archive.extractfile(member)) for member in archive)
            return {name: file.read() for name, file in files if file}
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _otherwise(place, f"an archive cannot be read: {error}") from None


def _compare_tables(place: str, recorded: bytes, made: bytes, numbers: _Numbers) -> None:
    import pyarrow as pa  # slow to import, and seldom needed
    import pyarrow.parquet as pq

    try:
        ours, theirs = (pq.read_table(io.BytesIO(content)) for content in (recorded, made))
    except pa.ArrowException as error:
        raise _otherwise(place, f"a Parquet file cannot be read: {error}") from None
    if not ours.schema.equals(theirs.schema):
        raise _otherwise(place, "the columns differ")
    if len(ours) != len(theirs):
        raise _otherwise(place, f"expected {len(ours):,} rows, got {len(theirs):,}")
    for column in ours.column_names:
        _compare_values(
            f"{place}{column}", ours[column].to_pylist(), theirs[column].to_pylist(), numbers
        )


def _json(place: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise _otherwise(place, f"not JSON: {error}") from None


def _compare_values(place: str, recorded: Any, made: Any, numbers: _Numbers) -> None:
    if isinstance(recorded, dict) and isinstance(made, dict):
        if recorded.keys() != made.keys():
            only = ", ".join(sorted(recorded.keys() ^ made.keys())[:3])
            raise _otherwise(place, f"only one of the two has {only}")
        for key, value in recorded.items():
            dot = "." if place and not place.endswith(" ") else ""
            _compare_values(f"{place}{dot}{key}", value, made[key], numbers)
    elif isinstance(recorded, list) and isinstance(made, list):
        if len(recorded) != len(made):
            raise _otherwise(place, f"expected {len(recorded)} values, got {len(made)}")
        for number, (ours, theirs) in enumerate(zip(recorded, made, strict=True)):
            _compare_values(f"{place}[{number}]", ours, theirs, numbers)
    elif _is_number(recorded) and _is_number(made):
        is_exact = isinstance(recorded, int) and isinstance(made, int)
        if recorded != made:
            numbers.add(place, recorded, made, is_exact)
    elif isinstance(recorded, str) and isinstance(made, str):
        _compare_words(place, recorded, made, numbers)
    elif type(recorded) is not type(made) or recorded != made:
        raise _otherwise(place, f"expected {recorded!r:.60}, got {made!r:.60}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compare_texts(place: str, recorded: bytes, made: bytes, numbers: _Numbers) -> None:
    try:
        ours, theirs = recorded.decode("utf-8"), made.decode("utf-8")
    except UnicodeDecodeError:
        raise _otherwise(place, "the bytes differ and are not text") from None
    lines, other = ours.split("\n"), theirs.split("\n")
    if len(lines) != len(other):
        raise _otherwise(place, f"expected {len(lines):,} lines, got {len(other):,}")
    for number, (line, made_line) in enumerate(zip(lines, other, strict=True), start=1):
        if line != made_line:
            _compare_words(f"{place}line {number:,}", line, made_line, numbers)


def _compare_words(place: str, recorded: str, made: str, numbers: _Numbers) -> None:
    """Compare two texts part by part: every second part of a split text is a number."""
    ours, theirs = _NUMBER.split(recorded), _NUMBER.split(made)
    if ours[::2] != theirs[::2]:
        raise _otherwise(place, f"expected {recorded!r:.60}, got {made!r:.60}")
    for one, other in _pairs(ours, theirs):
        is_exact = bool(_WHOLE.fullmatch(one) and _WHOLE.fullmatch(other))
        numbers.add(place, float(one), float(other), is_exact)


def _pairs(ours: list[str], theirs: list[str]) -> Iterator[tuple[str, str]]:
    return zip(ours[1::2], theirs[1::2], strict=True)


def _otherwise(place: str, what: str) -> _OtherwiseError:
    """What differs at a place, in words."""
    return _OtherwiseError(f"{place.strip()}: {what}" if place.strip() else what)
