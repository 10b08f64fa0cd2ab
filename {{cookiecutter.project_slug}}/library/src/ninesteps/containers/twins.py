"""Finds rows with the same content: a model trained on one knows the other's label."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataset import Columns


def contents(table: pa.Table, columns: Columns) -> NDArray[np.uint64]:
    """A number for each row, (n,): equal for rows with equal features, label and facets.

    It depends only on the content, not on the machine or on other rows.
    """
    total = np.zeros(table.num_rows, dtype=np.uint64)
    for name in (columns.label, *columns.features):
        numbers = pc.cast(table[name], pa.float64(), safe=False).to_numpy() + 0.0  # of -0.0: 0.0
        bits = np.where(np.isnan(numbers), np.nan, numbers).view(np.uint64)
        total = _mixed(total ^ bits)
    for name in columns.context:
        texts = pc.cast(table[name], pa.string()).combine_chunks().dictionary_encode()
        different = [_number(text) for text in texts.dictionary.to_pylist()]
        codes = texts.indices.fill_null(len(different)).to_numpy(zero_copy_only=False)
        total = _mixed(total ^ np.array([*different, 0], dtype=np.uint64)[codes])
    return total


def crossing(
    rows: NDArray[np.uint64], chosen: NDArray[np.int64], train: int, test: int
) -> dict[str, int]:
    """How many rows of each split have a twin in the other."""
    learnt, tested = rows[chosen == train], rows[chosen == test]
    return {
        "train": int(np.isin(learnt, tested).sum()),
        "test": int(np.isin(tested, learnt).sum()),
    }


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mixes numbers so that every bit depends on every input bit (SplitMix64's finalizer)."""
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
