"""Step 1's script: rows of the offline store, as of a moment, split into train, validation, test.

Also measures the bias of the training split, Clarify's own numbers being those of the test split,
and notes what its columns look like, so that a later run sees what has drifted.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from bias_metrics import Outcomes, pretraining_bias
from bias_report import every_group, facet_section, labelled
from container import input_path, output_path, write_json
from dataset import Columns, DataError, Facet, Split, read_split
from feature_profile import profile
from intervals import CONFIDENCE

SPLITS = ("train", "validation", "test")
SYSTEM_COLUMNS = frozenset(
    ("api_invocation_time", "write_time", "is_deleted", "year", "month", "day", "hour", "recency")
)
"""What the offline store and the query add to a record."""


def main(arguments: Sequence[str]) -> None:
    """Read, check, split, write."""
    options = _options(arguments)
    _check_moment(options.as_of)
    table = with_asked_names(read_features(input_path("features")), options)
    check_point_in_time(table, options.record_id, options.as_of)
    columns = choose_columns(table, options)
    table = with_checked_labels(table, columns)
    check_values(table, columns)
    chosen = choose_splits(table, columns, options)
    splits = {name: table.filter(pa.array(chosen == n)) for n, name in enumerate(SPLITS)}
    del table  # a large one need not be in memory twice, here and below
    for name, rows in splits.items():
        check_split(rows, name, columns, options.min_positives)
    threshold = label_threshold(splits["train"][columns.label], columns, options.label_threshold)
    medians = baseline(splits["train"], columns)
    columns = dataclasses.replace(columns, label_threshold=threshold, baseline=medians)
    for name in SPLITS:
        write_split(splits.pop(name), output_path(name), name, columns)
    train = read_split(output_path("train"), "train")
    write_json(output_path("train") / "profile.json", profile(train))
    write_json(output_path("bias") / "pretraining_bias.json", training_bias(train))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    for name in ("as-of", "record-id", "label", "problem", "salt", "shares"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--split-by", choices=("hash", "time"), required=True)
    parser.add_argument("--group")
    parser.add_argument("--min-positives", type=int, required=True)
    parser.add_argument("--favourable-label", type=int, required=True)
    parser.add_argument("--label-threshold")
    parser.add_argument("--facet", action="append", default=[], type=json.loads)
    parser.add_argument("--group-variable")
    parser.add_argument("--exclude", action="append", default=[])
    return parser.parse_args(arguments)


def _check_moment(as_of: str) -> None:
    """The moment is part of the query: anything but a moment there is refused."""
    try:
        datetime.strptime(as_of, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise DataError(
            f"AsOf is {as_of!r}, where a moment in UTC such as 2026-01-31T00:00:00Z is right"
        ) from None


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


def with_asked_names(table: pa.Table, options: argparse.Namespace) -> pa.Table:
    """Athena writes names in lower case: columns that the arguments name are called as there."""
    asked = [options.record_id, options.label, *options.exclude]
    asked += [facet["column"] for facet in options.facet]
    asked += filter(None, [options.group_variable, options.group])
    spelling = {name.lower(): name for name in asked}
    return table.rename_columns([spelling.get(n.lower(), n) for n in table.column_names])


def check_point_in_time(table: pa.Table, record_id: str, as_of: str) -> None:
    """One row a record, none from after the moment: what the query promises."""
    if table.num_rows == 0:
        raise DataError(f"the feature store has no rows as of {as_of}")
    if record_id not in table.column_names:
        raise DataError(f"the feature group has no column {record_id!r} for the record id")
    if nameless := table[record_id].null_count:
        raise DataError(f"{nameless} rows of the feature store have no {record_id}")
    latest = pc.max(table["event_time"]).as_py()
    if latest > as_of:
        raise DataError(f"the query as of {as_of} returned a row of {latest}")
    if pc.count_distinct(table[record_id]).as_py() != table.num_rows:
        raise DataError(f"the query as of {as_of} returned more than one row of a record")


def choose_columns(table: pa.Table, options: argparse.Namespace) -> Columns:
    """Features are the numeric columns that are nothing else and not excluded."""
    facets = tuple(Facet.from_json(facet) for facet in options.facet)
    wanted = [facet.column for facet in facets]
    if options.group_variable:
        wanted.append(options.group_variable)
    context = tuple(dict.fromkeys(wanted))
    for name in (*context, options.label, *filter(None, [options.group]), *options.exclude):
        if name not in table.column_names:
            has = ", ".join(name for name in table.column_names if name not in SYSTEM_COLUMNS)
            raise DataError(f"the feature group has no column {name!r}; it has {has}")
    no_features = {options.record_id, "event_time", options.label, options.group, *SYSTEM_COLUMNS}
    numeric = [
        field.name
        for field in table.schema
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    ]
    features = tuple(n for n in numeric if n not in no_features and n not in options.exclude)
    if not features:
        raise DataError("the feature group has no numeric column left to learn from")
    columns = Columns(
        record_id=options.record_id,
        label=options.label,
        problem=options.problem,
        favourable_label=options.favourable_label,
        label_threshold=None,
        facets=facets,
        group_variable=options.group_variable,
        context=context,
        features=features,
    )
    if len(set(columns.names)) < len(columns.names):
        twice = sorted({n for n in columns.names if columns.names.count(n) > 1})
        raise DataError(f"a split would have two columns {', '.join(twice)}")
    return columns


def with_checked_labels(table: pa.Table, columns: Columns) -> pa.Table:
    """The labels as the problem wants them, whatever their type in the store.

    Binary: 0 or 1 everywhere and both occurring, as integers. Regression: finite numbers that vary.
    """
    labels = table[columns.label]
    found = pc.unique(labels).to_pylist()
    read = ", ".join(sorted(repr(value) for value in found)[:5])
    position = table.column_names.index(columns.label)
    if not columns.is_regression:
        if set(found) != {0, 1}:
            raise DataError(f"the label {columns.label!r} holds {read}, "
                            "where both 0 and 1 are right")  # fmt: skip
        return table.set_column(position, columns.label, pc.cast(labels, pa.int64()))
    is_number = pa.types.is_integer(labels.type) or pa.types.is_floating(labels.type)
    if not is_number or len(found) < 2 or not all(v is not None and np.isfinite(v) for v in found):
        raise DataError(f"the label {columns.label!r} holds {read}, "
                        "where finite numbers that are not all the same are right")  # fmt: skip
    return table.set_column(position, columns.label, pc.cast(labels, pa.float64()))


def label_threshold(labels: pa.ChunkedArray, columns: Columns, asked: str | None) -> float | None:
    """Above which number a regression's label is favourable: as asked, or the training median."""
    if not columns.is_regression:
        return None
    numbers = labels.to_numpy()
    threshold = float(np.median(numbers)) if asked is None else float(asked)
    if not numbers.min() <= threshold < numbers.max():
        raise DataError(
            f"the training split's {columns.label!r} lies between {numbers.min():g} and "
            f"{numbers.max():g}: no part is above {threshold:g}, and another not ([bias] threshold)"
        )
    return threshold


