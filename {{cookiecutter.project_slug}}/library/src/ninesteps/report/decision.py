"""The first screen of a report: what decided, which group is affected, what changed, warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ninesteps.report import glossary
from ninesteps.report.evidence import Absent
from ninesteps.report.facet_names import group_name
from ninesteps.report.facts import SUCCEEDED
from ninesteps.report.figure import Figure, Panel
from ninesteps.report.formatting import number, percent
from ninesteps.report.judgement import Judged, Judgement, comparison_figure
from ninesteps.report.reading import BROKEN, Reading

_DISTANCES: Mapping[str, Callable[[dict[str, Any]], float]] = {
    "dppl": lambda group: abs(group["dppl"]),
    "di": lambda group: 1 - _even(group["di"]),
}
"""How far a group is from all others, by each metric that a gate can use."""


@dataclass(frozen=True)
class Point:
    """One thing to know before deciding."""

    title: str
    says: str
    means: str = ""  # what the number measures, in words
    is_bad: bool = False


@dataclass(frozen=True)
class Decision:
    """The first screen, below the verdict."""

    points: tuple[Point, ...]
    warnings: tuple[str, ...]
    gate: Figure | None  # None: no gate has been evaluated


def decision(
    reading: Reading,
    judgement: Judgement | None,
    compared: Panel | None,
    warnings: list[str],
) -> Decision:
    """Build the first screen from the files that the run left.

    Args:
        compared: the panel that compares the run with a version or another run.
    """
    points = [
        *_failing(reading, judgement),
        *_read(lambda: _bias(reading, judgement)),
        *_changed(reading, compared),
    ]
    gate = comparison_figure(judgement, _curves(reading))[0] if judgement else None
    return Decision(tuple(points), tuple(warnings), gate)


def _read(points: Callable[[], Iterator[Point]]) -> list[Point]:
    """Points from files that may be missing or malformed: then there are none."""
    try:
        return list(points())
    except (Absent, *BROKEN):
        return []


def _curves(reading: Reading) -> dict[str, Any]:
    try:
        return reading.curves
    except (Absent, *BROKEN):
        return {}


def _failing(reading: Reading, judgement: Judgement | None) -> Iterator[Point]:
    """A point for each failed comparison; for a bias metric it names the group."""
    if judgement is None or judgement.outcome is not False:
        return
    for judged in judgement.comparisons:
        if not judged.holds:
            yield Point(
                f"{judged.name} fails",
                _who(reading, judged) or f"It fails by {number(judged.distance, 3)}.",
                _meaning(judged.name),
                is_bad=True,
            )


def _bias(reading: Reading, judgement: Judgement | None) -> Iterator[Point]:
    """The point on bias, unless a bias comparison has failed the gate."""
    bias = [j for j in judgement.comparisons if j.comparison.is_bias] if judgement else []
    if any(not judged.holds for judged in bias) and judgement and judgement.outcome is False:
        return  # `_failing` has a point for it
    facets = reading.bias.get("groups", {})
    if not facets:
        yield Point(
            "Bias was not measured",
            "No facet is set. List the groups to compare in pipeline.toml, [bias] facets.",
        )
        return
    widest = _widest(facets, "dppl")
    said = f"The widest gap is in facet {_gap(reading, *widest)}" if widest else reading.uncounted
    if bias:
        fails = " and ".join(judged.name for judged in bias if not judged.holds)
        title = f"{fails} fails" if fails else "Bias gate passes"
        yield Point(title, said, is_bad=bool(fails))
    else:
        yield Point("No bias gate is set", said)


def _changed(reading: Reading, compared: Panel | None) -> Iterator[Point]:
    """How the run compares with the version that serves, or with an earlier run."""
    if compared is not None:
        yield Point(compared.title, compared.absent or compared.says)
    elif reading.facts.status == SUCCEEDED:
        yield Point(
            "Nothing to compare with",
            "No version is serving, and no earlier run has a different result.",
        )


def _who(reading: Reading, judged: Judged) -> str:
    """The facet and group that the gate compared; empty if the metric is not a bias metric."""
    comparison = judged.comparison
    if not comparison.is_bias or comparison.is_of_champion:
        return ""
    try:
        content = reading.bias
        if comparison.metric == "worst_mean_residual":
            return _most_misjudged(reading, content["mean_residual"])
        facets = content["groups"]
        if comparison.facet:
            facets = {comparison.facet: facets[comparison.facet]}
        found = _widest(facets, comparison.metric.removeprefix("worst_"))
        return f"Facet {_gap(reading, *found)}" if found else reading.uncounted
    except (Absent, *BROKEN):
        return ""


def _widest(facets: Mapping[str, Any], measure: str) -> tuple[str, dict[str, Any]] | None:
    """The counted group that is furthest from all others, with its facet.

    If two groups are equally far, it is the one with the smaller share.
    """
    counted = [(facet, group) for facet, groups in facets.items() for group in groups
               if group["counted"] and group[measure] is not None]  # fmt: skip
    distance = _DISTANCES[measure]
    return max(
        counted,
        key=lambda pair: (round(distance(pair[1]), 9), pair[1]["dppl"] or 0.0),
        default=None,
    )


def _gap(reading: Reading, facet: str, group: dict[str, Any]) -> str:
    """A sentence that compares a group's share with that of all others."""
    name, share = reading.facet_names[facet], group["predicted"]["share"]
    others = min(max(share + group["dppl"], 0.0), 1.0)
    return (
        f"{name}, group {group['value']}: {percent(share)} of this group are "
        f"{reading.favourable}, against {percent(others)} of all others."
    )


def _most_misjudged(reading: Reading, residuals: Mapping[str, Mapping[str, float]]) -> str:
    """A sentence on the group with the largest mean error."""
    facet, value = max(
        ((facet, value) for facet, groups in residuals.items() for value in groups),
        key=lambda pair: abs(residuals[pair[0]][pair[1]]),
    )
    mean, name = residuals[facet][value], reading.facet_names[facet]
    side = "above" if mean > 0 else "below"
    return (
        f"Facet {name}, group {group_name(value)}: on average, predictions are "
        f"{number(abs(mean))} {side} the true value."
    )


def _even(ratio: float) -> float:
    """A ratio as a gate uses it: the lower share divided by the higher, at most 1."""
    return min(ratio, 1 / ratio) if ratio > 0 else 0.0


def _meaning(metric: str) -> str:
    """The glossary's sentence on a metric; empty for a metric of the team's own."""
    found = [term for term in glossary.terms() if term.is_cell(metric)]
    return found[0].says if found else ""
