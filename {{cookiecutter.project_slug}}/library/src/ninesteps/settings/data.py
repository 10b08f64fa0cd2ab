"""`[data]` and `[split]`: the raw table, and how its rows are split."""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ninesteps.settings.meanings import MEANING_RULE, is_meaning
from ninesteps.settings.moments import MOMENT_RULE, is_moment
from ninesteps.settings.names import FEATURE_NAME_RULE, RESERVED_COLUMNS, is_stored_name
from ninesteps.settings.toml import require


@dataclass(frozen=True)
class Column:
    """What a column of the raw table contains, and how it is written."""

    type: str  # the type of its values
    format: str = ""  # of a date: its strptime format
    values: tuple[str, ...] = ()  # of a category: the known values; any other counts as unknown
    decimal: str = "."  # of a number: the decimal separator
    thousands: str = ""  # of a number: the thousands separator, if it has one
    unit: str = ""  # of a number: a text that may come before or after it, such as "$" or "kg"
    parentheses: bool = False  # of a number: whether "(12)" is -12
    min: float | None = None  # of a number: the smallest allowed value
    max: float | None = None  # of a number: the largest allowed value
    required: bool = False  # whether every row must have a value
    pseudonym: bool = False  # of a text: whether the store gets a keyed hash instead
    # The meaning of the column; the report and the model card show it.
    meaning: str = field(default="", repr=False, compare=False)

    TYPES: typing.ClassVar = ("number", "date", "category", "text", "conversation")
    NOTATION: typing.ClassVar = ("decimal", "thousands", "unit", "parentheses")

    def __post_init__(self) -> None:
        require(self.type in self.TYPES, "type", self.type, ", ".join(self.TYPES))
        require(is_meaning(self.meaning), "meaning", self.meaning, MEANING_RULE)
        require(self.type != "date" or is_date_format(self.format), "format", self.format,
              'the format of a date, such as "%Y-%m-%d"')  # fmt: skip
        require(self.type != "category" or self.values, "values", list(self.values),
              'the known values of a category, such as ["a", "b"]')  # fmt: skip
        require(_are_different_words(self.values), "values",
              list(self.values), "a list of different strings, none empty")  # fmt: skip
        for key, value in self.notation.items():
            require(self.type == "number", key, value,
                 f"none for a {self.type}: only numbers have it")  # fmt: skip
        for key in ("min", "max"):
            value = getattr(self, key)
            require(value is None or self.type == "number", key, value,
                 f"none for a {self.type}: only numbers have it")  # fmt: skip
        require(not self.pseudonym or self.type == "text", "pseudonym", self.pseudonym,
             f"none for a {self.type}: only texts have it")  # fmt: skip
        require(self.min is None or self.max is None or self.min < self.max, "max", self.max,
             f"a number above min ({self.min})")  # fmt: skip
        require(self.decimal in (".", ","), "decimal", self.decimal, '"." or ","')
        require(self.thousands in ("", ",", ".", " ", "'") and self.thousands != self.decimal,
             "thousands", self.thousands,
             'one of ",", ".", " " and "\'", other than decimal')  # fmt: skip
        require(re.fullmatch(r"([^\s\d.,'()+\-]([^()]*[^\s()])?)?", self.unit), "unit", self.unit,
             'a text such as "$", "%" or "kg"')  # fmt: skip

    @property
    def notation(self) -> dict[str, str | bool]:
        """The keys that differ from how programs write numbers, with their values."""
        keys = {key: getattr(self, key) for key in self.NOTATION}
        return {key: value for key, value in keys.items() if value != getattr(Column, key)}

    @property
    def is_plain(self) -> bool:
        """Whether a number is written as programs write it, such as -1234.5."""
        return not self.notation


