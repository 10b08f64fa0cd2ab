"""The lineage graph: what an entity came from, and what it led to."""

from __future__ import annotations

import botocore.session

from ninesteps.lineage.graph import ASSOCIATION_TYPES, Association, Entity, Graph


def _graph(*edges: str) -> Graph:
    names = dict.fromkeys("".join(edges).replace(">", ""))
    return Graph(
        {name: Entity(name, "artifact", "DataSet", name) for name in names},
        tuple(Association(edge[0], edge[2], "ContributedTo") for edge in edges),
    )


def _ids(entities: list[Entity]) -> str:
    return "".join(entity.id for entity in entities)


def test_ancestors_come_nearest_first_and_each_once() -> None:
    graph = _graph("a>b", "a>c", "b>d", "c>d", "d>e")
    assert _ids(graph.upstream("d")) == "bca"
    assert _ids(graph.downstream("a")) == "bcde"
    assert _ids(graph.upstream("a")) == _ids(graph.downstream("e")) == ""


def test_a_circle_ends() -> None:
    assert _ids(_graph("a>b", "b>a").upstream("a")) == "b"


def test_around_an_entity_is_what_led_to_it_and_what_it_led_to_alone() -> None:
    around = _graph("a>b", "b>c", "a>x").around("b")
    assert set(around.entities) == {"a", "b", "c"}
    assert [(a.source, a.destination) for a in around.associations] == [("a", "b"), ("b", "c")]


def test_association_types_are_sagemakers() -> None:
    service = botocore.session.get_session().get_service_model("sagemaker")
    assert list(ASSOCIATION_TYPES) == service.shape_for("AssociationEdgeType").enum
