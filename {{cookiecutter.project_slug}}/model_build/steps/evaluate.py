"""Step 3's script: the best model's metrics on the test split, and the bias numbers of the gate.

Where several algorithms were compared, also the best of each: every trial's archive says what it
was and how good, so that nothing has to be asked of the service.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import curves
import inference
import metrics
from bias_report import gate_numbers
from container import extract, input_path, output_path, unpack_model, write_json
from dataset import DataError, Split, read_split


def main(arguments: Sequence[str]) -> None:
    """Score the test split and write `evaluation.json`, and `curves.json` beside it."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--min-group-size", type=int, required=True)
    parser.add_argument("--algorithm", action="append", default=[])
    parser.add_argument("--min-trials", type=int, default=1)
    options = parser.parse_args(arguments)
    test = read_split(input_path("test"), "test")
    model = inference.model_fn(str(unpack_model(input_path("model"))))
    prediction = inference.predict_fn(test.features, model)
    content = evaluation(test, model.description, prediction, options.min_group_size)
    if options.algorithm:
        trials = read_trials(input_path("trials"))
        best = best_of_each(trials, options.algorithm, options.min_trials, test)
        content["algorithms"] = best
    write_json(output_path("evaluation") / "evaluation.json", content)
    drawn = drawings(test, model.description, prediction, options.min_group_size)
    write_json(output_path("evaluation") / "curves.json", drawn)


def evaluation(
    test: Split,
    description: inference.Description,
    prediction: inference.Prediction,
    min_group_size: int,
) -> dict[str, Any]:
    """What `evaluation.json` says of a model: metrics and bias numbers as gates address them."""
    return {
        **measured(test, prediction),
        "bias_metrics": gate_numbers(test, prediction.labels, min_group_size),
        "algorithm": description.algorithm,
        "objective": {description.objective: description.value},
        "decision": description.decision and description.decision.as_json(),
        "rows": len(test.labels),
    }


def measured(test: Split, prediction: inference.Prediction) -> dict[str, Any]:
    """The metrics of the problem, as a gate addresses them."""
    if prediction.probabilities is None:
        section = "regression_metrics"
        values = metrics.regression_metrics(test.labels, prediction.labels)
    else:
        section = "binary_classification_metrics"
        values = metrics.binary_metrics(test.labels, prediction.probabilities, prediction.labels)
    return {section: {name: {"value": value} for name, value in values.items()}}


def drawings(
    test: Split,
    description: inference.Description,
    prediction: inference.Prediction,
    min_group_size: int,
) -> dict[str, Any]:
    """What `curves.json` says of a model, for the report's pictures; no gate reads it."""
    if prediction.probabilities is None or description.decision is None:
        return curves.regression_curves(test, prediction.labels, min_group_size)
    return curves.binary_curves(
        test.labels, prediction.probabilities, prediction.labels, description.decision.threshold
    )


def read_trials(folder: Path) -> dict[str, inference.Model]:
    """Every trial that gave a model, by the name of its training job."""
    trials = {}
    for archive in sorted(folder.glob("*/output/model.tar.gz")):
        unpacked = archive.parent / "model"
        extract(archive, unpacked)
        trials[archive.parent.parent.name] = inference.model_fn(str(unpacked))
    return trials


def best_of_each(
    trials: dict[str, inference.Model], algorithms: Sequence[str], least: int, test: Split
) -> dict[str, Any]:
    """The best trial of each algorithm on validation, with its metrics on the test split.

    Raises:
        DataError: if one was tried too seldom to be called the worse.
    """
    report = {}
    for name in algorithms:
        own = {job: model for job, model in trials.items() if model.description.algorithm == name}
        if len(own) < least:
            raise DataError(
                f"expected at least {least} trials of {name} with a model to compare "
                f"{' and '.join(algorithms)}, got {len(own)}"
            )
        # Of equals the earlier one, as the search has it: jobs are numbered in their names.
        job = min(own, key=lambda job: (own[job].description.loss, job))
        best = own[job]
        report[name] = {
            "trials": len(own),
            "training_job": job,
            "objective": {best.description.objective: best.description.value},
            "hyperparameters": best.description.hyperparameters,
            **measured(test, inference.predict_fn(test.features, best)),
        }
    return report


if __name__ == "__main__":
    main(sys.argv[1:])