@dataclass(frozen=True)
class Quality:
    """The shares of unusable values above which a run stops; 1 is no limit."""

    unreadable: float = 0.05  # the share of a column's values: unreadable dates, unknown categories
    # the share of rows that are left out: no id, label or time, or a repeated id
    dropped: float = 0.2
    out_of_range: float = 0.0  # the share of a column's values below its min or above its max
    missing: float = 0.0  # the share of rows without a value in a required column
    max_age_days: float | None = None  # the greatest age of the newest event time; not set: any age

    def __post_init__(self) -> None:
        for key in ("unreadable", "dropped", "out_of_range", "missing"):
            share = getattr(self, key)
            require(0 <= share <= 1, key, share, "a share between 0 and 1")
        require(self.max_age_days is None or self.max_age_days > 0, "max_age_days",
             self.max_age_days, "a number of days above 0")  # fmt: skip

    def most(self, key: str, values: int) -> int:
        """How many of a column's values a limit allows to be unusable."""
        return _part(getattr(self, key), values)

    def most_dropped(self, rows: int) -> int:
        """How many rows of the table may be left out."""
        return _part(self.dropped, rows)


def _part(share: float, count: int) -> int:
    return int(share * count + 1e-9)  # 0.07 of 100 is 7, though not in binary


@dataclass(frozen=True)
class Data:
    """The raw table: its file and columns. A pipeline without a file cannot run yet."""

    file: str = ""  # the raw table: CSV, JSON Lines (both also gzipped), Parquet or Feather
    record_id: str = ""  # the column that identifies a row
    label: str = ""  # the column to predict
    positive: str | tuple[str, ...] = ""  # the label's texts that count as 1, unless it is 0 and 1
    # the label's texts that count as 0; may be empty if there is only one
    negative: tuple[str, ...] = ()
    label_column: Column = field(default_factory=lambda: Column("number"))
    """How a regression's label is written, where its numbers are not plain ones."""
    # whether rows are numbered, as record_id, because no column identifies them
    number_rows: bool = False
    missing: tuple[str, ...] = ()  # words that mean "no value" in every column, like an empty cell
    # words that may mean "no value"; no run starts while there are any
    undecided: tuple[str, ...] = ()
    # what each of the other columns contains
    columns: dict[str, Column] = field(default_factory=dict)
    # the names of raw columns in the feature group, where they differ
    stored: dict[str, str] = field(default_factory=dict)
    quality: Quality = field(default_factory=Quality)
    snapshot: str = ""  # the time that all rows describe, if no column has one
    event_time: str = ""  # the column with the time that each row describes
    event_time_format: str = ""  # that column's strptime format, if it is not ISO 8601
    window_days: int = 0  # the greatest age of a record at AsOf; older ones are left out; 0: any

    MOST_WINDOW: typing.ClassVar = 36500

    def __post_init__(self) -> None:
        if not self.file:
            return
        self._check_keys()
        self._check_words()
        self._check_stored()

    @property
    def positives(self) -> tuple[str, ...]:
        """The label's texts that count as 1; empty if the label is 0 and 1."""
        if isinstance(self.positive, str):
            return (self.positive,) if self.positive else ()
        return self.positive

    @property
    def conversations(self) -> tuple[str, ...]:
        """The columns of conversations."""
        return tuple(n for n, column in self.columns.items() if column.type == "conversation")

    @property
    def pseudonyms(self) -> tuple[str, ...]:
        """The columns whose texts are hashed before they are written."""
        return tuple(name for name, column in self.columns.items() if column.pseudonym)

    def stored_name(self, raw: str) -> str:
        """The name of a raw column in the feature group."""
        return self.stored.get(raw, raw)

    def _check_keys(self) -> None:
        require(self.label_column.type == "number", "label_column", self.label_column.type,
             'type = "number", with its notation')  # fmt: skip
        require(not self.label_column.required, "label_column", "required = true",
             "no such key: rows without a label are left out, up to the limit of [data.quality] "
             "dropped"
        )  # fmt: skip
        require(self.record_id, "record_id", self.record_id, "the name of a column")
        require(self.label, "label", self.label, "the column to predict "
             "(`pipeline schema FILE --label NAME` drafts for it)")  # fmt: skip
        for key in ("record_id", "label"):
            name = getattr(self, key)
            require(name.lower() != "event_time", key, name,
                 "another name (the feature group has a column of this one)")  # fmt: skip
        require(bool(self.snapshot) != bool(self.event_time), "snapshot", self.snapshot,
             "either a time (snapshot) or a column of times (event_time)")  # fmt: skip
        if self.snapshot:
            require(is_moment(self.snapshot), "snapshot", self.snapshot, MOMENT_RULE)
        require(not self.event_time_format or self.event_time, "event_time_format",
             self.event_time_format, "none where event_time names no column")  # fmt: skip
        require(not self.event_time_format or is_date_format(self.event_time_format),
             "event_time_format", self.event_time_format,
             'the format of a time, such as "%d.%m.%Y %H:%M"')  # fmt: skip
        require(0 <= self.window_days <= self.MOST_WINDOW, "window_days", self.window_days,
             f"0 to {self.MOST_WINDOW} days")  # fmt: skip
        require(not (self.snapshot and self.window_days), "window_days", self.window_days,
             "0, since all rows describe one time (snapshot)")  # fmt: skip
        require(self.columns, "columns", {}, "at least one column to make features from")
        require(self.record_id not in self.columns, "record_id", self.record_id,
             "a column that [data.columns] does not have")  # fmt: skip
        others = (self.record_id, "event_time", *self.columns)
        require(self.label not in others, "label", self.label,
             "a column that is neither the record id nor in [data.columns]")  # fmt: skip
        require("event_time" not in self.columns, "columns", "event_time",
             "another name (the feature group has a column of this one)")  # fmt: skip

    def _check_words(self) -> None:
        """Check that no word means both a value and "no value"."""
        for key in ("missing", "undecided", "positives", "negative"):
            words = getattr(self, key)
            require(_are_different_words(words), key.removesuffix("s"), list(words),
                 "a list of different strings, none empty")  # fmt: skip
        require(not self.undecided, "undecided", list(self.undecided),
             "an empty list: move each word that means \"no value\" to [data] missing, and "
             "delete each that is a value")  # fmt: skip
        require(not self.negative or self.positives, "negative", list(self.negative),
             "positive to be set too")  # fmt: skip
        values = {"positive": self.positives, "negative": self.negative}
        values |= {f"columns.{name}.values": c.values for name, c in self.columns.items()}
        for where, words in values.items():
            both = [word for word in words if word in self.missing]
            require(not both, where, list(words),
                 f"no word that is also in [data] missing ({', '.join(both)})")  # fmt: skip
        both = [word for word in self.negative if word in self.positives]
        require(not both, "negative", both, "words that are not in positive")

    def _check_stored(self) -> None:
        named = (self.record_id, self.label, *self.columns)
        for raw, name in self.stored.items():
            require(raw in named, "stored", raw, "record_id, label or a column of [data.columns]")
            require(is_stored_name(name), "stored", name,
                 f"{FEATURE_NAME_RULE}; none of {', '.join(RESERVED_COLUMNS)}")  # fmt: skip


