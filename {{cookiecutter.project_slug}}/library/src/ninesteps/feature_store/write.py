"""Writes the offline store's files: features and what they are told apart by, as Parquet."""

from __future__ import annotations

import calendar
import secrets
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ninesteps.errors import FeaturesError
from ninesteps.feature_store.raw_table import RawTable, read_raw_table
from ninesteps.repository import modules
from ninesteps.settings.data import FEATURE_NAME, FEATURE_NAME_RULE, RESERVED_COLUMNS
from ninesteps.settings.environment import Environment
from ninesteps.settings.facets import shortest
from ninesteps.settings.settings import Settings


def write_offline_store(
    file: Path, settings: Settings, environment: Environment, group: Path
) -> tuple[Path, RawTable]:
    """Read a raw table and write its records below a folder; gives the folder of the rows."""
    table = read_raw_table(file, settings)
    team = modules.features(settings.root)
    table.found |= {what: n for what, n in _call(team, "findings", table.rows).items() if n}
    times = table.rows["event_time"].reset_index(drop=True)
    records = _records(table, settings, team)
    epoch = calendar.timegm(_moment(times.min()).timetuple())
    location = group.joinpath(
        environment.account, "sagemaker", environment.region, "offline-store",
        f"{settings.feature_group}-{epoch}", "data",
    )  # fmt: skip
    for hour, row_numbers in times.groupby(times.str[:13]).indices.items():
        positions = np.array(row_numbers)
        moment = datetime.strptime(str(hour), "%Y-%m-%dT%H")
        folder = location / moment.strftime("year=%Y/month=%m/day=%d/hour=%H")
        folder.mkdir(parents=True, exist_ok=True)
        latest = _moment(times.iloc[positions].max()).strftime("%Y%m%dT%H%M%SZ")
        name = f"{latest}_{secrets.token_hex(8)}.parquet"
        is_all = len(positions) == len(times)  # then not all of it twice in memory
        pq.write_table(records if is_all else records.take(positions), folder / name)
    return location, table


def _records(table: RawTable, settings: Settings, team: ModuleType) -> pa.Table:
    """A record a row: id, event time, label, features, then raw columns that no feature is."""
    data, rows = settings.data, table.rows
    computed = _features(table, settings, team)
    raw = [name for name in settings.stored_columns if name not in computed]
    _check_names([data.record_id, data.label, *raw], computed.columns)
    called = datetime.now(tz=UTC)
    columns: dict[str, pd.Series[Any]] = {
        data.record_id: rows[data.record_id],
        "event_time": rows["event_time"],
        data.label: rows[data.label].astype(
            "int64" if settings.project.problem == "binary" else "float64"
        ),
        **{str(name): column for name, column in computed.items()},
        **{name: _as_text(rows[name]) for name in raw},
        # One call after the other, as records are put: of two rows of one moment the later wins.
        "api_invocation_time": pd.Series(
            called + pd.timedelta_range("0us", periods=len(rows), freq="us")
        ),
        "write_time": pd.Series(called + timedelta(microseconds=len(rows)), index=rows.index),
        "is_deleted": pd.Series(False, index=rows.index),
    }
    return pa.table({n: pa.array(column, from_pandas=True) for n, column in columns.items()})


def _as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """A raw column that no feature is: whatever it holds, no step can take it for a feature."""
    if column.dtype.kind == "f":
        column = column.map(shortest, na_action="ignore")
    return column.astype("string")


def _features(table: RawTable, settings: Settings, team: ModuleType) -> pd.DataFrame:
    """The team's features, checked against what a feature group and a model can take."""
    data, rows = settings.data, table.rows
    shown = settings.feature_columns
    categories = {n: data.columns[n].values for n in shown if data.columns[n].type == "category"}
    # Without the label: a feature that knows it would be right about everything but the future.
    computed = _call(
        team,
        "features",
        rows[[*shown, "event_time"]].copy(),
        categories,
        withheld=settings.model.exclude,
    )
    if not isinstance(computed, pd.DataFrame) or not computed.index.equals(rows.index):
        shape = f"{len(computed):,} rows" if isinstance(computed, pd.DataFrame) else repr(computed)
        raise _error(f"expected the table's {len(rows):,} rows in their order, got {shape}")
    for position, name in enumerate(computed.columns):
        column = computed.iloc[:, position]
        if column.dtype.kind not in "iuf":
            raise _error(f"{name!r}: expected numbers, got {column.dtype}")
        numbers = column.to_numpy(dtype="float64", na_value=np.nan)
        if too_large := int((np.abs(numbers) > np.finfo(np.float32).max).sum()):
            raise _error(
                f"{name!r}: expected finite numbers within single precision, got others in "
                f"{too_large:,} rows"
            )
        if np.isnan(numbers).all():
            table.found[f"no value of the feature {name}"] = len(rows)
    return computed


def _check_names(others: list[str], computed: pd.Index[Any]) -> None:
    """Names that stay apart in the data catalogue, which writes all of them in lower case."""
    taken = {name.lower(): name for name in (*RESERVED_COLUMNS, *others)}
    for name in computed:
        if not isinstance(name, str):
            raise _error(f"expected a string as a feature's name, got {name!r}")
        if not FEATURE_NAME.fullmatch(name):
            raise _error(f"expected a feature's name of {FEATURE_NAME_RULE}, got {name!r}")
        if other := taken.get(name.lower()):
            raise _error(
                f"expected another name (the feature group has {other!r} already), got {name!r}"
            )
        taken[name.lower()] = name


def _call(team: ModuleType, function: str, *arguments: object, withheld: Iterable[str] = ()) -> Any:
    """Call the team's own code: what it raises is one sentence with its line."""
    try:
        return getattr(team, function)(*arguments)
    except Exception as error:
        if isinstance(error, KeyError | AttributeError):
            for name in withheld:
                if repr(name) in str(error):
                    raise _error(f"needs {name!r}, which [model] exclude withholds") from error
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f.lineno for f in reversed(frames) if f.filename == team.__file__), "?")
        raise _error(f"line {line}: {type(error).__name__}: {error}") from error


def _error(message: str) -> FeaturesError:
    return FeaturesError(f"feature_store/features.py: {message}")


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
