"""Divides rows into train, validation and test, and computes what is learnt only from train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from dataset import GROUPS, Columns, DataError, Texts
from hash_split import split_of

SPLITS = ("train", "validation", "test")


def choose_splits(
    keys: pa.ChunkedArray, times: pa.ChunkedArray, by: str, salt: str, shares: Sequence[float]
) -> NDArray[np.int64]:
    """The split of each row, (n,): its position in SPLITS; -1 for rows that are in none.

    Rows with the same key stay together. They are split by "hash" of key and salt, or by "time".
    """
    texts = pc.cast(keys, pa.string())
    if by == "hash":
        return split_of(texts.to_pylist(), salt, shares)
    chosen = split_by_time(texts.to_numpy(), times.to_numpy(), shares)
    left_out = int((chosen < 0).sum())
    print(f"{left_out} of {len(chosen)} rows are in no split: they come after their split's end")  # noqa: T201
    return chosen


def split_by_time(
    keys: NDArray[np.object_], times: NDArray[np.object_], shares: Sequence[float]
) -> NDArray[np.int64]:
    """The split of each row, (n,): train on the past, test on the future.

    A key (such as a customer) belongs to the period in which it first occurs; periods are chosen by
    the shares of keys. Rows of a key after the end of its period are left out (-1). So no key is in
    two splits, and every row of one split is older than every row of the next.
    """
    names, group = np.unique(keys.astype(str), return_inverse=True)
    moments = times.astype(str)
    order = np.argsort(moments, kind="stable")
    first = np.empty(len(names), dtype=moments.dtype)
    first[group[order[::-1]]] = moments[order[::-1]]  # the oldest is written last and remains
    edges = np.floor(np.cumsum(shares)[:-1] * len(names) + 1e-9).astype(np.int64)
    starts = np.sort(first)[np.minimum(edges, len(names) - 1)]  # of validation and of test
    chosen: NDArray[np.int64] = np.searchsorted(starts, first, side="right")[group]
    for number, end in enumerate(starts):
        chosen[(chosen == number) & (moments >= end)] = -1
    return chosen


def check_split(rows: pa.Table, name: str, columns: Columns, least: int) -> None:
    """Check that there are enough rows, and enough of both classes: splits are not stratified."""
    if columns.is_regression:
        if rows.num_rows < least:
            raise DataError(
                f"the {name} split: expected at least {least} rows ([split] min_positives), got "
                f"{rows.num_rows}"
            )
        return
    positives = pc.sum(pc.equal(rows[columns.label], 1)).as_py() or 0
    for what, count in (("positive", positives), ("negative", rows.num_rows - positives)):
        if count < least:
            raise DataError(
                f"the {name} split: expected at least {least} {what} rows ([split] min_positives), "
                f"got {count} of {rows.num_rows}"
            )


def write_split(
    rows: pa.Table, folder: Path, name: str, columns: Columns, group: str | None = None
) -> None:
    """Write `<name>.csv`, header-less, and `columns.json` beside it.

    With a column that groups rows, `groups.csv` has each row's group number.
    """
    ordered = [rows[columns.record_id], rows["event_time"], rows[columns.label]]
    ordered += [pc.cast(rows[column], pa.string()) for column in columns.context]
    ordered += [rows[feature] for feature in columns.features]
    table = pa.table(dict(zip(columns.names, ordered, strict=True)))
    order = pc.sort_indices(table[columns.record_id])  # Athena's rows have no order; files must
    table = table.take(order)
    if group:
        codes = Texts.of(rows[group]).codes[order.to_numpy()]
        np.savetxt(folder / GROUPS, codes, fmt="%d")
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(table, folder / f"{name}.csv", options)
    columns.write(folder)


def label_threshold(labels: pa.ChunkedArray, columns: Columns, asked: str | None) -> float | None:
    """The number above which a regression's label is favourable: as given, or the training
    median."""
    if not columns.is_regression:
        return None
    numbers = labels.to_numpy()
    threshold = float(np.median(numbers)) if asked is None else float(asked)
    if not numbers.min() <= threshold < numbers.max():
        raise DataError(
            "[bias] threshold: expected a number that divides the training split's "
            f"{columns.label!r} ({numbers.min():g} to {numbers.max():g}), got {threshold:g}"
        )
    return threshold


def baseline(train: pa.Table, columns: Columns) -> tuple[float | None, ...]:
    """The baseline of explanations: each feature's median over training rows with a value.

    The median is an occurring value, so that a feature of 0 and 1 has 0 or 1.
    """
    medians = []
    for feature in columns.features:
        numbers = train[feature].drop_null().to_numpy().astype(np.float64)
        numbers = numbers[np.isfinite(numbers)]
        middle = np.quantile(numbers, 0.5, method="lower") if len(numbers) else None
        medians.append(None if middle is None else float(middle))
    return tuple(medians)
