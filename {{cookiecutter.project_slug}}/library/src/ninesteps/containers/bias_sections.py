"""The bias sections of `analysis.json` that its configuration requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bias_metrics
from bias_metrics import Outcomes
from bias_report import Group, Measure, every_group, facet_section
from dataset import DataError, Facet, Split


def bias_sections(
    config: dict[str, Any], test: Split, predictions: NDArray[np.float64]
) -> list[tuple[str, dict[str, Any]]]:
    """The bias sections that the configuration requests, for the predicted labels, (n,).

    A flip test needs features for finding similar rows; without any, it has no value.
    """
    favourable, predicted = (_favourable(config, test, y) for y in (test.labels, predictions))
    strata = test.strata if "group_variable" in config else None
    outcomes = Outcomes.of(favourable, predicted, strata)

    def after_training(group: Group) -> dict[str, float | None]:
        measured = bias_metrics.posttraining_bias(group.cells)
        methods = config["methods"]["post_training_bias"]["methods"]
        if methods == "all" or "FT" in methods:  # seconds for a large split: only if requested
            measured["FT"] = bias_metrics.flip_test(predicted, group.members, test.features)
        return dict(sorted(measured.items()))

    measures: dict[str, Measure] = {
        "pre_training_bias": lambda group: bias_metrics.pretraining_bias(group.cells),
        "post_training_bias": after_training,
    }
    asked = {method: measure for method, measure in measures.items() if method in config["methods"]}
    groups = (
        list(every_group(test, map(Facet.of_entry, config["facet"]), outcomes)) if asked else []
    )
    return [
        (f"{method}_metrics", {
            "label": config["label"],
            "label_value_or_threshold": ",".join(map(str, config["label_values_or_threshold"])),
            "facets": facet_section(groups, _only(config["methods"][method], measure)),
        })
        for method, measure in asked.items()
    ]  # fmt: skip


def _favourable(
    config: dict[str, Any], test: Split, labels: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Where labels are favourable, (n,): above the threshold, or among the listed classes."""
    told_by = config["label_values_or_threshold"]
    if not test.columns.is_regression:
        return np.isin(labels, np.array(told_by, dtype=np.float64))
    if len(told_by) != 1:
        raise DataError(
            f"label_values_or_threshold: expected one threshold for the number "
            f"{test.columns.label!r}, got {told_by}"
        )
    columns = replace(test.columns, label_threshold=float(told_by[0]))
    return columns.favourable(labels)


def _only(method: dict[str, Any], measure: Measure) -> Measure:
    """A function for the metrics that a method names; "all" means all."""
    names = method["methods"]
    if names == "all":
        return measure
    return lambda group: {n: v for n, v in measure(group).items() if n in names}
