"""Reads JSON Lines as columns of texts: each line is an object, each key a column.

A value becomes the same text as in a CSV file: 12 and "12" are 12, true is 1, null is missing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from ninesteps.errors import RawTableError

Lines = Iterable[tuple[int, dict[str, Any]]]
"""Objects with their line numbers."""

AT_ONCE = 5_000
"""Rows per batch."""


def objects(file: Path, text: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with their line numbers, without blank lines.

    Raises:
        RawTableError: for a line that is not a JSON object.
    """
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        where = f"{file}, line {number}: expected a JSON object"
        try:
            content = json.loads(line)
        except json.JSONDecodeError as error:
            place = f"something else at character {error.pos + 1}"
            raise RawTableError(f"{where}, got {place}") from None
        except (RecursionError, ValueError):  # too deeply nested lists; a number of 5,000 digits
            raise RawTableError(f"{where}, got one that cannot be read") from None
        if not isinstance(content, dict):
            raise RawTableError(f"{where}, got {_kind(content)}")
        yield number, content


def names(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The keys of all rows, in order of first appearance."""
    found: dict[str, None] = {}
    for row in rows:
        found.update(dict.fromkeys(row))
    return tuple(found)


def batches(
    file: Path, lines: Lines, columns: Mapping[str, str], nested: Collection[str]
) -> Iterator[pa.RecordBatch]:
    """The rows of some columns, part by part.

    Args:
        columns: key of the objects -> name in the batches.
        nested: the keys whose values may be lists and objects: their text is JSON.
    """
    waiting: list[list[str | None]] = []
    schema = pa.schema([(name, pa.string()) for name in columns.values()])
    for number, content in lines:
        row = []
        for key in columns:
            value = content.get(key)
            if isinstance(value, list | dict) and key not in nested:
                raise RawTableError(
                    f"{file}, line {number}: {key!r}: expected a single value, got {_kind(value)}; "
                    'messages are declared by type = "conversation" in [data.columns], which no '
                    "draft does"
                )
            row.append(_text(value))
        waiting.append(row)
        if len(waiting) == AT_ONCE:
            yield _batch(waiting, schema)
            waiting = []
    if waiting:
        yield _batch(waiting, schema)


def _batch(rows: list[list[str | None]], schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)], schema=schema
    )


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):  # half of a surrogate pair is not text: it becomes its escape
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list | dict):
        return json.dumps(value)  # in ASCII, so that half of a surrogate pair stays as it is
    return str(value)


def _kind(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return "a string" if isinstance(value, str) else "a single value"
