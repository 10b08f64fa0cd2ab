"""LightGBM under XGBoost's names: the tuning job of an XGBoost image may tune no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wheels
from dataset import Split
from hidden_imports import hidden
from training import Floats, Training

wheels.add_to_path()
with hidden("sklearn", "pandas", "matplotlib", "dask"):  # its imports take seconds; none is used
    import lightgbm

MODEL_FILE = "lightgbm-model.txt"
NAMES = {
    "alpha": "lambda_l1",
    "colsample_bytree": "feature_fraction",
    "eta": "learning_rate",
    "gamma": "min_gain_to_split",
    "lambda": "lambda_l2",
    "max_depth": "max_depth",
    "min_child_weight": "min_sum_hessian_in_leaf",
    "num_round": "num_iterations",
    "subsample": "bagging_fraction",
}
"""What XGBoost's hyperparameters are called here."""

OBJECTIVES = {"binary:logistic": "binary", "reg:squarederror": "regression"}
METRICS = {
    "auc": "auc",
    "map": "average_precision",
    "logloss": "binary_logloss",
    "rmse": "rmse",
    "mae": "l1",
}


@dataclass(frozen=True)
class LightGBMModel:
    """A trained booster."""

    booster: lightgbm.Booster

    def predict(self, features: NDArray[np.float32]) -> Floats:
        """Probabilities or numbers, (n,)."""
        return np.asarray(self.booster.predict(features, num_threads=1), dtype=np.float64)

    def contributions(self, features: NDArray[np.float32]) -> Floats:
        """Tree SHAP, (n, features + 1)."""
        values = self.booster.predict(features, pred_contrib=True, num_threads=1)
        return np.asarray(values, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write `lightgbm-model.txt`."""
        self.booster.save_model(folder / MODEL_FILE)


class LightGBM:
    """The algorithm."""

    @staticmethod
    def fit(
        train: Split, validation: Split, hyperparameters: Mapping[str, str], threads: int
    ) -> Training:
        """Train with the hyperparameters of XGBoost that LightGBM has too."""
        metric = hyperparameters["eval_metric"]
        parameters = own_parameters(hyperparameters)
        data = lightgbm.Dataset(train.features, label=train.labels)
        held_out = lightgbm.Dataset(validation.features, label=validation.labels, reference=data)
        history: list[float] = []

        def report(round_: lightgbm.callback.CallbackEnv) -> None:
            values = {result[0]: result[2] for result in round_.evaluation_result_list or []}
            history.append(values["validation"])
            line = "".join(f"\t{name}-{metric}:{value:.5f}" for name, value in values.items())
            print(f"[{round_.iteration}]{line}", flush=True)  # noqa: T201

        model = lightgbm.train(
            {**parameters, "num_threads": threads, "seed": 0, "deterministic": True,
             "force_row_wise": True, "verbosity": -1},
            data,
            valid_sets=[data, held_out],
            valid_names=["train", "validation"],
            callbacks=[report],
        )  # fmt: skip
        return Training(LightGBMModel(model), history[-1])

    @staticmethod
    def load(folder: Path) -> LightGBMModel:
        """Read a saved model."""
        return LightGBMModel(lightgbm.Booster(model_file=str(folder / MODEL_FILE)))


def own_parameters(hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """LightGBM's names for the hyperparameters.

    Raises:
        ValueError: if LightGBM has none for one of them.
    """
    given = dict(hyperparameters)
    objective, metric = given.pop("objective"), given.pop("eval_metric")
    if objective not in OBJECTIVES or metric not in METRICS or not given.keys() <= NAMES.keys():
        raise ValueError(
            "expected what LightGBM has too "
            f"({', '.join(OBJECTIVES)}; {', '.join(METRICS)}; {', '.join(NAMES)}), "
            f"got {objective}; {metric}; {', '.join(sorted(given))}"
        )
    own: dict[str, Any] = {NAMES[name]: float(value) for name, value in given.items()}
    own |= {name: int(own[name]) for name in ("max_depth", "num_iterations") if name in own}
    if "bagging_fraction" in own:
        own["bagging_freq"] = 1  # or none is bagged at all
    return {**own, "objective": OBJECTIVES[objective], "metric": METRICS[metric]}
