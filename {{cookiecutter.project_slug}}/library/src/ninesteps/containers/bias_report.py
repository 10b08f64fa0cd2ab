"""Bias numbers in two formats: Clarify's list of metrics, and the gate's names."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bias_metrics
from bias_metrics import Cells, Outcomes
from dataset import FACET_PREFIX, Facet, Split
from facet_groups import grouping
from intervals import CONFIDENCE, interval, reach


@dataclass(frozen=True)
class Group:
    """One group of a facet, with its counts."""

    facet: Facet
    value: str  # in Clarify's notation
    cells: Cells
    codes: NDArray[np.intp]  # (n,), the facet's group numbers
    number: int  # this group's number

    @property
    def members(self) -> NDArray[np.bool_]:
        """Which rows are in it, (n,)."""
        members: NDArray[np.bool_] = self.codes == self.number
        return members

    @property
    def size(self) -> int:
        """The number of its rows."""
        return int(self.cells.d.sum())

    @property
    def others(self) -> int:
        """The number of all other rows."""
        return int(self.cells.a.sum())


ALL_OTHERS = "all others"

_DIVIDES_BY_0 = "the formula divides by 0 on these rows"
_UNDEFINED = {"FT": "there are no features for finding similar rows"}
"""Why a comparable group has no value, for metrics without a division."""

Measure = Callable[[Group], Mapping[str, float | None]]
"""Returns the metrics of a group by name."""


def counted_groups(split: Split, facet: Facet, outcomes: Outcomes) -> list[Group]:
    """The groups of a facet, counted in one pass over the rows."""
    grouped = grouping(facet, split.context[facet.column])
    cells = outcomes.of_groups(grouped.codes, len(grouped.names))
    return [
        Group(facet, name, counts, grouped.codes, number)
        for number, (name, counts) in enumerate(zip(grouped.names, cells, strict=True))
    ]


def facet_section(groups: Iterable[Group], measure: Measure) -> dict[str, Any]:
    """Groups with their metrics, by column, as in `analysis.json`."""
    section: dict[str, list[dict[str, Any]]] = {}
    for group in groups:  # a column may have several facets, such as age>=40 and age>=60
        metrics = [_metric(group, name, value) for name, value in measure(group).items()]
        report = {"value_or_threshold": group.value, "metrics": metrics}
        section.setdefault(FACET_PREFIX + group.facet.column, []).append(report)
    return section


def _metric(group: Group, name: str, value: float | None) -> dict[str, Any]:
    """A metric in Clarify's format; without a value, with the reason."""
    metric = {"name": name, "description": bias_metrics.DESCRIPTIONS[name], "value": value}
    if value is None:
        return metric | {"error": _no_comparison(group) or _UNDEFINED.get(name, _DIVIDES_BY_0)}
    most = bias_metrics.MOST_FLIPPED
    if name == "FT" and group.size > most:
        return metric | {"sampled": {"rows": most, "of": group.size}}
    return metric


def _no_comparison(group: Group) -> str:
    """Why a group cannot be compared; empty if it can."""
    if not group.size:
        return "no row is in the group"
    return "" if group.others else "every row is in the group: there are none to compare it with"


NO_GROUP_COUNTS = sys.float_info.max
"""The mean residual if no group is large enough: a gate on it fails, and JSON can represent it."""


def gate_numbers(
    test: Split, predicted: NDArray[np.float64], min_group_size: int
) -> dict[str, Any]:
    """The bias numbers that a gate may name, from the predicted labels, (n,).

    Groups with fewer than `min_group_size` rows, or with fewer other rows, are reported but do not
    count. A facet without any counting group has the worst possible number, so that a gate on it
    fails.

    dppl[facet] = max |q'_a - q'_d| over the facet's groups, in [0, 1]. The widest gap between the
        shares predicted favourable: 0 is none.
    di[facet] = min of q'_d / q'_a and its inverse over the facet's groups, in [0, 1]. The lower
        share over the higher one: 1 is no gap, and below 0.8 is the four-fifths rule's alarm.
    worst_dppl = max of dppl[facet] over all facets, in [0, 1]. The widest gap of all.
    worst_di = min of di[facet] over all facets, in [0, 1]. The lowest ratio of all.
    worst_mean_residual = max |mean of (prediction - label)| over all groups, in [0, inf). Of a
        regression alone, in the label's unit: how far some group is misjudged on average.
    """
    outcomes = Outcomes.of(test.favourable, test.columns.favourable(predicted))
    facets = {facet: counted_groups(test, facet, outcomes) for facet in test.columns.facets}
    counted = {facet: [g for g in groups if not why_not(g, min_group_size)]
               for facet, groups in facets.items()}  # fmt: skip
    others = {facet: all_others(groups[0]) for facet, groups in facets.items() if facet.is_of_two}
    dppl = {f.key: max(map(_dppl, groups), default=1.0) for f, groups in counted.items()}
    ratio = {f.key: min(map(_di, groups), default=0.0) for f, groups in counted.items()}
    regression = _residuals(test, predicted, counted) if test.columns.is_regression else {}
    return {
        **regression,
        "worst_dppl": {"value": max(dppl.values(), default=1.0)},
        "worst_di": {"value": min(ratio.values(), default=0.0)},
        "dppl": {key: {"value": value} for key, value in dppl.items()},
        "di": {key: {"value": value} for key, value in ratio.items()},
        "groups": {
            facet.key: [_as_read(group, min_group_size) for group in groups]
            for facet, groups in facets.items()
        },
        "others": {facet.key: _shares(group) for facet, group in others.items()},
        "without_value": {
            facet.key: int((test.context[facet.column].codes < 0).sum()) for facet in facets
        },
        "four_fifths": {
            facet.key: four_fifths(
                [*groups, others[facet]] if groups and facet in others else groups
            )
            for facet, groups in counted.items()
        },
        "confidence": CONFIDENCE,
    }


