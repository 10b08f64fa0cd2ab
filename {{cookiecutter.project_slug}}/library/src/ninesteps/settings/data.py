"""`[data]` and `[split]`: the raw table, and how its rows are divided."""

from __future__ import annotations

import typing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ninesteps.settings.moments import MOMENT_RULE, is_moment
from ninesteps.settings.toml import require

FEATURE_DATABASE = "sagemaker_featurestore"
"""The data catalogue's database that SageMaker registers offline stores in."""


STORE_COLUMNS = ("event_time", "api_invocation_time", "write_time", "is_deleted")


QUERY_COLUMNS = ("year", "month", "day", "hour", "recency")


RESERVED_COLUMNS = (*STORE_COLUMNS, *QUERY_COLUMNS)
"""What the offline store and its query add to a record: no facet can be called so."""


@dataclass(frozen=True)
class Column:
    """What one column of the raw table holds."""

    type: str  # what its values are
    format: str = ""  # of a date, as in strptime
    values: tuple[str, ...] = ()  # of a category: those known, the others are counted

    TYPES: typing.ClassVar = ("number", "date", "category", "text")

    def __post_init__(self) -> None:
        require(self.type in self.TYPES, "type", self.type, ", ".join(self.TYPES))
        require(self.type != "date" or _is_date_format(self.format), "format", self.format,
              'the format of a date, such as "%Y-%m-%d"')  # fmt: skip
        require(self.type != "category" or self.values, "values", list(self.values),
              'the known values of a category, such as ["a", "b"]')  # fmt: skip
        require(all(self.values) and len(set(self.values)) == len(self.values), "values",
              list(self.values), "a list of different strings, none empty")  # fmt: skip


@dataclass(frozen=True)
class Data:
    """The raw table: where it lies and what its columns hold. Without a file none is named yet."""

    file: str = ""  # the raw table, CSV or Parquet; none: nothing runs yet
    record_id: str = ""  # the column that names a row
    label: str = ""  # the column that is predicted
    positive: str = ""  # the label's text that counts as 1, where it is not 0 and 1
    number_rows: bool = False  # no column tells rows apart: record_id is their number
    columns: dict[str, Column] = field(default_factory=dict)  # what each other column holds
    snapshot: str = ""  # the moment that the rows describe, where no column says it
    event_time: str = ""  # the column that says it

    def __post_init__(self) -> None:
        if not self.file:
            return
        for key in ("record_id", "label"):
            require(getattr(self, key), key, getattr(self, key), "the name of a column")
        require(bool(self.snapshot) != bool(self.event_time), "snapshot", self.snapshot,
             "either a moment (snapshot) or a column of moments (event_time)")  # fmt: skip
        if self.snapshot:
            require(is_moment(self.snapshot), "snapshot", self.snapshot, MOMENT_RULE)
        require(self.columns, "columns", {}, "at least one column to make features of")
        for key in ("record_id", "label"):
            name = getattr(self, key)
            require(name.lower() not in RESERVED_COLUMNS, key, name,
                 "another name (the feature group has a column of this one)")  # fmt: skip
        require(self.record_id not in self.columns, "record_id", self.record_id,
             "a column that [data.columns] does not have")  # fmt: skip
        others = (self.record_id, "event_time", *self.columns)
        require(self.label not in others, "label", self.label,
             "a column that is neither the record id nor in [data.columns]")  # fmt: skip
        require("event_time" not in self.columns, "columns", "event_time",
             "another name (the feature group has a column of this one)")  # fmt: skip


@dataclass(frozen=True)
class Split:
    """How rows are told into train, validation and test."""

    salt: str  # a text that decides, with the record id, to which split a row goes
    by: str = "hash"  # of the record id or the group; or "time": the past learns, the future tests
    group: str = ""  # a column whose rows of one value stay together, such as a customer
    train: float = 0.7  # the share of rows that the trials learn from
    validation: float = 0.15  # ... that the best trial and the decision threshold are chosen by
    test: float = 0.15  # ... that the gate is read from
    min_positives: int = 20  # fewer of either class in a split is an error; regression: of rows

    WAYS: typing.ClassVar = ("hash", "time")

    def __post_init__(self) -> None:
        require(self.salt, "salt", self.salt, "a string, fixed before any result is seen")
        require(self.by in self.WAYS, "by", self.by, " or ".join(self.WAYS))
        shares = (self.train, self.validation, self.test)
        require(min(shares) > 0 and abs(sum(shares) - 1) < 1e-9, "train", list(shares),
              "train, validation and test shares above 0 that add up to 1")  # fmt: skip
        require(self.min_positives > 0, "min_positives", self.min_positives, "1 or more")


def _is_date_format(text: str) -> bool:
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    try:
        return "%" in text and bool(datetime.strptime(moment.strftime(text), text))
    except ValueError:
        return False
