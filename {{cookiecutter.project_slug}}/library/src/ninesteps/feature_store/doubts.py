"""Finds what may make metrics look too good: leaks, and people with rows in two splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ninesteps.feature_store import protected
from ninesteps.feature_store.drafting.contents import Contents
from ninesteps.feature_store.drafting.groups import MOST_TIMES, SAME_ROWS, groups_of
from ninesteps.feature_store.leaks import SUSPICIOUS, chosen_rows, power_of
from ninesteps.feature_store.raw_rows import RawTable
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:  # as in leaks.py
    from hash_split import split_of
else:
    from ninesteps.containers.hash_split import split_of


MOST_ROWS = 250_000
"""The most rows looked at to find columns that identify people: a fixed random sample."""


def suspicious(table: RawTable, settings: Settings) -> dict[str, float]:
    """The raw columns behind features that rank the label almost perfectly on their own.

    These are raw columns, since a category's one-hot features may leak the label only together. A
    language model has none: it learns from conversations only.
    """
    if settings.is_language_model:
        return {}
    chosen = chosen_rows(table.labels)
    names = [n for n in settings.feature_columns if settings.data.columns[n].type != "text"]
    rows, labels = table.take(chosen, names), table.labels[chosen]
    powers = {name: power_of(rows[name], labels) for name in names}
    return {name: power for name, power in powers.items() if power >= SUSPICIOUS}


def protected_columns(table: RawTable, settings: Settings) -> dict[str, str]:
    """The raw columns behind features that are usually protected attributes, with their kinds."""
    found = {}
    for name in settings.feature_columns:
        column, span = settings.data.columns[name], None
        if column.type == "number" and (limits := pc.min_max(_nulls_for_nan(table.values(name)))):
            least, most = limits["min"].as_py(), limits["max"].as_py()
            span = (least, most) if least is not None else None
        if kind := protected.kind_of(name, column.values, span):
            found[name] = kind.key
    return found


def crossing(table: RawTable, settings: Settings) -> dict[str, int]:
    """The column that seems to identify people, and how many of them are in both train and test.

    Empty if the split keeps the rows of a value together or is by time, and for a language model,
    whose split is by prompt.
    """
    if settings.is_language_model or settings.split.group or settings.split.by != "hash":
        return {}
    name = _who(table, settings)
    if not name:
        return {}
    values = pc.dictionary_encode(_nulls_for_nan(table.values(name))).unify_dictionaries()
    codes = np.concatenate([chunk.indices.fill_null(-1).to_numpy() for chunk in values.chunks])
    is_in = np.zeros((3, len(values.chunks[-1].dictionary) + 1), dtype=bool)
    done = 0
    for rows in table.parts():
        is_in[_splits(rows, settings), codes[done : done + len(rows)]] = True
        done += len(rows)
    both = int((is_in[0] & is_in[2])[:-1].sum())  # the last one stands for no value
    return {name: both} if both else {}


def _who(table: RawTable, settings: Settings) -> str:
    """The column that seems to identify people; empty if none does."""
    data = settings.data
    drawn = np.arange(table.kept)
    if table.kept > MOST_ROWS:
        drawn = np.sort(np.random.default_rng(0).choice(table.kept, MOST_ROWS, replace=False))
    rows = table.take(drawn, [*data.columns, "event_time"])
    columns = {name: _texts(name, rows[name]) for name in data.columns if _may_name(rows[name])}
    times = [
        column
        for name, column in columns.items()
        if (data.columns[name].type == "date" or column.is_whole) and column.different <= MOST_TIMES
    ]
    moments = _texts("event_time", rows["event_time"])
    groups = groups_of(
        list(columns.values()),
        [*times, *([moments] if moments.different > 1 else [])],
        drawn=len(drawn) / table.kept,
    )
    return groups[0].column.name if groups else ""


def _splits(rows: pd.DataFrame, settings: Settings) -> NDArray[np.int64]:
    """The split of each row, (n,).

    Step 1 splits numbered rows by the content of their features. Here the whole row is used, which
    gives nearly the same count.
    """
    data, split = settings.data, settings.split
    ids = rows[data.record_id]
    if data.number_rows:
        content = rows.drop(columns=data.record_id).astype("string")
        ids = pd.util.hash_pandas_object(content, index=False).astype("string")
    return split_of(ids, split.salt, (split.train, split.validation, split.test))


def _nulls_for_nan(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(cells.type):
        return cells
    return pc.if_else(pc.is_nan(cells), pa.scalar(None, cells.type), cells)


def _may_name(column: pd.Series[Any]) -> bool:
    """Whether its values may identify someone, or a moment.

    A column of measurements counts only if each value has the same number of rows, such as a
    person's weight in every month.
    """
    if column.dtype.kind != "f" or not (column.dropna() % 1).any():
        return True
    _, counts = np.unique(column.dropna(), return_counts=True)
    usual = int(np.bincount(counts).argmax())
    return usual > 1 and bool((counts == usual).mean() >= SAME_ROWS)


def _texts(name: str, column: pd.Series[Any]) -> Contents:
    """A column's values as text, as a draft sees them."""
    if column.dtype.kind == "f":
        numbers = pa.array(column, from_pandas=True)
        is_whole = not (column.dropna() % 1).any()
        texts = pc.cast(pc.cast(numbers, pa.int64()) if is_whole else numbers, pa.string())
    elif column.dtype.kind == "M":  # any text that is unique for each date
        codes, _ = pd.factorize(column)
        days = pc.cast(pa.array(codes, mask=codes < 0), pa.string())
        texts = pc.binary_join_element_wise("day", days, "")
    else:
        texts = pa.array(column, pa.string(), from_pandas=True)
    return Contents(name, pa.chunked_array([texts]))
