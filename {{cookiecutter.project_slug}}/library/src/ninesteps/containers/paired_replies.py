"""Intervals of the difference between two language models, by a paired bootstrap over prompts.

Bias numbers come from `paired_bootstrap.py`, with conversations as rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import resampling
from dataset import Split
from distinct_prompts import DistinctPrompts
from intervals import CONFIDENCE
from judged_replies import SECTION, Judged
from paired_bootstrap import Paired
from resampling import Floats, Statistic, Weights, ratio
from served_model import Answers


@dataclass(frozen=True)
class PairedReplies:
    """Two models' replies to the prompts of a test split."""

    test: Split
    prompts: DistinctPrompts
    challenger: Judged
    champion: Judged
    min_group_size: int

    def as_json(self) -> dict[str, Any]:
        """The method of the intervals."""
        return {**self._of_rows().as_json(), "drawn": "prompts"}

    def intervals(self, paths: Sequence[str]) -> dict[str, list[float] | None]:
        """The interval of each metric's difference, challenger minus champion.

        Args:
            paths: of the metrics in evaluation.json, such as language_model_metrics.loss.value.

        Returns:
            None for a metric that is defined on too few resamples.
        """
        of_bias = [path for path in paths if not path.startswith(SECTION)]
        found = self._of_rows().intervals(of_bias) if of_bias else {}
        return {path: found[path] if path in found else self._interval(path) for path in paths}

    def _of_rows(self) -> Paired:
        new, old = (Answers("", judged.good, None) for judged in (self.challenger, self.champion))
        return Paired(self.test, new, old, self.min_group_size, self.prompts.of_row)

    def _interval(self, path: str) -> list[float] | None:
        """The interval for a ratio of sums over prompts, or for the perplexity."""
        name = path.split(".")[1]
        new, old = (_statistic(name, judged) for judged in (self.challenger, self.champion))
        units = len(self.challenger.ratios["loss" if name == "perplexity" else name][0])
        if not units:
            return None
        (differences,) = resampling.differences([(new, old)], units)
        return resampling.percentiles(differences, CONFIDENCE)


def _statistic(name: str, judged: Judged) -> Statistic:
    parts, wholes = judged.ratios["loss" if name == "perplexity" else name]

    def statistic(weights: Weights) -> Floats:
        found = ratio(weights @ parts, weights @ wholes, np.nan)
        return np.exp(found) if name == "perplexity" else found

    return statistic
