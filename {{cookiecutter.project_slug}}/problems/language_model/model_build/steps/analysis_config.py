"""Step 5's script: writes `analysis_config.json`, which tells step 7 what to analyse."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from container import input_path, output_path, write_json
from dataset import FACET_PREFIX, Columns
from judge import Judge


def main(arguments: Sequence[str]) -> None:
    """Read the columns and how replies are judged, write the configuration."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--model-name", required=True)
    options = parser.parse_args(arguments)
    config = analysis_config(
        Columns.read(input_path("columns")),
        Judge.read(input_path("suite")),
        options.model_name,
    )
    write_json(output_path("config") / "analysis_config.json", config)


def analysis_config(columns: Columns, judge: Judge, model_name: str) -> dict[str, Any]:
    """The configuration, in Clarify's form: bias of the user's rating and of good replies.

    A reply is not a label: `judge` says which replies are the favourable outcome.
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
        "predictor": {"model_name": model_name},
        "judge": {"good": judge.good, "refusals": judge.refusals},
        "methods": {
            **{method: {"methods": "all"} for method in bias},
            "report": {"name": "report", "title": f"Bias of {columns.label} and of good replies"},
        },
    }
    if columns.group_variable:
        config["group_variable"] = FACET_PREFIX + columns.group_variable
    return config


if __name__ == "__main__":
    main(sys.argv[1:])
