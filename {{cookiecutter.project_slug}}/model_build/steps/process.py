"""Step 1's script: splits rows of the offline store, as of a moment, into train, validation, test.

It also measures the bias of the training split (Clarify's numbers are those of the test split),
records a profile of its columns, with which later runs detect drift, and findings that a person
should read before trusting a metric.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bias_report import training_bias
from container import output_path, write_json
from dataset import Columns, DataError, Facet, Split, read_split
from feature_profile import profile
from leaks import suspicious_features
from offline_rows import (
    check_point_in_time,
    check_values,
    checked_moment,
    stored_rows,
    with_checked_labels,
    with_names,
)
from splits import SPLITS, baseline, check_split, choose_splits, label_threshold, write_split
from stored_names import SYSTEM_COLUMNS
from twins import contents, crossing


def main(arguments: Sequence[str]) -> None:
    """Read, check, split, write."""
    options = _options(arguments)
    as_of = checked_moment(options.as_of)
    asked = [options.record_id, options.label, *options.exclude]
    asked += [facet["column"] for facet in options.facet]
    asked += filter(None, [options.group_variable, options.group])
    table = with_names(stored_rows(as_of), asked)
    check_point_in_time(table, options.record_id, as_of)
    columns = choose_columns(table, options)
    table = with_checked_labels(table, columns)
    check_values(table, columns)
    content = contents(table, columns)
    keys, times = split_keys(table, content, options), table["event_time"]
    chosen = choose_splits(keys, times, options.split_by, options.salt, options.shares)
    splits = {name: table.filter(pa.array(chosen == n)) for n, name in enumerate(SPLITS)}
    del table  # here and below, a large table should not be in memory twice
    for name, rows in splits.items():
        check_split(rows, name, columns, options.min_positives)
    threshold = label_threshold(splits["train"][columns.label], columns, options.label_threshold)
    medians = baseline(splits["train"], columns)
    columns = dataclasses.replace(columns, label_threshold=threshold, baseline=medians)
    for name in SPLITS:
        group = options.group if name == "test" else None  # for intervals of the test split
        write_split(splits.pop(name), output_path(name), name, columns, group)
    train = read_split(output_path("train"), "train")
    write_json(output_path("train") / "profile.json", profile(train))
    write_json(output_path("test") / "findings.json", findings(train, content, chosen))
    write_json(output_path("bias") / "pretraining_bias.json", training_bias(train))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    for name in ("as-of", "record-id", "label", "problem", "salt"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--shares", type=_shares, required=True)
    parser.add_argument("--split-by", choices=("hash", "time"), required=True)
    parser.add_argument("--group")
    parser.add_argument("--split-key", choices=("id", "content"), default="id")
    parser.add_argument("--min-positives", type=int, required=True)
    parser.add_argument("--favourable-label", type=int, required=True)
    parser.add_argument("--label-threshold")
    parser.add_argument("--facet", action="append", default=[], type=json.loads)
    parser.add_argument("--group-variable")
    parser.add_argument("--exclude", action="append", default=[])
    parser.add_argument("--shown", action="append", default=[], type=json.loads)
    return parser.parse_args(arguments)


def _shares(text: str) -> list[float]:
    return [float(share) for share in text.split(",")]


def choose_columns(table: pa.Table, options: argparse.Namespace) -> Columns:
    """The features are the numeric columns without another role that are not excluded."""
    facets = tuple(Facet.from_json(facet) for facet in options.facet)
    named = [facet.column for facet in facets] + [*filter(None, [options.group_variable])]
    context = tuple(dict.fromkeys(named))
    for name in (*context, options.label, *filter(None, [options.group]), *options.exclude):
        if name not in table.column_names:
            has = ", ".join(name for name in table.column_names if name not in SYSTEM_COLUMNS)
            raise DataError(f"the feature group: expected a column {name!r}, got {has}")
    no_features = {options.record_id, "event_time", options.label, options.group, *SYSTEM_COLUMNS}
    numeric = [
        field.name
        for field in table.schema
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    ]
    features = tuple(n for n in numeric if n not in no_features and n not in options.exclude)
    if not features:
        raise DataError("the feature group: expected a numeric column to learn from, got none")
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
        shown=dict(options.shown),
    )
    if len(set(columns.names)) < len(columns.names):
        twice = sorted({n for n in columns.names if columns.names.count(n) > 1})
        raise DataError(f"expected different columns in a split, got several of {', '.join(twice)}")
    return columns


def split_keys(
    table: pa.Table, content: NDArray[np.uint64], options: argparse.Namespace
) -> pa.ChunkedArray:
    """The key that keeps rows together: the group, the record id, or for numbered rows the content.

    A row number identifies no one: identical rows must not be in both train and test.
    """
    if options.split_key == "content" and not options.group:
        return pa.chunked_array([content])
    key = options.group or options.record_id
    if nameless := table[key].null_count:
        raise DataError(f"{nameless} rows have no {key}, which keeps rows together")
    return table[key]


def findings(
    train: Split, content: NDArray[np.uint64], chosen: NDArray[np.int64]
) -> dict[str, object]:
    """What may make the metrics look better than they are: `findings.json`, for people."""
    shares = zip(SPLITS, np.bincount(chosen[chosen >= 0], minlength=len(SPLITS)), strict=True)
    return {
        "rows": {name: int(count) for name, count in shares},
        "rows_with_a_twin": crossing(
            content, chosen, train=SPLITS.index("train"), test=SPLITS.index("test")
        ),
        "suspicious_features": suspicious_features(train),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
