"""The team's own metrics: functions in `custom_metrics.py` beside the scripts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import SupportsFloat

from dataset import DataError, Split
from served_model import Answers

OwnMetrics = Mapping[str, Callable[..., SupportsFloat]]
NO_METRICS: OwnMetrics = {}


def own_metrics(names: Sequence[str]) -> OwnMetrics:
    """The functions with these names: `NAME(labels, predictions, scores)`.

    Labels and predictions are (n,): 0 and 1, or the numbers of a regression. Scores are the
    probabilities of the positive class, (n,); for a regression they are None.
    """
    if not names:
        return {}
    import custom_metrics  # exists if `[gate] metrics` of pipeline.toml names one

    return {name: getattr(custom_metrics, name) for name in names}


def own_value(
    name: str, metric: Callable[..., SupportsFloat], test: Split, answers: Answers
) -> float:
    """The value of a metric; it gets copies, so that it cannot change the data.

    Raises:
        DataError: if the value is not a finite number.
    """
    scores = answers.probabilities
    copies = (test.labels.copy(), answers.labels.copy(), None if scores is None else scores.copy())
    value: object = metric(*copies)
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise DataError(f"custom_metrics.py {name}: expected a finite number, got {value!r:.80}")
    return float(value)
