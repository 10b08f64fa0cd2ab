"""Writes the offline store's Parquet files: ids, moments, labels, features and facets."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from numbers import Integral
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ninesteps.feature_store.computed import call, compute, told_of_the_file
from ninesteps.feature_store.divided import MAIN, divided
from ninesteps.feature_store.raw_rows import RawTable
from ninesteps.feature_store.raw_table import NONE_ERASED, read_raw_table
from ninesteps.feature_store.reading.values import Moments
from ninesteps.feature_store.row_wise import check_row_wise, check_same_features
from ninesteps.local.erasures import Erasures
from ninesteps.local.pseudonyms import Key
from ninesteps.repository import modules
from ninesteps.settings.facets import shortest
from ninesteps.settings.names import stored_features
from ninesteps.settings.settings import Settings

MOST_FILES = 100
"""A table over more hours than this is partitioned by day, month or year: opening a file takes as
long as reading some thousand rows."""

PARTITIONS = ("year", "month", "day", "hour")
"""The levels of folders in the offline store, from the outside in."""

UNITS = ("h", "D", "M", "Y")
"""How files are partitioned: by hour, or for many hours by day, month or year."""


MOST_TRIED = 5_000
"""The number of rows for trying out features before a run."""

MOST_WAITING = 250_000
"""The number of buffered rows at which the fullest file gets its rows as a row group."""


@dataclass(frozen=True)
class Written:
    """The rows of a table, as written to the offline store."""

    locations: dict[str, Path]  # the folder of each group's rows; MAIN: the main group
    scratch: Path  # the folder of a large table's columns, which can be deleted
    table: RawTable
    names: dict[str, str]  # stored columns with another display name -> that name


class _WiderTypesError(Exception):
    """A part of the rows needs wider types than earlier parts: 1.5 after 1."""

    def __init__(self, schema: pa.Schema) -> None:
        super().__init__(schema)
        self.schema = schema


def try_features(table: RawTable, settings: Settings) -> list[str]:
    """Compute the features of some rows, with the checks of an ingest; return their names.

    Raises:
        FeaturesError: with file and line, if they cannot be used.
    """
    team = modules.features(settings.root)
    rows = next(table.parts()).head(MOST_TRIED)
    owned = {name: group.columns for name, group in settings.features.owned.items()}
    with told_of_the_file(rows.columns):
        _found(team, rows)
        computed = _Features(settings, team).of(rows)
        records = _Records(settings, len(rows), datetime.now(UTC)).of(rows, computed)
    divided(records.column_names, settings.stored_record_id, owned)
    return [*map(str, computed.columns)]


def write_offline_store(
    file: Path,
    settings: Settings,
    owned: Mapping[str, Sequence[str]],
    group: Path,
    rows_at_once: int | None = None,
    called: datetime | None = None,
    erased: Erasures = NONE_ERASED,
    key: Key | None = None,
) -> Written:
    """Read a raw table and write its records to a folder, part by part.

    Features and findings are computed for each part separately.

    Args:
        owned: the features of further groups, by group name.
        called: the moment at which the first row counts as written; by default, now.
        erased: records whose rows are left out.
        key: the key for hashing texts where `[data.columns]` says so.

    Raises:
        ValueError: if a key is needed and there is none.
    """
    if settings.data.pseudonyms and key is None:
        raise ValueError("no key for pseudonyms")
    scratch = group / "reading"
    locations = {MAIN: group / "data", **{name: group / f"data-{name}" for name in owned}}
    table = read_raw_table(file, settings, scratch, rows_at_once, erased, key)
    team, schema = modules.features(settings.root), None
    called = called or datetime.now(UTC)
    while True:
        try:
            names = _write(table, settings, team, owned, locations, schema, called)
        except _WiderTypesError as wider:
            schema = wider.schema
            for location in locations.values():
                shutil.rmtree(location, ignore_errors=True)
        else:
            return Written(locations, scratch, table, names)


def _write(
    table: RawTable, settings: Settings, team: ModuleType, owned: Mapping[str, Sequence[str]],
    locations: Mapping[str, Path], schema: pa.Schema | None, called: datetime,
) -> dict[str, str]:  # fmt: skip
    """Write all rows; return the display names that differ from stored names."""
    computed = _Features(settings, team)
    records = _Records(settings, table.kept, called)
    folders, file_of = _partitions(table.moments)
    latest = pd.Series(table.moments).groupby(file_of).max().to_numpy()
    found: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        files = {
            name: stack.enter_context(_Files(location, folders, latest))
            for name, location in locations.items()
        }
        for rows in table.parts():
            with told_of_the_file(rows.columns):
                found.update(_found(team, rows))
                part = records.of(rows, computed.of(rows))
            both = [schema or part.schema, part.schema]
            wider = pa.unify_schemas(both, promote_options="permissive")
            if schema and not schema.equals(wider):
                raise _WiderTypesError(wider)
            schema = wider
            part = part.cast(schema, safe=False)
            done = files[MAIN].rows
            columns = divided(part.column_names, settings.stored_record_id, owned)
            for name, of_group in columns.items():
                files[name].add(part.select(of_group), file_of[done : done + len(rows)])
    table.found |= {what: count for what, count in found.items() if count}
    if table.older:
        table.found[f"older row of the same {settings.data.record_id}: not used"] = table.older
    table.found |= {f"feature {n} without a value": table.kept for n in computed.without_values}
    return records.names


def _partitions(moments: Moments) -> tuple[list[str], NDArray[np.intp]]:
    """The folders of the files, and the folder of each row, (n,).

    With few hours, each hour has its own file. No query of a pipeline uses the partition columns.
    """
    for number, unit in enumerate(UNITS):
        starts, file_of = np.unique(moments.astype(f"datetime64[{unit}]"), return_inverse=True)
        if len(starts) <= MOST_FILES:
            texts = starts.astype("datetime64[h]").astype(str).tolist()
            return [_folder(text, len(PARTITIONS) - number) for text in texts], file_of
    return [""], np.zeros(len(moments), dtype=np.intp)


def _folder(hour: str, depth: int) -> str:
    """The folder for an hour such as 2026-01-31T00, or for its day, month or year."""
    parts = zip(PARTITIONS, re.split("[-T]", hour), strict=True)
    return "/".join(f"{name}={value}" for name, value in [*parts][:depth])


def _found(team: ModuleType, rows: pd.DataFrame) -> dict[str, int]:
    """The counts that the team's `findings` returns for rows.

    Raises:
        ValueError: if they are not counts.
    """
    found = call(team, "findings", rows)
    if not isinstance(found, dict) or not all(
        isinstance(what, str) and isinstance(count, Integral) for what, count in found.items()
    ):
        raise ValueError(f"findings: expected whole numbers by what is odd, got {found!r:.60}")
    return found


class _Files:
    """The files of the rows, each in its folder; each part's rows become row groups."""

    def __init__(self, location: Path, folders: Sequence[str], latest: Moments) -> None:
        self.rows = 0  # added so far
        self._paths = [
            location / folder / f"{_stamp(moment)}_{secrets.token_hex(8)}.parquet"
            for folder, moment in zip(folders, latest, strict=True)
        ]
        self._open = contextlib.ExitStack()
        self._writers: dict[int, pq.ParquetWriter] = {}
        self._waiting: dict[int, list[pa.Table]] = defaultdict(list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self._open:
            if error[0] is None:
                for number in list(self._waiting):
                    self._write(number)

    def add(self, records: pa.Table, file_of: NDArray[np.intp]) -> None:
        """Add records to the files of these numbers, (n,)."""
        self.rows += len(records)
        order = np.argsort(file_of, kind="stable")
        numbers, starts = np.unique(file_of[order], return_index=True)
        in_order = records.take(pa.array(order)) if len(numbers) > 1 else records
        for number, start, end in zip(numbers, starts, [*starts[1:], len(order)], strict=True):
            self._waiting[number].append(in_order.slice(start, end - start))
        while sum(map(_rows, self._waiting.values())) > MOST_WAITING:
            self._write(max(self._waiting, key=lambda number: _rows(self._waiting[number])))

    def _write(self, number: int) -> None:
        records = pa.concat_tables(self._waiting.pop(number))
        if number not in self._writers:
            path = self._paths[number]
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = pq.ParquetWriter(path, records.schema)
            self._writers[number] = self._open.enter_context(writer)
        self._writers[number].write_table(records)


def _rows(tables: Iterable[pa.Table]) -> int:
    return sum(map(len, tables))


def _stamp(moment: np.datetime64) -> str:
    return re.sub("[-:]", "", str(moment.astype("datetime64[s]"))) + "Z"


class _Records:
    """Rows as records: id, event time, label, features, then raw columns that are not features."""

    def __init__(self, settings: Settings, count: int, called: datetime) -> None:
        self.names: dict[str, str] = {}  # stored columns with another display name
        self._settings = settings
        self._called = called
        self._written = self._called + timedelta(microseconds=count)
        self._done = 0

    def of(self, rows: pd.DataFrame, computed: pd.DataFrame) -> pa.Table:
        """The records of the next rows."""
        settings, data = self._settings, self._settings.data
        raw = [name for name in settings.stored_columns if name not in computed]
        kept = {data.stored_name(name): name for name in (data.record_id, data.label, *raw)}
        features = stored_features(computed.columns, data.stored, kept)
        self.names = {stored: name for stored, name in (kept | features).items() if stored != name}
        first = self._called + timedelta(microseconds=self._done)
        self._done += len(rows)
        columns: dict[str, pd.Series[Any]] = {
            data.stored_name(data.record_id): rows[data.record_id],
            "event_time": rows["event_time"],
            data.stored_name(data.label): rows[data.label].astype(
                "float64" if settings.project.problem == "regression" else "int64"
            ),
            **{stored: computed[name] for stored, name in features.items()},
            **{data.stored_name(name): _as_text(rows[name]) for name in raw},
            # As if records were put one after another: with the same moment, the later one wins.
            "api_invocation_time": pd.Series(
                first + pd.timedelta_range("0us", periods=len(rows), freq="us")
            ),
            "write_time": pd.Series(self._written, index=rows.index),
            "is_deleted": pd.Series(False, index=rows.index),
        }
        return pa.table({n: pa.array(column, from_pandas=True) for n, column in columns.items()})


def _as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """A raw column that is not a feature, stored so that no step can mistake it for one."""
    if column.dtype.kind == "f":
        column = column.map(shortest, na_action="ignore")
    return column.astype("string")


class _Features:
    """The team's features, part by part."""

    def __init__(self, settings: Settings, team: ModuleType) -> None:
        self.without_values: list[str] = []  # features without a value in any row
        self._settings, self._team = settings, team
        self._names: pd.Index[Any] | None = None

    def of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The features of rows, checked for use in a feature group and a model."""
        settings = self._settings
        # Without the label: a feature that uses it would be right about everything but the future.
        shown = rows[[*settings.feature_columns, "event_time"]]
        computed = compute(
            self._team,
            shown.copy(deep=False),
            settings.categories,
            withheld=settings.model.exclude,
        )
        empty = list(computed.columns[computed.isna().all()])
        if self._names is None:
            self._names, self.without_values = computed.columns, empty
            ids = rows[settings.data.record_id].tolist()
            check_row_wise(self._team, shown, ids, settings.categories, computed)
        check_same_features(self._names, computed.columns)
        self.without_values = [name for name in self.without_values if name in empty]
        return computed
