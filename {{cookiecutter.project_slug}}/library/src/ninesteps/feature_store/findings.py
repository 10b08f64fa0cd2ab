"""Warnings about a run's data that a person should read before trusting its metrics.

They come from the feature group's summary of the raw table (`ingested.json`), from step 1's
findings about the splits (`findings.json`, beside the test split), and from `evaluation.json`:
metrics that are too good, and algorithms with too few trials to compare.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # a job in an account has nothing of it
    from ninesteps.feature_store.ingest import Ingested

FINDINGS = "findings.json"

IMPLAUSIBLE = {"auc": 0.995, "r2": 0.999}
"""Above these, a metric is suspiciously high."""


class Found(Protocol):
    """What warnings need to know of raw tables: `Ingested` has it of one."""

    @property
    def read(self) -> int:
        """Rows in the file."""

    @property
    def left_out(self) -> Mapping[str, int]:
        """Rows that are in no feature group, by why."""

    @property
    def suspicious(self) -> Mapping[str, float]:
        """Columns that alone rank the label."""

    @property
    def crossing(self) -> Mapping[str, int]:
        """Columns that seem to identify persons: values in both train and test."""

    @property
    def protected(self) -> Mapping[str, str]:
        """Columns that features are made of, with the key of what people are protected by."""

    @property
    def names(self) -> Mapping[str, str]:
        """Stored columns, as they are shown."""


def read(content: bytes | None) -> dict[str, Any]:
    """The content of `findings.json`; empty if it does not exist or cannot be read."""
    with contextlib.suppress(ValueError):
        read_content = json.loads(content or b"")
        return read_content if isinstance(read_content, dict) else {}
    return {}


def counts(table: Ingested, is_latest: bool = True) -> dict[str, int]:
    """Counts of the raw table's rows: first what happened to them, then what was odd.

    Args:
        is_latest: whether the run is as of the newest event, for which used rows were counted.
    """
    is_counted = is_latest and table.used is not None
    used = {"rows used": table.used or 0} if is_counted else {"rows kept": table.kept}
    return {"rows read": table.read, **used, **table.found}


def of_table(table: Ingested, is_latest: bool = True) -> str:
    """The raw table in one line: `3,000 rows read, 600 used; 12 missing age`."""
    (_, read), (what, used), *odd = counts(table, is_latest).items()
    line = f"{read:,} rows read, {used:,} {what.removeprefix('rows ')}"
    return "; ".join([line, *(f"{count:,} {what}" for what, count in odd)])


def remarks(table: Found | None, splits: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """A sentence for each thing that may make the metrics look better than they are.

    Args:
        table: the findings in the raw table, if known.
        splits: the content of `findings.json`; empty if there is none.
        names: the columns whose display name differs from their stored name.
    """
    powers = {
        names.get(name, name): power
        for name, power in splits.get("suspicious_features", {}).items()
    }
    if table:  # a column that is named itself need not be named by its features
        made = tuple(f"{name}=" for name in table.suspicious)
        powers = {n: power for n, power in powers.items() if not n.startswith(made)}
        powers |= table.suspicious
    sentences = [
        f"{name!r} alone ranks the label almost perfectly ({power:.4g}): is it known before the "
        "outcome?"
        for name, power in powers.items()
    ]
    sentences += [
        f"{name!r} seems to identify people, and about {count:,} of its values have rows in both "
        "train and test: [split] group keeps such rows together"
        for name, count in (table.crossing if table else {}).items()
    ]
    if twins := splits.get("rows_with_a_twin", {}).get("test", 0):
        rows = splits["rows"]["test"]
        sentences.append(
            f"{twins:,} of {rows:,} test rows have the same features, label and facets as a "
            "training row"
        )
    return sentences


def of_comparison(evaluation: Mapping[str, Any]) -> list[str]:
    """What makes the comparison of algorithms doubtful, from `evaluation.json`."""
    return [str(doubt) for doubt in evaluation.get("comparison_doubts", [])]


def of_metrics(metrics: Mapping[str, float | None]) -> list[str]:
    """A sentence for each metric that is too good to be true."""
    return [
        f"{name} {value:.4g} is suspiciously high: look for a column that reveals the label, or "
        "for rows of one person in both train and test"
        for name, limit in IMPLAUSIBLE.items()
        if (value := metrics.get(name)) is not None and value > limit
    ]
