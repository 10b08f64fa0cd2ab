"""The facts of an entity in words, for a line of text or a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from ninesteps.lineage import roles
from ninesteps.lineage.condensed import Node
from ninesteps.lineage.graph import Entity
from ninesteps.settings import gate as gates

_LONG = 300
"""Characters of a property that a line of a table holds."""


def remark(node: Node) -> str:
    """What a line says of a node beside its type, name and hash; may be empty."""
    says = _REMARKS.get(node.first.role)
    what = says(node.first) if says and len(node.members) == 1 else ""
    return ", ".join(filter(None, [what, erased(node)]))


def erased(node: Node) -> str:
    """A note that an erasure has changed what a node shows; empty if none has."""
    changes = [e.properties["erased"] for e in node.members if "erased" in e.properties]
    if not changes:
        return ""
    some = f"{len(changes)} of them " if len(node.members) > 1 else ""
    return f"{some}{changes[-1]}"


def _of_table(table: Entity) -> str:
    rows = table.properties.get("rows", "")
    return f"{table.role}, {int(rows):,} rows" if rows.isdigit() else table.role


def _of_files(artifact: Entity) -> str:
    listed = artifact.properties.get("files") or artifact.properties.get("archive files", "")
    count = listed.count("\n")
    return f"{count} files" if count > 1 else ""


def _of_run(run: Entity) -> str:
    moment = run.properties.get("as of", "").partition(".")[0]  # to the second
    return f"as of {moment.removesuffix('Z')}Z" if moment else ""


def _of_job(job: Entity) -> str:
    return f"best, {job.properties.get('objective', '')}" if job.properties.get("best") else ""


def _of_approval(approval: Entity) -> str:
    return f"{approval.created}: {approval.properties.get('why', '')}"


def served(deployment: Entity) -> str:
    """The traffic of a deployment: `2,000 requests, from ... until ...`."""
    facts = deployment.properties
    if not facts.get("served from"):
        return facts.get("why", "")
    requests = int(facts.get("requests", "0"))
    until = facts.get("served until") or f"at least {facts.get('served as of', 'then')}"
    return f"{requests:,} requests, {facts['served from']} to {until}"


_TOLD_BY_ROLE = (roles.FEATURE_GROUP, roles.EXPLAINABILITY, roles.SAGEMAKER_MODEL)
"""Roles of what neither type nor name tells."""

_REMARKS: dict[str, Callable[[Entity], str]] = {
    roles.TABLE: _of_table,
    **dict.fromkeys(_TOLD_BY_ROLE, lambda entity: entity.role),
    **dict.fromkeys((roles.CODE, roles.BASE), _of_files),
    roles.RUN: _of_run,
    roles.JOB: _of_job,
    roles.GATE: lambda gate: gate.properties.get("compared", ""),
    roles.APPROVAL: _of_approval,
    roles.DEPLOYMENT: served,
}


def rows(entity: Entity) -> Iterator[tuple[str, str]]:
    """Everything that is known of an entity, by names in words."""
    if entity.role:
        yield "what", entity.role
    if entity.sha256:
        yield "SHA-256", entity.sha256
    if entity.uri:
        yield "URI", entity.uri
    if entity.created:
        yield "when", entity.created
    for name, text in entity.properties.items():
        if name in ("files", "archive files"):
            yield from _files(text)
        else:
            said = _with_signs(name, text)
            yield name, said if len(said) <= _LONG else f"{said[: _LONG - 1]}…"
    yield "id", entity.id


def _with_signs(name: str, text: str) -> str:
    """A property in which a gate, alone or in a package's metadata, has its signs again."""
    if name == "gate":
        return gates.written(text)
    content = values(text)
    if "gate" not in content:
        return text
    signed = {**content, "gate": gates.written(content["gate"])}
    return json.dumps(signed, ensure_ascii=False, separators=(",", ":"))


def listed_files(entity: Entity) -> dict[str, str]:
    """The files that an artifact lists: SHA-256 by the path below its address."""
    return dict(_files(entity.properties.get("files", "")))


def _files(listing: str) -> Iterator[tuple[str, str]]:
    """Each file's path and SHA-256."""
    for line in listing.splitlines():
        sha256, _, path = line.partition("  ")
        yield path, sha256


def values(text: str) -> dict[str, str]:
    """A property that is a JSON object of texts; empty if it is none."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in content.items()} if isinstance(content, dict) else {}
