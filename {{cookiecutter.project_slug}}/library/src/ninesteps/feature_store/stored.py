"""Reads a feature group's rows from this machine's offline store, part by part."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from ninesteps.errors import RawTableError
from ninesteps.feature_store.point_in_time import one_record, quoted
from ninesteps.feature_store.records import WRITTEN
from ninesteps.local.offline_store import MEMORY

AT_ONCE = 50_000
"""Rows per part."""


def rows(folder: Path, record_id: str, in_time: bool = False) -> Iterator[pa.Table]:
    """Every row that counts: of several with the same id and event time, the last one written.

    Args:
        folder: the folder with the Parquet files, at any depth.
        in_time: whether to order rows by their moments.
    """
    keys = f"{quoted(record_id)}, {WRITTEN}"
    order = f" ORDER BY {WRITTEN}" if in_time else ""
    yield from _last(folder, keys, "api_invocation_time DESC", order)


def count(folder: Path, record_id: str) -> int:
    """The number of rows that `rows` returns."""
    keys = f"{quoted(record_id)}, {WRITTEN}"
    query = f"SELECT count(*) FROM (SELECT DISTINCT {keys} FROM stored) AS different"
    with _connection(folder) as connection:
        ((number,),) = connection.sql(query).fetchall()
        return int(number)


def newest(folder: Path, record_id: str) -> Iterator[pa.Table]:
    """The newest row of each record."""
    yield from _last(folder, quoted(record_id), f"{WRITTEN} DESC, api_invocation_time DESC")


def as_of(folders: Sequence[Path], record_id: str, identifier: str, moment: str) -> pa.Table:
    """The row of one record as of a moment, from all tables in some folders, if there is one."""
    query = one_record("stored", record_id, identifier, moment, WRITTEN, is_fractional=False)
    with _connection(*folders) as connection:
        row: pa.Table = connection.sql(query).to_arrow_table()
        return row.drop_columns("recency")


def ids_where(folders: Sequence[Path], record_id: str, column: str, text: str) -> list[str]:
    """The sorted ids of the records with a given text in a column, from all tables."""
    query = (
        f"SELECT DISTINCT CAST({quoted(record_id)} AS varchar) AS id FROM stored "
        f"WHERE CAST({quoted(column)} AS varchar) = {_text(text)} ORDER BY id"
    )
    with _connection(*folders) as connection:
        return [str(identifier) for (identifier,) in connection.sql(query).fetchall()]


def schema(folder: Path) -> pa.Schema:
    """The columns of a folder's rows.

    Raises:
        RawTableError: if there are none.
    """
    with _connection(folder) as connection:
        arrow: pa.Schema = connection.sql("SELECT * FROM stored LIMIT 0").to_arrow_table().schema
        return arrow


def _last(folder: Path, keys: str, latest: str, order: str = "") -> Iterator[pa.Table]:
    query = (
        f"SELECT * EXCLUDE (recency) FROM (SELECT *, row_number() OVER (PARTITION BY {keys} "
        f"ORDER BY {latest}) AS recency FROM stored) AS ranked WHERE recency = 1{order}"
    )
    with _connection(folder) as connection, tempfile.TemporaryDirectory() as spilled:
        connection.execute(f"SET temp_directory = {_text(spilled)}")
        for batch in connection.sql(query).to_arrow_reader(AT_ONCE):
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


def _connection(*folders: Path) -> duckdb.DuckDBPyConnection:
    files = sorted(file.as_posix() for folder in folders for file in folder.rglob("*.parquet"))
    if not files:
        where = ", ".join(map(str, folders))
        raise RawTableError(f"expected rows of a feature group in {where}, got none")
    connection = duckdb.connect()
    connection.execute("SET threads TO 1")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET memory_limit = '{MEMORY}'")
    listed = ", ".join(map(_text, files))
    connection.execute(
        f"CREATE VIEW stored AS SELECT * FROM read_parquet([{listed}], "
        "hive_partitioning=false, union_by_name=true)"
    )
    return connection


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
