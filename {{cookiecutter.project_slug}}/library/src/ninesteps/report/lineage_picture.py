"""The lineage section of the page: a graph whose nodes link to their facts, and the facts.

Every line of it belongs to one run, so it is made again even if the rest of the page is reused from
an earlier run. Therefore it imports no template engine.
"""

from __future__ import annotations

from ninesteps.lineage.condensed import Drawn, Node, condensed
from ninesteps.lineage.facts import erased, rows
from ninesteps.lineage.graph import Entity, Graph
from ninesteps.lineage.tree import SHORT
from ninesteps.plain_text import plain
from ninesteps.report.formatting import as_html, count, shortened
from ninesteps.report.lineage_layout import HEIGHT, WIDTH, layout

_CHARACTERS = 17  # in the first line of a node
_ROUND = {"artifact": 3, "action": 3, "context": 20, "trial component": 12}
_KEYS = (("artifact", "data, code or a model"), ("trial-component", "a job"),
         ("action", "an action"), ("context", "a group of entities"))  # fmt: skip


def lineage_part(graph: Graph) -> str:
    """The HTML of the part; empty for a graph of nothing."""
    if not graph.entities:
        return ""
    drawn = condensed(graph, joins_starts=True)
    numbers = {id_: number for number, id_ in enumerate(drawn.nodes, 1)}
    total = count(len(graph.entities), "entity", "entities")
    keys = "".join(
        f'<li><svg class="key" viewBox="0 0 16 12" aria-hidden="true"><rect class="box {kind}" '
        f'x="1" y="1" width="14" height="10" rx="{_ROUND[kind.replace("-", " ")] / 3:.0f}"/></svg> '
        f"{says}</li>"
        for kind, says in _KEYS
    )
    details = "".join(_details(numbers[id_], node) for id_, node in drawn.nodes.items())
    return plain(
        '<p class="says">Where this model came from (top) and where it went (bottom), in the terms '
        f"of SageMaker ML Lineage Tracking: {total}. Those with the same connections are drawn as "
        "one node, and arrows that follow from others are left out. Choose a node to see its "
        "facts below.</p>\n"
        f'<div class="scroll" role="group" aria-label="The lineage graph" tabindex="0">'
        f"{_picture(drawn, numbers)}</div>\n"
        f'<ul class="keys">{keys}</ul>\n'
        f'<h3>Facts</h3>\n<div class="known">\n{details}</div>\n'
    )


def no_lineage(why: str) -> str:
    """The HTML of the part where nothing can be drawn.

    Args:
        why: a sentence.
    """
    return plain(f'<p class="absent">{as_html(why)}</p>\n')


def _picture(drawn: Drawn, numbers: dict[str, int]) -> str:
    places = layout(drawn)
    arrows = "".join(_arrow(points) for points in places.arrows.values())
    nodes = "".join(
        _node(numbers[id_], node, *places.nodes[id_]) for id_, node in drawn.nodes.items()
    )
    return (
        f'<svg class="lineage" width="{places.width:.0f}" height="{places.height:.0f}" '
        f'viewBox="0 0 {places.width:.0f} {places.height:.0f}" role="group" '
        f'aria-label="Entities, each linked to its facts">{arrows}{nodes}</svg>'
    )


def _arrow(points: list[tuple[float, float]]) -> str:
    (x, y), *others = points
    path = f"M{x:.0f} {y:.0f}"
    for x2, y2 in others:
        bend = (y2 - y) / 2
        path += (
            f"C{x:.0f} {y + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"
            if x != x2
            else f"V{y2:.0f}"
        )
        x, y = x2, y2
    head = f"M{x - 4:.0f} {y - 6:.0f}L{x:.0f} {y - 1:.0f}L{x + 4:.0f} {y - 6:.0f}"
    return f'<path class="edge" d="{path}{head}"/>'


def _node(number: int, node: Node, x: float, y: float) -> str:
    digest = node.first.sha256[:SHORT] if len(node.members) == 1 else ""
    kind, left = node.kind.replace(" ", "-"), x - WIDTH / 2
    second = f"{node.type} {digest[:6]}".strip()
    return (
        f'<a class="entity" href="#lineage-{number}" '
        f'aria-label="{as_html(f"{node.type}: {node.name}")}">'
        f'<rect class="box {kind}" x="{left:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}" '
        f'rx="{_ROUND[node.kind]}"/>'
        f'<text class="step" x="{x:.0f}" y="{y + 17:.0f}" text-anchor="middle">'
        f"{as_html(_short(node))}</text>"
        f'<text class="muted" x="{x:.0f}" y="{y + 32:.0f}" text-anchor="middle">'
        f"{as_html(shortened(second, _CHARACTERS + 4))}</text></a>"
    )


def _short(node: Node) -> str:
    """A name that fits: its end where that tells more, as of a job of a search."""
    name, more = node.first.name, len(node.members) - 1
    ending = f" +{more}" if more else ""
    room = _CHARACTERS - len(ending)
    if len(name) > room:
        name = f"…{name[1 - room :]}" if node.type == "TrainingJob" else f"{name[: room - 1]}…"
    return name + ending


def _details(number: int, node: Node) -> str:
    inner = "".join(_facts(entity, len(node.members) > 1) for entity in node.members)
    name = ", ".join(filter(None, [f"{node.type}: {node.name}", erased(node)]))
    return (
        f"<details><summary>{as_html(name)}</summary>"
        f'<div id="lineage-{number}" tabindex="-1">{inner}</div></details>\n'
    )


def _facts(entity: Entity, is_one_of_several: bool) -> str:
    title = f"<h4>{as_html(entity.name)}</h4>" if is_one_of_several else ""
    pairs = "".join(
        f"<div><dt>{as_html(name)}</dt><dd>{as_html(text)}</dd></div>"
        for name, text in rows(entity)
    )
    return f"{title}<dl>{pairs}</dl>"
