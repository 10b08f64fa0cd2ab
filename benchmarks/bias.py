"""The bias metrics of a million rows and ten groups, beside the counts that their formulas need."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from noop import NINESTEPS
from results import Comparison
from timing import Timed, interleaved

sys.path.insert(0, str(NINESTEPS / "ninesteps" / "containers"))

import bias_metrics
from dataset import Facet, Texts
from facet_groups import grouping

ROWS, GROUPS, STRATA = 1_000_000, 10, 18
FLOOR = "numpy counts"
OURS = "all but FT"


def metrics(folder: Path, repetitions: int) -> Comparison:
    """All metrics but FT of one facet's ten groups; the floor is one count of what they need."""
    random = np.random.default_rng(20)
    labels, predictions = random.random((2, ROWS)) < [[0.4], [0.5]]
    groups, strata = (random.integers(0, most, ROWS) for most in (GROUPS, STRATA))
    facet, values = Facet("group", "group"), Texts(groups, tuple(map(str, range(GROUPS))))

    def counts() -> None:
        codes = ((groups * STRATA + strata) * 2 + labels) * 2 + predictions
        np.bincount(codes, minlength=GROUPS * STRATA * 4)

    def ours() -> None:
        found = grouping(facet, values)
        outcomes = bias_metrics.Outcomes.of(labels, predictions, strata)
        for cells in outcomes.of_groups(found.codes, len(found.names)):
            bias_metrics.pretraining_bias(cells)
            bias_metrics.posttraining_bias(cells)

    title = f"Bias metrics of {ROWS:,} rows, {GROUPS} groups"
    ways = {OURS: timed(ours), FLOOR: timed(counts)}
    return Comparison(title, interleaved(ways, repetitions), FLOOR, 2.0)


def timed(work: Callable[[], None]) -> Timed:
    """Seconds of work in this process, as nothing but a loop over it would show."""

    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return once
