"""Where the nodes of a lineage graph are drawn: in rows, each below what it came from.

Rows by longest paths, places in a row by the middle of the neighbours: Sugiyama, Tagawa and Toda,
"Methods for visual understanding of hierarchical system structures" (1981).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from ninesteps.lineage.condensed import Drawn

WIDTH, HEIGHT = 146, 40  # of a node
GAP, LANE, ROW = 12, 10, 72  # between nodes, of an arrow that passes a row, from row to row
_SWEEPS = 6

Pair = tuple[str, str]


@dataclass(frozen=True)
class Layout:
    """Places in a picture, in pixels."""

    nodes: dict[str, tuple[float, float]]  # the middle of a node, and its upper edge
    arrows: dict[Pair, list[tuple[float, float]]]  # the points that an arrow passes
    width: float
    height: float


def layout(drawn: Drawn) -> Layout:
    """Places for all nodes, and for the arrows that no other ones imply."""
    pairs = implied_by_none(drawn)
    rows_of = _rows(list(drawn.nodes), pairs)
    rows, chains = _with_lanes(rows_of, pairs)
    neighbours: dict[str, tuple[list[str], list[str]]] = {id_: ([], []) for r in rows for id_ in r}
    for chain in chains.values():
        for above, below in itertools.pairwise(chain):
            neighbours[below][0].append(above)
            neighbours[above][1].append(below)
    _order(rows, neighbours)
    places = _places(rows, neighbours, set(drawn.nodes))
    half = {id_: (WIDTH if id_ in drawn.nodes else LANE) / 2 for id_ in places}
    left = min(x - half[id_] for id_, x in places.items())
    at = {
        id_: (places[id_] - left + GAP, float(GAP + ROW * number))
        for number, row in enumerate(rows)
        for id_ in row
    }
    return Layout(
        {id_: at[id_] for id_ in drawn.nodes},
        {pair: _points(chain, at) for pair, chain in chains.items()},
        max(x - left + half[id_] for id_, x in places.items()) + 2 * GAP,
        GAP + ROW * (len(rows) - 1) + HEIGHT + GAP,
    )


def implied_by_none(drawn: Drawn) -> list[Pair]:
    """The arrows, less those between two nodes that a longer way joins."""
    leads_to: dict[str, set[str]] = {id_: set() for id_ in drawn.nodes}
    for arrow in drawn.arrows:
        if arrow.source != arrow.destination:
            leads_to[arrow.source].add(arrow.destination)
    reached: dict[str, set[str]] = {}

    def below(id_: str) -> set[str]:
        if id_ not in reached:
            reached[id_] = set()  # of a circle, which an account's graph may have
            reached[id_] = leads_to[id_].union(*map(below, leads_to[id_]))
        return reached[id_]

    return [
        (source, other)
        for source, others in leads_to.items()
        for other in sorted(others, key=list(drawn.nodes).index)
        if not any(other in below(between) for between in others - {other})
    ]


def _rows(ids: list[str], pairs: list[Pair]) -> dict[str, int]:
    """The row of each node: below all that it came from, and as near as can be to what follows."""
    row = dict.fromkeys(ids, 0)
    for _ in ids:
        moved = False
        for source, destination in pairs:
            if row[destination] <= row[source] < len(ids):
                row[destination], moved = row[source] + 1, True
        if not moved:
            break
    for id_ in sorted(ids, key=row.__getitem__, reverse=True):
        below = [row[destination] for source, destination in pairs if source == id_]
        row[id_] = max(row[id_], min(below, default=0) - 1)
    return row


def _with_lanes(
    row_of: dict[str, int], pairs: list[Pair]
) -> tuple[list[list[str]], dict[Pair, list[str]]]:
    """The rows with a lane for each arrow that passes, and the way of each arrow through them."""
    rows: list[list[str]] = [[] for _ in range(max(row_of.values(), default=0) + 1)]
    for id_, row in row_of.items():
        rows[row].append(id_)
    chains = {}
    for number, (source, destination) in enumerate(pairs):
        between = range(row_of[source] + 1, row_of[destination])
        lanes = [f"lane {number} {row}" for row in between]
        for row, lane in zip(between, lanes, strict=True):
            rows[row].append(lane)
        chains[source, destination] = [source, *lanes, destination]
    return rows, chains


def _order(rows: list[list[str]], neighbours: dict[str, tuple[list[str], list[str]]]) -> None:
    """Order each row by the middle of its neighbours, downwards and upwards in turn."""
    for sweep in range(_SWEEPS):
        side = sweep % 2
        place = {id_: n - len(row) / 2 for row in rows for n, id_ in enumerate(row)}
        for row in rows if side == 0 else reversed(rows):
            row.sort(key=lambda id_: _mean(neighbours[id_][side], place, place[id_]))
            place |= {id_: n - len(row) / 2 for n, id_ in enumerate(row)}


def _places(
    rows: list[list[str]], neighbours: dict[str, tuple[list[str], list[str]]], nodes: set[str]
) -> dict[str, float]:
    """The middle of each node and lane, near its neighbours' and not over others of its row."""
    width = {id_: WIDTH if id_ in nodes else LANE for row in rows for id_ in row}
    place: dict[str, float] = {}
    for row in rows:
        total = sum(width[id_] + GAP for id_ in row)
        x = -total / 2
        for id_ in row:
            place[id_] = x + width[id_] / 2
            x += width[id_] + GAP
    for sweep in range(_SWEEPS * 2):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            sides = [[*neighbours[id_][0], *neighbours[id_][1]] for id_ in row]
            wished = [_mean(side, place, place[id_]) for id_, side in zip(row, sides, strict=True)]
            place |= dict(zip(row, _apart(wished, [width[id_] for id_ in row]), strict=True))
    return place


def _apart(wished: list[float], widths: list[float]) -> list[float]:
    """Places in the order given that do not overlap, near to the wished ones."""
    from_left, from_right = list(wished), list(wished)
    for n in range(1, len(wished)):
        least = from_left[n - 1] + (widths[n - 1] + widths[n]) / 2 + GAP
        from_left[n] = max(from_left[n], least)
    for n in range(len(wished) - 2, -1, -1):
        most = from_right[n + 1] - (widths[n + 1] + widths[n]) / 2 - GAP
        from_right[n] = min(from_right[n], most)
    return [(a + b) / 2 for a, b in zip(from_left, from_right, strict=True)]


def _mean(ids: list[str], place: dict[str, float], otherwise: float) -> float:
    return sum(place[id_] for id_ in ids) / len(ids) if ids else otherwise


def _points(chain: list[str], at: dict[str, tuple[float, float]]) -> list[tuple[float, float]]:
    """From the lower edge of one node, through both ends of each lane, to another's upper edge."""
    (x1, y1), (x2, y2) = at[chain[0]], at[chain[-1]]
    lanes = [(at[id_][0], at[id_][1] + part) for id_ in chain[1:-1] for part in (0, HEIGHT)]
    return [(x1, y1 + HEIGHT), *lanes, (x2, y2)]
