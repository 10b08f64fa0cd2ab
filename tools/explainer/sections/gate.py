"""The gate to try out: a real ROC curve, with a movable decision threshold and movable limits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bias_report import gate_numbers
from dataset import Split, read_split
from explainer.facts import ScenarioFacts
from explainer.section import Section, rendered
from metrics import binary_metrics
from ninesteps.local.storage import Storage
from ninesteps.report import drawing as d
from ninesteps.report.formatting import number
from ninesteps.settings import gate as gates

SHOWN = ("attrition", "fraud", "churn")
"""The first of these that was run is shown: attrition's gate has the most parts."""

STEPS = 100  # of the decision threshold, between 0 and 1


@dataclass(frozen=True)
class Point:
    """The model's results on the test split at one decision threshold."""

    threshold: float
    found: int  # true positives
    alarms: int  # false positives
    missed: int  # false negatives
    passed: int  # true negatives
    values: tuple[float, ...]  # of the gate's comparisons, in order

    @property
    def found_share(self) -> float:
        """Recall, or true positive rate."""
        return self.found / (self.found + self.missed)

    @property
    def alarm_share(self) -> float:
        """The false positive rate."""
        return self.alarms / (self.alarms + self.passed)


@dataclass(frozen=True)
class Trial:
    """A gate, and the values that it compares at every threshold."""

    gate: gates.Gate
    comparisons: tuple[gates.Comparison, ...]
    points: tuple[Point, ...]
    used: int  # the index of the model's own threshold

    @property
    def lines(self) -> list[tuple[str, bool, str]]:
        """Each comparison as the terminal prints it: its beginning, whether it passes, its end."""
        values = self.points[self.used].values
        return [compared(c, value) for c, value in zip(self.comparisons, values, strict=True)]

    @property
    def passes(self) -> bool:
        """Whether the model passes the gate."""
        values = dict(zip(self.comparisons, self.points[self.used].values, strict=True))
        return gates.holds(self.gate, values.__getitem__)


def section(facts: Mapping[str, ScenarioFacts]) -> Section:
    """The section."""
    scenario = next(facts[name] for name in SHOWN if name in facts)
    tried = trial(scenario)
    html = rendered(
        "sections/gate.html.jinja",
        trial=tried,
        at=tried.points[tried.used],
        curve=_curve(tried, scenario),
        data=json.dumps(_data(tried), separators=(",", ":")),
        positive=scenario.reading.positive,
        project=scenario.settings.project.name,
        rows=scenario.reading.curves["rows"],
    )
    lead = (
        "A model is registered only if it passes. Move the decision threshold and the gate's "
        "limits, and see whether the same model passes. Every number comes from the test split of "
        "a real run."
    )
    return Section("gate", "Try the gate", lead, html, menu="The gate")


def trial(scenario: ScenarioFacts) -> Trial:
    """Every value that the gate can compare, for a binary scenario's run.

    Raises:
        KeyError: if the gate names a metric that is not computed here.
    """
    test, said = _answers(scenario)
    gate = scenario.settings.full_gate
    comparisons = tuple(gates.comparisons(gate))
    used = float(scenario.reading.curves["threshold"])
    steps = (round(step / STEPS, 4) for step in range(1, STEPS))
    thresholds = sorted({*steps, used})
    least = scenario.settings.bias.min_group_size
    points = tuple(_point(test, said, threshold, comparisons, least) for threshold in thresholds)
    return Trial(gate, comparisons, points, thresholds.index(used))


def compared(comparison: gates.Comparison, value: float) -> tuple[str, bool, str]:
    """A comparison as `pipeline run` prints it, with its verdict apart."""
    holds, limit = comparison.holds(value), comparison.number
    beginning = f"{comparison.name} {value:.6g} {comparison.sign} {limit:g}"
    return beginning, holds, f"by {abs(value - limit):.4g}"


def _answers(scenario: ScenarioFacts) -> tuple[Split, np.ndarray[Any, np.dtype[np.float64]]]:
    """The test split, and the model's score for each of its rows, (n,)."""
    storage = Storage(scenario.local / "s3")
    test = read_split(storage.file(scenario.evidence.test.uri).parent, "test")
    answers = storage.file(scenario.evidence.evaluation.uri).parent / "answers.csv"
    return test, np.loadtxt(answers, delimiter=",", ndmin=2)[:, 1]


def _point(
    test: Split,
    said: np.ndarray[Any, np.dtype[np.float64]],
    threshold: float,
    comparisons: tuple[gates.Comparison, ...],
    least: int,
) -> Point:
    flagged = (said >= threshold).astype(np.float64)
    positive, hit = test.labels == 1, flagged == 1
    measured: dict[str, Any] = binary_metrics(test.labels, said, flagged)
    bias = gate_numbers(test, flagged, least)
    return Point(
        threshold,
        int((positive & hit).sum()), int((~positive & hit).sum()),
        int((positive & ~hit).sum()), int((~positive & ~hit).sum()),
        tuple(_value(c, measured, bias) for c in comparisons),
    )  # fmt: skip


def _value(comparison: gates.Comparison, measured: Mapping[str, Any], bias: Any) -> float:
    if not comparison.is_bias:
        return float(measured[comparison.metric])
    found = bias[comparison.metric]
    return float((found[comparison.facet] if comparison.facet else found)["value"])


def _curve(tried: Trial, scenario: ScenarioFacts) -> str:
    """The ROC curve, with a point that the script moves."""
    x, y = d.square()
    positive, at = scenario.reading.positive, tried.points[tried.used]
    marks = d.axes(
        x, y, f"False alarms, of all without {positive}", f"Found, of all with {positive}",
        lambda share: f"{100 * share:.0f} %",
    )  # fmt: skip
    marks += [
        d.line(x(0), y(0), x(1), y(1), "chance"),
        d.path([(x(a), y(b)) for a, b in scenario.reading.curves["roc"]], "curve"),
        d.diamond(x(at.alarm_share), y(at.found_share), 6, "hollow"),
        f'<circle id="trial-point" class="point" cx="{x(at.alarm_share):.1f}" '
        f'cy="{y(at.found_share):.1f}" r="6.5"/>',
    ]
    says = (
        f"At the threshold in use, {number(at.threshold, 3)}, the model finds "
        f"{number(at.found)} of {number(at.found + at.missed)} with {positive}, for "
        f"{number(at.alarms)} false alarms."
    )
    return d.svg("trial-roc", 308, "ROC curve of the run", says, marks)


def _data(tried: Trial) -> dict[str, Any]:
    """What the script works on."""
    x, y = d.square()
    return {
        "gate": _tree(tried.gate, iter(range(len(tried.comparisons)))),
        "limits": [[c.name, c.sign, c.number] for c in tried.comparisons],
        "points": [
            [p.threshold, p.found, p.alarms, p.missed, p.passed, [round(v, 9) for v in p.values]]
            for p in tried.points
        ],
        "used": tried.used,
        "plot": [x.start, x.end, y.start, y.end],
    }


def _tree(gate: gates.Gate, places: Iterator[int]) -> Any:
    """The gate with each comparison replaced by its index."""
    if isinstance(gate, gates.Comparison):
        return next(places)
    joined = "and" if isinstance(gate, gates.AllOf) else "or"
    return [joined, *(_tree(part, places) for part in gate.parts)]
