"""LightGBM with XGBoost's parameter names, the only ones that an XGBoost image may tune."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wheels
from container import read_json, write_json
from dataset import Split
from hidden_imports import hidden
from training import PLAIN, Floats, LabelScale, Training

wheels.add_to_path()
wheels.load_openmp()
with hidden("sklearn", "pandas", "matplotlib", "dask"):  # unused, and slow to import
    import lightgbm

MODEL_FILE, SCALE_FILE = "lightgbm-model.txt", "label-scale.json"
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
"""LightGBM's names of XGBoost's hyperparameters."""

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
    scale: LabelScale = PLAIN

    def predict(self, features: NDArray[np.float32]) -> Floats:
        """Probabilities or numbers, (n,)."""
        values = np.asarray(self.booster.predict(features, num_threads=1), dtype=np.float64)
        return self.scale.own(values)

    def contributions(self, features: NDArray[np.float32]) -> Floats:
        """Tree SHAP, (n, features + 1)."""
        values = self.booster.predict(features, pred_contrib=True, num_threads=1)
        return self.scale.own_contributions(np.asarray(values, dtype=np.float64))

    def save(self, folder: Path) -> None:
        """Write `lightgbm-model.txt`, and the labels' scale beside it if they were scaled."""
        self.booster.save_model(folder / MODEL_FILE)
        if not self.scale.is_plain:
            write_json(folder / SCALE_FILE, asdict(self.scale))


class LightGBM:
    """The algorithm."""

    @staticmethod
    def fit(
        train: Split, validation: Split, hyperparameters: Mapping[str, str], threads: int
    ) -> Training:
        """Train with XGBoost's hyperparameters, as far as LightGBM supports them."""
        metric = hyperparameters["eval_metric"]
        parameters = own_parameters(hyperparameters)
        scale = LabelScale.of(train.labels, hyperparameters["objective"])
        data = lightgbm.Dataset(train.features, label=scale.learnt(train.labels))
        held_out = lightgbm.Dataset(
            validation.features, label=scale.learnt(validation.labels), reference=data
        )
        history: list[float] = []

        def report(round_: lightgbm.callback.CallbackEnv) -> None:
            values = {result[0]: result[2] for result in round_.evaluation_result_list or []}
            history.append(values["validation"])
            errors = {f"{name}-{metric}": value for name, value in values.items()}
            print(scale.line(round_.iteration, errors), flush=True)  # noqa: T201

        model = lightgbm.train(
            {**parameters, "num_threads": threads, "seed": 0, "deterministic": True,
             "force_row_wise": True, "verbosity": -1},
            data,
            valid_sets=[data, held_out],
            valid_names=["train", "validation"],
            callbacks=[report],
        )  # fmt: skip
        return Training(LightGBMModel(model, scale), scale.own_error(history[-1]))

    @staticmethod
    def load(folder: Path) -> LightGBMModel:
        """Read a saved model."""
        scale_file = folder / SCALE_FILE
        scale = LabelScale(**read_json(scale_file)) if scale_file.is_file() else PLAIN
        return LightGBMModel(lightgbm.Booster(model_file=str(folder / MODEL_FILE)), scale)


def own_parameters(hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """LightGBM's names for the hyperparameters.

    Raises:
        ValueError: if LightGBM does not support one.
    """
    given = dict(hyperparameters)
    objective, metric = given.pop("objective"), given.pop("eval_metric")
    if objective not in OBJECTIVES or metric not in METRICS or not given.keys() <= NAMES.keys():
        raise ValueError(
            "expected settings that LightGBM supports too "
            f"({', '.join(OBJECTIVES)}; {', '.join(METRICS)}; {', '.join(NAMES)}), "
            f"got {objective}; {metric}; {', '.join(sorted(given))}"
        )
    own: dict[str, Any] = {NAMES[name]: float(value) for name, value in given.items()}
    own |= {name: int(own[name]) for name in ("max_depth", "num_iterations") if name in own}
    if "bagging_fraction" in own:
        own["bagging_freq"] = 1  # otherwise there is no bagging
    return {**own, "objective": OBJECTIVES[objective], "metric": METRICS[metric]}
