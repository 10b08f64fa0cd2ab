"""Reads rows of the offline store from a query's files, and checks them for step 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

import athena
from container import input_path, read_json
from dataset import Columns, DataError
from moments import EXAMPLE, from_seconds, is_moment, seconds, to_the_millisecond
from stored_names import SYSTEM_COLUMNS

TO_THE_MILLISECOND = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
"""The form in which moments are compared: its texts sort like moments."""

EVENT_TIME = "event_time"
"""The column of moments in a step's files, whatever its name in the store."""


def checked_moment(as_of: str) -> str:
    """`AsOf` to the millisecond, checked to be nothing but a moment, since it goes into a query."""
    if not is_moment(as_of):
        raise DataError(f"AsOf: expected a moment in UTC such as {EXAMPLE}, got {as_of!r}")
    return to_the_millisecond(as_of)


def stored_rows(as_of: str) -> pa.Table:
    """The rows of the feature group as of a moment, from the offline store.

    The query and its sources are an input of the job (`step_code/queries.py`).

    Args:
        as_of: to the millisecond.
    """
    folder = input_path("query")
    (source,) = read_json(folder / "sources.json")
    text = (folder / f"{source['name']}.sql").read_text(encoding="utf-8")
    text = text.replace("{as_of}", as_of).replace("{as_of_seconds}", seconds(as_of))
    query = athena.Query(
        source["name"], text, source["database"], source["catalog"], source["workgroup"]
    )
    table = read_features(athena.rows(query), as_of)
    return with_moments(table, source["event_time"])


def with_moments(table: pa.Table, name: str = EVENT_TIME) -> pa.Table:
    """The rows with event times as comparable texts, whatever their form in the store.

    Args:
        name: the column's name in the store; Athena may write it in lower case.
    """
    position = next((n for n, has in enumerate(table.column_names) if has.lower() == name.lower()),
                    None)  # fmt: skip
    if position is None:
        has = ", ".join(table.column_names)
        raise DataError(f"the feature group: expected a column {name!r}, got {has}")
    given = table[position]
    if pa.types.is_floating(given.type):
        written: Callable[[Any], str] = from_seconds
        moments = given.combine_chunks().dictionary_encode()
    elif pa.types.is_string(given.type) or pa.types.is_large_string(given.type):
        if pc.all(pc.match_substring_regex(given, TO_THE_MILLISECOND)).as_py() is not False:
            return table.set_column(position, EVENT_TIME, given)
        written = to_the_millisecond
        moments = given.cast(pa.string()).combine_chunks().dictionary_encode()
    else:
        raise DataError(f"{name!r}: expected texts such as {EXAMPLE}, or seconds since 1970 with a "
                        f"fraction, got {given.type}")  # fmt: skip
    texts = []
    for value in moments.dictionary.to_pylist():
        try:
            texts.append(written(value))
        except ValueError:
            raise DataError(
                f"{name!r}: expected a moment such as {EXAMPLE}, got {value!r}"
            ) from None
    column = pa.array(texts, pa.string()).take(moments.indices)
    return table.set_column(position, EVENT_TIME, column)


def with_names(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """The rows with column names as in the job's arguments, since Athena writes them in lower
    case."""
    spelling = {name.lower(): name for name in names}
    return table.rename_columns([spelling.get(n.lower(), n) for n in table.column_names])


def read_features(folder: Path, as_of: str) -> pa.Table:
    """The query's rows, read without `pyarrow.dataset`, which imports pandas and is far slower."""
    files = sorted(folder.glob("*.parquet"))
    if not files:  # how Athena may return no rows
        raise DataError(f"the feature store has no rows as of {as_of}")
    tables = [_read_own(pyarrow.parquet.ParquetFile(file)) for file in files]
    return pa.concat_tables(tables, promote_options="permissive")


def _read_own(file: pyarrow.parquet.ParquetFile) -> pa.Table:
    """The record's own columns."""
    return file.read([name for name in file.schema_arrow.names if name not in SYSTEM_COLUMNS])


def check_point_in_time(table: pa.Table, record_id: str, as_of: str) -> None:
    """Check what the query promises: one row per record, and none from after the moment.

    Args:
        as_of: to the millisecond.
    """
    if table.num_rows == 0:
        raise DataError(f"the feature store has no rows as of {as_of}")
    if record_id not in table.column_names:
        has = ", ".join(table.column_names)
        raise DataError(
            f"the feature group: expected a column {record_id!r} (record id), got {has}"
        )
    if nameless := table[record_id].null_count:
        raise DataError(f"{nameless} rows of the feature store have no {record_id}")
    latest = pc.max(table[EVENT_TIME]).as_py()
    if latest > as_of:
        raise DataError(f"the query as of {as_of} returned a row of {latest}")
    if pc.count_distinct(table[record_id]).as_py() != table.num_rows:
        raise DataError(f"the query as of {as_of} returned more than one row of a record")


def with_checked_labels(table: pa.Table, columns: Columns) -> pa.Table:
    """The labels in the type that the problem needs, whatever their type in the store.

    Binary: integers 0 and 1, both of which occur. Regression: finite numbers that vary.
    """
    labels = table[columns.label]
    values = pc.unique(labels).to_pylist()
    got = ", ".join(sorted(repr(value) for value in values)[:5])
    position = table.column_names.index(columns.label)
    if not columns.is_regression:
        if set(values) != {0, 1}:
            raise DataError(f"the label {columns.label!r}: expected both 0 and 1, got {got}")
        return table.set_column(position, columns.label, pc.cast(labels, pa.int64()))
    is_number = pa.types.is_integer(labels.type) or pa.types.is_floating(labels.type)
    is_finite = is_number and all(v is not None and np.isfinite(v) for v in values)
    if not is_finite or len(values) < 2:
        raise DataError(
            f"the label {columns.label!r}: expected finite numbers that are not all the same, got "
            f"{got}"
        )
    return table.set_column(position, columns.label, pc.cast(labels, pa.float64()))


def check_values(table: pa.Table, columns: Columns) -> None:
    """Refuse values that no step could read from a split: infinite numbers, texts of several
    lines."""
    largest = float(np.finfo(np.float32).max)
    for feature in columns.features:
        numbers = pc.cast(table[feature], pa.float64(), safe=False)
        wrong = numbers.filter(pc.greater(pc.abs(numbers), largest))
        if len(wrong):
            raise DataError(
                f"the feature {feature!r}: expected finite numbers within single precision, got "
                f"{wrong[0]}"
            )
    for name in (columns.record_id, *columns.context):
        texts = pc.cast(table[name], pa.string())
        broken = texts.filter(pc.match_substring_regex(texts, r"[\r\n]"))
        if len(broken):  # a batch transform reads every line as a record
            raise DataError(f"{name!r}: expected one line of text, got {broken[0].as_py()!r}")
