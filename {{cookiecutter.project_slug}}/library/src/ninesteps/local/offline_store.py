"""Runs a query over the data catalogue's tables with DuckDB, in place of Athena."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ninesteps.errors import StepError
from ninesteps.local.storage import Storage

Catalog = Mapping[tuple[str, str], str]
"""The data catalogue: (database, table) -> the S3 URI of the table's Parquet files."""


MEMORY = "1GB"
"""The memory limit of a query; DuckDB spills to disk beyond it."""


def run_query(
    query: str,
    database: str,
    catalog: Catalog,
    storage: Storage,
    folder: Path,
    compression: str = "SNAPPY",
) -> None:
    """Run a query against a database's tables, and write the rows to a folder as Parquet.

    Raises:
        StepError: with DuckDB's message.
    """
    import duckdb  # slow to import, and not needed without queries

    target = _quoted((folder / "rows.parquet").as_posix())
    with duckdb.connect() as connection:
        connection.execute("SET threads TO 1")
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        spilled = _quoted((folder.parent / "spilled").as_posix())
        connection.execute(f"SET temp_directory = {spilled}")
        try:
            for (of_database, table), uri in catalog.items():
                files = ", ".join(_quoted(file) for file in _files(storage.path(uri)))
                connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{of_database}"')
                name = f'"{of_database}"."{table}"'
                connection.execute(
                    f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{files}], "
                    "hive_partitioning=true, hive_types_autocast=false, union_by_name=true)"
                )
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{database}"')
            connection.execute(f"SET schema = {_quoted(database)}")
            how = f"FORMAT parquet, COMPRESSION {COMPRESSIONS[compression]}"
            connection.execute(f"COPY (\n{query}\n) TO {target} ({how})")
        except duckdb.Error as error:
            raise StepError(f"the query failed: {str(error).splitlines()[0]}") from None


COMPRESSIONS = {"NONE": "uncompressed", "SNAPPY": "snappy", "GZIP": "gzip", "ZSTD": "zstd"}
"""DuckDB's names of Athena's compressions of Parquet."""


def _files(folder: Path) -> list[str]:
    """The list of a table's files: in a glob pattern, a folder named `[a]` would match another."""
    files = sorted(file.as_posix() for file in folder.rglob("*.parquet"))
    if not files:
        raise StepError(f"the query failed: No files found in {folder}")
    return files


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
