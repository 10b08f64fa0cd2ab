"""Intervals of the difference between two models on the same rows, by a paired bootstrap.

Each metric of both models is computed on the same resamples of the rows (`resampling.py`): the
metrics of `metrics.py`, the bias numbers, and the team's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import resampling
from bias_metrics import Outcomes
from bias_report import Group, counted_groups, why_not
from dataset import Facet, Split
from intervals import CONFIDENCE
from own_metrics import OwnMetrics, own_value
from resampling import FEWEST, SEED, Floats, Statistic, Weights, ratio
from served_model import Answers


@dataclass(frozen=True)
class Paired:
    """Two models' answers to the n rows of a test split."""

    test: Split
    challenger: Answers
    champion: Answers
    min_group_size: int
    groups: NDArray[np.intp] | None = None  # (n,), codes from 0 of rows that belong together
    own: OwnMetrics = field(default_factory=dict)

    @property
    def units(self) -> int:
        """The number of units to draw from: rows, or groups of rows."""
        return len(self.test.labels) if self.groups is None else int(self.groups.max()) + 1

    def as_json(self) -> dict[str, Any]:
        """The method of the intervals."""
        return {
            "resamples": resampling.resamples(len(self.test.labels)),
            "drawn": "rows" if self.groups is None else "groups of rows",
            "units": self.units,
            "seed": SEED,
            "confidence": CONFIDENCE,
            "source": "percentiles of a paired bootstrap: Efron and Tibshirani (1993), chapter 13",
        }

    def intervals(self, paths: Sequence[str]) -> dict[str, list[float] | None]:
        """The interval of each metric's difference, challenger minus champion.

        Args:
            paths: of the metrics in evaluation.json, such as bias_metrics.dppl.city.value.

        Returns:
            None for a metric that is defined on too few resamples.
        """
        both = [(self._statistic(path, self.challenger), self._statistic(path, self.champion))
                for path in paths]  # fmt: skip
        differences = resampling.differences(both, len(self.test.labels), self.groups)
        return {
            path: resampling.percentiles(values, CONFIDENCE)
            for path, values in zip(paths, differences, strict=True)
        }

    def _statistic(self, path: str, answers: Answers) -> Statistic:
        """A metric of evaluation.json, of one model's answers."""
        section, metric, *rest = path.split(".")
        if metric in self.own:
            return self._own(metric, answers)
        if section == "bias_metrics":
            key = rest[0] if len(rest) > 1 else None
            facets = [f for f in self.test.columns.facets if key in (None, f.key)]
            return self._bias(metric, facets, answers)
        scores = answers.probabilities
        return resampling.statistic(metric, self.test.labels, answers.labels, scores)

    def _own(self, name: str, answers: Answers) -> Statistic:
        """A metric of the team's own, which is called with the drawn rows.

        It may be slow, so it is computed on the minimum number of resamples.
        """
        looked_at = 0

        def of_one(weights: Floats) -> float:
            rows = np.repeat(np.arange(len(weights)), weights.astype(np.intp))
            scores = None if answers.probabilities is None else answers.probabilities[rows]
            drawn = Answers("", answers.labels[rows], scores)
            try:
                test = replace(self.test, labels=self.test.labels[rows])
                return own_value(name, self.own[name], test, drawn)
            except (ArithmeticError, LookupError, ValueError):  # such as without positives
                return np.nan

        def statistic(weights: Weights) -> Floats:
            nonlocal looked_at
            chosen = weights[: FEWEST - looked_at]
            looked_at += len(chosen)
            return np.array([of_one(one) for one in chosen])

        return statistic

    def _bias(self, metric: str, facets: Sequence[Facet], answers: Answers) -> Statistic:
        """A bias number of some facets; the same groups count as on the whole split."""
        test = self.test
        favourable = test.columns.favourable(answers.labels)
        outcomes = Outcomes.of(test.favourable, favourable)
        grouped = [[g for g in counted_groups(test, facet, outcomes)
                    if not why_not(g, self.min_group_size)] for facet in facets]  # fmt: skip
        name = metric.removeprefix("worst_")
        if not grouped or not all(grouped):  # the same for both models and all resamples
            return lambda weights: np.full(len(weights), 0.0)
        if name == "mean_residual":
            residuals = answers.labels - test.labels
            of_facets = [_mean_residuals(groups, residuals) for groups in grouped]
        else:
            of_facets = [_compared_shares(name, groups, favourable) for groups in grouped]
        worst = np.min if name == "di" else np.max

        def statistic(weights: Weights) -> Floats:
            every = np.concatenate([of_facet(weights) for of_facet in of_facets], axis=1)
            result: Floats = worst(every, axis=1)
            return result

        return statistic


@dataclass(frozen=True)
class _Sums:
    """Sums of weights by group."""

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    codes: NDArray[np.intp]  # those that occur, in order

    @staticmethod
    def of(codes: NDArray[np.intp]) -> _Sums:
        order = np.argsort(codes, kind="stable")
        present, starts = np.unique(codes[order], return_index=True)
        return _Sums(order, starts.astype(np.intp), present)

    def of_weights(self, weights: Weights, count: int) -> Floats:
        """(resamples, count): for the groups from 0 to count - 1."""
        sums = np.zeros((len(weights), count))
        sums[:, self.codes] = np.add.reduceat(weights[:, self.order], self.starts, axis=1)
        return sums


def _compared_shares(
    name: str, groups: Sequence[Group], favourable: NDArray[np.bool_]
) -> Statistic:
    """dppl or di of a facet's groups against all others, (resamples, groups)."""
    codes, chosen = groups[0].codes, [group.number for group in groups]
    count = int(codes.max()) + 1
    sums = _Sums.of(2 * codes + favourable)

    def statistic(weights: Weights) -> Floats:
        cells = sums.of_weights(weights, 2 * count).reshape(len(weights), count, 2)
        own, everybody = cells[:, chosen], cells.sum(axis=1)[:, None]
        share, others = (
            ratio(side[:, :, 1], side.sum(axis=2), np.nan) for side in (own, everybody - own)
        )
        if name == "dppl":
            result: Floats = np.nan_to_num(np.abs(others - share), nan=1.0)
            return result
        smaller = ratio(np.minimum(share, others), np.maximum(share, others), 0.0)
        return np.nan_to_num(smaller, nan=0.0)

    return statistic


def _mean_residuals(groups: Sequence[Group], residuals: Floats) -> Statistic:
    """The absolute mean residual of a facet's groups, (resamples, groups)."""
    codes, chosen = groups[0].codes, [group.number for group in groups]
    count = int(codes.max()) + 1
    sums = _Sums.of(codes)

    def statistic(weights: Weights) -> Floats:
        rows = sums.of_weights(weights, count)[:, chosen]
        total = sums.of_weights(weights * residuals, count)[:, chosen]
        return np.abs(ratio(total, rows, np.nan))

    return statistic
