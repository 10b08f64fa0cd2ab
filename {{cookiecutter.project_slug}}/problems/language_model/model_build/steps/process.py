"""Step 1's script: splits conversations of the offline store, as of a moment, by prompt.

The same prompt is never in two splits. It also measures the bias of the training split's labels,
the users' ratings, and counts how many prompts a split by record id would have on both sides.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import conversation_splits
from bias_report import training_bias
from container import output_path, write_json
from dataset import Columns, Facet, read_split
from feature_profile import profile
from offline_rows import (
    check_point_in_time,
    check_values,
    checked_moment,
    stored_rows,
    with_checked_labels,
    with_names,
)
from splits import SPLITS, choose_splits


def main(arguments: Sequence[str]) -> None:
    """Read, check, split, write."""
    options = _options(arguments)
    as_of, columns = checked_moment(options.as_of), _columns(options)
    asked = (columns.record_id, columns.label, options.conversation, *columns.context)
    table = with_names(stored_rows(as_of), asked)
    check_point_in_time(table, columns.record_id, as_of)
    found = conversation_splits.read_conversations(table, columns.record_id, options.conversation)
    table = with_checked_labels(table, columns)
    check_values(table, columns)
    table = conversation_splits.with_prompts(table, found)
    keys, times = table[conversation_splits.PROMPT], table["event_time"]
    chosen = choose_splits(keys, times, options.split_by, options.salt, options.shares)
    prompts = len(pc.unique(keys))
    for number, name in enumerate(SPLITS):
        rows = table.filter(pa.array(chosen == number))
        conversation_splits.check(rows, name, columns, options.min_positives, prompts)
        of_split = [found[place] for place in np.flatnonzero(chosen == number)]
        conversation_splits.write(rows, of_split, output_path(name), name, columns)
    train = read_split(output_path("train"), "train")
    write_json(output_path("train") / "profile.json", profile(train))
    write_json(output_path("bias") / "pretraining_bias.json", training_bias(train))
    findings = conversation_splits.findings(
        table, chosen, columns.record_id, options.salt, options.shares
    )
    write_json(output_path("test") / "findings.json", findings)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    for name in ("as-of", "record-id", "label", "conversation", "problem", "salt"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--shares", type=_shares, required=True)
    parser.add_argument("--split-by", choices=("hash", "time"), required=True)
    parser.add_argument("--min-positives", type=int, required=True)
    parser.add_argument("--favourable-label", type=int, required=True)
    parser.add_argument("--facet", action="append", default=[], type=json.loads)
    parser.add_argument("--group-variable")
    parser.add_argument("--shown", action="append", default=[], type=json.loads)
    return parser.parse_args(arguments)


def _shares(text: str) -> list[float]:
    return [float(share) for share in text.split(",")]


def _columns(options: argparse.Namespace) -> Columns:
    """The columns of a split's CSV file, without features: conversations are in a file beside
    it."""
    facets = tuple(Facet.from_json(facet) for facet in options.facet)
    named = [facet.column for facet in facets] + [*filter(None, [options.group_variable])]
    return Columns(
        record_id=options.record_id,
        label=options.label,
        problem=options.problem,
        favourable_label=options.favourable_label,
        label_threshold=None,
        facets=facets,
        group_variable=options.group_variable,
        context=tuple(dict.fromkeys(named)),
        features=(),
        shown=dict(options.shown),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
