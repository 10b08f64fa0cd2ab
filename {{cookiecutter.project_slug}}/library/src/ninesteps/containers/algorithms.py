"""The algorithms behind one face: whoever trains, scores or serves a model asks for it here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from dataset import Split
from training import Fitted, Training


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
