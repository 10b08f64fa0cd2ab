"""Pictures of who gets the favourable outcome how often."""

from __future__ import annotations

from typing import Any

from governance.report import drawing as d
from governance.report.figure import Figure, Table
from governance.report.words import between, count, number, percent, shortened

FOUR_FIFTHS = 0.8

_OTHERS = "all others"


def shares(
    key: str, column: str, groups: list[dict[str, Any]], favourable: str, sure: str
) -> Figure:
    """The favourable share of each group, predicted and in the data."""
    x, is_single = _zoomed(groups), groups[-1]["value"] == _OTHERS
    title = f"{column} {groups[0]['value']}" if is_single else column
    counted = [g for g in groups if g["counted"] and g["predicted"]["share"] is not None]
    says = _said(column, counted, favourable)
    marks: list[str] = []
    for value in x.ticks(5):
        marks += [
            d.line(x(value), 22, x(value), 34 + 52 * len(groups), "rule"),
            d.text(x(value), 14, percent(value), "tick", "middle"),
        ]
    for place, g in enumerate(groups):
        y = 52 + place * 52
        marks += [
            d.text(d.NEAR, y - 8, shortened(g["value"], 30), "name halo"),
            d.text(
                d.FAR,
                y - 8,
                count(g["rows"], "row") + ("" if g["counted"] else ", not counted"),
                "label muted halo",
                "end",
            ),
        ]
        faint = "" if g["counted"] else " faint"
        predicted, labelled = g["predicted"], g["labelled"]
        if labelled["share"] is not None:
            marks += [
                d.whisker(x, labelled["interval"], y + 16, f"whisker orange{faint}"),
                d.diamond(x(labelled["share"]), y + 16, 4.5, f"hollow{faint}"),
            ]
        if predicted["share"] is not None:
            marks += [
                d.whisker(x, predicted["interval"], y + 4, f"whisker{faint}"),
                d.circle(x(predicted["share"]), y + 4, 5, f"dot{faint}"),
            ]
    rows = [
        (
            g["value"],
            number(g["rows"]),
            percent(g["predicted"]["share"], 1),
            between(g["predicted"]["interval"], 1),
            percent(g["labelled"]["share"], 1),
            number(g["dppl"], 3),
            number(g["di"], 3),
            "yes" if g["counted"] else g.get("why_not") or "no",
        )
        for g in groups
    ]
    head = (
        "group",
        "rows",
        "predicted favourable",
        "interval",
        "in the data",
        "DPPL",
        "DI",
        "counted",
    )
    svg = d.svg(
        f"share-{key}", 42 + 52 * len(groups), f"Favourable outcomes by {title}", says, marks
    )
    keys = (("dot", f"predicted, with its {sure} interval"), ("hollow", "in the data"))
    return Figure(f"By {title}", says, svg, Table("The groups", head, rows, (0, 7)), keys)


def with_others(groups: list[dict[str, Any]], rows: int) -> list[dict[str, Any]]:
    """The groups of a facet; a single one beside all others, whom it is compared with."""
    if len(groups) != 1 or groups[0]["predicted"]["share"] is None or groups[0]["dppl"] is None:
        return groups
    (one,) = groups
    share = one["predicted"]["share"] + one["dppl"]
    known = {"share": share, "interval": None}
    others = {
        "value": _OTHERS,
        "rows": rows - one["rows"],
        "counted": one["counted"],
        "dppl": None,
        "di": None,
        "predicted": known,
        "labelled": {"share": None, "interval": None},
    }
    return [one, others]


def _zoomed(groups: list[dict[str, Any]]) -> d.Scale:
    """A scale that ends where the intervals do, at fives of percent."""
    ends: list[float] = []
    for g in groups:
        for part in (g["predicted"], g["labelled"]):
            ends += part["interval"] or ([part["share"]] if part["share"] is not None else [])
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    low, high = max(0.0, int(low * 20) / 20), min(1.0, (int(high * 20) + 1) / 20)
    return d.Scale(low, high, 16, 322)


def _said(column: str, counted: list[dict[str, Any]], favourable: str) -> str:
    """The widest difference, in plain words."""
    if not counted:
        return "No group has enough rows beside enough others to be counted."
    if len(counted) == 1:
        one = counted[0]
        share = percent(one["predicted"]["share"])
        return f"Of those {_called(column, one)}, {share} are {favourable}."
    ordered = sorted(counted, key=lambda g: float(g["predicted"]["share"]))
    low, high = ordered[0], ordered[-1]
    few, many = (f"{100 * g['predicted']['share']:.0f}" for g in (low, high))
    said = (
        f"Of 100 {_called(column, low)}, {few} are {favourable}; "
        f"of 100 {_called(column, high)}, {many}."
    )
    first, second = low["predicted"]["interval"], high["predicted"]["interval"]
    if first and second and first[1] >= second[0]:
        said += " Their intervals overlap: chance may explain it."
    return said


def _called(column: str, group: dict[str, Any]) -> str:
    return "others" if group["value"] == _OTHERS else f"with {column} {group['value']}"


