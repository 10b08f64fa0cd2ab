"""Selection rates and impact ratios by category, as New York City's rules on hiring tools require.

6 RCNY § 5-300: a selection rate is the share of a category that is selected or given a class; a
scoring rate is the share whose score is above the sample's median; an impact ratio is a category's
rate over the highest one. § 5-301 asks for them by sex, by race or ethnicity, and by both: of a
tool that selects or classifies for the first (b), of one that scores for the second (c).
Rows of people are read here and counted; only counts leave this module.
"""

from __future__ import annotations

import csv
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEAST_SHARE = 0.02
"""§ 5-301(d): a category of a smaller share of the data may be left out of the ratios."""

SELECTION, SCORING = "selection rate", "scoring rate"
"""What a table's rates are."""


class NotComputed(Exception):
    """The rates cannot be computed; the message says why, without a full stop."""


@dataclass(frozen=True)
class Category:
    """One category of a table."""

    name: str
    rows: int
    selected: int
    share: float  # of all rows
    rate: float
    ratio: float | None  # None: too small a share, see LEAST_SHARE, or nobody was selected


@dataclass(frozen=True)
class Rates:
    """One table: by sex, by race or ethnicity, or by both."""

    by: tuple[str, ...]  # the columns
    measure: str  # SELECTION, or SCORING: `selected` are then those better than the median
    categories: tuple[Category, ...]
    unknown: int  # rows without a value in one of the columns
    withheld: int  # categories so small that they are about persons, which are not in the table
    withheld_rows: int


def tables(
    columns: Mapping[str, Any],
    test: bytes,
    predictions: bytes,
    sex: Sequence[str],
    race: Sequence[str],
    least: int,
) -> list[Rates]:
    """The tables that a test split allows: of classes and of scores, as far as there are such.

    Args:
        columns: `columns.json`.
        test: the split, and `predictions`: the transform's answers on it, in the same order.
        sex: names of columns that hold the sex category, and `race` the race or ethnicity.
        least: a category of fewer rows is withheld.

    Raises:
        NotComputed: if there is no such column, or the files do not belong together.
    """
    known = [facet["column"] for facet in columns["facets"]]
    pairs = [next((name for name in known if name.lower() in names), "") for names in (sex, race)]
    by = [(name,) for name in pairs if name] + ([tuple(pairs)] if all(pairs) else [])
    if not by:
        raise NotComputed("no facet of this model is a sex, race or ethnicity category: its facets "
                          f"are {', '.join(known) or 'none'}")  # fmt: skip
    rows = list(csv.reader(test.decode("utf-8").splitlines()))
    found = _selected(columns, rows, list(csv.reader(predictions.decode("utf-8").splitlines())))
    places = {name: columns["columns"].index(f"facet_{name}") for name in pairs if name}
    return [
        _rates(
            names, measure, [tuple(row[places[n]] for n in names) for row in rows], selected, least
        )
        for measure, selected in found.items()
        for names in by
    ]


def _selected(
    columns: Mapping[str, Any], rows: Sequence[Sequence[str]], answers: Sequence[Sequence[str]]
) -> dict[str, list[bool]]:
    """Who got the favourable outcome, and whose score is better than the median."""
    ids = columns["columns"].index(columns["record_id"])
    if [row[ids] for row in rows] != [answer[0] for answer in answers]:
        raise NotComputed("the predictions are not those of the test split's rows")
    favourable = columns["favourable_label"]
    values = [float(answer[1]) for answer in answers]
    if columns["problem"] == "regression":
        return {SCORING: _above_median(values, favourable)}
    found = {SELECTION: [value == favourable for value in values]}
    if all(len(answer) > 2 for answer in answers):  # the probability of the positive class
        found[SCORING] = _above_median([float(answer[2]) for answer in answers], favourable)
    return found


def _above_median(scores: Sequence[float], favourable: int) -> list[bool]:
    """Whose score is above the median of all; below it, where a low score is the better one."""
    median = statistics.median(scores)
    return [score > median if favourable == 1 else score < median for score in scores]


def _rates(
    by: tuple[str, ...],
    measure: str,
    groups: Sequence[tuple[str, ...]],
    selected: Iterable[bool],
    least: int,
) -> Rates:
    is_known = [all(group) for group in groups]
    sizes = Counter(group for group, known in zip(groups, is_known, strict=True) if known)
    hits = Counter(g for g, s, k in zip(groups, selected, is_known, strict=True) if s and k)
    total = len(groups)
    counted = {group: size for group, size in sizes.items() if size >= max(least, 1)}
    rates = {group: hits[group] / size for group, size in counted.items()}
    compared = [rate for g, rate in rates.items() if counted[g] >= LEAST_SHARE * total]
    highest = max(compared, default=0.0)
    return Rates(
        by,
        measure,
        tuple(
            Category(" × ".join(group), size, hits[group], size / total, rates[group],
                     rates[group] / highest
                     if highest and size >= LEAST_SHARE * total else None)
            for group, size in sorted(counted.items())
        ),
        unknown=total - sum(sizes.values()),
        withheld=len(sizes) - len(counted),
        withheld_rows=sum(sizes.values()) - sum(counted.values()),
    )  # fmt: skip


def as_json(tables: Sequence[Rates]) -> list[dict[str, Any]]:
    """The tables for a program to read."""
    return [
        {**vars(table), "by": list(table.by), "categories": [vars(c) for c in table.categories]}
        for table in tables
    ]
