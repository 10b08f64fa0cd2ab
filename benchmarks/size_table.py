"""A large raw table with a history, and the settings and the features that read it.

    python size_table.py ROWS FILE.csv

Every record has four rows on average. 30 features: 26 numbers, two dates and two categories.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

ROWS_EACH = 4
AT_ONCE = 250_000
START = np.datetime64("2025-01-01T00:00:00", "ms")
SECONDS = 365 * 86_400
NUMBERS = [f"number_{number:02}" for number in range(26)]
DATES = ["opened", "renewed"]
CATEGORIES = {
    "plan": ["free", "basic", "plus", "pro"],
    "region": ["north", "south", "east", "west"],
}

FEATURES = """
import pandas as pd

START = pd.Timestamp("2025-01-01")


def features(table, categories):
    numbers = {name: table[name] for name in table.columns if name.startswith("number")}
    days = {n: (table[n] - START).dt.total_seconds() / 86400 for n in ("opened", "renewed")}
    firsts = {n: (table[n] == values[0]).astype("int64") for n, values in categories.items()}
    return pd.DataFrame({**numbers, **days, **firsts}, index=table.index, copy=False)


def findings(table):
    return {"renewed before opened": int((table["renewed"] < table["opened"]).sum())}
"""
"""Each column as one number: the repository's `feature_store/features.py`."""


def tables(rows: int) -> Iterator[pa.Table]:
    """The table in parts, the same each time."""
    source = np.random.default_rng(15)
    for start in range(0, rows, AT_ONCE):
        yield _part(source, min(AT_ONCE, rows - start), max(rows // ROWS_EACH, 1))


def _part(source: np.random.Generator, rows: int, records: int) -> pa.Table:
    moments = START + source.integers(0, SECONDS, rows) * np.timedelta64(1000, "ms")
    ids = pc.cast(pa.array(source.integers(0, records, rows)), pa.string())
    columns = {
        "customer": pc.binary_join_element_wise("c", ids, ""),
        "seen": pc.strftime(pa.array(moments), "%Y-%m-%dT%H:%M:%SZ"),
        "left": pa.array(source.integers(0, 2, rows)),
    }
    for number, name in enumerate(NUMBERS):
        whole, measured = source.integers(0, 1000, rows), source.normal(size=rows).round(4)
        columns[name] = pa.array(measured if number % 3 else whole)
    for name in DATES:
        days = np.datetime64("2020-01-01") + source.integers(0, 1800, rows)
        columns[name] = pc.strftime(pa.array(days), "%Y-%m-%d")
    for name, values in CATEGORIES.items():
        columns[name] = pa.array(values).take(pa.array(source.integers(0, len(values), rows)))
    return pa.table(columns)


def main(rows: int, file: Path) -> None:
    """Write the table as CSV, part by part."""
    parts = tables(rows)
    first = next(parts)
    with pyarrow.csv.CSVWriter(file, first.schema) as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(part)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
