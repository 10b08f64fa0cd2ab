"""Finds the versions that came from a table, a feature group, a commit, a file or a hash."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ninesteps.errors import LineageError
from ninesteps.lineage import roles
from ninesteps.lineage.graph import Entity, Graph
from ninesteps.local.state import digest_of

LEAST = 6
"""Hexadecimal digits of a hash or a commit that are enough, if they are of one alone."""

_HEX = re.compile(rf"[0-9a-f]{{{LEAST},64}}")


@dataclass(frozen=True)
class Use:
    """A version that came from the entities in question."""

    package: Entity
    is_in_model: bool  # its model was made from it; else what it rests on beside the model

    @property
    def says(self) -> str:
        """In words."""
        return (
            "its model was made from it"
            if self.is_in_model
            else "its evidence was made from it, its model was not"
        )


def found(graph: Graph, what: str, folder: Path) -> list[Entity]:
    """What of a graph is meant.

    Args:
        what: a file, a feature group, a commit, a SHA-256 (both may be shortened) or an S3 URI.
        folder: where a relative path begins.

    Raises:
        LineageError: if nothing that is recorded is meant, or several hashes are.
    """
    path = Path(what) if Path(what).is_absolute() else folder / what
    if what and path.is_file():
        digest = digest_of(path)
        matches = list(_of_hash(graph, digest))
        if not matches:
            raise LineageError(
                f"{what}: no run here has read or written a file with its content (sha256 "
                f"{digest[:12]})"
            )
        return matches
    named = [
        entity
        for entity in graph.entities.values()
        if what and (what in _names(entity) or _is_below(entity.uri, what))
    ]
    if named:
        return named
    short = what.lower()
    matches = list(_of_hash(graph, short)) if _HEX.fullmatch(short) else []
    hashes = {value for entity in matches for value in _hashes(entity) if value.startswith(short)}
    if len(hashes) > 1:
        some = ", ".join(sorted(value[:16] for value in hashes)[:3])
        raise LineageError(
            f"expected the beginning of one hash, got {what!r}, with which {len(hashes)} begin: "
            f"{some}"
        )
    if not matches:
        raise LineageError(
            "expected a file, a feature group, a commit, a SHA-256 or an S3 URI that a run here "
            f"has used, got {what!r}"
        )
    return matches


def uses(graph: Graph, entities: list[Entity]) -> list[Use]:
    """The registered versions that came from some entities, the newest first."""
    start = {entity.id for entity in entities}
    return [
        Use(package, is_in_model)
        for package in reversed(list(graph.entities.values()))
        if package.role == roles.PACKAGE
        and start & {package.id, *(e.id for e in graph.upstream(package.id))}
        for is_in_model in [bool(start & set(_of_model(graph, package)))]
    ]


def _of_model(graph: Graph, package: Entity) -> Iterator[str]:
    """The ids of a version's model and of all that it came from."""
    for association in graph.incoming[package.id]:
        model = graph.entities[association.source]
        if model.role == roles.MODEL:
            yield model.id
            yield from (entity.id for entity in graph.upstream(model.id))


def _names(entity: Entity) -> set[str]:
    """What an entity is called, beside its hashes."""
    facts = entity.properties
    names = {entity.id, entity.uri, facts.get("job", ""), facts.get("model", "")}
    if entity.role == roles.FEATURE_GROUP:
        names |= {entity.name, facts.get("table", "")}
    if entity.role == roles.RUN:
        names.add(facts.get("run", ""))
    return names - {""}


def _is_below(uri: str, what: str) -> bool:
    return what.startswith("s3://") and uri.startswith(f"{what.rstrip('/')}/")


def _of_hash(graph: Graph, digest: str) -> Iterator[Entity]:
    for entity in graph.entities.values():
        if any(value.startswith(digest) for value in _hashes(entity)):
            yield entity


def _hashes(entity: Entity) -> set[str]:
    """An entity's SHA-256, those of its files, and the commit that it is."""
    facts = entity.properties
    listed = facts.get("files", "") + facts.get("archive files", "")
    files = {line.partition("  ")[0] for line in listed.splitlines()}
    return {entity.sha256, facts.get("commit", ""), *files} - {""}
