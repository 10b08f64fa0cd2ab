"""Step 7's script: bias in data and predictions, and SHAP, from Clarify's own configuration.

The open-source backend: it reads the same `analysis_config.json` as the managed one and writes an
`analysis.json` of the same shape.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

import bias_metrics
import inference
from bias_report import Measure, facet_section
from container import input_path, output_path, read_json, unpack_model, write_json
from dataset import FACET_PREFIX, DataError, Facet, Split, read_split

MOST_EXPLAINED = 5_000
"""Of a larger test split so many records get SHAP values: milliseconds each, of large trees."""


def main() -> None:
    """Analyse what the configuration asks for and write `analysis.json`."""
    config = read_json(input_path("config") / "analysis_config.json")
    test = read_split(input_path("dataset"), "test")
    if config["headers"] != test.columns.names:
        raise DataError("the headers in analysis_config.json are not the columns of the dataset")
    predictions = read_predictions(input_path("predictions"), test.ids)
    predicted = test.columns.favourable(predictions)
    result = output_path("analysis_result")
    analysis: dict[str, Any] = {"version": "1.0"}
    for section, report in bias_sections(config, test, predicted):
        analysis[section] = report
    if "shap" in config["methods"]:
        model = inference.model_fn(str(unpack_model(input_path("model"))))
        analysis["explanations"] = explain(model, test, result)
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


def explain(model: inference.Model, test: Split, result: Path) -> dict[str, Any]:
    """SHAP values of the test split: a row a record to `explanations_shap/out.csv`, their means.

    Of more than MOST_EXPLAINED records, so many are explained, evenly spaced in the split's order.
    The algorithm's own tree SHAP, exact, in log-odds or in the label's unit; Clarify's is kernel
    SHAP, an estimate. It stands under Clarify's key so that whoever reads one reads the other, and
    says what it is.
    """
    chosen = bias_metrics.evenly_spaced(len(test.features), MOST_EXPLAINED)
    contributions = model.fitted.contributions(test.features[chosen])
    local, expected = contributions[:, :-1], contributions[0, -1]
    features = test.columns.features
    folder = result / "explanations_shap"
    folder.mkdir()
    table = pa.table({f"{name}_label0": local[:, i] for i, name in enumerate(features)})
    pyarrow.csv.write_csv(table, folder / "out.csv")
    means = np.abs(local).mean(axis=0)
    rows = len(test.features)
    of_all = f"{rows} records" if len(chosen) == rows else f"{len(chosen)} of {rows} records"
    values = {name: float(means[i]) for i, name in enumerate(features)}
    return {
        "kernel_shap": {
            "label0": {"global_shap_values": values, "expected_value": float(expected)}
        },
        "method": (
            f"tree SHAP by {model.description.algorithm}, exact, in "
            f"{'the unit of the label' if test.columns.is_regression else 'log-odds'}; "
            f"mean of absolute values over {of_all}"
        ),
    }


if __name__ == "__main__":
    main()
