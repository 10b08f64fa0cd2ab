"""A profile of the training split's columns: `profile.json`, with which later runs detect drift.

A column with few values has their exact counts; others have percentiles. The outermost percent at
either end is left out, since extremes may identify a person.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset import Split, Texts

MOST_VALUES = 50
"""The most distinct values of a column that is stored as counts."""

PERCENTILES = tuple(range(1, 100))


def profile(split: Split) -> dict[str, Any]:
    """All features, the label and the facets' columns, each with its number of missing values."""
    columns = split.columns
    return {
        "rows": len(split.labels),
        "percentiles": list(PERCENTILES),
        "label": numbers(split.labels),
        "features": {
            name: numbers(split.features[:, position])
            for position, name in enumerate(columns.features)
        },
        "context": {name: texts(split.context[name]) for name in columns.context},
    }


def numbers(values: NDArray[np.floating[Any]]) -> dict[str, Any]:
    """A column of numbers, (n,), NaN for none: counts of its values, or mean and percentiles."""
    known = np.sort(values[~np.isnan(values)])  # in their own precision: twice as fast
    summary: dict[str, Any] = {"missing": len(values) - len(known)}
    if not len(known):
        return {**summary, "values": []}
    starts = np.flatnonzero(np.append(True, known[1:] != known[:-1]))
    if len(starts) <= MOST_VALUES:
        counts = np.diff(np.append(starts, len(known)))
        return {**summary, "values": [[_short(v), int(c)] for v, c in zip(known[starts], counts,
                                                                       strict=True)]}  # fmt: skip
    # The smallest value that a share of rows does not exceed: an occurring value, not interpolated.
    places = np.ceil(np.array(PERCENTILES) / 100 * len(known)).astype(np.int64) - 1
    mean = float(known.mean(dtype=np.float64))
    return {**summary, "mean": mean, "quantiles": [_short(v) for v in known[places]]}


def texts(values: Texts) -> dict[str, Any]:
    """A column of texts, (n,): counts of its values, or the number of distinct ones."""
    missing = {"missing": int((values.codes < 0).sum())}
    if len(values.different) > MOST_VALUES:
        return {**missing, "different": len(values.different)}
    counts = np.bincount(values.codes + 1, minlength=len(values.different) + 1)[1:].tolist()
    return {**missing, "values": sorted(map(list, zip(values.different, counts, strict=True)))}


def _short(value: np.floating[Any]) -> float:
    """A number in its shortest JSON form, without the extra digits of a 32-bit float."""
    return float(str(value))
