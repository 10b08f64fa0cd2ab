"""Rows of the offline store: reads a query's files and checks what step 1 builds on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from dataset import Columns, DataError

SYSTEM_COLUMNS = frozenset(
    ("api_invocation_time", "write_time", "is_deleted", "year", "month", "day", "hour", "recency")
)
"""What the offline store and the query add to a record."""


MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)
"""A moment as the Feature Store writes it: to the second or to the millisecond, in UTC."""

EXAMPLE = "2026-01-31T00:00:00.000Z"

TO_THE_MILLISECOND = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
"""The one form in which moments are compared: its texts sort as the moments do."""


def check_moment(as_of: str) -> None:
    """Check that the moment is one and nothing else: it is part of the query's text."""
    try:
        if not MOMENT.fullmatch(as_of):
            raise ValueError("another form")
        _to_the_millisecond(as_of)
    except ValueError:
        raise DataError(
            f"AsOf: expected a moment in UTC such as {EXAMPLE}, got {as_of!r}"
        ) from None


def _to_the_millisecond(text: str) -> str:
    """A moment in the form that is compared; what is finer than a millisecond is cut off."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # the first and the last day that there are
        raise ValueError("out of range") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def with_moments(table: pa.Table) -> pa.Table:
    """The rows with event times in the form that is compared, however the store has them."""
    if "event_time" not in table.column_names:
        has = ", ".join(table.column_names)
        raise DataError(f"the feature group: expected a column 'event_time', got {has}")
    given = table["event_time"]
    if not (pa.types.is_string(given.type) or pa.types.is_large_string(given.type)):
        raise DataError(f"'event_time': expected texts such as {EXAMPLE}, got {given.type}")
    if pc.all(pc.match_substring_regex(given, TO_THE_MILLISECOND)).as_py() is not False:
        return table
    encoded = given.cast(pa.string()).combine_chunks().dictionary_encode()
    written = []
    for text in encoded.dictionary.to_pylist():
        try:
            written.append(_to_the_millisecond(text))
        except ValueError:
            raise DataError(
                f"'event_time': expected a moment such as {EXAMPLE}, got {text!r}"
            ) from None
    moments = pa.array(written, pa.string()).take(encoded.indices)
    return table.set_column(table.column_names.index("event_time"), "event_time", moments)


def read_features(folder: Path) -> pa.Table:
    """The query's rows. Not by `pyarrow.dataset`, which imports pandas: that takes far longer."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name[0] not in "._")
    if not files:
        raise DataError("the query of the feature store gave no file")
    tables = [_read_own(pyarrow.parquet.ParquetFile(file)) for file in files]
    return pa.concat_tables(tables, promote_options="permissive")


def _read_own(file: pyarrow.parquet.ParquetFile) -> pa.Table:
    """The record's own columns."""
    return file.read([name for name in file.schema_arrow.names if name not in SYSTEM_COLUMNS])


def check_point_in_time(table: pa.Table, record_id: str, as_of: str) -> None:
    """Check what the query promises: one row a record, and none from after the moment."""
    if table.num_rows == 0:
        raise DataError(f"the feature store has no rows as of {as_of}")
    if record_id not in table.column_names:
        has = ", ".join(table.column_names)
        raise DataError(
            f"the feature group: expected a column {record_id!r} (record id), got {has}"
        )
    if nameless := table[record_id].null_count:
        raise DataError(f"{nameless} rows of the feature store have no {record_id}")
    latest = pc.max(table["event_time"]).as_py()
    if latest > _to_the_millisecond(as_of):
        raise DataError(f"the query as of {as_of} returned a row of {latest}")
    if pc.count_distinct(table[record_id]).as_py() != table.num_rows:
        raise DataError(f"the query as of {as_of} returned more than one row of a record")


def with_checked_labels(table: pa.Table, columns: Columns) -> pa.Table:
    """The labels as the problem needs them, whatever their type in the store.

    Binary: 0 or 1 everywhere and both occurring, as integers. Regression: finite numbers that vary.
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
    """Check for what no step could read from a split: infinite numbers, texts of several lines."""
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
        if len(broken):  # a batch transform takes every line for a record
            raise DataError(f"{name!r}: expected a text of one line, got {broken[0].as_py()!r}")
