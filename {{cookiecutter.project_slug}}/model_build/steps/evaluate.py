"""Step 3's script: the best model's metrics on the test split, and the bias numbers of the gate.

Where several algorithms were compared, also the best of each: every trial's archive says what it
was and how good, so that nothing has to be asked of the service.
"""

from __future__ import annotations

import argparse
import math
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
    parser.add_argument("--metric", action="append", default=[], help="a custom metric")
    options = parser.parse_args(arguments)
    test = read_split(input_path("test"), "test")
    model = inference.model_fn(str(unpack_model(input_path("model"))))
    prediction = inference.predict_fn(test.features, model)
    content = evaluation(
        test, model.description, prediction, options.min_group_size, options.metric
    )
    if options.algorithm:
        trials = read_trials(input_path("trials"))
        best = best_of_each(trials, options.algorithm, options.min_trials, test, options.metric)
        content["algorithms"] = best
    write_json(output_path("evaluation") / "evaluation.json", content)
    drawn = drawings(test, model.description, prediction, options.min_group_size)
    write_json(output_path("evaluation") / "curves.json", drawn)


def evaluation(
    test: Split,
    description: inference.Description,
    prediction: inference.Prediction,
    min_group_size: int,
    own_metrics: Sequence[str] = (),
) -> dict[str, Any]:
    """What `evaluation.json` says of a model: metrics and bias numbers as gates address them."""
    return {
        **measured(test, prediction, own_metrics),
        "bias_metrics": gate_numbers(test, prediction.labels, min_group_size),
        "algorithm": description.algorithm,
        "objective": {description.objective: description.value},
        "decision": description.decision and description.decision.as_json(),
        "rows": len(test.labels),
    }


def measured(
    test: Split, prediction: inference.Prediction, own_metrics: Sequence[str] = ()
) -> dict[str, Any]:
    """The metrics of the problem and those of the team's own, as a gate addresses them."""
    if prediction.probabilities is None:
        section = "regression_metrics"
        values = metrics.regression_metrics(test.labels, prediction.labels)
    else:
        section = "binary_classification_metrics"
        values = metrics.binary_metrics(test.labels, prediction.probabilities, prediction.labels)
    values |= {name: own_metric(name, test, prediction) for name in own_metrics}
    return {section: {name: {"value": value} for name, value in values.items()}}


def own_metric(name: str, test: Split, prediction: inference.Prediction) -> float:
    """A metric of the team's own: `NAME(labels, predictions, scores)` in `custom_metrics.py`.

    Labels and predictions are (n,), 0 and 1 or numbers; scores are the probabilities of the
    positive class, (n,), and None of a regression.

    Raises:
        DataError: if it gives no finite number.
    """
    import custom_metrics  # there where `[gate] metrics` of pipeline.toml names one

    scores = prediction.probabilities
    copies = (
        test.labels.copy(),
        prediction.labels.copy(),
        None if scores is None else scores.copy(),
    )
    value = float(getattr(custom_metrics, name)(*copies))
    if not math.isfinite(value):
        raise DataError(f"custom_metrics.py {name}: expected a finite number, got {value}")
    return value


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
    trials: dict[str, inference.Model],
    algorithms: Sequence[str],
    least: int,
    test: Split,
    own_metrics: Sequence[str] = (),
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
            **measured(test, inference.predict_fn(test.features, best), own_metrics),
        }
    return report


if __name__ == "__main__":
    main(sys.argv[1:])
