"""The algorithms behind one interface, for training, scoring and serving."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from dataset import Split
from training import Fitted, Training


class Algorithm(Protocol):
    """A module that implements one algorithm."""

    @staticmethod
    def fit(
        train: Split, validation: Split, hyperparameters: Mapping[str, str], threads: int
    ) -> Training:
        """Train, and print a line per round like the built-in XGBoost, which the service reads."""

    @staticmethod
    def load(folder: Path) -> Fitted:
        """Read a model written by `save`."""


def algorithm(name: str) -> Algorithm:
    """The algorithm with a name; only this one is imported.

    Raises:
        ValueError: if there is no such algorithm.
    """
    if name == "xgboost":
        import xgboost_model

        return xgboost_model.XGBoost
    if name == "lightgbm":
        import lightgbm_model

        return lightgbm_model.LightGBM
    raise ValueError(f"expected xgboost or lightgbm, got {name!r}")
