"""Decides whether a step has run before, by the content of its arguments, code and inputs.

SageMaker's step caching compares arguments: two URIs are two inputs even with the same content, and
one URI is the same input even with other content. Here an input is compared by its bytes.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninesteps.definition.definition import Step
from ninesteps.errors import StepError
from ninesteps.local.jobs import queries
from ninesteps.local.offline_store import Catalog
from ninesteps.local.state import State, digest_of
from ninesteps.local.storage import Storage

REUSED = ("Processing", "Training", "Tuning", "Transform", "Model")
"""The step types whose results are reused: jobs, and models, which only name an archive."""

_OF_NO_EFFECT = frozenset((
    "EnableNetworkIsolation", "ExecutionRoleArn", "KmsKeyId", "NetworkConfig",
    "OutputDataConfig", "ProcessingResources", "ResourceConfig", "RetryStrategy",
    "RoleArn", "S3OutputPath", "StoppingCondition", "Tags", "TransformResources", "VpcConfig",
))  # fmt: skip
"""Fields about where, for whom or on what a job runs, which do not affect its result."""

_INPUTS = ("S3Uri", "ModelDataUrl", "sagemaker_submit_directory")
"""The fields that name objects a job reads."""


@dataclass(frozen=True)
class Keys:
    """Computes the cache keys of steps: the same key means the same result."""

    pipeline: str
    storage: Storage
    state: State
    catalog: Catalog

    def key(
        self, step: Step, request: dict[str, Any], read: dict[str, str] | None = None
    ) -> str | None:
        """The key of a step with resolved arguments; None if it always runs.

        Args:
            read: receives the SHA-256 of every object that the step reads, by S3 URI. A table has
                one digest: `listing_sha256` of its objects.

        Raises:
            StepError: if an input does not exist.
        """
        if step.type not in REUSED:
            return None
        read = {} if read is None else read
        compared = [
            *(self.pipeline, step.name, step.type, sorted(step.property_files.items())),
            *(machine(), self._compared(request, read)),
            *(self._tables(read) if queries(request, self.storage) else ()),
        ]
        if step.type != "Model" and step.max_age is None:
            return None
        return _sha256(json.dumps(compared, sort_keys=True))

    def _compared(self, value: Any, read: dict[str, str]) -> Any:
        if isinstance(value, list):
            return [self._compared(item, read) for item in value]
        if not isinstance(value, dict):
            return value
        compared: dict[str, Any] = {}
        for name, item in value.items():
            if name in _INPUTS:
                compared[name] = self.content(item)
                is_one = self.storage.path(item).is_file()
                place = item.rpartition("/")[0] if is_one else item.rstrip("/")
                read.update({f"{place}/{file}": digest for file, digest in compared[name]})
            elif name == "ModelName":
                compared[name] = self._compared(self.state.model(item), read)
            elif name == "S3Output":
                compared[name] = {k: v for k, v in item.items() if k != "S3Uri"}
            elif name not in _OF_NO_EFFECT:
                compared[name] = self._compared(item, read)
        return compared

    def _tables(self, read: dict[str, str]) -> list[Any]:
        """The names and contents of the tables that a query may read."""
        tables = []
        for table, uri in sorted(self.catalog.items()):
            content = self.content(uri)
            read[uri] = listing_sha256(dict(content))
            tables.append([*table, content])
        return tables

    def content(self, uri: str) -> list[tuple[str, str]]:
        """The objects at a URI, each with name and digest."""
        return [(name, self.state.digest(file)) for name, file in self.storage.objects(uri)]


def listing_sha256(digests: Mapping[str, str]) -> str:
    """One SHA-256 for several files: the digest of `sha256sum`'s output for them, sorted by
    name."""
    return _sha256("".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())))


def outputs_unchanged(digests: dict[str, str], storage: Storage, state: State) -> bool:
    """Whether objects still exist unchanged: S3 URI -> SHA-256."""
    try:
        return all(state.digest(storage.file(uri)) == digest for uri, digest in digests.items())
    except StepError:
        return False


@functools.cache
def machine() -> str:
    """What else a step's outputs depend on: this package, the interpreter, installed packages."""
    import platform
    import site

    here = Path(__file__).parent
    files = [*here.glob("*.py"), *here.with_name("definition").glob("*.py")]
    own = [digest_of(file) for file in sorted(files)]
    installed = [
        sorted(entry.name for entry in Path(folder).glob("*.dist-info"))
        for folder in site.getsitepackages()
    ]
    return _sha256(json.dumps([sys.version, platform.machine(), own, installed]))


def _sha256(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()
