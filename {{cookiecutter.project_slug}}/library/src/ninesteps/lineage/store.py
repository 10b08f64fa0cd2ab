"""Stores lineage in the state's file: a table of entities and one of associations.

Both are derived from the rest of the state, so writing them again changes nothing, and anything
that a killed process has left out is added the next time.
"""

from __future__ import annotations

import json

from ninesteps.lineage import roles
from ninesteps.lineage.graph import Association, Entity, Graph
from ninesteps.local.state import State

_ENTITY = "id, kind, type, name, uri, sha256, role, properties, created"
_FIELDS = len(_ENTITY.split(","))


def write(state: State, graph: Graph) -> None:
    """Put a graph's entities and associations into the file; those of the same ids give way."""
    rows = [_row(entity) for entity in graph.entities.values()]
    edges = [(a.source, a.destination, a.type) for a in graph.associations]
    with state.transaction() as connection:
        connection.executemany(
            f"INSERT INTO lineage_entities VALUES ({', '.join('?' * _FIELDS)}) "
            f"ON CONFLICT (id) DO UPDATE SET ({_ENTITY}) = "
            f"({', '.join(f'excluded.{name}' for name in _ENTITY.split(', '))})",
            rows,
        )
        connection.executemany("INSERT OR IGNORE INTO lineage_associations VALUES (?, ?, ?)", edges)


def read(state: State) -> Graph:
    """Everything."""
    entities = state.made(
        state.rows(f"SELECT {_ENTITY} FROM lineage_entities ORDER BY rowid"), _entity
    )
    edges = state.rows("SELECT source, destination, type FROM lineage_associations ORDER BY rowid")
    return Graph({e.id: e for e in entities}, tuple(Association(*edge) for edge in edges))


def around(state: State, start: str) -> Graph:
    """An entity with all that it came from and led to; nothing if it is not there."""
    rows = state.rows(
        f"""
        WITH RECURSIVE
        up (id) AS (SELECT ?1 UNION
            SELECT a.source FROM lineage_associations a JOIN up ON a.destination = up.id),
        down (id) AS (SELECT ?1 UNION
            SELECT a.destination FROM lineage_associations a JOIN down ON a.source = down.id)
        SELECT {_ENTITY} FROM lineage_entities
        WHERE id IN (SELECT id FROM up UNION SELECT id FROM down) ORDER BY rowid
        """,
        start,
    )
    entities = {e.id: e for e in state.made(rows, _entity)}
    edges = state.rows(
        "SELECT source, destination, type FROM lineage_associations "
        "WHERE source IN (SELECT value FROM json_each(?1)) "
        "AND destination IN (SELECT value FROM json_each(?1)) ORDER BY rowid",
        json.dumps([*entities]),
    )
    graph = Graph(entities, tuple(Association(*edge) for edge in edges))
    return graph.around(start) if start in entities else graph


def has(state: State, id_: str) -> bool:
    """Whether an entity is there."""
    return bool(state.rows("SELECT 1 FROM lineage_entities WHERE id = ?", id_))


def runs(state: State) -> dict[str, tuple[str, str]]:
    """The runs that are there: how each ended, and when, by the id of its entity."""
    rows = state.rows(
        "SELECT id, json_extract(properties, '$.status'), json_extract(properties, '$.ended') "
        "FROM lineage_entities WHERE role = ?",
        roles.RUN,
    )
    return {id_: (str(status), ended or "") for id_, status, ended in rows}


def ids(state: State, *of_roles: str) -> set[str]:
    """The ids of the entities of some roles."""
    query = "SELECT id FROM lineage_entities WHERE role IN (SELECT value FROM json_each(?))"
    return {id_ for (id_,) in state.rows(query, json.dumps(of_roles))}


def _row(entity: Entity) -> tuple[str, ...]:
    return (entity.id, entity.kind, entity.type, entity.name, entity.uri, entity.sha256,
            entity.role, json.dumps(dict(entity.properties)), entity.created)  # fmt: skip


def _entity(*row: str) -> Entity:
    id_, kind, type_, name, uri, sha256, role, text, created = row
    return Entity(id_, kind, type_, name, uri, sha256, role, json.loads(text), created)  # type: ignore[arg-type]