def baseline(train: pa.Table, columns: Columns) -> tuple[float | None, ...]:
    """Whom explanations compare with: each feature's median among the training rows that have one.

    A number that occurs, so that a feature of 0 and 1 is one of them.
    """
    found = []
    for feature in columns.features:
        numbers = train[feature].drop_null().to_numpy().astype(np.float64)
        numbers = numbers[np.isfinite(numbers)]
        middle = np.quantile(numbers, 0.5, method="lower") if len(numbers) else None
        found.append(None if middle is None else float(middle))
    return tuple(found)


def check_values(table: pa.Table, columns: Columns) -> None:
    """What no step could read from a split: infinite numbers, texts of several lines."""
    largest = float(np.finfo(np.float32).max)
    for feature in columns.features:
        numbers = pc.cast(table[feature], pa.float64(), safe=False)
        wrong = numbers.filter(pc.greater(pc.abs(numbers), largest))
        if len(wrong):
            raise DataError(f"the feature {feature!r} holds {wrong[0]}, which no model can take")
    for name in (columns.record_id, *columns.context):
        texts = pc.cast(table[name], pa.string())
        broken = texts.filter(pc.match_substring_regex(texts, r"[\r\n]"))
        if len(broken):  # a batch transform takes every line for a record
            raise DataError(f"{name!r} holds {broken[0].as_py()!r}, where one line is right")


