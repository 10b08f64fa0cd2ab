"""The entities of a lineage graph that this machine makes: their ids, types and names.

An artifact's id is made from its address and its SHA-256, so that unchanged data are one artifact
for all runs. A raw table's id is made from the SHA-256 alone, because the file may be moved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ninesteps.lineage import roles
from ninesteps.lineage.graph import Entity, Kind
from ninesteps.local.state import digest_of_text


def entity_id(kind: Kind, *what: object) -> str:
    """The id of an entity: the same facts give the same."""
    text = "\0".join(map(str, what))
    return f"{kind.replace(' ', '-')}/{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def canonical(value: Any) -> str:
    """A value as JSON, the same bytes each time."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def texts(**values: object) -> dict[str, str]:
    """Properties as texts, by names in words; what is None or empty is left out."""
    return {
        name.replace("_", " "): value if isinstance(value, str) else canonical(value)
        for name, value in values.items()
        if value not in (None, "", {}, [])
    }


def file(uri: str, sha256: str, role: str, created: str = "", **more: object) -> Entity:
    """One object of S3: a data set or, of a training job, a model."""
    return Entity(
        entity_id("artifact", uri, sha256), "artifact",
        "Model" if role == roles.MODEL else "DataSet", uri.rpartition("/")[2],
        uri, sha256, role, texts(**more), created,
    )  # fmt: skip


def listing(files: Mapping[str, str]) -> str:
    """Files as `sha256sum` prints them, sorted by path: `SHA-256  path`, a line each."""
    return "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(files.items()))


def bundle(type_: str, role: str, name: str, uri: str, files: Mapping[str, str],
           **more: object) -> Entity:  # fmt: skip
    """Several files at one address; its SHA-256 is that of the property `files`.

    Args:
        files: SHA-256 by the path below the address; one that is not known is empty.
    """
    is_known = bool(files) and all(files.values())
    digest = digest_of_text(listing(files)) if is_known else ""
    return Entity(
        entity_id("artifact", uri, digest), "artifact", type_, name, uri, digest, role,
        texts(files=listing(files) if is_known else "", **more),
    )  # fmt: skip


def image(uri: str) -> Entity:
    """A container image, by its address in a registry."""
    name = uri.rpartition("/")[2]
    return Entity(entity_id("artifact", uri), "artifact", "Image", name, uri, role=roles.IMAGE)


def of_content(type_: str, role: str, name: str, sha256: str, uri: str = "",
               **more: object) -> Entity:  # fmt: skip
    """An artifact that its SHA-256 alone identifies, wherever it lies."""
    id_ = entity_id("artifact", role, sha256)
    return Entity(id_, "artifact", type_, name, uri, sha256, role, texts(**more))


def package_id(group: str, version: int) -> str:
    """The id of a registered version's artifact."""
    return entity_id("artifact", roles.PACKAGE, group, version)


def run_id(execution: str) -> str:
    """The id of a run's context."""
    return entity_id("context", roles.RUN, execution)
