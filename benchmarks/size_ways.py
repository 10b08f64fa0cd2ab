"""Ingests or queries the large table in one way, as a process of its own.

    python size_ways.py ours|duckdb|pandas ingest|query FOLDER

The table is FOLDER/table.csv; what a way makes of it lies beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import size_table

MOMENT = "2025-12-31T23:59:59.999Z"
"""After the last event: each row may be the newest one, as each is sorted."""

MEMORY = "1GB"  # of DuckDB, as the local engine sets it


def ours_ingest(folder: Path) -> None:
    """As `pipeline run` does: with all checks and counts."""
    from ninesteps.feature_store.ingest import ingest
    from ninesteps.settings.environment import Environment

    environment = Environment("111122223333", "eu-west-1")
    ingest(folder / "table.csv", _settings(folder), environment, folder / "ours")


def ours_query(folder: Path) -> None:
    """The query as of a moment, as the local engine runs it for step 1."""
    from ninesteps.feature_store.point_in_time import AS_OF, Source, as_of_query
    from ninesteps.local.offline_store import run_query
    from ninesteps.local.storage import Storage

    s3, answer = folder / "ours", folder / "ours-answer"
    (rows,) = (path for path in s3.rglob("data") if path.is_dir())
    answer.mkdir(exist_ok=True)
    catalog = {("store", "customers"): f"s3://{rows.relative_to(s3).as_posix()}"}
    query = as_of_query(Source("customers", "customer")).replace(AS_OF, MOMENT)
    run_query(query, "store", catalog, Storage(s3), answer)


def _settings(folder: Path) -> Any:
    from ninesteps.settings.data import Column, Data, Split
    from ninesteps.settings.judgement import GateSettings
    from ninesteps.settings.project import Project
    from ninesteps.settings.settings import Settings
    from ninesteps.settings.tuning import Range, Tuning

    features = folder / "feature_store" / "features.py"
    features.parent.mkdir(exist_ok=True)
    features.write_text(size_table.FEATURES, encoding="utf-8")
    numbers = {name: Column("number") for name in size_table.NUMBERS}
    dates = {name: Column("date", format="%Y-%m-%d") for name in size_table.DATES}
    categories = {n: Column("category", values=tuple(v)) for n, v in size_table.CATEGORIES.items()}
    return Settings(
        project=Project("Customers", "customers", "Customer", "custom", "AUC"),
        data=Data(
            file="table.csv", record_id="customer", label="left", event_time="seen",
            columns={**numbers, **dates, **categories},
        ),
        split=Split("customers"),
        tuning=Tuning(ranges={"eta": Range(0.1, 0.5)}),
        gate=GateSettings("auc > 0.5"),
        root=folder,
    )  # fmt: skip


def duckdb_ingest(folder: Path) -> None:
    """The same columns and features, without a check or a count."""
    start = "DATE '2025-01-01'"
    columns = [
        "customer", "seen AS event_time", '"left"::BIGINT AS "left"',
        *(f"{name}::DOUBLE AS {name}" for name in size_table.NUMBERS),
        *(f"({name}::DATE - {start})::DOUBLE AS {name}" for name in size_table.DATES),
        *(f"({n} = '{v[0]}')::BIGINT AS {n}" for n, v in size_table.CATEGORIES.items()),
        "now() AS api_invocation_time", "now() AS write_time", "false AS is_deleted",
    ]  # fmt: skip
    table = f"read_csv('{folder / 'table.csv'}', all_varchar = true)"
    _duckdb(folder, f"SELECT {', '.join(columns)} FROM {table}", "duckdb.parquet")  # noqa: S608


def duckdb_query(folder: Path) -> None:
    """A scan and a sort of all rows."""
    rows = f"read_parquet('{folder / 'duckdb.parquet'}')"
    query = f"SELECT * FROM {rows} ORDER BY customer, event_time"  # noqa: S608
    _duckdb(folder, query, "duckdb-answer.parquet")


def _duckdb(folder: Path, query: str, answer: str) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET threads TO 1")
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute(f"SET temp_directory = '{folder / 'spilled'}'")
        connection.execute(f"COPY ({query}) TO '{folder / answer}' (FORMAT parquet)")


def pandas_ingest(folder: Path) -> None:
    """The same columns typed, the same features, without any check."""
    import pandas as pd

    table = pd.read_csv(folder / "table.csv")
    for name in size_table.DATES:
        days = pd.to_datetime(table[name], format="%Y-%m-%d") - pd.Timestamp("2025-01-01")
        table[name] = days.dt.total_seconds() / 86400
    for name, values in size_table.CATEGORIES.items():
        table[name] = (table[name] == values[0]).astype("int64")
    table = table.rename(columns={"seen": "event_time"})
    now = pd.Timestamp.now(tz="UTC")
    table = table.assign(api_invocation_time=now, write_time=now, is_deleted=False)
    table.to_parquet(folder / "pandas.parquet", index=False)


def pandas_query(folder: Path) -> None:
    """The newest row of each record."""
    import pandas as pd

    table = pd.read_parquet(folder / "pandas.parquet")
    moments = pd.to_datetime(table["event_time"], format="ISO8601", utc=True)
    table = table[moments <= pd.Timestamp(MOMENT)].assign(moment=moments)
    newest = table.sort_values(["moment", "api_invocation_time", "write_time"]).drop_duplicates(
        "customer", keep="last"
    )
    newest = newest[~newest["is_deleted"]].drop(columns="moment")
    newest.to_parquet(folder / "pandas-answer.parquet", index=False)


if __name__ == "__main__":
    globals()[f"{sys.argv[1]}_{sys.argv[2]}"](Path(sys.argv[3]))
