"""Writes the offline store's files: features and what they are told apart by, as Parquet."""

from __future__ import annotations

import calendar
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cli.settings import Environment, Settings
from feature_store import features
from feature_store.raw_table import RawTable, read_raw_table


def write_offline_store(
    file: Path, settings: Settings, environment: Environment, group: Path
) -> tuple[Path, RawTable]:
    """Read a raw table and write its records below a folder; gives the folder of the rows."""
    table = read_raw_table(file, settings)
    table.found |= {what: n for what, n in features.findings(table.rows).items() if n}
    records = _records(table.rows, settings)
    epoch = calendar.timegm(_moment(records["event_time"].min()).timetuple())
    location = group.joinpath(
        environment.account, "sagemaker", environment.region, "offline-store",
        f"{settings.feature_group}-{epoch}", "data",
    )  # fmt: skip
    for hour, rows in records.groupby(records["event_time"].str[:13], sort=True):
        moment = datetime.strptime(str(hour), "%Y-%m-%dT%H")
        folder = location / moment.strftime("year=%Y/month=%m/day=%d/hour=%H")
        folder.mkdir(parents=True, exist_ok=True)
        latest = _moment(rows["event_time"].max()).strftime("%Y%m%dT%H%M%SZ")
        name = f"{latest}_{secrets.token_hex(8)}.parquet"
        pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), folder / name)
    return location, table


def _records(rows: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """A record a row: id, event time, label, features, then raw columns that no feature is."""
    data = settings.data
    categories = {name: c.values for name, c in data.columns.items() if c.type == "category"}
    computed = features.features(rows, categories)
    told_apart = [facet.column for facet in settings.facets]
    if settings.bias.group_variable:
        told_apart.append(settings.bias.group_variable)
    raw = [name for name in dict.fromkeys(told_apart) if name not in computed]
    called = datetime.now(tz=UTC)
    records = pd.concat(
        [
            rows[[data.record_id, "event_time"]],
            rows[data.label].astype("int64"),
            computed,
            rows[raw],
        ],
        axis=1,
    )
    # One call after the other, as records are put: of two rows of one moment the later one wins.
    calls = pd.timedelta_range("0us", periods=len(records), freq="us")
    records["api_invocation_time"] = pd.Series(called + calls, index=records.index)
    records["write_time"] = called + timedelta(microseconds=len(records))
    records["is_deleted"] = False
    return records


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
