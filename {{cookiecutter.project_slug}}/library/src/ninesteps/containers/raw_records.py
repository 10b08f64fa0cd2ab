"""Turns raw records of a request into features, as the ingest does with a table's rows.

The raw columns are described in `raw_columns.json`, and the team's features are in
`feature_store/`: both are in the model's archive. It imports pandas, so it is imported only with
the first raw record.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from computed_features import as_numbers, compute
from container import read_json
from raw_values import (
    Cells,
    Moments,
    Texts,
    finite,
    floats_as_texts,
    given_numbers,
    given_texts,
    is_given,
    known_texts,
    moment_texts,
    outside,
    range_in_words,
    read_dates,
    read_iso,
    read_numbers,
    text_cells,
    without_fraction,
    without_missing,
)
from stored_names import stored_features

FILE = "raw_columns.json"
TEAM = "feature_store.features"


@dataclass(frozen=True)
class RawColumn:
    """The content and notation of a raw column, as in `[data.columns]`."""

    type: str
    format: str = ""
    values: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    parentheses: bool = False
    min: float | None = None
    max: float | None = None
    required: bool = False
    is_stored: bool = False  # whether the feature group stores it beside the features


@dataclass(frozen=True)
class RawColumns:
    """The columns of a raw record: the content of `raw_columns.json`."""

    columns: dict[str, RawColumn]  # the columns for features, in order
    missing: tuple[str, ...]  # words that mean "no value"
    event_time: str  # the key of a record's moment
    event_time_format: str  # empty: ISO 8601
    stored: dict[str, str] = field(default_factory=dict)  # raw columns -> their stored names
    kept: dict[str, str] = field(default_factory=dict)  # other stored values of a record
    refused: tuple[str, ...] = ()  # the limits of [data.quality] that are 0

    @staticmethod
    @cache
    def read(code: Path) -> RawColumns:
        """Read it from the folder of the code.

        Raises:
            ValueError: if the archive has no such file.
        """
        if not (code / FILE).is_file():
            raise ValueError("expected features: this model was trained without its raw columns")
        content: dict[str, Any] = read_json(code / FILE)
        columns = {
            name: RawColumn(**{**column, "values": tuple(column.get("values", ()))})
            for name, column in content.pop("columns").items()
        }
        words: dict[str, Any] = {key: tuple(content.pop(key)) for key in ("missing", "refused")}
        return RawColumns(columns, **words, **content)

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        """The known values of each category."""
        columns = self.columns.items()
        return {name: column.values for name, column in columns if column.type == "category"}


@dataclass(frozen=True)
class RawRequest:
    """The raw records of a request, read."""

    vectors: NDArray[np.float32]  # (n, features)
    unknown: tuple[tuple[str, ...], ...]  # by record: unknown categories, unreadable dates

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of records and of features."""
        records, features = self.vectors.shape
        return records, features


def read(records: object, code: Path, features: Sequence[str]) -> RawRequest:
    """The features of raw records, in the order of the model's own.

    As in a table, absent values are missing, and unknown columns are ignored. A record without a
    moment describes the moment of the request.

    Args:
        records: objects of raw column -> value, from JSON.
        code: the folder of the archive's code.
        features: the stored names of the model's features.

    Raises:
        ValueError: for a value that would also stop an ingest, such as a word among numbers.
    """
    description = RawColumns.read(code)
    given = _checked(records, description)
    cells: dict[str, Cells] = {}
    unknown: list[list[str]] = [[] for _ in given]
    for name, column in description.columns.items():
        cells[name], wrong = _typed(name, column, [r.get(name) for r in given], description)
        for place in np.flatnonzero(wrong):
            unknown[place].append(name)
        if column.required and "missing" in description.refused:
            none = cells[name].isna().to_numpy() & ~wrong
            _refuse(name, ["none"] * len(given), none, "a value, which is required")
    cells["event_time"] = _moments([r.get(description.event_time) for r in given], description)
    if any(unknown):
        counts = dict(sorted(Counter(name for names in unknown for name in names).items()))
        print(json.dumps({"records": len(given), "unknown": counts}))  # noqa: T201
    vectors = _vectors(pd.DataFrame(cells, copy=False), description, code, features)
    return RawRequest(vectors, tuple(map(tuple, unknown)))


def _checked(records: object, description: RawColumns) -> list[dict[str, Any]]:
    """The records, checked to have at least one known column each."""
    names = ", ".join(description.columns)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError('expected JSON such as {"records": [{"age": 41}]}, got something else')
    if not records:
        raise ValueError("expected at least one record, got none")
    for number, record in enumerate(records, start=1):
        if record.keys().isdisjoint(description.columns):
            has = ", ".join(map(repr, [*record][:5])) or "nothing"
            raise ValueError(f"record {number}: expected columns such as {names}, got {has}")
    return records


