"""Marks artifacts that an erasure has changed or deleted, as recorded in the chain of events.

The marks are added when a graph is read and are not stored: an artifact keeps the SHA-256 that it
had when a job read or wrote it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from ninesteps.lineage.facts import listed_files
from ninesteps.lineage.graph import Entity, Graph
from ninesteps.local.erasures import Erasures

ERASED = "erased"
"""The property of an artifact that was changed or deleted."""


def with_erasures(graph: Graph, erasures: Erasures) -> Graph:
    """A graph whose artifacts say how an erasure has changed them, the last one where several."""
    if not erasures.every:
        return graph
    changes = _by_place(erasures)
    return Graph({id_: _told(e, changes) for id_, e in graph.entities.items()}, graph.associations)


_Change = tuple[str, str, str, str]  # path below the place, SHA-256 before and after, what is said


def _by_place(erasures: Erasures) -> dict[str, list[_Change]]:
    """The changes at each address and below it, the oldest first."""
    changes: dict[str, list[_Change]] = defaultdict(list)
    for one in erasures.every:
        for uri, (before, after) in one.files.items():
            says = f"{'changed' if after else 'deleted'} by an erasure on {one.at[:10]}"
            for place in _above(uri):
                below = uri.removeprefix(place).lstrip("/")
                changes[place].append((below, before, after, says))
    return changes


def _above(uri: str) -> Iterator[str]:
    """An S3 URI, and those of the folders that it is in."""
    yield uri
    bucket, *keys = uri.removeprefix("s3://").split("/")
    for length in range(1, len(keys)):
        yield f"s3://{PurePosixPath(bucket, *keys[:length])}"


def _told(entity: Entity, changes: dict[str, list[_Change]]) -> Entity:
    if entity.kind != "artifact" or not entity.sha256:
        return entity
    files = listed_files(entity)
    said = [
        says
        for below, before, after, says in changes.get(entity.uri.rstrip("/"), [])
        # Of several files without a list of them, the address alone tells: rows of a feature group.
        if (files.get(below, before) if below else entity.sha256) in (before, after)
    ]
    if not said:
        return entity
    return replace(entity, properties={**entity.properties, ERASED: said[-1]})
