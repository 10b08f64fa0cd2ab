"""A chart of the hyperparameter search."""

from __future__ import annotations

from typing import Any

from ninesteps.report import drawing as d
from ninesteps.report.drawing import LEFT, RIGHT, tall
from ninesteps.report.figure import Figure
from ninesteps.report.formatting import count, number


def search(trials: list[dict[str, Any]], objective: str, maximize: bool) -> Figure:
    """The result of each trial, in the order in which they started."""
    valued = [t for t in trials if t["value"] is not None]
    whole = [t for t in valued if t["status"] == "Completed"]
    low, high = _clear_range([t["value"] for t in whole or valued])
    x = d.Scale(0.5, len(trials) + 0.5, LEFT, RIGHT)
    y = tall(200, low, high)
    names = list(dict.fromkeys(t["algorithm"] for t in trials))
    best = (max if maximize else min)(whole, key=lambda t: t["value"])
    says = (
        f"Of {count(len(trials), 'trial')}, number {best['number']} is the best: {objective} "
        f"{number(best['value'], 5)}"
        + (f", with {best['algorithm']}." if len(names) > 1 else ".")
        + (
            f" Stopped early because others did better: "
            f"{sum(t['status'] == 'Stopped' for t in trials)}."
            if any(t["status"] == "Stopped" for t in trials)
            else ""
        )
    )
    axis = d.Scale(1, max(len(trials), 2), x(1), x(len(trials)) if len(trials) > 1 else RIGHT)
    marks = _whole_axes(axis, y, objective)
    so_far, steps = None, []
    for t in trials:
        if t in whole and (so_far is None or (t["value"] > so_far) == maximize):
            so_far = t["value"]
        if so_far is not None:
            steps += [(x(t["number"] - 0.5), y(so_far)), (x(t["number"] + 0.5), y(so_far))]
    marks += [d.path(steps, "best")] if steps else []
    for t in trials:
        marks.append(_trial(t, x(t["number"]), y, names))
    marks += [d.text(x(best["number"]), y(best["value"]) - 10, "best", "label halo", "middle")]
    keys = [(f"m{place}", name or "a trial") for place, name in enumerate(names)]
    if any(t["status"] == "Stopped" for t in trials):
        keys.append(("stopped", "stopped early, at its last value"))
    keys += [("failed", "no value")] if len(valued) < len(trials) else []
    keys += [("line", "best so far")]
    svg = d.svg("search", 278, "The search", says, marks)
    return Figure("Trials", says, svg, keys=tuple(keys))


def _whole_axes(x: d.Scale, y: d.Scale, objective: str) -> list[str]:
    whole = sorted({max(1, round(t)) for t in x.ticks()})
    marks = [
        d.line(LEFT, y.start, RIGHT, y.start, "axis"),
        d.text(d.NEAR, y.end - 14, objective, "name"),
        d.text((LEFT + RIGHT) / 2, y.start + 35, "Trial", "name", "middle"),
    ]
    for value in y.ticks():
        marks += [
            d.line(LEFT, y(value), RIGHT, y(value), "rule"),
            d.text(LEFT - 6, y(value) + 4, f"{value:.6g}", "tick", "end"),
        ]
    return marks + [d.text(x(t), y.start + 17, t, "tick", "middle") for t in whole]


def _clear_range(values: list[float]) -> tuple[float, float]:
    """A range that separates these values; a stopped trial far off is drawn at its edge."""
    room = (max(values) - min(values)) * 0.15 or abs(values[0]) * 0.05 or 1.0
    return min(values) - room, max(values) + room


def _trial(t: dict[str, Any], x: float, y: d.Scale, names: list[str]) -> str:
    if t["value"] is None:
        return d.cross(x, y.start - 6, 4, "failed")
    at = y(t["value"])
    kind = "stopped" if t["status"] != "Completed" else f"m{names.index(t['algorithm'])}"
    mark = d.diamond if names.index(t["algorithm"]) % 2 else d.circle
    return mark(x, at, 4.5, kind)
