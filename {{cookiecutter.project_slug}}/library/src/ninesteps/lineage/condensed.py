"""A lineage graph for drawing: entities with the same connections are joined into one node.

Entities of one type are joined if they come from the same nodes and lead to the same nodes: the
files of one output, or all trials of a search except the best.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ninesteps.lineage import roles
from ninesteps.lineage.graph import PRODUCED, Association, Entity, Graph, Kind


@dataclass(frozen=True)
class Node:
    """One or several entities."""

    id: str  # of the first of them
    members: tuple[Entity, ...]

    @property
    def first(self) -> Entity:
        """The one that stands for all."""
        return self.members[0]

    @property
    def kind(self) -> Kind:
        """Artifact, action, context or trial component."""
        return self.first.kind

    @property
    def type(self) -> str:
        """The type of all."""
        return self.first.type

    @property
    def name(self) -> str:
        """`train.csv, validation.csv and 3 more`: those with a role of their own are named."""
        names = [e.name for e in self.members if _importance(e) == _importance(self.first)]
        names = names if len(names) == 2 else names[:1]
        more = len(self.members) - len(names)
        return f"{', '.join(names)} and {more} more" if more else ", ".join(names)


@dataclass(frozen=True)
class Drawn:
    """What is drawn: nodes by their ids, and arrows between them."""

    nodes: dict[str, Node]
    arrows: tuple[Association, ...]

    @cached_property
    def incoming(self) -> dict[str, list[Association]]:
        """The arrows that lead to each node."""
        return {
            id_: [arrow for arrow in self.arrows if arrow.destination == id_] for id_ in self.nodes
        }

    @cached_property
    def outgoing(self) -> dict[str, list[Association]]:
        """The arrows that lead from each node."""
        return {id_: [arrow for arrow in self.arrows if arrow.source == id_] for id_ in self.nodes}


def condensed(graph: Graph, joins_starts: bool = False) -> Drawn:
    """A graph with alike entities joined; arrows between the same two nodes are one of a type.

    Args:
        joins_starts: what the same runs were started with (commit, settings, lock ...) is one too.
    """
    node_of: dict[str, str] = {}
    nodes: dict[str, Node] = {}
    for members in _alike(graph, joins_starts):
        ordered = sorted(members, key=_importance)
        node = Node(ordered[0].id, tuple(ordered))
        nodes[node.id] = node
        node_of |= {entity.id: node.id for entity in members}
    arrows = dict.fromkeys(
        Association(node_of[a.source], node_of[a.destination], a.type) for a in graph.associations
    )
    return Drawn(nodes, tuple(arrows))


def _alike(graph: Graph, joins_starts: bool) -> list[list[Entity]]:
    """The entities in groups: of one type, from and to the same groups, at each further step.

    Only jobs and what they wrote are grouped: each table, decision and deployment is a node.
    """
    group: dict[str, object] = {
        entity.id: (entity.kind, entity.type, entity.role == roles.MODEL)
        if entity.kind == "trial component" or _is_produced(graph, entity)
        else entity.id
        for entity in graph.entities.values()
    }
    if joins_starts:
        starts = [e.id for e in graph.entities.values() if e.role in roles.BEFORE_A_RUN]
        group |= dict.fromkeys(starts, roles.BEFORE_A_RUN)
    while True:
        refined: dict[str, object] = {}
        numbers: dict[object, int] = {}
        for id_ in graph.entities:
            sources = frozenset((group[a.source], a.type) for a in graph.incoming[id_])
            others = frozenset((group[a.destination], a.type) for a in graph.outgoing[id_])
            refined[id_] = numbers.setdefault((group[id_], sources, others), len(numbers))
        if len(numbers) == len(set(group.values())):
            break
        group = refined
    groups: dict[object, list[Entity]] = {}
    for id_, entity in graph.entities.items():
        groups.setdefault(group[id_], []).append(entity)
    return list(groups.values())


def _is_produced(graph: Graph, entity: Entity) -> bool:
    return any(association.type == PRODUCED for association in graph.incoming[entity.id])


def _importance(entity: Entity) -> int:
    """Entities with a role come before the files next to them; a commit comes first."""
    if entity.role in roles.BEFORE_A_RUN:
        return roles.BEFORE_A_RUN.index(entity.role)
    return entity.role in ("", "output")
