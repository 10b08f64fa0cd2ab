"""What a person should know of a run's data before they trust its metrics, in sentences.

Of the raw table what its feature group's summary says (`ingested.json`), of the splits what step 1
found (`findings.json`, beside the test split), of the model metrics that are too good and
algorithms that were hardly compared (`evaluation.json`).
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
    """The content of `findings.json`; empty where there is none, or none that can be read."""
    with contextlib.suppress(ValueError):
        read_content = json.loads(content or b"")
        return read_content if isinstance(read_content, dict) else {}
    return {}


def counts(table: Ingested, is_latest: bool = True) -> dict[str, int]:
    """Rows of the raw table by what became of them, then by what was odd in them.

    Args:
        is_latest: the run is as of the newest event, as of which the rows used were counted.
    """
    is_counted = is_latest and table.used is not None
    used = {"rows used": table.used or 0} if is_counted else {"rows kept": table.kept}
    return {"rows read": table.read, **used, **table.found}


def of_table(table: Ingested, is_latest: bool = True) -> str:
    """The raw table in a line: `3,000 rows read, 600 used; 12 missing age`."""
    (_, read), (what, used), *odd = counts(table, is_latest).items()
    line = f"{read:,} rows read, {used:,} {what.removeprefix('rows ')}"
    return "; ".join([line, *(f"{count:,} {what}" for what, count in odd)])


def remarks(table: Found | None, splits: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """A sentence on each thing that may make the metrics look better than they are.

    Args:
        table: what was found in the raw table, where that is known.
        splits: the content of `findings.json`; empty where there is none.
        names: the columns that are shown under another name than they are stored.
    """
    powers = {
        names.get(name, name): power
        for name, power in splits.get("suspicious_features", {}).items()
    }
    if table:  # a column's features stand for it no more where it is named itself
        made = tuple(f"{name}=" for name in table.suspicious)
        powers = {n: power for n, power in powers.items() if not n.startswith(made)}
        powers |= table.suspicious
    sentences = [
        f"{name!r} alone ranks the label almost perfectly ({power:.4g}): is it known before the "
        "outcome?"
        for name, power in powers.items()
    ]
    sentences += [
        f"{name!r} seems to identify persons, and about {count:,} of its values have rows in both "
        "train and test: [split] group keeps such rows together"
        for name, count in (table.crossing if table else {}).items()
    ]
    if twins := splits.get("rows_with_a_twin", {}).get("test", 0):
        rows = splits["rows"]["test"]
        sentences.append(
            f"{twins:,} of {rows:,} test rows have the same features, label and facets as a row "
            "that the model learnt from"
        )
    return sentences


def of_comparison(evaluation: Mapping[str, Any]) -> list[str]:
    """What makes a comparison of algorithms doubtful, as `evaluation.json` says it."""
    return [str(doubt) for doubt in evaluation.get("comparison_doubts", [])]


def of_metrics(metrics: Mapping[str, float | None]) -> list[str]:
    """A sentence for each metric that is too good to be true of most data."""
    return [
        f"{name} {value:.4g} is suspiciously high: look for a column that knows the label, or for "
        "rows of one person in both train and test"
        for name, limit in IMPLAUSIBLE.items()
        if (value := metrics.get(name)) is not None and value > limit
    ]
