"""Checks hyperparameter searches, and SageMaker's rules for its built-in algorithms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ninesteps.definition.step_content import StepContent
from ninesteps.definition.values import places
from ninesteps.validation import service
from ninesteps.validation.compiled import Compiled
from ninesteps.validation.finding import expected

FIRST_PARTY = "sagemaker-xgboost"
"""Part of an image's name: SageMaker's built-in XGBoost, with fixed metrics and hyperparameters."""

OBJECTIVES = {
    **dict.fromkeys(
        [f"validation:{name}" for name in ("accuracy", "auc", "f1", "map", "ndcg")], "Maximize"
    ),
    **dict.fromkeys(
        [f"validation:{name}"
         for name in ("error", "logloss", "mae", "merror", "mlogloss", "mse", "rmse")],
        "Minimize",
    ),
}  # fmt: skip
"""The metrics allowed as objectives, from the developer guide's "Tune an XGBoost Model"."""

TUNABLE = {
    **dict.fromkeys(("max_depth", "num_round"), "IntegerParameterRanges"),
    **dict.fromkeys(
        (
            *("alpha", "colsample_bylevel", "colsample_bynode", "colsample_bytree", "eta"),
            *("gamma", "lambda", "max_delta_step", "min_child_weight", "subsample"),
        ),
        "ContinuousParameterRanges",
    ),
}
"""The hyperparameters that may be tuned, from the same page."""


def check_metric_definitions(step: StepContent, _: Compiled) -> Iterator[str]:
    """A built-in algorithm has fixed metrics: a request that defines some is refused."""
    for path in ("", "TrainingJobDefinition.", "TrainingJobDefinitions[]."):
        for where, algorithm in step.at(f"{path}AlgorithmSpecification"):
            if _is_first_party(algorithm) and (defined := algorithm.get("MetricDefinitions")):
                right = f"none ({FIRST_PARTY} has its own)"
                yield expected(f"{where}.MetricDefinitions", right, defined)


def check_search(step: StepContent, _: Compiled) -> Iterator[str]:
    """SageMaker's XGBoost allows only its own objectives and hyperparameters."""
    if any(_is_first_party(a) for _, a in step.at("TrainingJobDefinition.AlgorithmSpecification")):
        for where, config in step.at("HyperParameterTuningJobConfig"):
            yield from _objective(config, "HyperParameterTuningJobObjective", where)
            yield from _ranges(config, "ParameterRanges", where)
    for where, definition in step.at("TrainingJobDefinitions[]"):
        if any(_is_first_party(a) for _, a in places(definition, "AlgorithmSpecification")):
            yield from _objective(definition, "TuningObjective", where)
            yield from _ranges(definition, "HyperParameterRanges", where)


def check_one_algorithm(step: StepContent, _: Compiled) -> Iterator[str]:
    """Early stopping and warm start are "available only when tuning a single algorithm"."""
    if "TrainingJobDefinitions" in step.arguments:
        stopping = "HyperParameterTuningJobConfig.TrainingJobEarlyStoppingType"
        for where, kind in step.at(stopping):
            if kind != "Off":
                yield expected(where, "'Off' with TrainingJobDefinitions", kind)
        for where, config in step.at("WarmStartConfig"):
            yield expected(where, "none with TrainingJobDefinitions", config)


def _is_first_party(algorithm: Any) -> bool:
    return isinstance(algorithm, dict) and FIRST_PARTY in str(algorithm.get("TrainingImage"))


def _objective(holder: Any, field: str, at: str) -> Iterator[str]:
    for where, objective in places(holder, field, at):
        name, direction = (dict(places(objective, key)).get(key) for key in ("MetricName", "Type"))
        if str(name) not in OBJECTIVES:
            right = f"a metric of {FIRST_PARTY} ({service.nearest(str(name), OBJECTIVES)})"
            yield expected(f"{where}.MetricName", right, name)
        elif direction != OBJECTIVES[str(name)]:
            yield expected(f"{where}.Type", f"{OBJECTIVES[str(name)]!r} for {name}", direction)


def _ranges(holder: Any, field: str, at: str) -> Iterator[str]:
    for kind in (
        "IntegerParameterRanges",
        "ContinuousParameterRanges",
        "CategoricalParameterRanges",
    ):
        for where, name in places(holder, f"{field}.{kind}[].Name", at):
            if str(name) not in TUNABLE:
                right = f"a hyperparameter that {FIRST_PARTY} tunes"
                yield expected(where, f"{right} ({service.nearest(str(name), TUNABLE)})", name)
            elif kind != TUNABLE[str(name)]:
                yield f"{where}: expected {name!r} in {TUNABLE[str(name)]}, got it in {kind}"
