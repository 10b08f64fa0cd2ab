"""Charts of an A/B test: the evidence, the rates with their intervals, and the shares."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ninesteps.report import drawing as d
from ninesteps.report.drawing import LEFT, RIGHT, tall
from ninesteps.report.figure import Figure, Table
from ninesteps.report.formatting import percent

Interval = tuple[float, float]

KEYS = (("dot", "main"), ("m1", "challenger"))


@dataclass(frozen=True)
class Point:
    """How a test stood at a moment."""

    day: float  # since the first reply
    users: tuple[int, int]  # counted, of main and of the challenger
    rates: tuple[float, float]
    intervals: tuple[Interval, Interval]
    better: float  # natural logarithm of the evidence
    worse: float
    share: int  # percent that the challenger was to get
    arrived: float  # percent of the users since the share changed that were the challenger's


def evidence(points: Sequence[Point], threshold: float) -> Figure:
    """The evidence for better and worse over time, on a logarithmic scale."""
    logs = [value / math.log(10) for p in points for value in (p.better, p.worse)]
    needed = threshold / math.log(10)
    low, high = max(min(logs), -6.0), max(*logs, needed + 0.5)
    x, y = _days(points), tall(200, math.floor(low), math.ceil(high))
    marks = d.axes(x, y, "Days", "Evidence, to 1", _number, _power)
    marks += [
        d.line(LEFT, y(needed), RIGHT, y(needed), "limit"),
        d.text(LEFT + 4, y(needed) - 5, f"{math.exp(threshold):g} decides", "tick halo"),
        d.path([(x(p.day), y(p.worse / math.log(10))) for p in points], "curve other"),
        d.path([(x(p.day), y(p.better / math.log(10))) for p in points], "curve"),
    ]
    last = points[-1]
    says = (
        f"At the end it is {odds(last.better)} to 1 that the challenger is better and "
        f"{odds(last.worse)} to 1 that it is worse. {math.exp(threshold):g} to 1 decides, at "
        "whenever you look; for better, only once a week of users has been counted."
    )
    picture = d.svg("evidence", 278, "The evidence over time", says, marks)
    table = _table(
        points, ("better, to 1", "worse, to 1"), lambda p: (odds(p.better), odds(p.worse))
    )
    keys = (("dot", "for better"), ("m1", "for worse"))
    return Figure("Evidence", says, picture, table, keys)


def rates(points: Sequence[Point], outcome: str) -> Figure:
    """The rate of good outcomes of both versions, with intervals that hold at any time."""
    seen = [p for p in points if min(p.users) >= 5] or list(points)
    last = seen[-1]
    edges = [edge for p in seen[len(seen) // 4 :] for pair in p.intervals for edge in pair]
    low, high = max(min(edges) - 0.02, 0.0), min(max(edges) + 0.02, 1.0)
    x, y = _days(points), tall(200, low, high)
    marks = []
    for arm, kind in enumerate(("", " other")):
        upper = [(x(p.day), y(p.intervals[arm][1])) for p in seen]
        lower = [(x(p.day), y(p.intervals[arm][0])) for p in reversed(seen)]
        marks.append(d.path([*upper, *lower], f"band{kind}", closed=True))
    marks += d.axes(x, y, "Days", outcome, _number, lambda value: percent(value, 0))
    for arm, kind in enumerate(("", " other")):
        marks.append(d.path([(x(p.day), y(p.rates[arm])) for p in seen], f"curve{kind}"))
    says = (
        f"{percent(last.rates[0], 1)} of main's users and {percent(last.rates[1], 1)} of the "
        "challenger's had a good outcome. The bands hold at all times together with 95 % "
        "confidence, if the rates do not drift."
    )
    picture = d.svg("rates", 278, "Rates over time", says, marks)

    def told(p: Point) -> tuple[str, ...]:
        return tuple(
            f"{percent(p.rates[arm], 1)} ({percent(p.intervals[arm][0], 1)} to "
            f"{percent(p.intervals[arm][1], 1)})" for arm in (0, 1)
        )  # fmt: skip

    return Figure("Rates", says, picture, _table(points, ("main", "challenger"), told), KEYS)


def shares(points: Sequence[Point]) -> Figure:
    """The challenger's intended share of the users, and its actual share."""
    x, y = _days(points), tall(200, 0, 100)
    steps: list[tuple[float, float]] = []
    for before, p in zip([points[0], *points], points, strict=False):
        steps += [(x(p.day), y(before.share)), (x(p.day), y(p.share))]
    marks = d.axes(x, y, "Days", "Users, in percent", _number)
    marks += [
        d.path([(x(p.day), y(p.arrived)) for p in points], "curve other"),
        d.path(steps, "limit best"),
    ]
    last = next((p for p in reversed(points) if p.share not in (0, 100)), points[-1])
    says = (
        f"The challenger was last meant to get {last.share} % of the users and got "
        f"{last.arrived:.1f} %. If the two differ beyond chance, the test ends as invalid."
    )
    picture = d.svg("shares", 278, "Shares over time", says, marks)
    table = _table(points, ("promised", "got"), lambda p: (f"{p.share} %", f"{p.arrived:.1f} %"))
    return Figure("Shares", says, picture, table, (("line", "promised"), ("m1", "got")))


def odds(logarithm: float) -> str:
    """An e-value as a person reads it."""
    if logarithm > 14:
        return f"10^{logarithm / math.log(10):.0f}"
    value = math.exp(logarithm)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else "under 0.001"


def _days(points: Sequence[Point]) -> d.Scale:
    return d.Scale(0.0, max(points[-1].day, 0.1), LEFT, RIGHT)


def _number(value: float) -> str:
    return f"{value:g}"


def _power(value: float) -> str:
    return f"{10**value:g}" if -3 <= value <= 5 else f"1e{value:g}"


def _table(
    points: Sequence[Point], head: tuple[str, ...], told: Callable[[Point], tuple[str, ...]]
) -> Table:
    """Some of the points as rows, the last one among them."""
    chosen = [*points[:: max(1, len(points) // 12)]]
    chosen += [] if chosen[-1] is points[-1] else [points[-1]]
    rows = [(f"{p.day:.1f}", f"{sum(p.users):,}", *told(p)) for p in chosen]
    return Table("the numbers", ("Day", "Users", *head), rows)
