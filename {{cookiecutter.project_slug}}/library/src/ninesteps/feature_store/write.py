"""Writes the offline store's files as Parquet: ids, moments, labels, features and groups."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ninesteps.feature_store.computed import call, compute, told_of_the_file
from ninesteps.feature_store.raw_table import RawTable, read_raw_table
from ninesteps.repository import modules
from ninesteps.settings.facets import shortest
from ninesteps.settings.names import stored_features
from ninesteps.settings.settings import Settings

MOST_FILES = 100
"""A table over more hours than these is kept by the day, the month or the year: opening a file
takes as long as reading some thousand rows of it."""

PARTITIONS = ("year", "month", "day", "hour")
"""What the folders of the offline store stand for, from the outside in."""

LENGTHS = (0, 4, 7, 10, 13)
"""Of a moment's text: up to nothing, its year, month, day, hour."""


@dataclass(frozen=True)
class Written:
    """The rows of a table in the offline store."""

    location: Path  # the folder of the rows
    table: RawTable
    names: dict[str, str]  # stored columns that are shown under another name -> that name


def write_offline_store(file: Path, settings: Settings, group: Path) -> Written:
    """Read a raw table and write its records below a folder."""
    table = read_raw_table(file, settings)
    team = modules.features(settings.root)
    with told_of_the_file():
        found = call(team, "findings", table.rows)
    table.found |= {what: count for what, count in found.items() if count}
    _count_older(table, settings.data.record_id)
    times = table.rows["event_time"].reset_index(drop=True)
    with told_of_the_file():
        records, names = _records(table, settings, team)
    location = group / "data"
    for partition, row_numbers in _partitions(times):
        folder = location / partition
        folder.mkdir(parents=True, exist_ok=True)
        latest = datetime.fromisoformat(times.iloc[row_numbers].max()).strftime("%Y%m%dT%H%M%SZ")
        name = f"{latest}_{secrets.token_hex(8)}.parquet"
        is_all = len(row_numbers) == len(times)  # then not all of it twice in memory
        pq.write_table(records if is_all else records.take(row_numbers), folder / name)
    return Written(location, table, names)


def _count_older(table: RawTable, record_id: str) -> None:
    """Count the rows that a newer one of the same record replaces."""
    rows = table.rows
    same_moment = int(rows.duplicated([record_id, "event_time"]).sum())
    if older := len(rows) - int(rows[record_id].nunique()) - same_moment:
        table.found[f"older row of the same {record_id}: not used"] = older


def _partitions(times: pd.Series[Any]) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """The rows of each file, below the folder that it lies in: an hour's, if there are few hours.

    No query of a pipeline asks for the columns that the folders stand for.
    """
    starts = (times.str[:length] for length in reversed(LENGTHS))
    start = next(s for s in starts if s.nunique() <= MOST_FILES)  # of nothing there is one
    for text, row_numbers in times.groupby(start).indices.items():
        parts = re.split("[-T]", str(text)) if text else []
        folders = [f"{name}={part}" for name, part in zip(PARTITIONS, parts, strict=False)]
        yield "/".join(folders), np.asarray(row_numbers)


def _records(
    table: RawTable, settings: Settings, team: ModuleType
) -> tuple[pa.Table, dict[str, str]]:
    """A record a row: id, event time, label, features, then raw columns that no feature is.

    With the names that columns are shown under, where they are stored under another.
    """
    data, rows = settings.data, table.rows
    computed = _features(table, settings, team)
    raw = [name for name in settings.stored_columns if name not in computed]
    kept = {data.stored_name(name): name for name in (data.record_id, data.label, *raw)}
    features = stored_features(computed.columns, data.stored, kept)
    called = datetime.now(tz=UTC)
    columns: dict[str, pd.Series[Any]] = {
        data.stored_name(data.record_id): rows[data.record_id],
        "event_time": rows["event_time"],
        data.stored_name(data.label): rows[data.label].astype(
            "int64" if settings.project.problem == "binary" else "float64"
        ),
        **{stored: computed[name] for stored, name in features.items()},
        **{data.stored_name(name): _as_text(rows[name]) for name in raw},
        # One call after the other, as records are put: of two rows of one moment the later wins.
        "api_invocation_time": pd.Series(
            called + pd.timedelta_range("0us", periods=len(rows), freq="us")
        ),
        "write_time": pd.Series(called + timedelta(microseconds=len(rows)), index=rows.index),
        "is_deleted": pd.Series(False, index=rows.index),
    }
    records = pa.table({n: pa.array(column, from_pandas=True) for n, column in columns.items()})
    return records, {stored: name for stored, name in (kept | features).items() if stored != name}


def _as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """A raw column that no feature is: whatever it holds, no step can take it for a feature."""
    if column.dtype.kind == "f":
        column = column.map(shortest, na_action="ignore")
    return column.astype("string")


def _features(table: RawTable, settings: Settings, team: ModuleType) -> pd.DataFrame:
    """The team's features, checked against what a feature group and a model can take."""
    # Without the label: a feature that knows it would be right about everything but the future.
    rows = table.rows[[*settings.feature_columns, "event_time"]].copy(deep=False)
    computed = compute(team, rows, settings.categories, withheld=settings.model.exclude)
    for name in computed.columns[computed.isna().all()]:
        table.found[f"no value of the feature {name}"] = len(rows)
    return computed
