"""A step's inputs and outputs in the run's storage: files, sizes, rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from explainer.facts import ScenarioFacts
from ninesteps.errors import StepError
from ninesteps.local.storage import Storage
from ninesteps.report.formatting import count

MOST_FILES = 4
"""The files of one input or output that are named; the others are counted."""

ROWS = (".csv", ".jsonl", ".out")
"""Files with one row per line."""

HEADED = ("out.csv",)
"""Those of them whose first line is a header."""


CODE = "code"
"""The input that is a step's script and the modules that it imports."""


@dataclass(frozen=True)
class StoredFile:
    """One object."""

    name: str
    says: str  # its size, and its rows


@dataclass(frozen=True)
class Stored:
    """One input or output of a step."""

    name: str
    place: str  # of an S3 URI all but its last two parts; else empty
    value: str  # ... and these; or an ARN, an outcome
    files: tuple[StoredFile, ...] = ()
    more: str = ""  # what is there beside these files


def stored(facts: ScenarioFacts, name: str, value: str) -> Stored:
    """The files at the address of an input or output; a value that is no address has none."""
    try:
        objects = Storage(facts.local / "s3").objects(value)
    except StepError:
        return Stored(name, "", value)
    place, last = _divided(value)
    if name == CODE:
        size = size_text(sum(file.stat().st_size for _, file in objects))
        return Stored(name, place, last, (), f"{count(len(objects), 'module')}, {size}")
    files = tuple(StoredFile(below, _says(file)) for below, file in objects[:MOST_FILES])
    rest = [file for _, file in objects[MOST_FILES:]]
    size = size_text(sum(file.stat().st_size for file in rest))
    more = f"and {count(len(rest), 'more file')}, {size}" if rest else ""
    return Stored(name, place, last, files, more)


def _divided(uri: str) -> tuple[str, str]:
    parts = uri.split("/")
    return "/".join(parts[:-2]) + "/", "/".join(parts[-2:])


def _says(file: Path) -> str:
    size = size_text(file.stat().st_size)
    if file.suffix not in ROWS:
        return size
    rows = file.read_bytes().count(b"\n") - (file.name in HEADED)
    return f"{count(rows, 'row')}, {size}"


def size_text(size: float) -> str:
    """`532 bytes`, `41 kB`, `1.2 MB`."""
    if size < 1000:
        return f"{size:.0f} bytes"
    if size < 1_000_000:
        return f"{size / 1000:.0f} kB"
    return f"{size / 1_000_000:.1f} MB"
