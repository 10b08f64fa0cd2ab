"""What a run came from, apart from its data: commit, template, library, settings and lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ninesteps.lineage import entities, roles
from ninesteps.lineage.graph import Entity


def came_from(origin: Mapping[str, Any]) -> Iterator[Entity]:
    """The artifacts that contributed to a run; none of what was not recorded."""
    repository, template = origin.get("repository") or {}, origin.get("template") or {}
    if commit := repository.get("commit"):
        yield _commit(commit, repository)
    if commit := template.get("commit"):
        source = template.get("source", "")
        yield Entity(
            entities.entity_id("artifact", roles.TEMPLATE, source, commit), "artifact",
            "Repository", f"template {commit[:12]}", source, role=roles.TEMPLATE,
            properties=entities.texts(commit=commit),
        )  # fmt: skip
    if sha256 := origin.get("library_sha256"):
        yield entities.of_content(
            "Library", roles.LIBRARY, f"ninesteps {origin['library']}", sha256
        )
    if sha256 := origin.get("settings_sha256"):
        yield entities.of_content("Settings", roles.SETTINGS, "pipeline.toml", sha256)
    if sha256 := origin.get("lock_sha256"):
        yield entities.of_content("Environment", roles.ENVIRONMENT, "requirements.lock", sha256)


def of_this_run(origin: Mapping[str, Any]) -> dict[str, object]:
    """What is true of a run and of no artifact, which other runs share, by names in words.

    So it is with the rows that were left out of a table: which they are depends on the moment of
    the run, and on its settings.
    """
    table = origin.get("table") or {}
    left_out = "; ".join(f"{one['rows']:,} {one['why']}" for one in table.get("left_out", []))
    return {
        "python": origin.get("python"),
        "machine": origin.get("machine"),
        "overridden": origin.get("overridden"),
        "raw_table": table.get("path"),
        "rows_kept": table.get("kept"),
        "rows_used": table.get("used"),
        "rows_left_out": left_out,
    }


def _commit(commit: str, repository: Mapping[str, Any]) -> Entity:
    """The commit of a repository; one with changes is another artifact than one without."""
    is_dirty = bool(repository.get("is_dirty"))
    return Entity(
        entities.entity_id("artifact", roles.COMMIT, commit, is_dirty), "artifact", "Repository",
        f"commit {commit[:12]}{', with changes' if is_dirty else ''}", role=roles.COMMIT,
        properties=entities.texts(
            commit=commit, uncommitted_changes="yes" if is_dirty else "no",
            folder=repository.get("folder"),
        ),
    )  # fmt: skip
