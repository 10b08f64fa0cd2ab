"""Bias numbers in the shapes that are read: Clarify's list of metrics, and the gate's names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bias_metrics
from dataset import FACET_PREFIX, Facet, Split
from facet_groups import Group, groups

Measure = Callable[[NDArray[np.bool_]], Mapping[str, float | None]]
"""Gives the metrics of a group by name, from its members, (n,)."""


def facet_section(split: Split, facets: Iterable[Facet], measure: Measure) -> dict[str, Any]:
    """The groups of facets with their metrics, by column, as `analysis.json` lists them."""
    section: dict[str, list[dict[str, Any]]] = {}
    for facet in facets:  # of one column there may be several, such as age>=40 and age>=60
        report = _facet_report(facet, split.context[facet.column], measure)
        section.setdefault(FACET_PREFIX + facet.column, []).extend(report)
    return section


def _facet_report(
    facet: Facet, values: NDArray[np.object_], measure: Measure
) -> list[dict[str, Any]]:
    return [
        {
            "value_or_threshold": group.value,
            "metrics": [
                {"name": name, "description": bias_metrics.DESCRIPTIONS[name], "value": value}
                for name, value in measure(group.members).items()
            ],
        }
        for group in groups(facet, values)
    ]


NO_GROUP_COUNTS = sys.float_info.max
"""The mean residual where no group is large enough: a gate on it fails, and JSON can hold it."""


def gate_numbers(
    test: Split, predicted: NDArray[np.float64], min_group_size: int
) -> dict[str, Any]:
    """The bias numbers that a gate may name, from the predicted labels, (n,).

    Groups smaller than `min_group_size`, and those whose others are, are reported and do not
    count. A facet none of whose groups counts has the worst number there is: a gate on it fails.

    dppl[facet] = max |q'_a - q'_d| over the facet's groups, in [0, 1]. The widest gap between the
        shares predicted favourable: 0 is none.
    di[facet] = min of q'_d / q'_a and its inverse over the facet's groups, in [0, 1]. The lower
        share over the higher one: 1 is no gap, and below 0.8 is the four-fifths rule's alarm.
    worst_dppl = max of dppl[facet] over all facets, in [0, 1]. The widest gap of all.
    worst_di = min of di[facet] over all facets, in [0, 1]. The lowest ratio of all.
    worst_mean_residual = max |mean of (prediction - label)| over all groups, in [0, inf). Of a
        regression alone, in the label's unit: how far some group is misjudged on average.
    """
    favourable = test.columns.favourable(predicted)
    facets = {facet: list(groups(facet, test.context[facet.column]))
              for facet in test.columns.facets}  # fmt: skip
    counted = {facet: [g for g in found if _counts(g, min_group_size)]
               for facet, found in facets.items()}  # fmt: skip
    dppl = {f.key: max((_dppl(g, favourable) for g in c), default=1.0) for f, c in counted.items()}
    ratio = {f.key: min((_di(g, favourable) for g in c), default=0.0) for f, c in counted.items()}
    regression = _residuals(test, predicted, counted) if test.columns.is_regression else {}
    return {
        **regression,
        "worst_dppl": {"value": max(dppl.values(), default=1.0)},
        "worst_di": {"value": min(ratio.values(), default=0.0)},
        "dppl": {key: {"value": value} for key, value in dppl.items()},
        "di": {key: {"value": value} for key, value in ratio.items()},
        "groups": {
            facet.key: [
                {
                    "value": group.value,
                    "rows": group.size,
                    "counted": group in counted[facet],
                    "dppl": bias_metrics.dppl(favourable, group.members),
                    "di": bias_metrics.disparate_impact(favourable, group.members),
                }
                for group in found
            ]
            for facet, found in facets.items()
        },
    }


def _residuals(
    test: Split, predicted: NDArray[np.float64], counted: Mapping[Facet, list[Group]]
) -> dict[str, Any]:
    """How far predictions lie from the labels on average, in the label's unit, group by group.

    Above 0 the group's numbers are overestimated, below 0 underestimated.
    """
    residuals = predicted - test.labels
    means = {(facet.key, group.value): float(residuals[group.members].mean())
             for facet, found in counted.items() for group in found}  # fmt: skip
    worst = max(map(abs, means.values()), default=NO_GROUP_COUNTS)
    worst = worst if all(counted.values()) else NO_GROUP_COUNTS
    by_facet = {facet.key: {g.value: means[facet.key, g.value] for g in found}
                for facet, found in counted.items()}  # fmt: skip
    return {"worst_mean_residual": {"value": worst}, "mean_residual": by_facet}


def _counts(group: Group, least: int) -> bool:
    return least <= group.size and least <= len(group.members) - group.size


def _dppl(group: Group, favourable: NDArray[np.bool_]) -> float:
    value = bias_metrics.dppl(favourable, group.members)
    return 1.0 if value is None else abs(value)


def _di(group: Group, favourable: NDArray[np.bool_]) -> float:
    """The ratio of the lower share to the higher one; 0 where there is none."""
    value = bias_metrics.disparate_impact(favourable, group.members)
    return min(value, 1 / value) if value else 0.0
