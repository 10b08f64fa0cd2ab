"""Which of two models is better, in a sentence or two for the top of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ninesteps.report.comparison.model import MetricChange, Part
from ninesteps.report.formatting import listed

_HIGHER = {"more": "higher", "less": "lower"}


def verdict(first: str, second: str, metrics: Part[MetricChange], model: Part[Any]) -> str:
    """Which model is better, and in which metrics the difference is beyond chance.

    Args:
        first: the first model's name.
        second: the second model's name.
    """
    if any(row.name == "SHA-256" and row.is_same for row in model.rows):
        return f"{_capital(first)} and {second} are the same model, byte for byte."
    if metrics.absent:
        return f"It is not known which is better. {metrics.absent}"
    if metrics.is_same:
        return f"{_capital(first)} and {second} have the same metrics."
    paired = [row for row in metrics.rows if row.interval is not None]
    better, worse, other = (
        [row for row in metrics.rows if row.reading in readings]
        for readings in (("better",), ("worse",), ("more", "less"))
    )
    if not paired:
        return f"{_unpaired(second, better, worse)} {metrics.says}"
    if better and worse:
        said = (
            f"{_capital(second)} is better than {first} in {_names(better)}, and worse in "
            f"{_names(worse)}, beyond chance."
        )
    elif better or worse:
        what = "better" if better else "worse"
        said = (
            f"{_capital(second)} is {what} than {first} in {_names(better or worse)}, beyond "
            f"chance, and {'worse' if better else 'better'} in no metric."
        )
    else:
        said = f"{_capital(second)} is neither better nor worse than {first} beyond chance."
    chance = [row for row in metrics.rows if row.reading == "may be chance"]
    parts = [said]
    if chance and (better or worse):
        parts.append(f"The difference in {_names(chance)} may be chance.")
    parts += [f"{row.name} is {_HIGHER[row.reading]}, beyond chance." for row in other]
    return " ".join(parts)


def _unpaired(second: str, better: Sequence[MetricChange], worse: Sequence[MetricChange]) -> str:
    """What is known without the same rows: only the metrics whose intervals do not overlap."""
    parts = [f"{what} in {_names(rows)}" for what, rows in (("better", better), ("worse", worse))
             if rows]  # fmt: skip
    if not parts:
        return "Neither is shown to be better beyond chance."
    return (
        f"{_capital(second)} is {', and '.join(parts)}: the intervals of the two do not overlap. "
        "For the other metrics, it is not known which is better."
    )


def _names(rows: Sequence[MetricChange]) -> str:
    """The metrics, those that the gate reads first."""
    return listed([row.name for row in sorted(rows, key=lambda row: not row.is_gated)])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
