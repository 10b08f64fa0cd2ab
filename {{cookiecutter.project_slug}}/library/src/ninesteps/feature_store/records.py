"""Records in the form of the Feature Store's API: values are texts, missing ones are left out.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_feature_store_PutRecord.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ninesteps.errors import FeaturesError
from ninesteps.settings.features import Features
from ninesteps.settings.moments import iso, to_the_millisecond
from ninesteps.settings.names import ADDED_COLUMNS

Record = Mapping[str, str]
"""A record's features by name, without missing values."""

WRITTEN = "event_time"
"""The column of moments in this machine's offline store."""

MOST_ADDED = 100
"""The most features that one UpdateFeatureGroup can add."""

_FORMAT = "%Y-%m-%dT%H:%M:%S"


@dataclass(frozen=True)
class FeatureGroup:
    """A feature group to create and fill, derived from settings and stored columns."""

    features: Features  # resolved for an environment
    record_id: str  # the column that identifies a record
    definitions: Mapping[str, str]  # feature -> String, Integral or Fractional

    @staticmethod
    def of(features: Features, record_id: str, schema: pa.Schema) -> FeatureGroup:
        """The group for rows with the schema of this machine's offline store."""
        definitions = {}
        for field in schema:
            if field.name in (WRITTEN, *ADDED_COLUMNS):
                continue
            definitions[field.name] = _feature_type(field)
        moment = "Fractional" if features.is_fractional else "String"
        named = {record_id: definitions.pop(record_id), features.event_time: moment}
        return FeatureGroup(features, record_id, named | definitions)

    @property
    def name(self) -> str:
        """The group's name."""
        return self.features.group

    @property
    def table(self) -> str:
        """Its table in the data catalogue, with its database."""
        return f"{self.features.database}.{self.features.table}"

    def cast(self, rows: pa.Table) -> pa.Table:
        """Convert rows of this machine's offline store to the columns and types of the group.

        A whole number may be written as a fraction in one table and not in another: the group
        decides. The store's own columns are kept.

        Raises:
            FeaturesError: if a column is missing, or has values that do not fit the group's type.
        """
        columns: dict[str, pa.ChunkedArray] = {}
        for name, kind in self.definitions.items():
            if name == self.features.event_time:
                columns[name] = _moments(rows[WRITTEN], kind == "Fractional")
            elif name not in rows.column_names:
                raise FeaturesError(
                    f"expected the feature {name!r}, which the feature group {self.name} has, got "
                    "none: a group cannot lose a feature; name a new one in [features] group"
                )
            else:
                columns[name] = _cast(rows[name], name, kind)
        own = [name for name in ADDED_COLUMNS if name in rows.column_names]
        return pa.table(columns | {name: rows[name] for name in own})

    def records(self, rows: pa.Table) -> Iterator[Record]:
        """Rows after `cast`, as one record each."""
        yield from texts(rows.select(list(self.definitions)))


def texts(rows: pa.Table) -> Iterator[Record]:
    """Rows as records, with all values as texts."""
    for batch in rows.to_batches():
        for row in batch.to_pylist():
            yield {n: text for n, value in row.items() if (text := _text(value)) is not None}


def _feature_type(field: pa.Field) -> str:
    if pa.types.is_integer(field.type):
        return "Integral"
    if pa.types.is_floating(field.type):
        return "Fractional"
    return "String"


def _cast(column: pa.ChunkedArray, name: str, kind: str) -> pa.ChunkedArray:
    target = {"String": pa.string(), "Integral": pa.int64(), "Fractional": pa.float64()}[kind]
    if column.type == target:
        return column
    if pa.types.is_floating(column.type) and kind == "Integral":
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    try:
        return pc.cast(column, target)
    except pa.ArrowInvalid as error:
        raise FeaturesError(
            f"{name!r}: expected {kind.lower()} values, as the feature group has them, got others "
            f"({error})"
        ) from None


def _moments(texts: pa.ChunkedArray, is_fractional: bool) -> pa.ChunkedArray:
    """Moments such as 2026-01-31T00:00:00.000Z, unchanged or as seconds since 1970."""
    if not is_fractional:
        return texts
    moments = pc.cast(pc.utf8_rtrim(texts, "Z"), pa.timestamp("ms"))
    return pc.divide(pc.cast(pc.cast(moments, pa.int64()), pa.float64()), 1000.0)


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return repr(value) if isinstance(value, float) else str(value)


def milliseconds(event_time: str) -> int:
    """An event time (ISO 8601, or seconds since 1970) in milliseconds since 1970."""
    if event_time.endswith("Z"):
        text = to_the_millisecond(event_time)
        seconds = datetime.strptime(text[:19], _FORMAT).replace(tzinfo=UTC).timestamp()
        return int(seconds) * 1000 + int(text[20:23])
    return round(float(event_time) * 1000)


def event_time(features: Features, when: datetime) -> str:
    """A moment in the group's format of event times."""
    if features.is_fractional:
        return f"{when.timestamp():.3f}"
    return iso(when)