@dataclass(frozen=True)
class Split:
    """How rows are split into train, validation and test."""

    salt: str  # a text that decides, with the record id, which split a row is in
    # "hash" of the record id or group, or "time": train on the past, test on the newest
    by: str = "hash"
    group: str = ""  # a column whose equal values keep rows in one split, such as a customer id
    train: float = 0.7  # the share of rows that the trials learn from
    validation: float = 0.15  # the share that selects the best trial and the decision threshold
    test: float = 0.15  # the share that the gate is evaluated on
    min_positives: int = 20  # the fewest rows of each class in a split (regression: of rows)

    WAYS: typing.ClassVar = ("hash", "time")

    def __post_init__(self) -> None:
        require(self.salt, "salt", self.salt, "a string, fixed before any result is seen")
        require(self.by in self.WAYS, "by", self.by, " or ".join(self.WAYS))
        shares = (self.train, self.validation, self.test)
        require(min(shares) > 0 and abs(sum(shares) - 1) < 1e-9, "train", list(shares),
              "train, validation and test shares above 0 that add up to 1")  # fmt: skip
        require(self.min_positives > 0, "min_positives", self.min_positives, "1 or more")


def is_date_format(text: str) -> bool:
    """Whether strptime can read what strftime writes in a format."""
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    try:
        return "%" in text and bool(datetime.strptime(moment.strftime(text), text))
    except (ValueError, re.error):  # re.error: a directive that occurs twice
        return False


def _are_different_words(words: tuple[str, ...]) -> bool:
    return all(word.strip() == word != "" for word in words) and len(set(words)) == len(words)
