"""Charts of a regression's quality, from `curves.json`."""

from __future__ import annotations

from typing import Any

from ninesteps.report import drawing as d
from ninesteps.report.drawing import LEFT, RIGHT, TOP, square, tall
from ninesteps.report.figure import Figure, Table
from ninesteps.report.formatting import count, number


def predicted_actual(curves: dict[str, Any], label: str) -> Figure:
    """Counts of rows in cells of predicted against actual values."""
    content = curves["predicted_actual"]
    edges, cells = content["edges"], content["counts"]
    x, y = square(edges[0], edges[-1])
    most = max(max(row) for row in cells) or 1
    says = (
        f"The stronger a cell's colour, the more rows it has (at most {number(most)}). On the "
        f"diagonal, predictions are exact; above it, {label} is higher than predicted."
    )
    if content["outside"]:
        says += f" {count(content['outside'], 'row')} at the far ends are not drawn."
    marks = d.axes(x, y, "Predicted", "Actual", _compact)
    for i, row in enumerate(cells):
        for j, many in enumerate(row):
            if many:
                level = 1 + min(4, int(5 * (many / most) ** 0.5))
                marks.append(
                    d.rect(
                        x(edges[j]),
                        y(edges[i + 1]),
                        x(edges[j + 1]) - x(edges[j]) - 0.6,
                        y(edges[i]) - y(edges[i + 1]) - 0.6,
                        f"cell c{level}",
                    )
                )
    marks += [
        d.line(x(edges[0]), y(edges[0]), x(edges[-1]), y(edges[-1]), "chance"),
        d.text(x(edges[-1]) - 4, y(edges[-1]) + 30, "exact", "label muted halo", "end"),
    ]
    svg = d.svg("predicted", 308, "Predicted against actual", says, marks)
    return Figure("Predicted against actual", says, svg)


def residuals(curves: dict[str, Any], label: str) -> Figure:
    """The distribution of the errors."""
    content = curves["residuals"]
    edges, counts, q = content["edges"], content["counts"], content["quantiles"]
    x, y = d.Scale(edges[0], edges[-1], LEFT, RIGHT), tall(190, 0, max(counts) * 1.05 or 1)
    says = (
        f"Half of the errors are between {number(q['0.25'])} and {number(q['0.75'])}, and nine of "
        f"ten between {number(q['0.05'])} and {number(q['0.95'])}. Above 0, the predicted {label} "
        "is too high."
    )
    marks = d.axes(x, y, "Predicted minus actual", "Rows", _compact)
    for i, many in enumerate(counts):
        marks.append(
            d.rect(
                x(edges[i]) + 0.5, y(many), x(edges[i + 1]) - x(edges[i]) - 1, y(0) - y(many), "bar"
            )
        )
    marks += [
        d.line(x(0), y.end, x(0), y(0), "limit"),
        d.text(x(0) + 5, TOP + 4, "exact", "label halo"),
    ]
    rows = [
        (f"{number(edges[i])} to {number(edges[i + 1])}", number(c)) for i, c in enumerate(counts)
    ]
    svg = d.svg("residuals", 268, "Residuals", says, marks)
    return Figure("Residuals", says, svg, Table("The counts", ("error", "rows"), rows))


def levels(curves: dict[str, Any], label: str) -> Figure:
    """Mean actual against mean predicted value, for groups of rows with similar predictions."""
    bins = curves["calibration"]
    ends = [v for b in bins for v in (b["said"], b["true"], *(b["interval"] or ()))]
    low, high = min(ends), max(ends)
    x, y = square(low, high)
    says = (
        f"Rows with similar predictions, in {count(len(bins), 'group')}: on the diagonal, their "
        f"mean {label} equals their mean prediction. Lines are {_sure(curves)} intervals of the "
        "mean."
    )
    marks = d.axes(x, y, "Mean predicted", "Mean actual", _compact)
    marks += [
        d.line(x(low), y(low), x(high), y(high), "chance"),
        d.path([(x(b["said"]), y(b["true"])) for b in bins], "curve thin"),
    ]
    for b in bins:
        marks += [
            d.upright(y, b["interval"], x(b["said"]), "whisker"),
            d.circle(x(b["said"]), y(b["true"]), 4, "dot"),
        ]
    rows = [(number(b["said"]), number(b["true"]), number(b["rows"])) for b in bins]
    table = Table("The groups", ("mean predicted", "mean actual", "rows"), rows)
    return Figure("By size", says, d.svg("levels", 308, "Predictions by size", says, marks), table)


def _by_chance(interval: list[float] | None) -> str:
    if interval and interval[0] <= 0 <= interval[1]:
        return " Its interval includes 0, so it may be chance."
    return ""


def group_errors(
    curves: dict[str, Any], key: str, column: str, groups: list[dict[str, Any]]
) -> Figure:
    """The mean error of each group."""
    known = [g for g in groups if "mean" in g]
    reach = max([abs(v) for g in known for v in (g["interval"] or [g["mean"]])], default=1.0)
    x = d.Scale(-reach, reach, d.NEAR, d.FAR)
    worst = max(known, key=lambda g: abs(g["mean"]), default=None)
    says = (
        f"{'Predictions are furthest off for ' if len(known) > 1 else ''}{worst['value']}: on "
        f"average {number(abs(worst['mean']))} too {'high' if worst['mean'] > 0 else 'low'}."
        f"{_by_chance(worst['interval'])}"
        if worst
        else "No group has enough rows to be measured."
    ) + f" Lines are {_sure(curves)} intervals of the mean."
    marks = [
        d.line(x(0), 22, x(0), 40 + 44 * len(groups), "limit"),
        d.text(x(0), 16, "exact on average", "label muted", "middle"),
    ]
    for place, g in enumerate(groups):
        y = 58 + place * 44
        marks += [
            d.text(d.NEAR, y - 10, f"{g['value']}", "name"),
            d.text(d.FAR, y - 10, count(g["rows"], "row"), "label muted", "end"),
            d.line(d.NEAR, y + 4, d.FAR, y + 4, "rule"),
        ]
        if "mean" in g:
            marks += [
                d.whisker(x, g["interval"], y + 4, "whisker"),
                d.circle(x(g["mean"]), y + 4, 5, "dot"),
            ]
        else:
            marks += [d.text(d.NEAR + 4, y + 8, "too few rows", "label muted halo")]
    bottom = 62 + 44 * len(groups)
    marks += [
        d.text(d.NEAR, bottom, f"{number(reach, 3)} too low", "tick"),
        d.text(d.FAR, bottom, f"{number(reach, 3)} too high", "tick", "end"),
    ]
    rows = [
        (g["value"], number(g["rows"]), number(g.get("mean")), number(g.get("absolute")))
        for g in groups
    ]
    table = Table("The groups", ("group", "rows", "mean error", "mean absolute error"), rows)
    svg = d.svg(f"error-{key}", bottom + 10, f"Error by {column}", says, marks)
    return Figure(f"Error by {column}", says, svg, table)


def _compact(value: float) -> str:
    """A number short enough for a tick: `12k` for 12,000."""
    for power, letter in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(value) >= power * 10 or (power > 1e3 and abs(value) >= power):
            return f"{value / power:g}{letter}".replace("-", "−")
    return f"{value:g}".replace("-", "−")


def _sure(curves: dict[str, Any]) -> str:
    return f"{100 * curves['confidence']:.0f} %"
