"""Step 3's script: the best model's metrics on the test split, and the bias numbers of the gate."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import inference
import metrics
from bias_report import gate_numbers
from container import input_path, output_path, unpack_model, write_json
from dataset import read_split


def main(arguments: Sequence[str]) -> None:
    """Score the test split and write `evaluation.json`."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--min-group-size", type=int, required=True)
    options = parser.parse_args(arguments)
    test = read_split(input_path("test"), "test")
    model = inference.model_fn(str(unpack_model(input_path("model"))))
    prediction = inference.predict_fn(test.features, model)
    values = metrics.binary_metrics(test.labels, prediction.probabilities, prediction.labels)
    favourable = prediction.labels == test.columns.favourable_label
    evaluation = {
        "binary_classification_metrics": {name: {"value": v} for name, v in values.items()},
        "bias_metrics": gate_numbers(test, favourable, options.min_group_size),
        "decision_threshold": model.threshold,
        "rows": len(test.labels),
    }
    write_json(output_path("evaluation") / "evaluation.json", evaluation)


if __name__ == "__main__":
    main(sys.argv[1:])
