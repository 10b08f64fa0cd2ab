"""Step 7's script: bias in data and predictions, and SHAP, from Clarify's own configuration.

The open-source backend: it reads the same `analysis_config.json` as the managed one and writes an
`analysis.json` of the same shape.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bias_metrics
import inference
from bias_report import Measure, facet_section
from container import input_path, output_path, read_json, unpack_model, write_json
from dataset import FACET_PREFIX, DataError, Facet, Split, read_split
from explanations import explain


def main() -> None:
    """Analyse what the configuration asks for and write `analysis.json`."""
    config = read_json(input_path("config") / "analysis_config.json")
    model = inference.model_fn(str(unpack_model(input_path("model"))))
    test = read_split(input_path("data"), "test", model.columns)
    if config["headers"] != test.columns.names:
        raise DataError("the headers in analysis_config.json are not the columns of the dataset")
    predictions = read_predictions(input_path("predictions"), test.ids)
    predicted = test.columns.favourable(predictions)
    result = output_path()
    analysis: dict[str, Any] = {"version": "1.0"}
    for section, report in bias_sections(config, test, predicted):
        analysis[section] = report
    if "shap" in config["methods"]:
        analysis["explanations"] = explain(config["methods"], model, test, result)
    write_json(result / "analysis.json", analysis)


def bias_sections(
    config: dict[str, Any], test: Split, predicted: NDArray[np.bool_]
) -> list[tuple[str, dict[str, Any]]]:
    """The bias sections that the configuration asks for; `predicted` is (n,), favourable or not."""
    strata = test.strata if "group_variable" in config else None
    measures: dict[str, Measure] = {
        "pre_training_bias": lambda members: bias_metrics.pretraining_bias(
            test.favourable, members, strata
        ),
        "post_training_bias": lambda members: bias_metrics.posttraining_bias(
            test.favourable, predicted, members, strata, test.features
        ),
    }
    return [
        (f"{method}_metrics", _section(config, test, _only(config["methods"][method], measure)))
        for method, measure in measures.items()
        if method in config["methods"]
    ]


def _section(config: dict[str, Any], test: Split, measure: Measure) -> dict[str, Any]:
    return {
        "label": config["label"],
        "label_value_or_threshold": ",".join(map(str, config["label_values_or_threshold"])),
        "facets": facet_section(test, map(_facet, config["facet"]), measure),
    }


def _only(method: dict[str, Any], measure: Measure) -> Measure:
    """A measure of the metrics that a method names; "all" names all."""
    wanted = method["methods"]
    if wanted == "all":
        return measure
    return lambda members: {n: v for n, v in measure(members).items() if n in wanted}


def _facet(entry: dict[str, Any]) -> Facet:
    """A facet as the configuration has it: values, one number, or neither."""
    column = entry["name_or_index"].removeprefix(FACET_PREFIX)
    given = entry.get("value_or_threshold", [])
    if len(given) == 1 and isinstance(given[0], int | float):
        return Facet(column, column, threshold=float(given[0]))
    return Facet(column, column, values=tuple(map(str, given)))


def read_predictions(folder: Path, ids: list[str]) -> NDArray[np.float64]:
    """The predicted labels of a batch transform's output, (n,), held against the dataset's ids."""
    files = sorted(folder.glob("*.out"))
    rows: list[list[str]] = []
    for file in files:
        with file.open(newline="", encoding="utf-8") as lines:
            rows += filter(None, csv.reader(lines))
    if [row[0] for row in rows] != ids:
        raise DataError(
            f"the transform's {len(rows)} predictions are not of the dataset's {len(ids)} records"
        )
    return np.array([float(row[1]) for row in rows], dtype=np.float64)


if __name__ == "__main__":
    main()
