"""Step 5's script: writes `analysis_config.json`, which tells step 7 what to analyse."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from container import input_path, output_path, uri_beside, write_json
from dataset import FACET_PREFIX, Columns


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
    *,
    local_explanations: bool = True,
) -> dict[str, Any]:
    """The configuration, in Clarify's format: bias of the user's ratings and of good replies.

    A reply is not a label: step 7 decides which replies count as favourable, which Clarify's image
    cannot do.
    """
    bias = ("pre_training_bias", "post_training_bias") if columns.facets else ()
    config: dict[str, Any] = {
        "version": "1.0",
        "dataset_type": "text/csv",
        "headers": columns.names,
        "label": columns.label,
        "label_values_or_threshold": [columns.positive_label],
        "facet": [facet.as_entry() for facet in columns.facets],
        "joinsource_name_or_index": columns.record_id,
        "predicted_label_dataset_uri": predictions,
        "predictor": {
            "model_name": model_name,
            "instance_type": instance_type,
            "initial_instance_count": 1,
            "content_type": "application/jsonlines",
            "accept_type": "application/jsonlines",
        },
        "methods": {
            **{method: {"methods": "all"} for method in bias},
            "word_attributions": {"save_local": local_explanations},
            "report": {"name": "report", "title": f"Bias of {columns.label} and of good replies"},
        },
    }
    if columns.group_variable:
        config["group_variable"] = FACET_PREFIX + columns.group_variable
    return config


if __name__ == "__main__":
    main(sys.argv[1:])
