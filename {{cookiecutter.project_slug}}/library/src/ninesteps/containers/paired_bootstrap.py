"""Intervals of the difference between two models on the same rows, by a paired bootstrap.

Rows are drawn with replacement, the same for both models, and each metric is computed of what was
drawn; rows of one group, such as a customer's, are drawn together. The interval is the percentiles'
(Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13; of groups: Field and
Welsh 2007, Bootstrapping Clustered Data, J. R. Stat. Soc. B 69).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_metrics import Outcomes
from bias_report import Group, counted_groups, why_not
from dataset import Facet, Split
from intervals import CONFIDENCE
from own_metrics import OwnMetrics, own_value
from served_model import Answers

Floats = NDArray[np.float64]
Weights = NDArray[np.float64]
"""How often each row was drawn, (resamples, n)."""

Statistic = Callable[[Weights], Floats]
"""A metric of each resample, (resamples,); NaN of one where it is not defined."""

RESAMPLES, FEWEST = 1_000, 200
"""How many are drawn, and of large splits; a thousand is what the book asks for percentiles."""

MOST_DRAWN = 30_000_000
"""Rows that are drawn in all, so that a metric of ranks takes about a second."""

AT_ONCE = 200_000
"""Weights in memory at a time: few enough for a processor's cache."""

SEED = 1979
"""The year of the bootstrap: the same rows give the same interval."""


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
        """How many there are to draw from: rows, or groups of them."""
        return len(self.test.labels) if self.groups is None else int(self.groups.max()) + 1

    @property
    def resamples(self) -> int:
        """How many are drawn."""
        return int(np.clip(MOST_DRAWN // len(self.test.labels), FEWEST, RESAMPLES))

    def as_json(self) -> dict[str, Any]:
        """How the intervals were made."""
        return {
            "resamples": self.resamples,
            "drawn": "rows" if self.groups is None else "groups of rows",
            "units": self.units,
            "seed": SEED,
            "confidence": CONFIDENCE,
            "source": "percentiles of a paired bootstrap: Efron and Tibshirani (1993), chapter 13",
        }

    def intervals(self, paths: Sequence[str]) -> dict[str, list[float] | None]:
        """The interval of each metric's difference, challenger less champion.

        Args:
            paths: of the metrics in evaluation.json, such as bias_metrics.dppl.city.value.

        Returns:
            None for a metric that is defined of too few resamples.
        """
        both = [(self._statistic(path, self.challenger), self._statistic(path, self.champion))
                for path in paths]  # fmt: skip
        parts = [[new(weights) - old(weights) for new, old in both] for weights in self._weights()]
        differences = [np.concatenate(of_path) for of_path in zip(*parts, strict=True)]
        return dict(zip(paths, map(_percentiles, differences), strict=True))

    def _weights(self) -> Iterator[Weights]:
        """All resamples, some at a time."""
        source, units, left = np.random.default_rng(SEED), self.units, self.resamples
        most = max(1, AT_ONCE // len(self.test.labels))
        while left:
            count = min(left, most)
            drawn = source.integers(0, units, (count, units))
            drawn += np.arange(count)[:, None] * units
            weights = np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units)
            yield (weights if self.groups is None else weights[:, self.groups]).astype(np.float64)
            left -= count

    def _statistic(self, path: str, answers: Answers) -> Statistic:
        """A metric of evaluation.json, of one model's answers."""
        section, metric, *rest = path.split(".")
        if metric in self.own:
            return self._own(metric, answers)
        if section == "bias_metrics":
            key = rest[0] if len(rest) > 1 else None
            facets = [f for f in self.test.columns.facets if key in (None, f.key)]
            return self._bias(metric, facets, answers)
        labels = self.test.labels
        if answers.probabilities is None:
            return _regression(metric, labels, answers.labels)
        if metric in RANKED:
            return partial(RANKED[metric], _Ranks.of(labels == 1, answers.probabilities))
        return _classified(metric, labels == 1, answers.labels == 1)

    def _own(self, name: str, answers: Answers) -> Statistic:
        """A metric of the team's own, which is called with the rows that were drawn.

        It is not known to be quick: of the resamples, only the fewest are looked at.
        """
        looked_at = 0

        def of_one(weights: Floats) -> float:
            rows = np.repeat(np.arange(len(weights)), weights.astype(np.intp))
            scores = None if answers.probabilities is None else answers.probabilities[rows]
            drawn = Answers("", answers.labels[rows], scores)
            try:
                test = replace(self.test, labels=self.test.labels[rows])
                return own_value(name, self.own[name], test, drawn)
            except (ArithmeticError, LookupError, ValueError):  # as of a resample without positives
                return np.nan

        def statistic(weights: Weights) -> Floats:
            nonlocal looked_at
            chosen = weights[: FEWEST - looked_at]
            looked_at += len(chosen)
            return np.array([of_one(one) for one in chosen])

        return statistic

    def _bias(self, metric: str, facets: Sequence[Facet], answers: Answers) -> Statistic:
        """A bias number of some facets: which groups count is as on the whole split."""
        test = self.test
        favourable = test.columns.favourable(answers.labels)
        outcomes = Outcomes.of(test.favourable, favourable)
        grouped = [[g for g in counted_groups(test, facet, outcomes)
                    if not why_not(g, self.min_group_size)] for facet in facets]  # fmt: skip
        name = metric.removeprefix("worst_")
        if not grouped or not all(grouped):  # alike of both models, whatever is drawn
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
        """(resamples, count): of the groups from 0 to count - 1."""
        sums = np.zeros((len(weights), count))
        sums[:, self.codes] = np.add.reduceat(weights[:, self.order], self.starts, axis=1)
        return sums


def _compared_shares(
    name: str, groups: Sequence[Group], favourable: NDArray[np.bool_]
) -> Statistic:
    """dppl or di of groups of a facet against all others, (resamples, groups)."""
    codes, chosen = groups[0].codes, [group.number for group in groups]
    count = int(codes.max()) + 1
    sums = _Sums.of(2 * codes + favourable)

    def statistic(weights: Weights) -> Floats:
        cells = sums.of_weights(weights, 2 * count).reshape(len(weights), count, 2)
        own, everybody = cells[:, chosen], cells.sum(axis=1)[:, None]
        share, others = (
            _ratio(side[:, :, 1], side.sum(axis=2), np.nan) for side in (own, everybody - own)
        )
        if name == "dppl":
            result: Floats = np.nan_to_num(np.abs(others - share), nan=1.0)
            return result
        ratio = _ratio(np.minimum(share, others), np.maximum(share, others), 0.0)
        return np.nan_to_num(ratio, nan=0.0)

    return statistic


def _mean_residuals(groups: Sequence[Group], residuals: Floats) -> Statistic:
    """How far groups of a facet are misjudged on average, either way, (resamples, groups)."""
    codes, chosen = groups[0].codes, [group.number for group in groups]
    count = int(codes.max()) + 1
    sums = _Sums.of(codes)

    def statistic(weights: Weights) -> Floats:
        rows = sums.of_weights(weights, count)[:, chosen]
        total = sums.of_weights(weights * residuals, count)[:, chosen]
        return np.abs(_ratio(total, rows, np.nan))

    return statistic


def _regression(metric: str, labels: Floats, predictions: Floats) -> Statistic:
    """rmse, mae or r2."""
    errors, centred = predictions - labels, labels - labels.mean()

    def statistic(weights: Weights) -> Floats:
        rows = weights.sum(axis=1)
        if metric == "mae":
            return _ratio(weights @ np.abs(errors), rows, np.nan)
        squares: Floats = weights @ errors**2
        if metric == "rmse":
            return _ratio(squares, rows, np.nan) ** 0.5
        spread = weights @ centred**2 - (weights @ centred) ** 2 / rows
        return 1 - _ratio(squares, spread, 1.0)

    return statistic


def _classified(metric: str, positive: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> Statistic:
    """A metric at the decision threshold."""
    columns = np.column_stack([positive & flagged, positive, flagged, positive == flagged])
    as_numbers = columns.astype(np.float64)

    def statistic(weights: Weights) -> Floats:
        hits, positives, flags, right = (weights @ as_numbers).T
        rows = weights.sum(axis=1)
        precision, recall = _ratio(hits, flags, 0.0), _ratio(hits, positives, 0.0)
        by_name: dict[str, Floats] = {
            "accuracy": right / rows,
            "precision": precision,
            "recall": recall,
            "f1": _ratio(2 * precision * recall, precision + recall, 0.0),
            "flagged_share": flags / rows,
        }
        return by_name[metric]

    return statistic


@dataclass(frozen=True)
class _Ranks:
    """The rows in order of their scores, the highest first: positives, and all others."""

    positives: NDArray[np.intp]  # rows
    others: NDArray[np.intp]
    above: NDArray[np.intp]  # of each positive, how many others have a higher score
    tied: NDArray[np.intp]  # ... or the same one
    last_tied: NDArray[np.intp]  # ... and where the last positive of the same score stands

    @staticmethod
    def of(positive: NDArray[np.bool_], scores: Floats) -> _Ranks:
        order = np.argsort(-scores, kind="stable")
        positives, others = order[positive[order]], order[~positive[order]]
        own, other = -scores[positives], -scores[others]
        above, tied = (np.searchsorted(other, own, side) for side in ("left", "right"))
        return _Ranks(positives, others, above, tied, np.searchsorted(own, own, "right") - 1)

    def auc(self, weights: Weights) -> Floats:
        """How often a positive outranks another, ties counting half."""
        hits, before = weights[:, self.positives], self._before(weights)
        outranked = before[:, self.above]
        if (self.above != self.tied).any():
            outranked = (outranked + before[:, self.tied]) / 2
        count, others = hits.sum(axis=1), before[:, -1]
        lost = np.einsum("ij,ij->i", hits, outranked)
        return _ratio(count * others - lost, count * others, np.nan)

    def average_precision(self, weights: Weights) -> Floats:
        """Precision at each score, weighted by the recall gained there."""
        hits = weights[:, self.positives]
        found = np.cumsum(hits, axis=1)
        count = found[:, -1].copy()
        found = found[:, self.last_tied]
        precision = _ratio(found, found + self._before(weights)[:, self.tied], 0.0)
        return _ratio(np.einsum("ij,ij->i", hits, precision), count, np.nan)

    def _before(self, weights: Weights) -> Floats:
        """The weight of the others among the first 0, 1, 2 ... of them."""
        before = np.zeros((len(weights), len(self.others) + 1))
        np.cumsum(weights[:, self.others], axis=1, out=before[:, 1:])
        return before


RANKED: dict[str, Callable[[_Ranks, Weights], Floats]] = {
    "auc": _Ranks.auc, "average_precision": _Ranks.average_precision
}  # fmt: skip
"""Metrics of the order of the scores."""


def _ratio(part: Floats, whole: Floats, of_nothing: float) -> Floats:
    out = np.full(np.shape(part), of_nothing)
    np.divide(part, whole, out=out, where=whole != 0)
    return out


def _percentiles(differences: Floats) -> list[float] | None:
    """The interval; None where fewer than FEWEST differences are defined."""
    defined = differences[np.isfinite(differences)]
    if len(defined) < FEWEST // 2:
        return None
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, (outside, 1 - outside))
    return [float(low), float(high)]
