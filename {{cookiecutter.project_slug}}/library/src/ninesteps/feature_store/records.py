"""Records as the Feature Store's API has them: every value a text, a missing one left out.

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
"""A record's features by name; a missing value has none."""

WRITTEN = "event_time"
"""The column of a raw table's moments in this machine's offline store."""

MOST_ADDED = 100
"""Features that one UpdateFeatureGroup adds at most."""

_FORMAT = "%Y-%m-%dT%H:%M:%S"


@dataclass(frozen=True)
class FeatureGroup:
    """A feature group as it is made and filled: what follows from settings and stored columns."""

    features: Features  # resolved for an environment
    record_id: str  # the column that identifies a record
    definitions: Mapping[str, str]  # feature -> String, Integral or Fractional

    @staticmethod
    def of(features: Features, record_id: str, schema: pa.Schema) -> FeatureGroup:
        """The group that takes rows of a schema, which is this machine's offline store's."""
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
        """What the group is called."""
        return self.features.group

    @property
    def table(self) -> str:
        """Its table in the data catalogue, with the database."""
        return f"{self.features.database}.{self.features.table}"

    def cast(self, rows: pa.Table) -> pa.Table:
        """Rows of this machine's offline store with the columns and types of the group.

        A whole number may be written as a fraction in one table and not in another: which it is,
        the group decides. The store's own columns stay where the rows have them.

        Raises:
            FeaturesError: if a column is missing, or has values that the group's type has not.
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
        """Rows that were `cast`, one record each."""
        yield from texts(rows.select(list(self.definitions)))


def texts(rows: pa.Table) -> Iterator[Record]:
    """Rows as records, each value a text."""
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
    """Moments such as 2026-01-31T00:00:00.000Z as they are, or as seconds since 1970."""
    if not is_fractional:
        return texts
    moments = pc.cast(pc.utf8_rtrim(texts, "Z"), pa.timestamp("ms"))
    return pc.divide(pc.cast(pc.cast(moments, pa.int64()), pa.float64()), 1000.0)


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return repr(value) if isinstance(value, float) else str(value)


def milliseconds(event_time: str) -> int:
    """An event time, an ISO 8601 text or seconds since 1970, in milliseconds since 1970."""
    if event_time.endswith("Z"):
        text = to_the_millisecond(event_time)
        seconds = datetime.strptime(text[:19], _FORMAT).replace(tzinfo=UTC).timestamp()
        return int(seconds) * 1000 + int(text[20:23])
    return round(float(event_time) * 1000)


def event_time(features: Features, when: datetime) -> str:
    """A moment as a group writes event times."""
    if features.is_fractional:
        return f"{when.timestamp():.3f}"
    return iso(when)
