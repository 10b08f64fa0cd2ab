"""Charts of a binary model's quality, from `curves.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ninesteps.report import drawing as d
from ninesteps.report.drawing import LEFT, RIGHT, TOP, square
from ninesteps.report.figure import Figure, Table
from ninesteps.report.formatting import between, count, number, percent


def roc(curves: dict[str, Any], auc: float, positive: str) -> Figure:
    """How many positives are found for how many false alarms."""
    x, y = square()
    at = curves["at_threshold"]
    specificity, recall = at["specificity"]["value"], at["recall"]["value"]
    says = (
        f"Given one row with {positive} and one without, the model scores the first one higher "
        f"{percent(auc, 1)} of the time (AUC {number(auc)}). A coin toss would do so half of the "
        "time."
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
    """Precision at each recall."""
    x, y = square()
    confusion = curves["confusion"]
    base = (confusion["true_positive"] + confusion["false_negative"]) / curves["rows"]
    at = curves["at_threshold"]
    says = (
        f"{percent(base, 1)} of all rows have {positive}, so that share of random picks would be "
        f"correct. Averaged over all thresholds, {percent(average, 1)} of the model's picks are "
        f"correct (average precision {number(average)})."
    )
    marks = d.axes(x, y, f"Found, of all with {positive}", "Correct, of all flagged", _share)
    marks += [
        d.line(x(0), y(base), x(1), y(base), "chance"),
        d.text(x(0.02), y(base) + (15 if base > 0.1 else -6), "at random", "label muted"),
        _curve(curves["precision_recall"], x, y),
    ]
    if at["recall"]["value"] is not None and at["precision"]["value"] is not None:
        recall = at["recall"]["value"]
        marks += _chosen(x(recall), y(at["precision"]["value"]), recall > 0.45)
    table = Table(
        "The curve",
        ("found", "correct"),
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
    """Whether predicted probabilities match how often the label is positive."""
    x, y = square()
    bins = curves["calibration"]
    off = sum(b["rows"] * abs(b["said"] - b["true"]) for b in bins) / curves["rows"]
    kept = sum(b["interval"][0] <= b["said"] <= b["interval"][1] for b in bins)
    says = (
        f"Where the model predicts 70 %, about 70 of 100 rows should have {positive}. On average "
        f"it is off by {percent(off, 1)}. In {kept} of {count(len(bins), 'group')} of rows, the "
        f"prediction is within the {_sure(curves)} interval of the actual share."
    )
    marks = d.axes(x, y, "Predicted", "Actual", _share)
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
    table = Table("The groups", ("predicted", "actual", "interval", "rows"), rows)
    return Figure("Calibration", says, d.svg("calibration", 308, "Calibration", says, marks), table)


def scores(curves: dict[str, Any], positive: str) -> Figure:
    """How well the scores separate positive from negative rows."""
    histogram, threshold = curves["histogram"], curves["threshold"]
    ups, downs = _shares(histogram["positive"]), _shares(histogram["negative"])
    most = max(*ups, *downs, 0.01)
    x, middle = d.Scale(0, 1, LEFT, RIGHT), TOP + 115
    high = d.Scale(0, most, 0, 105)
    says = (
        f"Rows with {positive} should be on the right, rows without it on the left. All rows at or "
        f"above the threshold of {number(threshold, 3)} are flagged."
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
    marks += [d.text((LEFT + RIGHT) / 2, middle + 158, "Predicted", "name", "middle")]
    rows = [
        (
            f"{percent(edges[i])} to {percent(edges[i + 1])}",
            number(histogram["positive"][i]),
            number(histogram["negative"][i]),
        )
        for i in range(len(ups))
    ]
    table = Table("The counts", ("predicted", f"with {positive}", "without"), rows)
    return Figure("Scores", says, d.svg("scores", 316, "Scores by label", says, marks), table)


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [c / total for c in counts]


def confusion(curves: dict[str, Any], positive: str) -> Figure:
    """The four counts, as areas."""
    c, rows = curves["confusion"], curves["rows"]
    hits, alarms = c["true_positive"], c["false_positive"]
    missed, passed = c["false_negative"], c["true_negative"]
    says = (
        f"Of {count(hits + missed, 'row')} with {positive}, the model flags {number(hits)} and "
        f"misses {number(missed)}. Of {count(alarms + passed, 'row')} without, it flags "
        f"{number(alarms)} by mistake."
    )
    cells = [
        (0, 0, hits, "found", "right"),
        (1, 0, missed, "missed", "wrong"),
        (0, 1, alarms, "false alarm", "wrong"),
        (1, 1, passed, "correctly passed", "right"),
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
        d.text(62, 300, f"Areas show counts, of {count(rows, 'row')}.", "label muted"),
    ]
    table = Table(
        "The counts",
        ("row", "flagged", "not flagged"),
        [
            (f"with {positive}", number(hits), number(missed)),
            (f"without {positive}", number(alarms), number(passed)),
        ],
    )
    svg = d.svg("confusion", 308, "Confusion matrix", says, marks)
    return Figure("Confusion matrix at the threshold", says, svg, table)


_AT_THRESHOLD = {
    "recall": "true cases that are flagged",
    "precision": "flagged rows that are true cases",
    "specificity": "other rows that are not flagged",
}


def at_threshold(curves: dict[str, Any], decision: dict[str, Any] | None) -> Figure:
    """The shares at the threshold, each with its confidence interval."""
    shares, threshold = curves["at_threshold"], curves["threshold"]
    x = d.Scale(0, 1, d.NEAR, d.FAR)
    says = (
        f"At the threshold in use, {number(threshold, 4)}. The lines are {_sure(curves)} "
        "confidence intervals (Clopper-Pearson): the fewer the rows, the wider they are."
    )
    marks: list[str] = []
    for place, (name, words) in enumerate(_AT_THRESHOLD.items()):
        share, y = shares[name], 46 + place * 92
        marks += [
            d.text(d.NEAR, y - 24, name, "name strong"),
            d.text(
                d.FAR,
                y - 24,
                f"{percent(share['value'], 1)}  ({between(share['interval'], 1)})",
                "label",
                "end",
            ),
            d.line(d.NEAR, y, d.FAR, y, "rule"),
            d.text(
                d.NEAR,
                y + 22,
                f"{words}: {number(share['part'])} of {number(share['rows'])}",
                "label muted",
            ),
        ]
        if share["value"] is not None:
            marks += [
                d.whisker(x, share["interval"], y, "whisker"),
                d.circle(x(share["value"]), y, 5, "dot"),
            ]
    height = 46 + 2 * 92 + 34
    if decision and decision.get("rule") == "recall":
        target = decision["recall_target"]
        marks += [
            d.line(x(target), 34, x(target), 58, "limit"),
            d.text(x(target), 82, f"target {target:g}", "label halo", "middle"),
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
    table = Table("The shares", ("metric", "share", "interval", "rows", "of"), rows)
    svg = d.svg("threshold", height, "Shares at the threshold", says, marks)
    return Figure("Shares at the threshold, with intervals", says, svg, table)


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _sure(curves: dict[str, Any]) -> str:
    return f"{100 * curves['confidence']:.0f} %"
