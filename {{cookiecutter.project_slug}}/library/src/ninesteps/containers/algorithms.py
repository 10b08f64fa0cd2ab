"""The algorithms behind one face: whoever trains, scores or serves a model asks for it here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dataset import Split

Floats = NDArray[np.float64]


class Fitted(Protocol):
    """A trained model."""

    def predict(self, features: NDArray[np.float32]) -> Floats:
        """Probabilities of the positive class, or numbers, (n,), from (n, features)."""

    def contributions(self, features: NDArray[np.float32]) -> Floats | None:
        """Exact tree SHAP, (n, features + 1), the expected value last; log-odds or numbers.

        None of a model without trees: kernel SHAP asks it for predictions instead.
        """

    def save(self, folder: Path) -> None:
        """Write the model in the algorithm's own text format."""


@dataclass(frozen=True)
class Training:
    """What came of one training."""

    model: Fitted
    value: float  # of the evaluation metric, on the validation split, in the last round


class Algorithm(Protocol):
    """A module that knows one algorithm."""

    @staticmethod
    def fit(
        train: Split, validation: Split, hyperparameters: Mapping[str, str], threads: int
    ) -> Training:
        """Train, printing a line a round as the built-in XGBoost does: the service reads it."""

    @staticmethod
    def load(folder: Path) -> Fitted:
        """Read what `save` wrote."""


def algorithm(name: str) -> Algorithm:
    """The algorithm of a name; only what is asked for is imported.

    Raises:
        ValueError: if there is none.
    """
    if name == "xgboost":
        import xgboost_model

        return xgboost_model.XGBoost
    if name == "lightgbm":
        import lightgbm_model

        return lightgbm_model.LightGBM
    raise ValueError(f"expected xgboost or lightgbm, got {name!r}")
