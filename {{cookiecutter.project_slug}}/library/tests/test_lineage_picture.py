"""Where the nodes of a lineage graph are drawn, and what stands on them."""

from __future__ import annotations

import itertools
import random

import pytest

from ninesteps.lineage.condensed import condensed
from ninesteps.lineage.graph import Association, Entity, Graph
from ninesteps.lineage.mermaid import mermaid
from ninesteps.lineage.tree import tree
from ninesteps.report.lineage_layout import HEIGHT, WIDTH, implied_by_none, layout
from ninesteps.report.lineage_picture import lineage_part

ODD = '<b>"a" & #b; [x]\u202e\x1b[31m|{y}\nz'
"""A name that HTML, Mermaid and a terminal would each take for something else."""


def graph(seed: int, count: int = 25) -> Graph:
    """A graph with edges from earlier entities to later ones."""
    chance = random.Random(seed)
    names = [f"e{n}" for n in range(count)]
    pairs = [pair for pair in itertools.combinations(names, 2) if chance.random() < 0.12]
    return Graph(
        {name: Entity(name, "artifact", "DataSet", name) for name in names},
        tuple(Association(a, b, "ContributedTo") for a, b in pairs),
    )


@pytest.mark.parametrize("seed", range(8))
def test_no_node_is_over_another_and_each_is_below_what_it_came_from(seed: int) -> None:
    drawn = condensed(graph(seed))
    places = layout(drawn)
    for (x1, y1), (x2, y2) in itertools.combinations(places.nodes.values(), 2):
        assert abs(x1 - x2) >= WIDTH or abs(y1 - y2) >= HEIGHT
    for (source, destination), points in places.arrows.items():
        assert places.nodes[source][1] < places.nodes[destination][1]
        assert all(y1 <= y2 for (_, y1), (_, y2) in itertools.pairwise(points))
    for x, y in places.nodes.values():
        assert WIDTH / 2 <= x <= places.width - WIDTH / 2
        assert 0 <= y <= places.height - HEIGHT
    for x, _ in itertools.chain(*places.arrows.values()):
        assert 0 < x < places.width


@pytest.mark.parametrize("seed", range(8))
def test_an_arrow_is_left_out_only_where_others_imply_it(seed: int) -> None:
    whole = graph(seed)
    drawn = condensed(whole)
    kept = implied_by_none(drawn)
    reduced = Graph(whole.entities, tuple(Association(a, b, "ContributedTo") for a, b in kept))
    assert len(kept) < len(drawn.arrows)
    for id_ in whole.entities:
        assert {e.id for e in reduced.upstream(id_)} == {e.id for e in whole.upstream(id_)}


def test_a_circle_is_drawn_too() -> None:
    edges = [("a", "b"), ("b", "a"), ("b", "c")]
    entities = {name: Entity(name, "artifact", "DataSet", name) for name in "abc"}
    circle = Graph(entities, tuple(Association(*edge, "ContributedTo") for edge in edges))
    assert lineage_part(circle).count('class="entity"') == 3


def test_alike_outputs_and_trials_are_one_node_and_decisions_are_not() -> None:
    kinds = {"job": "trial component", "t1": "trial component", "t2": "trial component"}
    entities = {
        name: Entity(name, kinds.get(name, "artifact"), "T", name)  # type: ignore[arg-type]
        for name in ("table", "other", "job", "x", "y", "t1", "t2", "end")
    }
    entities |= {name: Entity(name, "action", "Approval", name) for name in ("yes", "no")}
    produced = [("job", "x"), ("job", "y")]
    pairs = [("table", "job"), ("other", "job"), ("t1", "end"), ("t2", "end"), ("yes", "end"),
             ("no", "end"), *((a, b) for a in "xy" for b in ("t1", "t2"))]  # fmt: skip
    edges = [Association(*pair, "ContributedTo") for pair in pairs]
    edges += [Association(*pair, "Produced") for pair in produced]
    nodes = condensed(Graph(entities, tuple(edges))).nodes.values()
    assert {"+".join(e.name for e in node.members) for node in nodes} == {
        "table", "other", "job", "x+y", "t1+t2", "yes", "no", "end"
    }  # fmt: skip


def test_an_odd_name_stays_a_name() -> None:
    odd = Graph({"a": Entity("a", "artifact", "DataSet", ODD, properties={ODD: ODD})}, ())
    html = lineage_part(odd)
    assert "<b>" not in html
    assert "\u202e" not in html
    assert "\x1b" not in html
    (line,) = mermaid(odd).splitlines()[1:]
    label = line.partition('"')[2].rpartition('"')[0]
    assert not set(label.replace("<br/>", "")) & set('"<>&[]{}|')
    (text,) = tree(odd, "a")
    assert "\n" not in text
