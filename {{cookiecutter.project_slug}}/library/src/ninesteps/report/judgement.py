"""The gate, comparison by comparison, recomputed from the definition and `evaluation.json`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ninesteps.report import drawing as d
from ninesteps.report.evidence import Absent, RunEvidence
from ninesteps.report.facts import RunFacts
from ninesteps.report.figure import Figure, Table
from ninesteps.report.formatting import number
from ninesteps.settings import gate as gates

_SIGNS = {
    "GreaterThan": ">",
    "GreaterThanOrEqualTo": ">=",
    "LessThan": "<",
    "LessThanOrEqualTo": "<=",
}
_WORDS = {">": "more than", ">=": "at least", "<": "less than", "<=": "at most"}
_FACET_METRIC = re.compile(r"bias_metrics\.(\w+)\.(\w+)\.value")
_METRIC = re.compile(r"\w+\.(\w+)\.value")
_DIFFERENCE = re.compile(rf"{gates.CHAMPION}\.(\w+){gates.DIFFERENCE}(?:\.(\w+))?\.value")


@dataclass(frozen=True)
class Judged:
    """One metric compared with its limit, and the result."""

    comparison: gates.Comparison
    value: float
    interval: tuple[float, float] | None = None  # of a difference from the champion's

    @property
    def name(self) -> str:
        """The metric as a gate names it."""
        return self.comparison.name

    @property
    def holds(self) -> bool:
        """Whether the value is on the right side."""
        return self.comparison.holds(self.value)

    @property
    def distance(self) -> float:
        """By how much it passes, or fails."""
        return abs(self.value - self.comparison.number)

    @property
    def expected(self) -> str:
        """In words: `more than 0.75`."""
        return f"{_WORDS[self.comparison.sign]} {self.asked.partition(' ')[2]}"

    @property
    def asked(self) -> str:
        """Sign and number as the gate has them: `> 0.75`."""
        return str(self.comparison).partition(" ")[2]


@dataclass(frozen=True)
class Judgement:
    """The result of a gate."""

    gate: gates.Gate
    comparisons: tuple[Judged, ...]  # every one, in order
    recomputed: bool  # the outcome, computed here
    outcome: bool | None  # the step's own outcome; None: it has none yet


def judge(facts: RunFacts, evidence: RunEvidence) -> Judgement:
    """The gate of a run.

    Raises:
        Absent: if the pipeline has no gate, or a value that the gate uses is missing.
    """
    step, gate = read_gate(facts)
    content = evidence.evaluation.json()
    judged = tuple(
        Judged(comparison, _value(comparison, content), _interval(comparison, content))
        for comparison in gates.comparisons(gate)
    )
    recomputed = gates.holds(gate, lambda comparison: _value(comparison, content))
    return Judgement(gate, judged, recomputed, step)


def read_gate(facts: RunFacts) -> tuple[bool | None, gates.Gate]:
    """The step's own outcome, and the gate as its definition has it.

    Raises:
        Absent: if the pipeline has no gate, or one of a kind that the library does not compile.
    """
    steps = facts.step("Condition")
    if not steps:
        raise Absent("this pipeline has no gate")
    parts = tuple(
        read_condition(condition) for condition in steps[0].arguments.get("Conditions", [])
    )
    return steps[0].outcome, parts[0] if len(parts) == 1 else gates.AllOf(parts)


def read_condition(condition: dict[str, Any]) -> gates.Gate:
    """A SageMaker condition as the gate that it was compiled from.

    Raises:
        Absent: if it is of a kind that the library does not compile.
    """
    kind = condition.get("Type")
    if kind == "Or":
        return gates.AnyOf(tuple(read_condition(part) for part in condition["Conditions"]))
    if kind == "Not":  # all of them: none of them not
        inner = condition["Condition"].get("Conditions", [])
        return gates.AllOf(tuple(read_condition(part["Condition"]) for part in inner))
    left = condition.get("LeftValue")
    if kind not in _SIGNS or not isinstance(left, dict) or "Std:JsonGet" not in left:
        raise Absent(f"the gate has a condition {kind!r} that this page cannot read")
    path = str(left["Std:JsonGet"]["Path"])
    relative = _DIFFERENCE.fullmatch(path)
    if relative and isinstance(condition["RightValue"], int | float):
        metric, facet = relative.groups()
        number = float(condition["RightValue"])
        return gates.Comparison(metric, _SIGNS[str(kind)], number, facet, is_of_champion=True)
    names = _FACET_METRIC.fullmatch(path) or _METRIC.fullmatch(path)
    if names is None or not isinstance(condition["RightValue"], int | float):
        raise Absent(f"the gate compares {path} with something other than a number")
    facet = names[2] if names.re is _FACET_METRIC else None
    section = path.partition(".")[0]
    limit = float(condition["RightValue"])
    return gates.Comparison(names[1], _SIGNS[str(kind)], limit, facet, section)


def _value(comparison: gates.Comparison, content: Any) -> float:
    value = content
    for key in comparison.json_path.split("."):
        if not isinstance(value, dict) or key not in value:
            raise Absent(f"evaluation.json has nothing at {comparison.json_path}")
        value = value[key]
    if not isinstance(value, int | float):
        raise Absent(f"evaluation.json has no number at {comparison.json_path}")
    return value


def _interval(comparison: gates.Comparison, content: Any) -> tuple[float, float] | None:
    """The interval of the difference from the champion, if it was measured."""
    if not comparison.is_of_champion:
        return None
    found = gates.differences(content[gates.CHAMPION]).get(comparison.measured, {})
    interval = found.get("interval")
    return (float(interval[0]), float(interval[1])) if interval else None


def champion_table(judgement: Judgement, content: Any) -> Table | None:
    """The metrics that the gate compares with the champion's; None if it was not scored."""
    section = content.get(gates.CHAMPION, {})
    found = gates.differences(section)
    rows = [
        (
            c.comparison.measured,
            number(found[c.comparison.measured]["champion"], 6),
            number(found[c.comparison.measured]["challenger"], 6),
            number(c.value, 4),
            f"{number(c.interval[0], 4)} to {number(c.interval[1], 4)}" if c.interval else "-",
            c.asked,
        )
        for c in judgement.comparisons
        if c.comparison.is_of_champion and not section["says"]
    ]
    head = ("metric", "champion", "this model", "difference", "95 % interval", "expected")
    return Table("Compared with the version that serves", head, rows, (0, 4, 5)) if rows else None


