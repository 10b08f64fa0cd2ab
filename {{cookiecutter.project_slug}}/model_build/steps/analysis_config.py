"""Step 5's script: writes `analysis_config.json`, which tells Clarify what to analyse."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from container import input_path, output_path, uri_beside, write_json
from dataset import FACET_PREFIX, Columns

SHAP_SAMPLES = 100
"""The fewest samples of kernel SHAP; with many features, four per feature are used."""

SHAP_SEED = 20
PDP_FEATURES = 5
PDP_BUCKETS = 15


def main(arguments: Sequence[str]) -> None:
    """Read the columns, write the configuration."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--model-name", required=True)
    parser.add_argument("--instance-type", required=True)
    parser.add_argument("--transform-step", required=True)
    parser.add_argument("--local-explanations", choices=("yes", "no"), required=True)
    options = parser.parse_args(arguments)
    config = analysis_config(
        Columns.read(input_path("columns")),
        options.model_name,
        options.instance_type,
        uri_beside("config", options.transform_step),
        local_explanations=options.local_explanations == "yes",
    )
    write_json(output_path("config") / "analysis_config.json", config)


def analysis_config(
    columns: Columns,
    model_name: str,
    instance_type: str,
    predictions: str,
    local_explanations: bool = True,
) -> dict[str, Any]:
    """The configuration for a header-less CSV of the columns, which both backends read.

    `excluded_columns` keeps id, event time and facets from the model. Bias is measured on the
    predictions at an S3 URI; SHAP values come from calling the model.
    """
    context = [FACET_PREFIX + name for name in columns.context]
    of_a_class = [] if columns.is_regression else ["probability"]
    config: dict[str, Any] = {
        "version": "1.0",
        "dataset_type": "text/csv",
        "headers": columns.names,
        "label": columns.label,
        "label_values_or_threshold": [columns.positive_label],
        "facet": [facet.as_entry() for facet in columns.facets],
        "joinsource_name_or_index": columns.record_id,
        "excluded_columns": [columns.event_time, *context],
        "predicted_label_dataset_uri": predictions,
        "predicted_label_headers": [columns.record_id, "predicted_label", *of_a_class],
        "predicted_label": "predicted_label",
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
                "baseline": [list(columns.baseline)],
                "num_samples": max(SHAP_SAMPLES, 4 * len(columns.features)),
                "agg_method": "mean_abs",
                "use_logit": not columns.is_regression,
                "save_local_shap_values": local_explanations,
                "seed": SHAP_SEED,
            },
            "pdp": {"grid_resolution": PDP_BUCKETS, "top_k_features": PDP_FEATURES},
            "report": {"name": "report", "title": f"Bias and explainability of {columns.label}"},
        },
    }
    if columns.group_variable:
        config["group_variable"] = FACET_PREFIX + columns.group_variable
    if not columns.facets:  # Clarify measures bias between groups; without any, only SHAP is left
        for bias in ("facet", *(name for name in config if name.startswith("predicted_label"))):
            config.pop(bias)
        del config["methods"]["pre_training_bias"], config["methods"]["post_training_bias"]
    return config


if __name__ == "__main__":
    main(sys.argv[1:])
