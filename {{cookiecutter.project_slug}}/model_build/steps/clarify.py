"""Step 7's script: bias in data and predictions, and SHAP, with Clarify's own configuration.

This is the open-source backend: it reads the same `analysis_config.json` as the managed one, and
writes `analysis.json` in the same format.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bias_metrics
import inference
from bias_sections import bias_sections
from container import input_path, output_path, read_json, write_json
from dataset import DataError, Split, read_split
from explanations import MOST_EXPLAINED, explain
from known_answers import CLOSE
from served_model import ArchivePredictor, ServedModel
from wheels import prove_that_carried_can_load


def main() -> None:
    """Run the analyses in the configuration and write `analysis.json`."""
    prove_that_carried_can_load()
    config = read_json(input_path("config") / "analysis_config.json")
    served = ServedModel.unpack(input_path("model") / "model.tar.gz")
    model = inference.model_fn(str(served.folder))
    test = read_split(input_path("data"), "test", model.columns)
    if config["headers"] != test.columns.names:
        raise DataError(
            f"analysis_config.json: expected the dataset's columns as headers "
            f"({', '.join(test.columns.names)}), got {', '.join(map(str, config['headers']))}"
        )
    predictions, scores = read_predictions(input_path("predictions"), test.ids)
    result = output_path()
    analysis: dict[str, Any] = {"version": "1.0"}
    for section, report in bias_sections(config, test, predictions):
        analysis[section] = report
    if "shap" in config["methods"]:
        explained = model
        if not gave_scores(model, test, scores):
            explained = replace(model, fitted=ArchivePredictor(served, test.columns.is_regression))
        analysis["explanations"] = explain(config["methods"], explained, test, result)
    write_json(result / "analysis.json", analysis)


def gave_scores(model: inference.Model, test: Split, scores: NDArray[np.float64]) -> bool:
    """Whether the model itself gives the scores that its archive returned.

    It may not: the archive's `inference.py` belongs to the team, and may change predictions.

    Args:
        scores: (n,), the transform's probabilities or numbers.
    """
    rows = bias_metrics.evenly_spaced(len(test.ids), MOST_EXPLAINED)
    own = model.fitted.predict(test.features[rows])
    size = CLOSE if test.columns.is_regression else 0.0
    return bool(np.allclose(own, scores[rows], rtol=size, atol=CLOSE - size))


def read_predictions(
    folder: Path, ids: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Labels and scores of a batch transform, each (n,); their ids must match the dataset's."""
    files = sorted(folder.glob("*.out"))
    rows: list[list[str]] = []
    for file in files:
        with file.open(newline="", encoding="utf-8") as lines:
            rows += filter(None, csv.reader(lines))
    if [row[0] for row in rows] != ids:
        raise DataError(
            f"expected predictions of the dataset's {len(ids)} records in their order, got "
            f"{len(rows)} of others from the transform"
        )
    numbers = np.array([(float(row[1]), float(row[-1])) for row in rows], dtype=np.float64)
    if not np.isfinite(numbers).all():
        first = int(np.argmax(~np.isfinite(numbers).all(axis=1)))
        answer = ",".join(rows[first][1:])
        raise DataError(f"expected finite predictions, got {answer} for record {ids[first]!r}")
    return numbers[:, 0], numbers[:, 1]


if __name__ == "__main__":
    main()
