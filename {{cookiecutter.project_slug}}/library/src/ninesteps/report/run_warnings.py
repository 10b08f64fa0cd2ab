"""A run's warnings: what a person should know before they trust its model, a sentence each.

The one home of all of them: terminal, report, registry, approval and model card read them here.
None of them fails a run: a person who approves the version decides. In an account, the job that
records a version's evidence takes this module along: it imports little else of the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ninesteps.definition.metadata import MAX_VALUE, fitting, writable
from ninesteps.feature_store import findings, protected
from ninesteps.report.drift import MUCH, Drift, drifts
from ninesteps.report.formatting import listed
from ninesteps.settings.gate import SECTIONS

NOTED = COUNT, TEXT = "warnings", "warnings_text"
"""Where a registered version's metadata has how many warnings there were, and what they say."""

MOST_LEFT_OUT = 0.05
"""The share of rows left out above which there is a warning; [data.quality] limits a run."""

MOSTLY, MORE = 0.5, 0.1
"""Shares of missing values above which there is a warning: of all rows, and more than before."""

MOST_NAMED = 5
"""The most columns that one sentence names."""

MALFORMED = "step 1's findings on the data cannot be read: findings.json has a wrong format"
"""The warning instead of those that `findings.json` would give."""

_BROKEN = (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError)
"""What reading malformed content can raise: there are no warnings from it then."""


@dataclass(frozen=True)
class Known:
    """What the warnings of a run are read from, as far as it is known."""

    evaluation: Mapping[str, Any]
    splits: Mapping[str, Any]  # `findings.json`
    profile: dict[str, Any]
    table: findings.Found | None
    on_purpose: Mapping[str, str]  # `[model.protected]`: why the model sees a column
    before: dict[str, Any]  # the profile of what the training data are compared with
    before_name: str  # ... and what it is called: `version 3 (the version that serves)`
    names: Mapping[str, str]  # the columns that are shown under another name than they are stored


def warnings(known: Known) -> list[str]:
    """All warnings of a run, what matters most first.

    Content that is empty gives no warnings, and a malformed profile or evaluation none either.
    """
    try:
        sentences = findings.remarks(known.table, known.splits, known.names)
    except _BROKEN:
        sentences = [MALFORMED, *findings.remarks(known.table, {}, known.names)]
    if known.table:
        sentences += of_protected(known.table.protected, known.on_purpose)
        sentences += of_rows_left_out(known.table.read, known.table.left_out)
    sentences += of_drift(known)
    return sentences + of_evaluation(known.evaluation)


def metadata(sentences: list[str]) -> dict[str, str]:
    """The warnings as a registered version's metadata has them: how many, and what they say.

    In the characters that SageMaker allows, the first ones if there is no room for all.
    """
    count = {COUNT: str(len(sentences))}
    if not sentences:
        return count
    texts = [writable(sentence, len(sentence)) for sentence in sentences]
    more = f" / and {len(texts) - 1} more" if len(texts) > 1 else ""
    most = MAX_VALUE - len(more)
    if len(texts[0]) > most:
        texts[0] = f"{texts[0][: most - 4].rstrip()} ..."
    return {**count, TEXT: fitting(texts)}


def of_evaluation(evaluation: Mapping[str, Any]) -> list[str]:
    """Of the comparison of algorithms, and of metrics that are too good."""
    try:
        metrics = {
            name: metric["value"]
            for section in SECTIONS.values()
            for name, metric in evaluation.get(section, {}).items()
        }
        return findings.of_comparison(evaluation) + findings.of_metrics(metrics)
    except _BROKEN:
        return []


def of_protected(found: Mapping[str, str], on_purpose: Mapping[str, str]) -> list[str]:
    """A sentence for each column that people are protected by and features are made of.

    Args:
        found: these columns, each with the key of what it seems to be.
        on_purpose: `[model.protected]`: why the model sees a column.
    """
    sentences = []
    for name, key in found.items():
        kind = protected.kinds().get(key)
        if kind is None:  # of another version of the library
            continue
        seems = f"features are made of {name!r} ({kind.name}), "
        seems += (
            "which often reveals origin or gender"
            if kind.proxy
            else "by which people are usually protected"
        )
        if reason := on_purpose.get(name, ""):
            sentences.append(f"{seems}, on purpose: {reason} ([model.protected])")
        else:
            sentences.append(
                f"{seems}: exclude it with [model] exclude and compare its groups with [bias] "
                "facets, or give the reason in [model.protected]"
            )
    return sentences


def of_rows_left_out(read: int, left_out: Mapping[str, int]) -> list[str]:
    """How many of the rows that were read no model learnt from, by why, where they are many."""
    reasons = {why: count for why, count in left_out.items() if count}
    total = sum(reasons.values())
    if total <= MOST_LEFT_OUT * read:
        return []
    each = ", ".join(f"{why} in {count:,}" for why, count in reasons.items())
    return [f"{total:,} of {read:,} rows ({total / read:.0%}) are left out: {each}"]


def of_drift(known: Known) -> list[str]:
    """Columns that are mostly empty, or more than before, and those that moved much."""
    now, before, names, other = known.profile, known.before, known.names, known.before_name
    try:
        empty = _mostly_missing(now, names) if now else {}
        moved = drifts(before, now) if before and now else []
    except _BROKEN:
        return []
    sentences = _of_empty(empty)
    more = {
        _shown(drift, names): drift.missing
        for drift in moved
        if round(drift.missing[1] - drift.missing[0], 9) >= MORE
        and _shown(drift, names) not in empty
    }
    if more:
        each = [f"{name} {now:.0%}, before {then:.0%}" for name, (then, now) in more.items()]
        sentences.append(f"more values are missing than in {other}: {_some(each)}")
    if far := [drift for drift in moved if drift.psi >= MUCH and _shown(drift, names) not in more]:
        each = [f"{_shown(drift, names)} (PSI {drift.psi:.2g})" for drift in far]
        sentences.append(f"the training data moved much since {other}: {_some(each)}")
    return sentences


def _mostly_missing(profile: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, float]:
    """The features and facets most of whose training rows have no value, with their shares."""
    shares = {
        names.get(name, name): column["missing"] / profile["rows"]
        for part in ("features", "context")
        for name, column in profile[part].items()
    }
    return {name: share for name, share in shares.items() if share > MOSTLY}


def _of_empty(empty: Mapping[str, float]) -> list[str]:
    if not empty:
        return []
    each = [f"{name} {share:.0%}" for name, share in empty.items()]
    return [f"most training rows have no value: {_some(each)}"]


def _shown(drift: Drift, names: Mapping[str, str]) -> str:
    return names.get(drift.name, drift.name)


def _some(texts: list[str]) -> str:
    """Texts in a sentence, the first few of many."""
    more = len(texts) - MOST_NAMED
    return listed(texts) if more <= 0 else f"{', '.join(texts[:MOST_NAMED])} and {more:,} more"
