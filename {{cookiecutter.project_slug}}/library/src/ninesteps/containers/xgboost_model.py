"""XGBoost: trained with the built-in algorithm's hyperparameters, saved as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import booster
from dataset import Split
from metrics import average_precision
from training import PLAIN, Floats, LabelScale, Training

MODEL_FILE = "xgboost-model.json"


@dataclass(frozen=True)
class XGBoostModel:
    """A trained booster."""

    booster: booster.Booster
    scale: LabelScale = PLAIN

    def predict(self, features: NDArray[np.float32]) -> Floats:
        """Probabilities or numbers, (n,)."""
        # Predicting in place is three times as fast for one record; only gbtree gives the same
        # bits.
        values = (
            self.booster.inplace_predict(features)
            if self._kind == "gbtree"
            else self.booster.predict(booster.DMatrix(features))
        )
        return self.scale.own(np.asarray(values, dtype=np.float64))

    def contributions(self, features: NDArray[np.float32]) -> Floats | None:
        """Tree SHAP, (n, features + 1); None for `booster=gblinear`, which has no trees.

        XGBoost's values for it are the terms of a sum, without a baseline.
        """
        if self._kind == "gblinear":
            return None
        data = booster.DMatrix(features)
        values: Floats = self.booster.predict(data, pred_contribs=True).astype(np.float64)
        return self.scale.own_contributions(values)

    @cached_property
    def _kind(self) -> str:
        """XGBoost's parameter `booster`: gbtree, dart or gblinear."""
        learner = json.loads(self.booster.save_config())["learner"]
        return str(learner["gradient_booster"]["name"])

    def save(self, folder: Path) -> None:
        """Write `xgboost-model.json`, with the labels' scale among its attributes."""
        if not self.scale.is_plain:
            self.booster.set_attr(**{name: repr(n) for name, n in asdict(self.scale).items()})
        self.booster.save_model(folder / MODEL_FILE)


def _average_precision(scores: Floats, data: booster.DMatrix) -> tuple[str, float]:
    return "map", average_precision(data.get_label(), scores)


OWN_METRICS = {"map": _average_precision}
"""Metrics computed by this script: XGBoost's own `map` is for ranked queries, and returns 1 for a
table whose average precision is far lower (seen with 3.2.0)."""


class XGBoost:
    """The algorithm."""

    @staticmethod
    def fit(
        train: Split, validation: Split, hyperparameters: Mapping[str, str], threads: int
    ) -> Training:
        """Train; all of XGBoost's parameters are accepted."""
        scale = LabelScale.of(train.labels, hyperparameters["objective"])
        parameters = {n: value for n, value in hyperparameters.items() if n != "num_round"}
        metric = parameters["eval_metric"]
        if metric in OWN_METRICS:
            parameters["disable_default_eval_metric"] = "1"
            del parameters["eval_metric"]
        data, held_out = (
            booster.DMatrix(split.features, label=scale.learnt(split.labels), nthread=threads)
            for split in (train, validation)
        )
        history: dict[str, dict[str, list[float]]] = {}
        model = booster.train(
            {**parameters, "nthread": threads, "seed": 0},
            data,
            num_boost_round=int(hyperparameters["num_round"]),
            evals=[(data, "train"), (held_out, "validation")],
            evals_result=history,
            custom_metric=OWN_METRICS.get(metric),
            verbose_eval=scale.is_plain,
            callbacks=None if scale.is_plain else [_Lines(scale)],
        )
        value = scale.own_error(history["validation"][metric][-1])
        return Training(XGBoostModel(model, scale), value)

    @staticmethod
    def load(folder: Path) -> XGBoostModel:
        """Read a saved model."""
        model = booster.Booster(model_file=str(folder / MODEL_FILE))
        kept = {name: model.attr(name) for name in asdict(PLAIN)}
        scale = LabelScale(**{name: float(text) for name, text in kept.items() if text})
        return XGBoostModel(model, scale)


class _Lines(booster.TrainingCallback):
    """Prints rounds like XGBoost, in the labels' original scale, with enough digits."""

    def __init__(self, scale: LabelScale) -> None:
        self._scale = scale

    def after_iteration(
        self, model: booster.Booster, epoch: int, evals_log: Mapping[str, Mapping[str, list[Any]]]
    ) -> bool:
        """Print a round's errors."""
        errors = {
            f"{data}-{metric}": values[-1]
            for data, metrics in evals_log.items()
            for metric, values in metrics.items()
        }
        print(self._scale.line(epoch, errors), flush=True)  # noqa: T201
        return False
