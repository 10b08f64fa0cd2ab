"""Step 5's script: writes `analysis_config.json`, which tells Clarify what to analyse."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from container import input_path, output_path, write_json
from dataset import FACET_PREFIX, Columns, Facet

SHAP_SAMPLES = 100
SHAP_SEED = 20


def main(arguments: Sequence[str]) -> None:
    """Read the columns, write the configuration."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--model-name", required=True)
    parser.add_argument("--instance-type", required=True)
    options = parser.parse_args(arguments)
    columns = Columns.read(input_path("columns"))
    config = analysis_config(columns, options.model_name, options.instance_type)
    write_json(output_path("config") / "analysis_config.json", config)


def analysis_config(columns: Columns, model_name: str, instance_type: str) -> dict[str, Any]:
    """The configuration for a header-less CSV of the columns; both backends read it.

    Id, event time and facets stay out of what the model sees by `excluded_columns`.
    """
    context = [FACET_PREFIX + name for name in columns.context]
    config: dict[str, Any] = {
        "version": "1.0",
        "dataset_type": "text/csv",
        "headers": columns.names,
        "label": columns.label,
        "label_values_or_threshold": [columns.positive_label],
        "facet": [_facet(facet) for facet in columns.facets],
        "joinsource_name_or_index": columns.record_id,
        "excluded_columns": [columns.event_time, *context],
        "predictor": {
            "model_name": model_name,
            "instance_type": instance_type,
            "initial_instance_count": 1,
            "content_type": "text/csv",
            "accept_type": "text/csv",
            "label": 0,
            **({} if columns.is_regression else {"probability": 1}),
        },
        "methods": {
            "pre_training_bias": {"methods": "all"},
            "post_training_bias": {"methods": "all"},
            "shap": {
                "num_samples": SHAP_SAMPLES,
                "agg_method": "mean_abs",
                "use_logit": not columns.is_regression,
                "save_local_shap_values": True,
                "seed": SHAP_SEED,
            },
            "report": {"name": "report", "title": f"Bias and explainability of {columns.label}"},
        },
    }
    if columns.group_variable:
        config["group_variable"] = FACET_PREFIX + columns.group_variable
    if not columns.facets:  # Clarify measures bias between groups; without any, SHAP alone is left
        del config["facet"], config["methods"]["pre_training_bias"]
        del config["methods"]["post_training_bias"]
    return config


def _facet(facet: Facet) -> dict[str, Any]:
    name = {"name_or_index": FACET_PREFIX + facet.column}
    if facet.threshold is not None:
        return {**name, "value_or_threshold": [facet.threshold]}
    return {**name, "value_or_threshold": list(facet.values)} if facet.values else name


if __name__ == "__main__":
    main(sys.argv[1:])