def _typed(
    name: str, column: RawColumn, values: Sequence[Any], description: RawColumns
) -> tuple[Cells, NDArray[np.bool_]]:
    """A column as input of features, and where its value is unknown."""
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict | list):
            raise ValueError(f"record {number}: {name!r}: expected a single value, got several")
    none = np.zeros(len(values), dtype=np.bool_)
    if column.type == "number":
        numbers = _numbers(name, column, values, description)
        wrong = outside(numbers, column.min, column.max)
        if "out_of_range" in description.refused:
            expected = f"a number {range_in_words(column.min, column.max)}"
            _refuse(name, values, wrong, expected)
        return pd.Series(np.where(wrong, np.nan, numbers)), wrong
    texts = given_texts(_texts(name, values), description.missing)
    if column.type == "date":
        texts = without_missing(texts)
        dates = read_dates(texts, column.format)
        return pd.Series(dates), is_given(texts) & np.isnat(dates)
    _refuse(name, values, _matches(texts, r"[\r\n]"), "one line of text")
    if column.type == "category":
        texts, unknown = known_texts(texts, column.values)
        return text_cells(texts), unknown
    return text_cells(without_fraction(texts) if column.is_stored else texts), none


def _numbers(
    name: str, column: RawColumn, values: Sequence[Any], description: RawColumns
) -> NDArray[np.float64]:
    """Numbers, and texts in the column's notation; NaN for no value."""
    numbers = [_float(v) if isinstance(v, int | float) else None for v in values]
    plain = given_numbers(pa.array(numbers, pa.float64()), description.missing)
    texts = [value if isinstance(value, str) else None for value in values]
    written = without_missing(given_texts(_unicode(name, texts), description.missing))
    read = pc.coalesce(finite(plain), read_numbers(written, column))
    _refuse(name, values, (is_given(plain) | is_given(written)) & ~is_given(read), "a number")
    found: NDArray[np.float64] = read.to_numpy(zero_copy_only=False)
    return found


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer too large for a float
        return float("inf")


def _texts(name: str, values: Sequence[Any]) -> Texts:
    """Texts, and numbers as the same texts as in a typed file."""
    numbers = [value if isinstance(value, float) else None for value in values]
    of_numbers = floats_as_texts(pa.array(numbers, pa.float64()))
    whole = [str(int(v)) if isinstance(v, int) else v if isinstance(v, str) else None
             for v in values]  # fmt: skip
    return pc.coalesce(_unicode(name, whole), of_numbers)


def _unicode(name: str, texts: Sequence[str | None]) -> Texts:
    """Texts; refuse half of a surrogate pair, which JSON can escape but is not a character."""
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        kept = [text and text.encode(errors="replace").decode() for text in texts]
        is_half = np.array([text != other for text, other in zip(texts, kept, strict=True)])
        _refuse(name, texts, is_half, "valid Unicode text")
        raise


def _matches(texts: Texts, pattern: str) -> NDArray[np.bool_]:
    found = pc.fill_null(pc.match_substring_regex(texts, pattern), False)
    matching: NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
    return matching


def _refuse(name: str, values: Sequence[Any], wrong: NDArray[np.bool_], expected: str) -> None:
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(
            f"record {first + 1}: {name!r}: expected {expected}, got {str(values[first])[:50]!r}"
        )


def _moments(values: Sequence[Any], description: RawColumns) -> Cells:
    """The records' moments, as texts to the millisecond."""
    form, name = description.event_time_format, description.event_time
    texts = without_missing(given_texts(_texts(name, values), description.missing))
    moments: Moments = read_dates(texts, form) if form else read_iso(texts)
    expected = f"a moment of the format {form!r}" if form else "a moment such as 2026-01-31T00:00Z"
    _refuse(name, values, is_given(texts) & np.isnat(moments), expected)
    now = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")
    return text_cells(moment_texts(np.where(np.isnat(moments), now, moments)))


def _vectors(
    rows: pd.DataFrame, description: RawColumns, code: Path, features: Sequence[str]
) -> NDArray[np.float32]:
    """The team's features as step 1 reads them: the nearest single-precision numbers to their
    texts."""
    try:
        computed = compute(_team(code), rows, description.categories)
        stored = stored_features(computed.columns, description.stored, description.kept)
    except ValueError as error:
        traceback.print_exc()  # for the log; the client gets a sentence
        raise ValueError(f"feature_store/features.py: {error}") from None
    places = {name.lower(): place for place, name in enumerate(stored)}  # as Athena writes names
    if unknown := [name for name in features if name.lower() not in places]:
        raise ValueError(
            f"expected features: no raw column gives {unknown[0]!r}, which this model needs"
        )
    return _as_read(as_numbers(computed.iloc[:, [places[name.lower()] for name in features]]))


def _team(code: Path) -> Any:
    """The team's features module in the archive."""
    if str(code) not in sys.path:
        sys.path.insert(0, str(code))
    return importlib.import_module(TEAM)


def _as_read(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """Features as read from text in a split or a request: the nearest single-precision numbers."""
    texts = pc.cast(pa.array(numbers.ravel(), from_pandas=True), pa.string())
    singles = pc.cast(texts, pa.float32()).to_numpy(zero_copy_only=False)
    return np.array(singles, dtype=np.float32).reshape(numbers.shape)