def comparison_figure(judgement: Judgement, curves: dict[str, Any]) -> tuple[Figure, Table]:
    """Each comparison as a bar: the range that passes, the limit, and the model's value."""
    fails = [judged for judged in judgement.comparisons if not judged.holds]
    says = (
        f"{fails[0].name}: expected {fails[0].expected}, got {number(fails[0].value)}: it fails by "
        f"{number(fails[0].distance, 3)}."
        if fails
        else "Every comparison passes, the closest by "
        f"{number(min(c.distance for c in judgement.comparisons), 3)}."
    )
    if fails and judgement.outcome:
        says += " Another part of the gate passes, which is enough."
    marks: list[str] = []
    for place, judged in enumerate(judgement.comparisons):
        marks += _comparison_marks(judged, 46 + place * 98, curves)
    rows = [
        (
            c.name,
            number(c.value, 6),
            c.asked,
            "passes" if c.holds else "fails",
            number(c.distance, 4),
        )
        for c in judgement.comparisons
    ]
    head = ("metric", "value", "expected", "verdict", "by")
    height = 98 * len(judgement.comparisons) - 18
    svg = d.svg("gate", height, "The gate, comparison by comparison", says, marks)
    table = Table("The comparisons", head, rows, (0, 2, 3))
    return Figure("Comparisons", says, svg), table


def _comparison_marks(judged: Judged, y: float, curves: dict[str, Any]) -> list[str]:
    metric, sign, limit = judged.comparison.metric, judged.comparison.sign, judged.comparison.number
    low, high = min(0.0, judged.value, limit), 1.0
    interval = curves.get("at_threshold", {}).get(metric, {}).get("interval")
    if judged.comparison.is_of_champion:  # both ways from no difference
        interval = judged.interval
        most = 1.3 * max(map(abs, (judged.value, limit, *(interval or ())))) or 1.0
        low, high = -most, most
    elif metric in gates.UNBOUNDED:
        high = max(min(judged.value, 10 * limit), limit) * 1.15
    elif not gates.is_reserved(metric):  # one of the team's own: nothing is known of its range
        high = max(0.0, judged.value, limit)
        high += 0.15 * (high - low) or 1.0
    x = d.Scale(low, high, d.NEAR, d.FAR)
    start, end = (limit, high) if sign in (">", ">=") else (low, limit)
    verdict = f"{'✓ passes' if judged.holds else '✕ fails'} by {number(judged.distance, 3)}"
    kind = "good" if judged.holds else "bad"
    return [
        d.text(d.NEAR, y - 30, judged.name, "name strong"),
        d.text(d.FAR, y - 30, verdict, f"verdict {kind}", "end"),
        d.rect(d.NEAR, y - 8, d.FAR - d.NEAR, 16, "track"),
        d.rect(x(start), y - 8, x(end) - x(start), 16, "band"),
        d.whisker(x, interval, y, "whisker"),
        d.line(x(limit), y - 13, x(limit), y + 13, "limit"),
        d.circle(x(judged.value), y, 6, f"value {kind}"),
        d.text(d.NEAR, y + 27, f"value {number(judged.value, 6)}", "label"),
        d.text(d.FAR, y + 27, f"expected {judged.asked}", "label", "end"),
    ]
