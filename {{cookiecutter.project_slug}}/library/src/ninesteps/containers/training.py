"""The result of a training, for any algorithm: a fitted model and its metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Predictor(Protocol):
    """A model that predicts, and may explain its predictions."""

    def predict(self, features: NDArray[np.float32]) -> Floats:
        """Probabilities of the positive class, or numbers, (n,), from (n, features)."""

    def contributions(self, features: NDArray[np.float32]) -> Floats | None:
        """Exact tree SHAP, (n, features + 1), the expected value last; in log-odds or numbers.

        None for a model without trees, which is explained by kernel SHAP instead.
        """


class Fitted(Predictor, Protocol):
    """A trained model."""

    def save(self, folder: Path) -> None:
        """Write the model in the algorithm's own text format."""


SQUARED_ERROR = "reg:squarederror"

LARGEST_SPREAD, LARGEST_CENTRE = 2.0**40, 2.0**10
"""Labels are not scaled up to this spread, and this many spreads away from 0."""


@dataclass(frozen=True)
class LabelScale:
    """The scale in which a regression's labels are learnt, if their own is unsuitable.

    Algorithms compute in single precision, do not split for gains below 1e-6, and are tuned by
    penalties in the labels' unit (`alpha`, `gamma`): numbers near 1e-6 would all be treated as
    equal.
    """

    centre: float = 0.0
    spread: float = 1.0

    @staticmethod
    def of(labels: Floats, objective: str) -> LabelScale:
        """The scale of the training labels: neutral unless they are very small, large or far from
        0."""
        largest = float(np.abs(labels).max()) if len(labels) else 0.0
        if objective != SQUARED_ERROR or not 0 < largest < np.inf:
            return PLAIN
        deviation = largest * float(np.std(labels / largest))
        if not deviation:
            return PLAIN
        is_fit = 1 <= deviation <= LARGEST_SPREAD
        mean = largest * float(np.mean(labels / largest))
        return LabelScale(
            mean if abs(mean) > LARGEST_CENTRE * deviation else 0.0,
            1.0 if is_fit else float(2.0 ** np.floor(np.log2(deviation))),  # a power of 2: exact
        )

    @property
    def is_plain(self) -> bool:
        """Whether labels are learnt without scaling."""
        return self.centre == 0 and self.spread == 1

    def learnt(self, labels: Floats) -> Floats:
        """Scaled labels for training."""
        return labels if self.is_plain else (labels - self.centre) / self.spread

    def own(self, predictions: Floats) -> Floats:
        """Predictions in the labels' original scale."""
        return predictions if self.is_plain else predictions * self.spread + self.centre

    def own_contributions(self, values: Floats) -> Floats:
        """SHAP values in the labels' original scale, the expected value last."""
        if self.is_plain:
            return values
        scaled = values * self.spread
        scaled[:, -1] += self.centre
        return scaled

    def own_error(self, value: float) -> float:
        """An error in the labels' unit, such as a root mean square."""
        return value * self.spread

    def line(self, number: int, errors: Mapping[str, float]) -> str:
        """A round's errors, with names such as `validation-rmse`, as a line for the search."""
        digits = ".5f" if self.is_plain else ".9g"
        values = (f"\t{name}:{self.own_error(value):{digits}}" for name, value in errors.items())
        return f"[{number}]{''.join(values)}"


PLAIN = LabelScale()


@dataclass(frozen=True)
class Training:
    """The result of one training."""

    model: Fitted
    value: float  # of the evaluation metric, on the validation split, in the last round