def choose_splits(
    table: pa.Table, columns: Columns, options: argparse.Namespace
) -> NDArray[np.int64]:
    """The split of each row, (n,): 0, 1 or 2; -1 for rows that are in none."""
    shares = tuple(float(share) for share in options.shares.split(","))
    keys = pc.cast(table[options.group or columns.record_id], pa.string())
    if nameless := keys.null_count:
        raise DataError(f"{nameless} rows have no {options.group}, by which rows are kept together")
    if options.split_by == "hash":
        return split_of(keys.to_pylist(), options.salt, shares)
    chosen = split_by_time(keys.to_numpy(), table["event_time"].to_numpy(), shares)
    left_out = int((chosen < 0).sum())
    print(f"{left_out} of {len(chosen)} rows are in no split: they come after their split's end")  # noqa: T201
    return chosen


def split_by_time(
    keys: NDArray[np.object_], times: NDArray[np.object_], shares: Sequence[float]
) -> NDArray[np.int64]:
    """The split of each row, (n,), so that the past learns and the future tests.

    A key (a customer) belongs to the period in which it was first seen; the periods begin where
    the shares of all keys were seen. What a key did after its period's end is left out (-1). So
    no key is in two splits, and every row of one split is older than every row of the next.
    """
    names, group = np.unique(keys.astype(str), return_inverse=True)
    moments = times.astype(str)
    order = np.argsort(moments, kind="stable")
    first = np.empty(len(names), dtype=moments.dtype)
    first[group[order[::-1]]] = moments[order[::-1]]  # the oldest is written last, and stays
    edges = np.floor(np.cumsum(shares)[:-1] * len(names) + 1e-9).astype(np.int64)
    starts = np.sort(first)[np.minimum(edges, len(names) - 1)]  # of validation and of test
    chosen: NDArray[np.int64] = np.searchsorted(starts, first, side="right")[group]
    for number, end in enumerate(starts):
        chosen[(chosen == number) & (moments >= end)] = -1
    return chosen


def split_of(keys: list[str], salt: str, shares: Sequence[float]) -> NDArray[np.int64]:
    """The split of each key, (n,): 0, 1 or 2, by SHA-256 of salt and key, never by chance.

    The same key falls into the same split in every run, so that a test row of one run is not a
    training row of the next.
    """
    digests = b"".join(hashlib.sha256(f"{salt}{key}".encode()).digest()[:8] for key in keys)
    points = np.frombuffer(digests, dtype=">u8").astype(np.float64) / 2.0**64
    return np.searchsorted(np.cumsum(shares)[:-1], points, side="right").astype(np.int64)


def check_split(rows: pa.Table, name: str, columns: Columns, least: int) -> None:
    """Splits are not stratified: too few of a class, or of rows, cannot be measured on."""
    if columns.is_regression:
        if rows.num_rows < least:
            raise DataError(f"the {name} split has {rows.num_rows} rows, where at least {least} "
                            "are right ([split] min_positives)")  # fmt: skip
        return
    positives = pc.sum(pc.equal(rows[columns.label], 1)).as_py() or 0
    for what, count in (("positive", positives), ("negative", rows.num_rows - positives)):
        if count < least:
            raise DataError(
                f"the {name} split has {count} {what} rows of {rows.num_rows}, "
                f"where at least {least} are right ([split] min_positives)"
            )


def write_split(rows: pa.Table, folder: Path, name: str, columns: Columns) -> None:
    """Write `<name>.csv`, header-less, and `columns.json` beside it."""
    ordered = [rows[columns.record_id], rows["event_time"], rows[columns.label]]
    ordered += [pc.cast(rows[column], pa.string()) for column in columns.context]
    ordered += [rows[feature] for feature in columns.features]
    table = pa.table(dict(zip(columns.names, ordered, strict=True)))
    table = table.sort_by(columns.record_id)  # Athena's rows come in no order; files must
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(table, folder / f"{name}.csv", options)
    columns.write(folder)


def training_bias(train: Split) -> dict[str, object]:
    """The training split's pre-training bias, in the shape of Clarify's analysis.

    Beside it the groups' shares of the favourable label, with their intervals, by facet.
    """
    columns = train.columns
    outcomes = Outcomes.of(train.favourable, train.favourable, train.strata)
    found = list(every_group(train, columns.facets, outcomes))
    shares: dict[str, list[dict[str, object]]] = {facet.key: [] for facet in columns.facets}
    for group in found:
        shares[group.facet.key].append({"value": group.value, "labelled": labelled(group)})
    return {
        "label": columns.label,
        "label_value_or_threshold": str(columns.positive_label),
        "facets": facet_section(found, lambda group: pretraining_bias(group.cells)),
        "groups": shares,
        "confidence": CONFIDENCE,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
