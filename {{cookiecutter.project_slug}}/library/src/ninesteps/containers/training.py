"""What a training gives, whatever the algorithm: a fitted model, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Predictor(Protocol):
    """What gives predictions, and may know what moved them."""

    def predict(self, features: NDArray[np.float32]) -> Floats:
        """Probabilities of the positive class, or numbers, (n,), from (n, features)."""

    def contributions(self, features: NDArray[np.float32]) -> Floats | None:
        """Exact tree SHAP, (n, features + 1), the expected value last; log-odds or numbers.

        None of a model without trees: kernel SHAP asks it for predictions instead.
        """


class Fitted(Predictor, Protocol):
    """A trained model."""

    def save(self, folder: Path) -> None:
        """Write the model in the algorithm's own text format."""


@dataclass(frozen=True)
class Training:
    """What came of one training."""

    model: Fitted
    value: float  # of the evaluation metric, on the validation split, in the last round
