"""The lineage graph, in the terms of SageMaker ML Lineage Tracking.

An artifact is data with an address, an action is something that was done, a context groups other
entities, and a trial component is a job. An association points from the earlier entity to the later
one: from the training data to the job, from the job to the model. The ancestors of an entity are
therefore what it came from, as in `QueryLineage`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Kind = Literal["artifact", "action", "context", "trial component"]
"""SageMaker's `LineageType`."""

CONTRIBUTED_TO, ASSOCIATED_WITH = "ContributedTo", "AssociatedWith"
DERIVED_FROM, PRODUCED, SAME_AS = "DerivedFrom", "Produced", "SameAs"
ASSOCIATION_TYPES = (CONTRIBUTED_TO, ASSOCIATED_WITH, DERIVED_FROM, PRODUCED, SAME_AS)
"""SageMaker's `AssociationEdgeType`; `SameAs` joins one entity in two accounts."""


@dataclass(frozen=True)
class Entity:
    """An artifact, action, context or job."""

    id: str  # unique in its graph; an ARN in an account
    kind: Kind
    type: str  # as SageMaker calls it: DataSet, Model, Image, Approval, Endpoint ...
    name: str  # as a person reads it
    uri: str = ""
    sha256: str = ""  # of its content; empty where it has none, or that is not known
    role: str = ""  # what it is in the pipeline: one of `ninesteps.lineage.roles`, where known
    properties: Mapping[str, str] = field(default_factory=dict)
    created: str = ""  # in UTC, as ISO 8601; empty where it is not known


@dataclass(frozen=True)
class Association:
    """That one entity led to another."""

    source: str  # the id of the earlier one
    destination: str
    type: str  # one of ASSOCIATION_TYPES


@dataclass(frozen=True)
class Graph:
    """Entities by their ids, and the associations between them."""

    entities: dict[str, Entity]
    associations: tuple[Association, ...]

    @cached_property
    def incoming(self) -> dict[str, list[Association]]:
        """The associations that lead to each entity, in the graph's order."""
        return self._grouped("destination")

    @cached_property
    def outgoing(self) -> dict[str, list[Association]]:
        """The associations that lead from each entity, in the graph's order."""
        return self._grouped("source")

    def upstream(self, entity: str) -> list[Entity]:
        """What an entity came from, however far back: SageMaker's ascendants; nearest first.

        What a job was merely associated with is among them, and what that came from is not: a
        version did not come from the data of the model that it was compared with.
        """
        came_from = list(self._reached(entity, "source", self.incoming))
        beside = (a.source for id_ in (entity, *came_from) for a in self.incoming[id_])
        ids = dict.fromkeys([*came_from, *beside])
        return [self.entities[id_] for id_ in ids if id_ != entity]

    def downstream(self, entity: str) -> list[Entity]:
        """What an entity led to: SageMaker's descendants; nearest first."""
        return [self.entities[id_] for id_ in self._reached(entity, "destination", self.outgoing)]

    def around(self, entity: str) -> Graph:
        """An entity with all that it came from and led to."""
        near = {entity, *(e.id for e in (*self.upstream(entity), *self.downstream(entity)))}
        return self.only(near)

    def only(self, ids: Iterable[str]) -> Graph:
        """Some entities, with the associations among them."""
        kept = set(ids)
        return Graph(
            {id_: entity for id_, entity in self.entities.items() if id_ in kept},
            tuple(a for a in self.associations if {a.source, a.destination} <= kept),
        )

    def _grouped(self, end: str) -> dict[str, list[Association]]:
        grouped: dict[str, list[Association]] = {id_: [] for id_ in self.entities}
        for association in self.associations:
            grouped[getattr(association, end)].append(association)
        return grouped

    def _is_beside(self, association: Association) -> bool:
        """Whether a job was given an artifact to compare its own with."""
        ends = self.entities[association.source], self.entities[association.destination]
        kinds = tuple(end.kind for end in ends)
        is_weak = association.type == ASSOCIATED_WITH
        return is_weak and kinds == ("artifact", "trial component")

    def _reached(
        self, start: str, end: str, edges: Mapping[str, list[Association]]
    ) -> Iterator[str]:
        """Breadth first; an account's graph may have circles, so each entity is visited once."""
        visited, row = {start}, [start]
        while row:
            following = []
            for id_ in row:
                for association in edges[id_]:
                    other = getattr(association, end)
                    if other not in visited and not self._is_beside(association):
                        visited.add(other)
                        following.append(other)
            yield from following
            row = following


@dataclass
class Builder:
    """A graph in the making: what is added twice is there once, as it was added last."""

    is_known: Callable[[str], bool] = lambda id_: False  # of what was recorded before
    entities: dict[str, Entity] = field(default_factory=dict)
    associations: dict[Association, None] = field(default_factory=dict)

    def has(self, id_: str) -> bool:
        """Whether an entity is there, or was recorded before."""
        return id_ in self.entities or self.is_known(id_)

    def add(self, entity: Entity) -> str:
        """Add an entity, and give its id."""
        self.entities[entity.id] = entity
        return entity.id

    def join(self, source: str, destination: str, type_: str) -> None:
        """Say that one entity led to another."""
        self.associations[Association(source, destination, type_)] = None

    def graph(self) -> Graph:
        """What was added."""
        return Graph(self.entities, tuple(self.associations))


def as_json(graph: Graph) -> dict[str, Any]:
    """A graph for a program to read."""
    return {
        "entities": [
            {**vars(e), "properties": dict(e.properties)} for e in graph.entities.values()
        ],
        "associations": [vars(association) for association in graph.associations],
    }
