"""Step 1's script: rows of the offline store, as of a moment, split into train, validation, test.

Also measures the bias of the training split: Clarify's own numbers are those of the test split.
"""

from __future__ import annotations

import argparse
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
import pyarrow.dataset
from numpy.typing import NDArray

import bias_metrics
from bias_report import facet_report
from container import input_path, output_path, write_json
from dataset import FACET_PREFIX, Columns, DataError, Facet, read_split

SPLITS = ("train", "validation", "test")
SYSTEM_COLUMNS = frozenset(
    ("api_invocation_time", "write_time", "is_deleted", "year", "month", "day", "hour", "recency")
)
"""What the offline store and the query add to a record."""


def main(arguments: Sequence[str]) -> None:
    """Read, check, split, write."""
    options = _options(arguments)
    _check_moment(options.as_of)
    table = pyarrow.dataset.dataset(input_path("features"), format="parquet").to_table()
    check_point_in_time(table, options.record_id, options.as_of)
    columns = choose_columns(table, options)
    check_labels(table, columns)
    shares = tuple(float(share) for share in options.shares.split(","))
    chosen = split_of(table[columns.record_id].to_pylist(), options.salt, shares)
    for number, name in enumerate(SPLITS):
        rows = table.filter(pa.array(chosen == number))
        check_split(rows, name, columns, options.min_positives)
        write_split(rows, output_path(name), name, columns)
    write_json(output_path("bias") / "pretraining_bias.json", training_bias())


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    for name in ("as-of", "record-id", "label", "problem", "salt", "shares"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--min-positives", type=int, required=True)
    parser.add_argument("--favourable-label", type=int, required=True)
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


def check_point_in_time(table: pa.Table, record_id: str, as_of: str) -> None:
    """One row a record, none from after the moment: what the query promises."""
    if table.num_rows == 0:
        raise DataError(f"the feature store has no rows as of {as_of}")
    if record_id not in table.column_names:
        raise DataError(f"the feature group has no column {record_id!r} for the record id")
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
    for name in (*context, options.label, *options.exclude):
        if name not in table.column_names:
            has = ", ".join(name for name in table.column_names if name not in SYSTEM_COLUMNS)
            raise DataError(f"the feature group has no column {name!r}; it has {has}")
    no_features = {options.record_id, "event_time", options.label, *SYSTEM_COLUMNS}
    numeric = [
        field.name
        for field in table.schema
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    ]
    features = tuple(n for n in numeric if n not in no_features and n not in options.exclude)
    if not features:
        raise DataError("the feature group has no numeric column left to learn from")
    return Columns(
        record_id=options.record_id,
        label=options.label,
        problem=options.problem,
        favourable_label=options.favourable_label,
        facets=facets,
        group_variable=options.group_variable,
        context=context,
        features=features,
    )


def check_labels(table: pa.Table, columns: Columns) -> None:
    """A binary label is 0 or 1, everywhere, and both occur."""
    found = sorted(str(value) for value in pc.unique(table[columns.label]).to_pylist())
    if found != ["0", "1"]:
        read = ", ".join(found[:5])
        raise DataError(f"the label {columns.label!r} holds {read}, where both 0 and 1 are right")


def split_of(keys: list[str], salt: str, shares: Sequence[float]) -> NDArray[np.int64]:
    """The split of each key, (n,): 0, 1 or 2, by SHA-256 of salt and key, never by chance.

    The same key falls into the same split in every run, so that a test row of one run is not a
    training row of the next.
    """
    digests = (hashlib.sha256(f"{salt}{key}".encode()).digest()[:8] for key in keys)
    points = np.array([int.from_bytes(d, "big") for d in digests], dtype=np.float64) / 2.0**64
    return np.searchsorted(np.cumsum(shares)[:-1], points, side="right").astype(np.int64)


def check_split(rows: pa.Table, name: str, columns: Columns, least: int) -> None:
    """Hash splits are not stratified: too few of a class cannot be measured on."""
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


def training_bias() -> dict[str, object]:
    """The training split's pre-training bias, in the shape of Clarify's analysis."""
    train = read_split(output_path("train"), "train")
    columns = train.columns
    return {
        "label": columns.label,
        "label_value_or_threshold": str(columns.favourable_label),
        "facets": {
            FACET_PREFIX + facet.column: facet_report(
                facet,
                train.context[facet.column],
                lambda members: bias_metrics.pretraining_bias(
                    train.favourable, members, train.strata
                ),
            )
            for facet in columns.facets
        },
    }


if __name__ == "__main__":
    main(sys.argv[1:])
