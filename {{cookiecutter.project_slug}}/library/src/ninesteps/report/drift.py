"""How far the training data have moved since an earlier run: PSI and KS, from two profiles."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from typing import Any

BINS = 10
LEAST_SHARE = 1e-4
"""An empty bin counts as this share; otherwise the index would be infinite."""

SOME, MUCH = 0.1, 0.25
"""The usual limits of a PSI: below the first, little has moved; above the second, much has."""


@dataclass(frozen=True)
class Drift:
    """How one column moved."""

    name: str
    psi: float  # sum of (q - p) ln(q / p) over bins, in [0, inf)
    ks: float | None  # the largest distance between the distribution functions, in [0, 1]
    is_exact: bool  # from counts of values, not from percentiles
    missing: tuple[float, float]  # the share without a value: then and now

    @property
    def reading(self) -> str:
        """In words."""
        return "little" if self.psi < SOME else "some" if self.psi < MUCH else "much"


@dataclass(frozen=True)
class _Distribution:
    """A column's known values: their shares, or points of its distribution function."""

    values: list[Any]
    upto: list[float]  # the share at or below each value
    is_exact: bool

    def below(self, value: Any) -> float:
        """The share at or below a value."""
        place = bisect.bisect_right(self.values, value)
        return self.upto[place - 1] if place else 0.0


def drifts(before: dict[str, Any], now: dict[str, Any]) -> list[Drift]:
    """The drift of every column in both profiles, the largest first."""
    results = []
    for part in ("features", "context"):
        for name, old in before[part].items():
            new = now[part].get(name)
            shown = f"{name} (facet)" if part == "context" else name
            if new and (drift := _drift(shown, old, new, before["rows"], now["rows"])):
                results.append(drift)
    if drift := _drift("the label", before["label"], now["label"], before["rows"], now["rows"]):
        results.append(drift)
    return sorted(results, key=lambda drift: -drift.psi)


def _drift(
    name: str, old: dict[str, Any], new: dict[str, Any], rows: int, rows_now: int
) -> Drift | None:
    """The drift of one column; None where there is nothing to compare."""
    missing = (old["missing"] / rows, new["missing"] / rows_now)
    if "different" in old or "different" in new:
        return None  # texts of too many values
    first, second = _distribution(old), _distribution(new)
    if not first.values or not second.values:
        known = (1 - missing[0], 1 - missing[1])
        return Drift(name, _psi([missing, known]), None, True, missing)
    edges = _edges(first, second)
    shares = [
        (p * (1 - missing[0]), q * (1 - missing[1]))
        for p, q in zip(_shares(first, edges), _shares(second, edges), strict=True)
    ]
    is_text = isinstance(first.values[0], str)
    points = [] if is_text else [*first.values, *second.values]
    ks = max((abs(first.below(x) - second.below(x)) for x in points), default=None)
    exact = first.is_exact and second.is_exact
    return Drift(name, _psi([*shares, missing]), ks, exact, missing)


def _distribution(column: dict[str, Any]) -> _Distribution:
    if "quantiles" in column:
        values = column["quantiles"]
        upto = [(place + 1) / (len(values) + 1) for place in range(len(values))]
        return _Distribution(values, upto, False)
    counts = column["values"]
    total, so_far, upto = sum(count for _, count in counts), 0, []
    for _, count in counts:
        so_far += count
        upto.append(so_far / total)
    return _Distribution([value for value, _ in counts], upto, True)


def _edges(first: _Distribution, second: _Distribution) -> list[Any]:
    """The bins' upper ends: every value where they are few, else the tenths of the earlier run."""
    if first.is_exact and (isinstance(first.values[0], str) or len(first.values) <= BINS):
        return sorted({*first.values, *second.values})[:-1] if second.is_exact else first.values
    tenths = [place / BINS for place in range(1, BINS)]
    places = [bisect.bisect_left(first.upto, share - 1e-12) for share in tenths]
    return sorted({first.values[min(place, len(first.values) - 1)] for place in places})


def _shares(column: _Distribution, edges: list[Any]) -> list[float]:
    """The share of each bin; the last bin is above all edges."""
    upto = [column.below(edge) for edge in edges]
    return [b - a for a, b in zip([0.0, *upto], [*upto, 1.0], strict=True)]


def _psi(shares: list[tuple[float, float]]) -> float:
    """The population stability index."""
    total = 0.0
    for before, now in shares:
        p, q = max(before, LEAST_SHARE), max(now, LEAST_SHARE)
        total += (q - p) * math.log(q / p)
    return total
