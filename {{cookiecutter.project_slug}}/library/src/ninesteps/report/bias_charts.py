"""Charts of how often each group gets the favourable outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ninesteps.report import drawing as d
from ninesteps.report.figure import Figure, Table
from ninesteps.report.formatting import between, count, listed, number, percent, shortened

FOUR_FIFTHS = 0.8

LEAST_SHOWN = 10
"""Smaller groups are not shown: their numbers would be about single people."""

NOTHING: dict[str, Any] = {"share": None, "interval": None}

_OTHERS = "all others"


@dataclass(frozen=True)
class Row:
    """A group with two shares, each as `evaluation.json` has one."""

    value: str
    rows: int
    first: dict[str, Any]
    second: dict[str, Any]
    is_counted: bool = True

    @property
    def is_shown(self) -> bool:
        """Whether it is large enough to be drawn."""
        return self.rows >= LEAST_SHOWN


def predicted_shares(
    key: str,
    name: str,
    column: str,
    groups: list[dict[str, Any]],
    others: dict[str, Any] | None,
    without_value: int,
    favourable: str,
    sure: str,
) -> Figure:
    """The favourable share of each group of a facet, predicted and in the data.

    Args:
        key: the facet's.
        name: the facet, as pipeline.toml writes it.
        others: all others' shares, beside a single group.
        without_value: rows that have no value of the column.
        favourable: in words that follow `are`.
    """
    shown = [*groups, _all_others(others, groups[0]["counted"])] if others else groups
    rows = [Row(g["value"], g["rows"], g["predicted"], g["labelled"], g["counted"]) for g in shown]
    says = _widest(column, [r for r in rows if r.is_counted and r.is_shown], favourable)
    if without_value:
        says += f" {count(without_value, 'row')} without {column} count among the others."
    head = ("group", "rows", "predicted", "interval", "in the data", "DPPL", "DI", "counted")
    cells = [
        (g["value"], number(g["rows"]), *_shown(g, "predicted"), _shown(g, "labelled")[0],
         *_shown_numbers(g), g["why_not"] or "yes")
        for g in shown
    ]  # fmt: skip
    keys = (("dot", f"predicted, with its {sure} interval"), ("hollow", "in the data"))
    svg = _dots(f"share-{key}", f"Favourable outcomes by {name}", says, rows)
    return Figure(f"By {name}", says, svg, Table("The groups", head, cells, (0, 7)), keys)


def labelled_shares(
    key: str,
    name: str,
    column: str,
    training: list[dict[str, Any]],
    test: list[dict[str, Any]],
    sure: str,
) -> Figure:
    """The share of each group with the favourable label, in the training and the test split.

    Args:
        key: the facet's.
        name: the facet, as pipeline.toml writes it.
    """
    known = {g["value"]: g["labelled"] for g in test}
    rows = [Row(g["value"], g["labelled"]["rows"], g["labelled"], known.get(g["value"], NOTHING))
            for g in training]  # fmt: skip
    says = _widest(column, [row for row in rows if row.is_shown], "labelled favourable")
    cells = [(row.value, number(row.rows), *_shown({"rows": row.rows, "it": row.first}, "it"))
             for row in rows]  # fmt: skip
    keys = (("dot", f"training split, with its {sure} interval"), ("hollow", "test split"))
    svg = _dots(f"label-{key}", f"Favourable labels by {name}", says, rows)
    table = Table("The training split", ("group", "rows", "favourable", "interval"), cells)
    return Figure(f"Labels by {name}", says, svg, table, keys)


def _all_others(shares: dict[str, Any], is_counted: bool) -> dict[str, Any]:
    """They are shown as a group, and none decides by them."""
    return {"value": _OTHERS, "rows": shares["predicted"]["rows"], "counted": is_counted,
            "why_not": "–", "dppl": None, "di": None, **shares}  # fmt: skip


def is_shown(group: dict[str, Any]) -> bool:
    """Whether a group is large enough to be shown without being about single people."""
    return int(group["rows"]) >= LEAST_SHOWN


def _shown(group: dict[str, Any], part: str) -> tuple[str, str]:
    """A share and its interval, of a group that is large enough."""
    if not is_shown(group):
        return "too few", "–"
    return percent(group[part]["share"], 1), between(group[part]["interval"], 1)


def _shown_numbers(group: dict[str, Any]) -> tuple[str, str]:
    """DPPL and DI, of a group that is large enough: with both, its share is known."""
    if not is_shown(group):
        return "–", "–"
    return number(group["dppl"], 3), number(group["di"], 3)


def _dots(key: str, title: str, says: str, rows: list[Row]) -> Any:
    x, marks = _zoomed(rows), []
    for value in x.ticks(5):
        marks += [d.line(x(value), 22, x(value), 34 + 52 * len(rows), "rule"),
                  d.text(x(value), 14, percent(value), "tick", "middle")]  # fmt: skip
    for place, row in enumerate(rows):
        y, faint = 52 + place * 52, "" if row.is_counted else " faint"
        aside = count(row.rows, "row") + ("" if row.is_counted else ", not counted")
        marks += [d.text(d.NEAR, y - 8, shortened(row.value, 30), "name halo"),
                  d.text(d.FAR, y - 8, aside, "label muted halo", "end")]  # fmt: skip
        if not row.is_shown:
            marks.append(d.text(d.NEAR, y + 10, "too few to show", "label muted halo"))
            continue
        if row.second["share"] is not None:
            marks += [d.whisker(x, row.second["interval"], y + 16, f"whisker orange{faint}"),
                      d.diamond(x(row.second["share"]), y + 16, 4.5, f"hollow{faint}")]  # fmt: skip
        if row.first["share"] is not None:
            marks += [d.whisker(x, row.first["interval"], y + 4, f"whisker{faint}"),
                      d.circle(x(row.first["share"]), y + 4, 5, f"dot{faint}")]  # fmt: skip
    return d.svg(key, 42 + 52 * len(rows), title, says, marks)


def _zoomed(rows: list[Row]) -> d.Scale:
    """A scale that ends where the intervals do, at fives of percent."""
    ends: list[float] = []
    for part in (part for row in rows if row.is_shown for part in (row.first, row.second)):
        ends += part["interval"] or ([] if part["share"] is None else [part["share"]])
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    return d.Scale(max(0.0, int(low * 20) / 20), min(1.0, (int(high * 20) + 1) / 20), 16, 322)


def _widest(column: str, rows: list[Row], favourable: str) -> str:
    """The widest difference, in plain words."""
    known = sorted((row for row in rows if row.first["share"] is not None),
                   key=lambda row: float(row.first["share"]))  # fmt: skip
    if not known:
        return "No group can be compared: either it or all others together have too few rows."
    if len(known) == 1:
        share = percent(known[0].first["share"])
        return f"Of the {_called(column, known[0])}, {share} are {favourable}."
    low, high = known[0], known[-1]
    few, many = (f"{100 * row.first['share']:.0f}" for row in (low, high))
    words = (
        f"Of 100 {_called(column, low)}, {few} are {favourable}; "
        f"of 100 {_called(column, high)}, {many}."
    )
    first, second = low.first["interval"], high.first["interval"]
    if first and second and first[1] >= second[0]:
        words += " Their intervals overlap, so the difference may be chance."
    return words


def _called(column: str, row: Row) -> str:
    return "other rows" if row.value == _OTHERS else f"rows with {column} {row.value}"


def four_fifths(ratios: dict[str, dict[str, Any] | None], sure: str) -> Figure:
    """The lowest group's rate divided by the highest group's, compared with four fifths."""
    x = d.Scale(0, 1, d.NEAR, d.FAR)
    known = {facet: r for facet, r in ratios.items() if r and r["ratio"] is not None}
    why_none = " or ".join(dict.fromkeys(map(_why_none, ratios.values())))
    below = [facet for facet, r in known.items() if r["ratio"] < FOUR_FIFTHS]
    says = (
        "The lowest group's favourable rate divided by the highest group's. A ratio below four "
        "fifths is the usual first sign of adverse impact. "
    )
    if below:
        says += f"{listed(below)} {'is' if len(below) == 1 else 'are'} below it."
    else:
        says += "No facet is below it." if known else f"Here there is no ratio, because {why_none}."
    edge, bottom = x(FOUR_FIFTHS), 34 + 56 * len(ratios)
    marks = [
        d.rect(edge, 24, x(1) - edge, bottom - 24, "band"),
        d.line(edge, 24, edge, bottom, "limit"),
        d.text(edge, 16, "four fifths", "label", "middle"),
        d.text(d.FAR, bottom + 16, "1: equal", "tick", "end"),
        d.text(d.NEAR, bottom + 16, "0", "tick"),
    ]
    cells = []
    for place, (facet, ratio) in enumerate(ratios.items()):
        y, pair = 54 + place * 56, known.get(facet)
        marks += [d.text(d.NEAR, y - 10, facet, "name halo"),
                  d.line(d.NEAR, y + 4, d.FAR, y + 4, "rule")]  # fmt: skip
        label = _why_none(ratio)
        if pair:
            label = f"{pair['lowest']} over {pair['highest']}: {number(pair['ratio'], 3)}"
            marks += [d.whisker(x, pair["interval"], y + 4, "whisker"),
                      d.circle(x(pair["ratio"]), y + 4, 5, "dot")]  # fmt: skip
        marks.append(d.text(d.NEAR, y + 22, label, "label muted halo"))
        cells.append((facet, *_ratio(pair)))
    head = ("facet", "lowest", "highest", "ratio", f"{sure} interval")
    svg = d.svg("four-fifths", bottom + 24, "Four-fifths rule", says, marks)
    return Figure("Four-fifths rule", says, svg, Table("The ratios", head, cells, (0, 1, 2)))


def _why_none(ratio: dict[str, Any] | None) -> str:
    """Why a facet has no ratio."""
    return "no prediction is favourable" if ratio else "fewer than two groups count"


def _ratio(ratio: dict[str, Any] | None) -> tuple[str, str, str, str]:
    if ratio is None:
        return ("–", "–", "–", "–")
    ends = ratio["interval"]
    reach = f"{number(ends[0], 3)} to {number(ends[1], 3)}" if ends else "–"
    return (str(ratio["lowest"]), str(ratio["highest"]), number(ratio["ratio"], 3), reach)
