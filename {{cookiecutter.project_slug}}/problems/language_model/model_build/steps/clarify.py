"""Step 7's script: bias of the user's ratings and of good replies, and word attributions.

The configuration is in Clarify's format, and so are the bias sections of `analysis.json`. Clarify's
image cannot judge replies. The word attributions from step 3 take the place of SHAP values.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asked_replies import reply_of
from bias_sections import bias_sections
from container import input_path, output_path, read_json, write_json
from conversations import read
from dataset import FACET_PREFIX, Columns, DataError, read_split
from distinct_prompts import DistinctPrompts
from judge import Judge


def main() -> None:
    """Run the analyses in the configuration and write `analysis.json`."""
    config = read_json(input_path("config") / "analysis_config.json")
    test = read_split(input_path("data"), "test", columns_of(config))
    replies = read_replies(input_path("predictions"), test.ids)
    prompts = DistinctPrompts.of(read(input_path("test") / "test.jsonl"))
    good = prompts.good(replies, Judge.read(input_path("suite")))
    attributions = read_json(input_path("evaluation") / "attributions.json")
    analysis = {
        "version": "1.0",
        **dict(bias_sections(config, test, good)),
        "explanations": {"word_attributions": attributions["summary"]},
    }
    write_json(output_path() / "analysis.json", analysis)


def columns_of(config: dict[str, Any]) -> Columns:
    """The columns of the split, from the configuration; facets are given by their own entries."""
    names = [str(name) for name in config["headers"]]
    context = [name.removeprefix(FACET_PREFIX) for name in names if name.startswith(FACET_PREFIX)]
    variable = config.get("group_variable")
    return Columns(
        record_id=names[0],
        event_time=names[1],
        label=str(config["label"]),
        problem="language_model",
        favourable_label=1,
        label_threshold=None,
        facets=(),
        group_variable=str(variable).removeprefix(FACET_PREFIX) if variable else None,
        context=tuple(context),
        features=(),
    )


def read_replies(folder: Path, ids: list[str]) -> list[str]:
    """The replies of a batch transform, (n,); their ids must match the dataset's."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.out"))]
    rows = [json.loads(line) for text in texts for line in text.split("\n") if line.strip()]
    if [row.get("id") for row in rows] != ids:
        raise DataError(
            f"expected replies to the dataset's {len(ids)} records in their order, got "
            f"{len(rows)} of others from the transform"
        )
    return [reply_of(row["SageMakerOutput"]) for row in rows]


if __name__ == "__main__":
    main()
