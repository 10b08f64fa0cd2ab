"""Removes rows from files: writes a new file and replaces the old one atomically."""

from __future__ import annotations

import json
import mmap
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ninesteps.tracing.index import first_field


def lines_of(file: Path, identifier: str) -> list[int]:
    """The numbers of the lines that begin with an id, as a split's do."""
    if not file.stat().st_size:
        return []
    plain = re.escape(identifier.encode())
    in_quotes = re.escape(b'"' + identifier.encode().replace(b'"', b'""') + b'"')
    pattern = re.compile(rb"^(?:" + plain + rb"|" + in_quotes + rb")(?=[,\r\n]|\Z)", re.MULTILINE)
    numbers, before, number = [], 0, 0
    with file.open("rb") as opened, _mapped(opened.fileno()) as content:
        for match in pattern.finditer(content):
            number += content[before : match.start()].count(b"\n")
            before = match.start()
            end = content.find(b"\n", before)
            line = content[before : end if end >= 0 else len(content)]
            if first_field(line) == identifier.encode():
                numbers.append(number)
    return numbers


def json_lines_of(file: Path, identifier: str) -> list[int]:
    """The numbers of the lines whose JSON object has an id, alone or among several rows' ids."""
    written = {json.dumps(identifier, ensure_ascii=ascii).encode() for ascii in (True, False)}
    with file.open("rb") as lines:
        return [
            number
            for number, line in enumerate(lines)
            if any(text in line for text in written) and identifier in _ids_of(line)
        ]


def _ids_of(line: bytes) -> list[object]:
    try:
        content = json.loads(line)
    except ValueError:
        return []
    if not isinstance(content, dict):
        return []
    ids = content.get("ids", [])
    return [content.get("id"), *(ids if isinstance(ids, list) else [])]


@contextmanager
def _mapped(descriptor: int) -> Iterator[mmap.mmap]:
    with closing(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)) as content:
        yield content


def without_lines(file: Path, numbers: Iterable[int], target: Path) -> None:
    """Write a text file without some of its lines."""
    left_out = set(numbers)
    with file.open("rb") as lines, target.open("wb") as written:
        written.writelines(line for n, line in enumerate(lines) if n not in left_out)


def id_column(file: Path, names: Sequence[str]) -> str:
    """The first column of a Parquet file that has one of the names; empty if none has.

    Case is ignored: Athena writes names in lower case.
    """
    import pyarrow.parquet as pq

    wanted = {name.lower() for name in names}
    columns = pq.read_schema(file).names
    return next((str(column) for column in columns if column.lower() in wanted), "")


def rows_of(file: Path, column: str, identifier: str) -> int:
    """How many rows of a Parquet file are of an id."""
    import pyarrow.parquet as pq

    cells = pq.ParquetFile(file).read(columns=[column])[column]
    return int(_is(cells, identifier).to_numpy().sum())


def without_rows(file: Path, column: str, identifier: str, target: Path) -> None:
    """Write a Parquet file without the rows of an id, a row group at a time."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    opened = pq.ParquetFile(file)
    with pq.ParquetWriter(target, opened.schema_arrow) as writer:
        for number in range(opened.num_row_groups):
            rows = opened.read_row_group(number)
            writer.write_table(rows.filter(pc.invert(_is(rows[column], identifier))))


def _is(cells: Any, identifier: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.fill_null(pc.equal(pc.cast(cells, pa.string()), identifier), False)


def replace(whole: Path, file: Path) -> None:
    """Replace a file by a complete new one; a power cut leaves one of the two."""
    with whole.open("rb+") as content:
        os.fsync(content.fileno())
    whole.replace(file)


def write_json(file: Path, content: object, whole: Path) -> None:
    """Write JSON to a temporary file `whole`, then replace the file by it."""
    whole.write_text(json.dumps(content, indent=2), encoding="utf-8")
    replace(whole, file)