def four_fifths(ratios: dict[str, dict[str, Any] | None], sure: str) -> Figure:
    """The lowest group's rate over the highest's, against four fifths."""
    x = d.Scale(0, 1, d.NEAR, d.FAR)
    known = {facet: r for facet, r in ratios.items() if r and r["ratio"] is not None}
    below = [facet for facet, r in known.items() if r["ratio"] < FOUR_FIFTHS]
    says = (
        "The lowest group's favourable rate divided by the highest's. Below four fifths it is the "
        "usual first sign of adverse impact: "
        + (f"so it is for {', '.join(below)}." if below else "no facet is below.")
    )
    bottom = 34 + 56 * len(ratios)
    marks = [
        d.rect(x(FOUR_FIFTHS), 24, x(1) - x(FOUR_FIFTHS), bottom - 24, "band"),
        d.line(x(FOUR_FIFTHS), 24, x(FOUR_FIFTHS), bottom, "limit"),
        d.text(x(FOUR_FIFTHS), 16, "four fifths", "label", "middle"),
        d.text(d.FAR, bottom + 16, "1: equal", "tick", "end"),
        d.text(d.NEAR, bottom + 16, "0", "tick"),
    ]
    rows = []
    for place, (facet, r) in enumerate(ratios.items()):
        y = 54 + place * 56
        marks += [
            d.text(d.NEAR, y - 10, facet, "name halo"),
            d.line(d.NEAR, y + 4, d.FAR, y + 4, "rule"),
        ]
        if r is None or r["ratio"] is None:
            marks.append(
                d.text(d.NEAR + 4, y + 20, "fewer than two groups count", "label muted halo")
            )
            rows.append((facet, "–", "–", "–", "–"))
            continue
        words = f"{r['lowest']} over {r['highest']}: {number(r['ratio'], 3)}"
        marks += [
            d.whisker(x, r["interval"], y + 4, "whisker"),
            d.circle(x(r["ratio"]), y + 4, 5, "dot"),
            d.text(d.NEAR, y + 22, words, "label muted halo"),
        ]
        rows.append(
            (
                facet,
                str(r["lowest"]),
                str(r["highest"]),
                number(r["ratio"], 3),
                _plain(r["interval"]),
            )
        )
    head = ("facet", "lowest", "highest", "ratio", f"{sure} interval")
    svg = d.svg("four-fifths", bottom + 24, "Four-fifths rule", says, marks)
    return Figure("Four-fifths rule", says, svg, Table("The ratios", head, rows, (0, 1, 2)))


def _plain(interval: list[float] | None) -> str:
    return f"{number(interval[0], 3)} to {number(interval[1], 3)}" if interval else "–"


def label_gaps(
    facet: str, training: dict[str, float | None], test: dict[str, float | None]
) -> Figure:
    """DPL by group: how far the labels themselves differ, before any model."""
    names = list(dict.fromkeys([*training, *test]))
    known = [v for part in (training, test) for v in part.values() if v is not None]
    reach = max([abs(v) for v in known] + [0.05]) * 1.05
    x = d.Scale(-reach, reach, d.NEAR, d.FAR)
    widest = max(
        (n for n in names if training.get(n) is not None),
        key=lambda n: abs(training[n] or 0.0),
        default=None,
    )
    says = "How much more often all others have the favourable label than the group does."
    if widest is not None:
        gap = -(training[widest] or 0.0)
        more = "more" if gap > 0 else "less"
        says = (
            f"In the data that the model learnt from, {facet} {widest} has the favourable label "
            f"{percent(abs(gap), 1).removesuffix(' %')} points {more} often than all others."
        )
    bottom = 30 + 40 * len(names)
    marks = [
        d.line(x(0), 22, x(0), bottom, "limit"),
        d.text(x(0), 14, "equal", "label muted", "middle"),
    ]
    for place, name in enumerate(names):
        y = 44 + place * 40
        marks += [
            d.text(d.NEAR, y - 6, shortened(name, 34), "name halo"),
            d.line(d.NEAR, y + 8, d.FAR, y + 8, "rule"),
        ]
        if (value := test.get(name)) is not None:
            marks.append(d.diamond(x(-value), y + 8, 5, "hollow"))
        if (value := training.get(name)) is not None:
            marks.append(d.circle(x(-value), y + 8, 4, "dot"))
    marks += [
        d.text(d.NEAR, bottom + 14, f"{100 * reach:.0f} points less", "tick"),
        d.text(d.FAR, bottom + 14, f"{100 * reach:.0f} points more", "tick", "end"),
    ]
    rows = [(n, number(training.get(n), 3), number(test.get(n), 3)) for n in names]
    svg = d.svg(f"gap-{facet}", bottom + 22, f"Labels by {facet}", says, marks)
    keys = (("dot", "training split"), ("hollow", "test split"))
    table = Table("DPL", ("group", "training", "test"), rows)
    return Figure(f"Labels by {facet}", says, svg, table, keys)
