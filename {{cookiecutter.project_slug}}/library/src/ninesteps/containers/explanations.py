"""Explains the model's answers: SHAP values and partial dependence, in Clarify's format.

Models with trees get exact tree SHAP; others get kernel SHAP, which Clarify uses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

import inference
from bias_metrics import evenly_spaced
from dataset import DataError, Split
from kernel_shap import kernel_shap
from served_model import ArchivePredictor

Floats = NDArray[np.float64]

MOST_EXPLAINED = 5_000
"""The most records that get tree SHAP values, which take milliseconds each with large trees."""

MOST_EXPLAINED_BY_KERNEL = 500
"""The most records for kernel SHAP, which evaluates each some hundred times."""

MOST_DEPENDENT = 1_000
"""The most records for partial dependence, which evaluates each once per value."""

CERTAIN = 1e-7
"""Probabilities are kept this far from 0 and 1, where log-odds are infinite."""

AGGREGATES: dict[str, Callable[[Floats], Floats]] = {
    "mean_abs": lambda local: np.abs(local).mean(axis=0),
    "mean_sq": lambda local: np.square(local).mean(axis=0),
    "median": lambda local: np.median(local, axis=0),
}
"""The aggregation of records' values, (n, features), to the model's, (features,)."""


@dataclass(frozen=True)
class Shap:
    """SHAP values of some records of a split."""

    rows: NDArray[np.int64]  # (n,): rows of the split
    local: Floats  # (n, features)
    expected: float  # added to a record's values it gives the model's answer
    method: str  # a description of the method


def explain(methods: dict[str, Any], model: inference.Model, test: Split, result: Path) -> Any:
    """The `explanations` that the configuration's methods request.

    Local values are written to `explanations_shap/out.csv`, one row per record.
    """
    asked, features = methods["shap"], test.columns.features
    shap = shap_values(asked, model, test)
    if asked.get("save_local_shap_values", False):
        folder = result / "explanations_shap"
        folder.mkdir(exist_ok=True)
        table = pa.table({f"{name}_label0": shap.local[:, i] for i, name in enumerate(features)})
        pyarrow.csv.write_csv(table, folder / "out.csv")
    how = asked.get("agg_method", "mean_abs")
    if how not in AGGREGATES:
        raise DataError(f"agg_method: expected one of {', '.join(AGGREGATES)}, got {how!r}")
    means = AGGREGATES[how](shap.local)
    values = {name: float(means[i]) for i, name in enumerate(features)}
    # Under Clarify's key, so that both backends can be read alike; `method` describes it.
    section: dict[str, Any] = {
        "kernel_shap": {"label0": {"global_shap_values": values, "expected_value": shap.expected}},
        "method": f"{shap.method}; {_over(how, len(shap.rows), len(test.ids))}",
        "records": {"explained": len(shap.rows), "of": len(test.ids)},
    }
    if "pdp" in methods:
        section["pdp"] = dependences(methods["pdp"], model, test, np.abs(means))
    return section


def _over(how: str, explained: int, rows: int) -> str:
    of_all = f"{rows} records" if explained == rows else f"{explained} of {rows} records"
    words = {"mean_abs": "mean of absolute values", "mean_sq": "mean of squared values"}
    return f"{words.get(how, how)} over {of_all}"


def shap_values(asked: dict[str, Any], model: inference.Model, test: Split) -> Shap:
    """SHAP values of evenly spaced records, from the trees or from the model's answers."""
    unit = "the unit of the label" if test.columns.is_regression else "log-odds"
    algorithm, n = model.description.algorithm, len(test.features)
    rows = evenly_spaced(n, MOST_EXPLAINED)
    values = model.fitted.contributions(test.features[rows])
    if values is not None:
        method = (
            f"tree SHAP by {algorithm}, exact, in {unit}; the expected value is the trees' own "
            "mean over the training rows"
        )
        return Shap(rows, values[:, :-1], float(values[0, -1]), method)
    if "baseline" not in asked:
        raise DataError("analysis_config.json: expected a baseline for kernel SHAP, got none")
    rows = evenly_spaced(n, MOST_EXPLAINED_BY_KERNEL)
    records, samples = test.features[rows], asked["num_samples"]
    baseline = np.array(asked["baseline"], dtype=np.float32)
    values = kernel_shap(_answer(model), records, baseline, samples, asked.get("seed", 0))
    explained = (
        "the answers of the archive's inference.py, which differ from its model's"
        if isinstance(model.fitted, ArchivePredictor)
        else f"{algorithm}, which has no trees"
    )
    method = (
        f"kernel SHAP of {explained}, in {unit}, from at most {samples} "
        "coalitions of features a record; the expected value is the answer to the baseline, each "
        "feature's median in training"
    )
    return Shap(rows, values[:, :-1], float(values[0, -1]), method)


def _answer(model: inference.Model) -> Callable[[NDArray[np.float32]], Floats]:
    """The model as a function: numbers as they are, probabilities as log-odds."""
    if model.columns.is_regression:
        return model.fitted.predict

    def log_odds(features: NDArray[np.float32]) -> Floats:
        probability = np.clip(model.fitted.predict(features), CERTAIN, 1 - CERTAIN)
        odds: Floats = np.log(probability / (1 - probability))
        return odds

    return log_odds


def dependences(
    asked: dict[str, Any], model: inference.Model, test: Split, weight: Floats
) -> list[dict[str, Any]]:
    """Partial dependence of the named features, or of the most important ones, (features,)."""
    names = test.columns.features
    order = np.argsort(-weight, kind="stable")[: asked.get("top_k_features", 10)]
    chosen = asked.get("features", [names[i] for i in order])
    if unknown := [name for name in chosen if name not in names]:
        raise DataError(f"pdp: expected names of features, got {', '.join(map(str, unknown))}")
    buckets = asked["grid_resolution"]
    return [_dependence(name, names.index(name), buckets, model, test) for name in chosen]


def _dependence(
    name: str, column: int, buckets: int, model: inference.Model, test: Split
) -> dict[str, Any]:
    """The mean prediction if every record had the same value of the feature, for several values.

    A feature with no more distinct values than buckets uses these values ("categorical" in
    Clarify); others use the middles of equal parts of their range.
    """
    own = test.features[:, column].astype(np.float64)
    own = own[~np.isnan(own)]
    if not len(own):
        return {"feature_name": name, "data_type": "numerical", "error": "it has no values"}
    values, counts = np.unique(own, return_counts=True)
    kind = "categorical" if len(values) <= buckets else "numerical"
    if kind == "numerical":
        counts, edges = np.histogram(own, bins=buckets)
        values = (edges[:-1] + edges[1:]) / 2
    records = test.features[evenly_spaced(len(test.features), MOST_DEPENDENT)]
    asked = np.tile(records, (len(values), 1))
    asked[:, column] = np.repeat(values, len(records))
    means = model.fitted.predict(asked).reshape(len(values), -1).mean(axis=1).tolist()
    return {
        "feature_name": name,
        "data_type": kind,
        "feature_values": values.tolist(),
        "model_predictions": [means],
        "data_distribution": (counts / len(own)).tolist(),
    }
