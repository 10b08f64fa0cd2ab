"""Pictures of how good the model is, from `curves.json`; and of the search that found it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from governance.report import drawing as d
from governance.report.figure import Figure, Table
from governance.report.words import between, count, number, percent

LEFT, RIGHT, TOP = 42, 328, 34


def _square(low: float = 0.0, high: float = 1.0) -> tuple[d.Scale, d.Scale]:
    return d.Scale(low, high, LEFT, RIGHT), d.Scale(low, high, TOP + 230, TOP)


def _tall(height: float, low: float, high: float) -> d.Scale:
    return d.Scale(low, high, TOP + height, TOP)


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def roc(curves: dict[str, Any], auc: float, positive: str) -> Figure:
    """How many positives are found for how many false alarms."""
    x, y = _square()
    at = curves["at_threshold"]
    specificity, recall = at["specificity"]["value"], at["recall"]["value"]
    says = (
        f"Given one row with {positive} and one without, the model ranks the right one higher "
        f"{percent(auc, 1)} of the time (AUC {number(auc)}); tossing a coin does so half the time."
    )
    marks = d.axes(
        x, y, f"False alarms, of all without {positive}", f"Found, of all with {positive}", _share
    )
    marks += [d.line(x(0), y(0), x(1), y(1), "chance"), _curve(curves["roc"], x, y)]
    marks += [d.text(x(0.72), y(0.62), "a coin", "label muted")]
    if specificity is not None and recall is not None:
        marks += _chosen(x(1 - specificity), y(recall), specificity < 0.35)
    table = Table(
        "The curve",
        ("false alarms", "found"),
        [(percent(a, 1), percent(b, 1)) for a, b in curves["roc"][::8]],
    )
    return Figure("ROC curve", says, d.svg("roc", 308, "ROC curve", says, marks), table)


def precision_recall(curves: dict[str, Any], average: float, positive: str) -> Figure:
    """How many alarms are true at each recall."""
    x, y = _square()
    confusion = curves["confusion"]
    base = (confusion["true_positive"] + confusion["false_negative"]) / curves["rows"]
    at = curves["at_threshold"]
    says = (
        f"Of all rows {percent(base, 1)} have {positive}: picking at random, so many picks would "
        f"be right. Over all thresholds the model's are right {percent(average, 1)} of the time "
        f"(average precision {number(average)})."
    )
    marks = d.axes(x, y, f"Found, of all with {positive}", "Right, of those flagged", _share)
    marks += [
        d.line(x(0), y(base), x(1), y(base), "chance"),
        d.text(x(0.02), y(base) + (15 if base > 0.1 else -6), "at random", "label muted"),
        _curve(curves["precision_recall"], x, y),
    ]
    if at["recall"]["value"] is not None and at["precision"]["value"] is not None:
        marks += _chosen(x(at["recall"]["value"]), y(at["precision"]["value"]), True)
    table = Table(
        "The curve",
        ("found", "right"),
        [(percent(a, 1), percent(b, 1)) for a, b in curves["precision_recall"][::8]],
    )
    svg = d.svg("pr", 308, "Precision-recall curve", says, marks)
    return Figure("Precision-recall curve", says, svg, table)


def _curve(points: Sequence[Sequence[float]], x: d.Scale, y: d.Scale) -> str:
    return d.path([(x(a), y(b)) for a, b in points], "curve")


def _chosen(x: float, y: float, to_the_left: bool) -> list[str]:
    """The point of the threshold in use."""
    aside, anchor = (-9, "end") if to_the_left else (9, "start")
    return [
        d.circle(x, y, 5.5, "point"),
        d.text(x + aside, y + 22, "threshold in use", "label halo", anchor),
    ]


def calibration(curves: dict[str, Any], positive: str) -> Figure:
    """Whether what was said with so much certainty came true as often."""
    x, y = _square()
    bins = curves["calibration"]
    off = sum(b["rows"] * abs(b["said"] - b["true"]) for b in bins) / curves["rows"]
    kept = sum(b["interval"][0] <= b["said"] <= b["interval"][1] for b in bins)
    says = (
        f"Where the model says 70 %, about 70 of 100 should have {positive}. On average it is off "
        f"by {percent(off, 1)}; in {kept} of {count(len(bins), 'group')} of rows what it says lies "
        f"within the {_sure(curves)} interval of what came true."
    )
    marks = d.axes(x, y, "Said by the model", "Came true", _share)
    marks += [d.line(x(0), y(0), x(1), y(1), "chance")]
    marks += [d.path([(x(b["said"]), y(b["true"])) for b in bins], "curve thin")]
    for b in bins:
        marks += [
            d.upright(y, b["interval"], x(b["said"]), "whisker"),
            d.circle(x(b["said"]), y(b["true"]), 4, "dot"),
        ]
    marks += [d.text(x(0.1), y(0.04), "perfect", "label muted")]
    rows = [
        (percent(b["said"], 1), percent(b["true"], 1), between(b["interval"], 1), number(b["rows"]))
        for b in bins
    ]
    table = Table("The groups", ("said", "came true", "interval", "rows"), rows)
    return Figure("Calibration", says, d.svg("calibration", 308, "Calibration", says, marks), table)


def scores(curves: dict[str, Any], positive: str) -> Figure:
    """How far the model tells the two kinds apart."""
    histogram, threshold = curves["histogram"], curves["threshold"]
    ups, downs = _shares(histogram["positive"]), _shares(histogram["negative"])
    most = max(*ups, *downs, 0.01)
    x, middle = d.Scale(0, 1, LEFT, RIGHT), TOP + 115
    high = d.Scale(0, most, 0, 105)
    says = (
        f"Rows with {positive} should lie at the right, those without at the left. All at or above "
        f"the threshold of {number(threshold, 3)} are flagged."
    )
    edges, marks = histogram["edges"], []
    for place, (up, down) in enumerate(zip(ups, downs, strict=True)):
        left, width = x(edges[place]) + 0.5, x(edges[place + 1]) - x(edges[place]) - 1
        marks += [
            d.rect(left, middle - high(up), width, high(up), "bar"),
            d.rect(left, middle, width, high(down), "bar other"),
        ]
    marks += [
        d.line(LEFT, middle, RIGHT, middle, "axis"),
        d.line(x(threshold), TOP, x(threshold), middle + 112, "limit"),
    ]
    anchor = "start" if threshold < 0.6 else "end"
    marks += [
        d.text(
            x(threshold) + (5 if threshold < 0.6 else -5),
            TOP + 2,
            f"threshold {number(threshold, 3)}",
            "label halo",
            anchor,
        ),
        d.text(LEFT, TOP - 14, f"with {positive}", "label blue"),
        d.text(LEFT, middle + 122, f"without {positive}", "label orange"),
    ]
    for value in x.ticks():
        marks += [d.text(x(value), middle + 140, _share(value), "tick", "middle")]
    marks += [d.text((LEFT + RIGHT) / 2, middle + 158, "Said by the model", "name", "middle")]
    rows = [
        (
            f"{percent(edges[i])} to {percent(edges[i + 1])}",
            number(histogram["positive"][i]),
            number(histogram["negative"][i]),
        )
        for i in range(len(ups))
    ]
    table = Table("The counts", ("said", f"with {positive}", "without"), rows)
    return Figure("Scores", says, d.svg("scores", 316, "Scores of both kinds", says, marks), table)


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [c / total for c in counts]


def confusion(curves: dict[str, Any], positive: str) -> Figure:
    """The four counts, as areas."""
    c, rows = curves["confusion"], curves["rows"]
    hits, alarms = c["true_positive"], c["false_positive"]
    missed, passed = c["false_negative"], c["true_negative"]
    says = (
        f"Of {count(hits + missed, 'row')} with {positive} the model flags {number(hits)} and "
        f"misses {number(missed)}; of {count(alarms + passed, 'row')} without it flags "
        f"{number(alarms)}, wrongly."
    )
    cells = [
        (0, 0, hits, "found", "right"),
        (1, 0, missed, "missed", "wrong"),
        (0, 1, alarms, "false alarm", "wrong"),
        (1, 1, passed, "rightly passed", "right"),
    ]
    marks: list[str] = []
    for column, row, many, words, kind in cells:
        left, top, size = 62 + column * 140, 34 + row * 128, 120
        side = size * (many / rows) ** 0.5
        marks += [
            d.rect(left, top, size, size, "frame"),
            d.rect(left, top + size - side, side, side, f"area {kind}"),
            d.text(left + 8, top + 20, number(many), "figure halo"),
            d.text(left + 8, top + 36, words, "label halo"),
        ]
    marks += [
        d.text(62, 22, "flagged", "name"),
        d.text(202, 22, "not flagged", "name"),
        d.text(54, 98, "with", "name", "end"),
        d.text(54, 226, "without", "name", "end"),
        d.text(62, 300, f"Areas are as the counts, of {count(rows, 'row')}.", "label muted"),
    ]
    table = Table(
        "The counts",
        ("", "flagged", "not flagged"),
        [
            (f"with {positive}", number(hits), number(missed)),
            (f"without {positive}", number(alarms), number(passed)),
        ],
    )
    svg = d.svg("confusion", 308, "Confusion matrix", says, marks)
    return Figure("Right and wrong at the threshold", says, svg, table)


_AT_THRESHOLD = {
    "recall": "of all that are there, found",
    "precision": "of all flagged, rightly so",
    "specificity": "of all that are not, left alone",
}


def at_threshold(curves: dict[str, Any], decision: dict[str, Any] | None) -> Figure:
    """The shares at the threshold, each with the interval that the number of rows leaves open."""
    shares, threshold = curves["at_threshold"], curves["threshold"]
    x = d.Scale(0, 1, d.NEAR, d.FAR)
    says = (
        f"At the threshold in use, {number(threshold, 4)}. The lines are {_sure(curves)} intervals "
        "(Clopper and Pearson): where the true share lies, with so few rows to tell by."
    )
    marks: list[str] = []
    for place, (name, words) in enumerate(_AT_THRESHOLD.items()):
        one, y = shares[name], 46 + place * 92
        marks += [
            d.text(d.NEAR, y - 24, name, "name strong"),
            d.text(
                d.FAR,
                y - 24,
                f"{percent(one['value'], 1)}  ({between(one['interval'], 1)})",
                "label",
                "end",
            ),
            d.line(d.NEAR, y, d.FAR, y, "rule"),
            d.text(
                d.NEAR,
                y + 22,
                f"{words}: {number(one['part'])} of {number(one['rows'])}",
                "label muted",
            ),
        ]
        if one["value"] is not None:
            marks += [
                d.whisker(x, one["interval"], y, "whisker"),
                d.circle(x(one["value"]), y, 5, "dot"),
            ]
    height = 46 + 2 * 92 + 34
    if decision and decision.get("rule") == "recall":
        target = decision["recall_target"]
        marks += [
            d.line(x(target), 34, x(target), 58, "limit"),
            d.text(x(target), 82, f"gate {number(target)}", "label halo", "middle"),
        ]
    rows = [
        (
            name,
            percent(s["value"], 1),
            between(s["interval"], 1),
            number(s["part"]),
            number(s["rows"]),
        )
        for name, s in shares.items()
    ]
    table = Table("The shares", ("", "share", "interval", "rows", "of"), rows)
    svg = d.svg("threshold", height, "Shares at the threshold", says, marks)
    return Figure("How sure these shares are", says, svg, table)


def _sure(curves: dict[str, Any]) -> str:
    return f"{100 * curves['confidence']:.0f} %"


# A regression's


def predicted_actual(curves: dict[str, Any], label: str) -> Figure:
    """Where predictions lie, in cells of predicted against actual."""
    content = curves["predicted_actual"]
    edges, cells = content["edges"], content["counts"]
    x, y = _square(edges[0], edges[-1])
    most = max(max(row) for row in cells) or 1
    says = (
        f"Each cell is a number of rows, darker for more (at most {number(most)}). On the diagonal "
        f"the model is right; above it `{label}` was more than predicted."
    ).replace("`", "")
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
        d.text(x(edges[-1]) - 4, y(edges[-1]) + 30, "right", "label muted halo", "end"),
    ]
    svg = d.svg("predicted", 308, "Predicted against actual", says, marks)
    return Figure("Predicted against actual", says, svg)


def residuals(curves: dict[str, Any], label: str) -> Figure:
    """How the errors are spread."""
    content = curves["residuals"]
    edges, counts, q = content["edges"], content["counts"], content["quantiles"]
    x, y = d.Scale(edges[0], edges[-1], LEFT, RIGHT), _tall(190, 0, max(counts) * 1.05 or 1)
    says = (
        f"Half of the predictions lie between {number(q['0.25'])} and {number(q['0.75'])} of the "
        f"actual {label}, nine of ten between {number(q['0.05'])} and {number(q['0.95'])}. "
        "Above 0 the model says too much."
    )
    marks = d.axes(x, y, "Predicted less actual", "Rows", _compact)
    for i, many in enumerate(counts):
        marks.append(
            d.rect(
                x(edges[i]) + 0.5, y(many), x(edges[i + 1]) - x(edges[i]) - 1, y(0) - y(many), "bar"
            )
        )
    marks += [
        d.line(x(0), y.end, x(0), y(0), "limit"),
        d.text(x(0) + 5, TOP + 4, "right", "label halo"),
    ]
    rows = [
        (f"{number(edges[i])} to {number(edges[i + 1])}", number(c)) for i, c in enumerate(counts)
    ]
    svg = d.svg("residuals", 268, "Residuals", says, marks)
    return Figure("Residuals", says, svg, Table("The counts", ("error", "rows"), rows))


def levels(curves: dict[str, Any], label: str) -> Figure:
    """What came of rows that were predicted alike."""
    bins = curves["calibration"]
    ends = [v for b in bins for v in (b["said"], b["true"], *(b["interval"] or ()))]
    low, high = min(ends), max(ends)
    x, y = _square(low, high)
    says = (
        f"Rows with like predictions, in {count(len(bins), 'group')}: on the diagonal their mean "
        f"{label} is what was predicted. Lines are {_sure(curves)} intervals of the mean."
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


def group_errors(
    curves: dict[str, Any], key: str, column: str, groups: list[dict[str, Any]]
) -> Figure:
    """How far some group is misjudged on average."""
    known = [g for g in groups if "mean" in g]
    reach = max([abs(v) for g in known for v in (g["interval"] or [g["mean"]])], default=1.0)
    x = d.Scale(-reach, reach, d.NEAR, d.FAR)
    worst = max(known, key=lambda g: abs(g["mean"]), default=None)
    says = (
        f"Most misjudged is {worst['value']}: on average {number(abs(worst['mean']))} too "
        f"{'much' if worst['mean'] > 0 else 'little'}."
        if worst
        else "No group has enough rows to be measured."
    ) + f" Lines are {_sure(curves)} intervals of the mean."
    marks = [
        d.line(x(0), 22, x(0), 40 + 44 * len(groups), "limit"),
        d.text(x(0), 16, "right on average", "label muted", "middle"),
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
            marks += [d.text(d.NEAR + 4, y + 8, "too few to say", "label muted halo")]
    bottom = 62 + 44 * len(groups)
    marks += [
        d.text(d.NEAR, bottom, f"{number(reach, 3)} too little", "tick"),
        d.text(d.FAR, bottom, f"{number(reach, 3)} too much", "tick", "end"),
    ]
    rows = [
        (g["value"], number(g["rows"]), number(g.get("mean")), number(g.get("absolute")))
        for g in groups
    ]
    table = Table("The groups", ("group", "rows", "mean error", "mean absolute error"), rows)
    svg = d.svg(f"error-{key}", bottom + 10, f"Error by {column}", says, marks)
    return Figure(f"Error by {column}", says, svg, table)


def _compact(value: float) -> str:
    """`12k` for 12,000: what a tick has room for."""
    for power, letter in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(value) >= power * 10 or (power > 1e3 and abs(value) >= power):
            return f"{value / power:g}{letter}".replace("-", "−")
    return f"{value:g}".replace("-", "−")


# The search


def search(trials: list[dict[str, Any]], objective: str, maximize: bool) -> Figure:
    """What each trial came to, in the order that they were begun."""
    valued = [t for t in trials if t["value"] is not None]
    low, high = _clear_range([t["value"] for t in valued], maximize)
    x = d.Scale(0.5, len(trials) + 0.5, LEFT, RIGHT)
    y = _tall(200, low, high)
    names = list(dict.fromkeys(t["algorithm"] for t in trials))
    whole = [t for t in valued if t["status"] == "Completed"]
    best = (max if maximize else min)(whole, key=lambda t: t["value"])
    says = (
        f"Of {count(len(trials), 'trial')}, number {best['number']} is the best: {objective} "
        f"{number(best['value'], 5)}"
        + (f", by {best['algorithm']}." if len(names) > 1 else ".")
        + (
            f" {sum(t['status'] == 'Stopped' for t in trials)} were stopped early, being behind."
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
    keys += [("stopped", "stopped early")] if any(t["status"] == "Stopped" for t in trials) else []
    keys += [("failed", "no value")] if len(valued) < len(trials) else []
    keys += [("line", "best so far")]
    svg = d.svg("search", 278, "The search", says, marks)
    return Figure("Trial by trial", says, svg, keys=tuple(keys))


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


def _clear_range(values: list[float], maximize: bool) -> tuple[float, float]:
    """A range that shows the good ones apart; a far worse one stands at its edge."""
    ordered = sorted(values, reverse=maximize)
    good, worst = ordered[0], ordered[min(len(ordered) - 1, max(1, int(0.85 * len(ordered))))]
    room = abs(good - worst) * 0.12 or abs(good) * 0.05 or 1.0
    return min(good, worst) - room, max(good, worst) + room


def _trial(t: dict[str, Any], x: float, y: d.Scale, names: list[str]) -> str:
    if t["value"] is None:
        return d.cross(x, y.start - 6, 4, "failed")
    at = y(t["value"])
    kind = "stopped" if t["status"] != "Completed" else f"m{names.index(t['algorithm'])}"
    mark = d.diamond if names.index(t["algorithm"]) % 2 else d.circle
    return mark(x, at, 4.5, kind)
