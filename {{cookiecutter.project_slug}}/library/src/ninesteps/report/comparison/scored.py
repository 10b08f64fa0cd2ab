"""Two models' predictions for their test rows, and the intervals of their metrics."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ninesteps.report.comparison import replies
from ninesteps.report.comparison.model import Interval
from ninesteps.report.comparison.side import Side
from ninesteps.report.evidence import Absent, File
from ninesteps.report.formatting import count
from ninesteps.settings.project import LANGUAGE_MODEL

if TYPE_CHECKING:  # as in feature_store/leaks.py
    import resampling
    from intervals import CONFIDENCE
    from resampling import Scored
else:
    from ninesteps.containers import resampling
    from ninesteps.containers.intervals import CONFIDENCE
    from ninesteps.containers.resampling import Scored

GROUPS = "groups.csv"
"""Beside a split whose rows belong to groups; as `dataset.py` of the containers has it."""

CLOSE = 1e-6
"""By how much a metric may differ from that of `evaluation.json`, relative to its size."""


@dataclass(frozen=True)
class Intervals:
    """By metric: the interval of each model, and of the difference where their rows are the same.

    `says` is a sentence on the rows.
    """

    first: dict[str, Interval]
    second: dict[str, Interval]
    difference: dict[str, Interval]
    says: str


@dataclass(frozen=True)
class _Rows:
    """The test split of a run, and the model's answers."""

    keys: list[tuple[str, str]]  # record id and event time, in the order of the split
    scored: Scored
    groups: (
        NDArray[np.intp] | None
    )  # (n,), codes of rows that belong together, such as a customer's


def intervals(first: Side, second: Side) -> Intervals:
    """The intervals of the metrics of two models; none of a model whose answers are gone."""
    if first.problem == LANGUAGE_MODEL:
        return _of_replies(first, second)
    rows: list[_Rows | None] = []
    missing = []
    for side in (first, second):
        try:
            rows.append(_rows(side))
        except Absent as absent:
            rows.append(None)
            missing.append(f"{side.name} has no intervals: {absent}.")
    one, other = rows
    if one is None or other is None:
        return Intervals(_alone(one), _alone(other), {}, " ".join(map(_capital, missing)))
    if different := _different_rows(one, other, first, second):
        says = f"{different}, so there is no paired interval."
        return Intervals(_alone(one), _alone(other), {}, says)
    before = resampling.values(one.scored, one.groups)
    now = resampling.values(_in_the_order_of(one, other), one.groups)  # of the same draws
    drawn = "" if one.groups is None else ", drawn by the groups of [split] group"
    return Intervals(
        _of(before),
        _of(now),
        _of({name: now[name] - values for name, values in before.items()}),
        f"Both models were scored on the same {count(len(one.keys), 'test row')}{drawn}.",
    )


def _of_replies(first: Side, second: Side) -> Intervals:
    try:
        return Intervals(*replies.intervals(first, second))
    except Absent as absent:
        return Intervals({}, {}, {}, f"There are no intervals: {absent}.")


def _alone(rows: _Rows | None) -> dict[str, Interval]:
    return _of(resampling.values(rows.scored, rows.groups)) if rows else {}


def _of(values: Mapping[str, NDArray[np.float64]]) -> dict[str, Interval]:
    """The intervals of metrics by their values in all resamples."""
    found = {name: resampling.percentiles(drawn, CONFIDENCE) for name, drawn in values.items()}
    return {name: (ends[0], ends[1]) for name, ends in found.items() if ends}


def _rows(side: Side) -> _Rows:
    """The rows of a run.

    Raises:
        Absent: if a file is not there, cannot be read, or is not of this evaluation.
    """
    answers, test = side.file("evaluation", "answers.csv"), side.reading.evidence.test
    try:
        lines = list(csv.reader(io.StringIO(_text(test), newline="")))
        keys, labels = [(line[0], line[1]) for line in lines], [float(line[2]) for line in lines]
    except (ValueError, IndexError):
        raise Absent("its test.csv cannot be read") from None
    try:
        table = np.array(
            [[float(cell) for cell in line]
             for line in csv.reader(io.StringIO(_text(answers), newline=""))]
        )  # fmt: skip
    except ValueError:
        raise Absent("its answers.csv cannot be read") from None
    is_regression = side.problem == "regression"
    if table.shape != (len(keys), 1 if is_regression else 2):
        raise Absent(f"its answers.csv does not have an answer to each of {len(keys):,} test rows")
    scored = Scored(np.array(labels), table[:, 0], None if is_regression else table[:, 1])
    _check(side, scored)
    return _Rows(keys, scored, _groups(side, len(keys)))


def _check(side: Side, scored: Scored) -> None:
    """The answers give the metrics that the evaluation has.

    Raises:
        Absent: if they do not: the intervals would be of another model, or of other rows.
    """
    for name, value in side.reading.metrics.items():
        if name not in scored.metrics:  # one of the team's own
            continue
        found = scored.value(name)
        if not np.isclose(found, value, rtol=CLOSE, atol=CLOSE):
            raise Absent(
                f"its answers.csv and test.csv give {name} {found:.6g}, evaluation.json has "
                f"{value:.6g}"
            )


def _groups(side: Side, rows: int) -> NDArray[np.intp] | None:
    """The groups of the rows; None if each row is its own group.

    Raises:
        Absent: if they cannot be read.
    """
    file = side.file("test", GROUPS)
    if file.raw is None:
        return None
    try:
        numbers = np.array([int(line) for line in file.raw.split()], dtype=np.intp)
    except ValueError:
        raise Absent(f"its {GROUPS} cannot be read") from None
    if len(numbers) != rows:
        raise Absent(f"its {GROUPS} does not have a group for each of {rows:,} test rows")
    codes: NDArray[np.intp] = np.unique(numbers, return_inverse=True)[1]
    return codes


def _different_rows(one: _Rows, other: _Rows, first: Side, second: Side) -> str:
    """Why the rows of the two are not the same; empty if they are."""
    common = set(one.keys) & set(other.keys)
    if len(common) < max(len(one.keys), len(other.keys)):
        return (
            f"The test rows differ: {first.name} has {len(one.keys):,}, {second.name} "
            f"{len(other.keys):,}, and {len(common):,} are in both"
        )
    changed = int((one.scored.labels != _in_the_order_of(one, other).labels).sum())
    return f"Of the same test rows {changed:,} have another label now" if changed else ""


def _in_the_order_of(one: _Rows, other: _Rows) -> Scored:
    """The second's answers, in the order of the first's rows."""
    if one.keys == other.keys:
        return other.scored
    places = {key: place for place, key in enumerate(other.keys)}
    order = np.array([places[key] for key in one.keys])
    scored = other.scored
    scores = None if scored.scores is None else scored.scores[order]
    return Scored(scored.labels[order], scored.predictions[order], scores)


def _text(file: File) -> str:
    if file.raw is None:
        raise Absent(file.why)
    return file.raw.decode("utf-8")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