def _as_read(group: Group, min_group_size: int) -> dict[str, Any]:
    """A group's numbers for people, and whether they count."""
    reason = why_not(group, min_group_size)
    return {
        "value": group.value,
        "rows": group.size,
        "counted": not reason,
        "why_not": reason,
        "dppl": bias_metrics.dppl(group.cells),
        "di": bias_metrics.disparate_impact(group.cells),
        **_shares(group),
    }


def _shares(group: Group) -> dict[str, Any]:
    return {"predicted": _share(*_predicted_favourable(group)), "labelled": labelled(group)}


def all_others(group: Group) -> Group:
    """The others that a facet's only group is compared with, including rows without a value."""
    turned = dataclasses.replace(group.cells, a=group.cells.d, d=group.cells.a)
    codes = (group.codes == group.number).astype(np.intp)
    return Group(group.facet, ALL_OTHERS, turned, codes, 0)


def labelled(group: Group) -> dict[str, Any]:
    """A group's share of favourable labels, with its interval."""
    return _share(int(group.cells.d[:, 1].sum()), group.size)


def _share(favourable: int, rows: int) -> dict[str, Any]:
    """A share with its interval by Clopper and Pearson; None without rows."""
    return {
        "rows": rows,
        "favourable": favourable,
        "share": favourable / rows if rows else None,
        "interval": interval(favourable, rows),
    }


def four_fifths(groups: list[Group]) -> dict[str, Any] | None:
    """The lowest group's share predicted favourable over the highest's; None for fewer than two
    groups.

    The rule of the US Uniform Guidelines on Employee Selection Procedures (29 CFR 1607.4 D): a
    ratio below four fifths is regarded as evidence of adverse impact. The interval is Katz's, for
    the logarithm of a ratio of two shares: approximate, and too narrow if several groups could be
    the lowest.
    """
    if len(groups) < 2:
        return None
    by_share = sorted(groups, key=lambda g: _predicted_favourable(g)[0] / g.size)
    (low, n_low), (high, n_high) = (_predicted_favourable(g) for g in (by_share[0], by_share[-1]))
    ratio = (low / n_low) / (high / n_high) if high else None
    bounds = None
    if ratio:
        deviation = math.sqrt(1 / low - 1 / n_low + 1 / high - 1 / n_high)
        bounds = [ratio * math.exp(sign * reach(deviation)) for sign in (-1, 1)]
    return {
        "lowest": by_share[0].value,
        "highest": by_share[-1].value,
        "ratio": ratio,
        "interval": bounds,
    }


def _predicted_favourable(group: Group) -> tuple[int, int]:
    return int(group.cells.d[:, :, 1].sum()), group.size


def _residuals(
    test: Split, predicted: NDArray[np.float64], counted: Mapping[Facet, list[Group]]
) -> dict[str, Any]:
    """The mean of prediction minus label, in the label's unit, group by group.

    Above 0, the group's numbers are overestimated, below 0 underestimated.
    """
    residuals = predicted - test.labels
    means = {facet.key: {g.value: float(residuals[g.members].mean()) for g in groups}
             for facet, groups in counted.items()}  # fmt: skip
    every = [abs(mean) for by_value in means.values() for mean in by_value.values()]
    worst = max(every, default=NO_GROUP_COUNTS) if all(counted.values()) else NO_GROUP_COUNTS
    return {"worst_mean_residual": {"value": worst}, "mean_residual": means}


def why_not(group: Group, least: int) -> str:
    """Why a group does not count; empty if it does."""
    if not group.size:
        return "it has no rows"
    if group.size < least:
        return f"it has {group.size} rows, fewer than {least}"
    if group.others < least:
        return f"all others have {group.others} rows, fewer than {least}"
    return ""


def _dppl(group: Group) -> float:
    value = bias_metrics.dppl(group.cells)
    return 1.0 if value is None else abs(value)


def _di(group: Group) -> float:
    """The ratio of the lower share to the higher one; 0 if there is none."""
    value = bias_metrics.disparate_impact(group.cells)
    return min(value, 1 / value) if value else 0.0


def every_group(split: Split, facets: Iterable[Facet], outcomes: Outcomes) -> Iterator[Group]:
    """The groups of all facets, one facet after the other."""
    for facet in facets:
        yield from counted_groups(split, facet, outcomes)


def training_bias(train: Split) -> dict[str, object]:
    """The training split's pre-training bias, in the shape of Clarify's analysis.

    It also has the groups' shares of the favourable label, with their intervals, by facet.
    """
    columns = train.columns
    outcomes = Outcomes.of(train.favourable, train.favourable, train.strata)
    groups = list(every_group(train, columns.facets, outcomes))
    shares: dict[str, list[dict[str, object]]] = {facet.key: [] for facet in columns.facets}
    for group in groups:
        shares[group.facet.key].append({"value": group.value, "labelled": labelled(group)})
    return {
        "label": columns.label,
        "label_value_or_threshold": str(columns.positive_label),
        "facets": facet_section(groups, lambda group: bias_metrics.pretraining_bias(group.cells)),
        "groups": shares,
        "confidence": CONFIDENCE,
    }
