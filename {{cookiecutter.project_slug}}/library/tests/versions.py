"""Registered versions for the tests of approval: a state, and files that versions rest on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ninesteps.local.state import KeptStep, Record, State
from ninesteps.profiles import profile as profiles
from ninesteps.profiles.stamps import Expected
from ninesteps.registry.local import LocalRegistry
from ninesteps.registry.registry import Approvals, Version

GROUP = "pets"
EXPECTED = Expected("custom", profiles.digest("custom"))
STAMPS = {"profile": "custom", "profile_sha256": EXPECTED.profile_sha256, "library": "1.4.0+g0a"}
"""What versions of pets are made under, and say so."""

FILES = ("evaluation/evaluation.json", "analysis/analysis.json", "model.tar.gz")


def evaluation(**metrics: float) -> bytes:
    """An evaluation.json."""
    numbers = {name: {"value": value} for name, value in metrics.items()}
    bias = {
        "worst_dppl": {"value": 0.25},
        "worst_di": {"value": 0.5},
        "dppl": {"species": {"value": 0.25}},
        "di": {"species": {"value": 0.5}},
        "confidence": 0.95,
        "groups": {"species": []},
    }
    content = {"binary_classification_metrics": numbers, "bias_metrics": bias, "decision": {}}
    return json.dumps(content).encode()


def scored(archive: bytes, difference: float = 0.0) -> dict[str, Any]:
    """The section of an evaluation.json whose champion is the archive."""
    sha256 = hashlib.sha256(archive).hexdigest()
    return {"outcome": "scored", "sha256": sha256, "auc_difference": {"value": difference}}


NONE_SERVES = {"outcome": "none serves", "sha256": "0" * 64, "auc_difference": {"value": 0.0}}


@dataclass
class Registered:
    """The folder of a machine on which versions were registered."""

    local: Path
    group: str = GROUP
    runs: list[str] = field(default_factory=list)

    @property
    def state(self) -> State:
        return State(self.local / "state.db")

    def file(self, version: int, name: str) -> Path:
        """A file that a version rests on, by its last name."""
        (path,) = (path for path in FILES if path.endswith(name))
        return self.local / "s3/models" / f"run{version}" / path

    def register(
        self,
        started_by: str = "Sam Lee <sam@example.com>",
        stamps: Mapping[str, str] = STAMPS,
        catalog: Sequence[Sequence[str]] = (),
        origin: Mapping[str, Any] | None = None,
        model: bytes = b"",
        champion: Mapping[str, Any] | None = None,
        **metrics: float,
    ) -> int:
        """Run and register the next version."""
        version = len(self.runs) + 1
        run, state = f"run{version}", self.state
        self.runs.append(run)
        archive = model or f"the archive of {run}".encode()
        evaluated = evaluation(**(metrics or {"auc": 0.9}))
        if champion:
            evaluated = json.dumps({**json.loads(evaluated), "champion": champion}).encode()
        contents = (evaluated, b"{}", archive)
        digests = {}
        for name, content in zip(FILES, contents, strict=True):
            file = self.file(version, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            digests[f"s3://models/{run}/{name}"] = hashlib.sha256(content).hexdigest()
        state.start_execution(run, self.group, {}, "{}", catalog, {}, started_by, origin)
        for uri, digest in digests.items():  # a step each
            record = Record(digests={uri: digest})
            state.note_step(KeptStep(run, uri, "Processing", "Succeeded", 1.0, "", record))
        state.end_execution(run, "Succeeded")
        return state.register(
            self.group, "PendingManualApproval", run, "R", package(*digests, stamps),
            hashlib.sha256(archive).hexdigest(),
        )  # fmt: skip

    def approvals(self, expected: Expected = EXPECTED, **rules: bool) -> Approvals:
        """What may be decided on them."""
        return Approvals(LocalRegistry(self.local, self.group), expected, **rules)

    def version(self, number: int) -> Version:
        """One of them."""
        return LocalRegistry(self.local, self.group).version(number)


def package(
    evaluation: str, analysis: str, model: str, stamps: Mapping[str, str] = STAMPS
) -> dict[str, Any]:
    """A model package's request, that names its evidence and what it was made under."""
    source = {"ContentType": "application/json"}
    report = {"Report": {**source, "S3Uri": analysis}}
    return {
        "ModelMetrics": {
            "ModelQuality": {"Statistics": {**source, "S3Uri": evaluation}},
            "Bias": report,
            "Explainability": report,
        },
        "InferenceSpecification": {"Containers": [{"Image": "i", "ModelDataUrl": model}]},
        "CustomerMetadataProperties": {
            "gate": "auc gt 0.5", "as_of": "2026-01-31T00:00:00Z", "execution": model.split("/")[3],
            **stamps,
        },
    }  # fmt: skip
