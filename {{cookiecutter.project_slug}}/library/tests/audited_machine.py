"""A machine with a whole run and a registered version, for the tests of the audit pack.

Names of people are planted wherever a run may leave some: in ids, free text, facets' values, logs,
paths, and as who started it.
"""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from ninesteps.audit import subject
from ninesteps.audit.subject import Subject
from ninesteps.local.state import KeptStep, Record, State
from ninesteps.profiles import profile as profiles
from ninesteps.settings import loading
from ninesteps.settings.settings import Settings
from reports import (
    ANALYSIS,
    COLUMNS,
    CURVES,
    EVALUATION,
    FEW,
    PROFILE,
    ROOT,
    SHARE,
    TRAINING_BIAS,
    files,
    group,
    steps,
)

RUN = "one"
STARTER, APPROVER = "Thaddeus Starter <thaddeus@example.com>", "Jo Marsh"
PLANTED = ("Thaddeus", "Zebedee", "Quux", "Ünalöz", "Petunia", "Grizelda", "confided", "4711.25")
"""Parts of names and texts: none of them is in a pack, in whatever spelling."""

NAMES = {
    "Process": "ChurnModelProcess", "Tune": "ChurnHyperParameterTuning",
    "Evaluate": "ChurnEvalBestModel", "Create": "ChurnCreateModel",
    "Config": "ChurnModelConfigFile", "Transform": "ChurnTransform",
    "Clarify": "ClarifyProcessingStep", "Register": "RegisterChurnModel",
    "Check": "CheckAUCScoreChurnEvaluation",
}  # fmt: skip
"""The steps of `reports.steps`, as churn's definition calls them."""

ORIGIN: dict[str, Any] = {
    "repository": {"commit": "c0ffee" * 6 + "c0ff", "is_dirty": True, "changed": ["a.py"],
                   "changed_count": 1, "folder": "", "unknown": ""},
    "template": None, "library": "1.4.0", "library_sha256": "1" * 64, "python": "3.11.9",
    "machine": "Linux, x86_64", "lock_sha256": hashlib.sha256(b"numpy==2.1.0\n").hexdigest(),
    "settings_sha256": "2" * 64, "overridden": {},
    "table": {"path": "/home/petunia/Grizelda/people.csv", "sha256": "3" * 64, "bytes": 9,
              "rows": 1704, "kept": 1704, "used": 1704, "left_out": [],
              "first": "2026-01-01T00:00:00Z", "last": "2026-01-01T00:00:00Z"},
}  # fmt: skip
"""Where the run came from, from a folder named after people."""

_RARE = "Zebedee Quux"  # a value of a facet that one person has
_ROWS = 404


def planted() -> dict[str, Any]:
    """The files of the run, with names in them: a file's content by its name."""
    evaluation, analysis = copy.deepcopy(EVALUATION), copy.deepcopy(ANALYSIS)
    bias = evaluation["bias_metrics"]
    bias["groups"]["kind"].append(group(_RARE, 1, {**FEW, "rows": 1}))
    bias["groups"]["kind"].append(group("Ünalöz", 3, FEW))
    bias["groups"]["age_ge_4"] = [group("[4, 4711.25]")]
    bias["four_fifths"]["kind"]["lowest"] = _RARE
    for section in ("pre_training_bias_metrics", "post_training_bias_metrics"):
        facets = analysis[section]["facets"]["facet_kind"]
        facets.append({**facets[0], "value_or_threshold": _RARE})
        age = {**facets[0], "value_or_threshold": "[4, 4711.25]"}
        analysis[section]["facets"]["facet_age"] = [age]
    training = copy.deepcopy(TRAINING_BIAS)
    training["facets"] = copy.deepcopy(analysis["pre_training_bias_metrics"]["facets"])
    training["groups"]["kind"].append({"value": _RARE, "labelled": {**SHARE, "rows": 2}})
    profile = copy.deepcopy(PROFILE)
    profile["context"]["kind"]["values"].append([_RARE, 2])
    profile["features"]["purrs"]["values"].append([4711.25, 1])
    features = [*COLUMNS["columns"][5:]]
    columns = {**COLUMNS, "record_id": "id", "features": features, "context": ["kind", "age"]}
    return {"evaluation": evaluation, "analysis": analysis, "pretraining_bias": training,
            "profile": profile, "columns": columns, "curves": copy.deepcopy(CURVES)}  # fmt: skip


class Machine:
    """The repository's `.local`, with its run."""

    def __init__(self, root: Path, **replaced: Any) -> None:
        self.root, self.local = root, root / ".local"
        self.settings: Settings = loading.load(Path(__file__).resolve().parents[2])
        self.objects = {**files(**{**planted(), **replaced}).content, **_of_people()}
        for uri, content in self.objects.items():
            self.write(uri, content)
        self.run(RUN)

    def run(self, run: str) -> None:
        """A run that registers the next version; all of them have the same files."""
        definition = (Path(__file__).resolve().parents[3] / "tests/golden/churn.json").read_text()
        state = State(self.local / "state.db")
        state.start_execution(
            run, "pets", {"AsOf": "2026-01-01T00:00:00Z"}, definition, [], started_by=STARTER,
            origin=ORIGIN,
        )  # fmt: skip
        for step in steps():
            name = NAMES[step.name]
            log = self.local / "runs" / run / "logs" / f"{name}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("Petunia confided: the record of Grizelda\n", encoding="utf-8")
            below = f"{ROOT}/{step.name}/"
            record = Record(
                answer=step.answer or _ANSWERS.get(step.name, {}),
                outcome=step.outcome,
                log=str(log),
                digests={uri: hashlib.sha256(content).hexdigest()
                         for uri, content in self.objects.items() if uri.startswith(below)},
            )  # fmt: skip
            state.note_step(KeptStep(run, name, step.type, step.status, 0.1, step.reason, record))
        state.end_execution(run, "Succeeded")
        state.register(
            self.settings.model_package_group, "PendingManualApproval", run, "Register",
            _package(run),
        )  # fmt: skip

    def write(self, uri: str, content: bytes) -> None:
        file = self.path(uri)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def path(self, uri: str) -> Path:
        return self.local / "s3" / uri.removeprefix("s3://")

    def approve(self) -> None:
        from ninesteps.registry import access

        registry = access.on_this_machine(self.local, self.settings)
        registry.approve(1, APPROVER, "the metrics and the bias were read")

    def subject(self, settings: Settings | None = None, number: int = 1) -> Subject:
        return subject.here(self.root, self.local, settings or self.settings, number)


def _of_people() -> dict[str, bytes]:
    """A test split with a person in each row, and the predictions on it."""
    names = ("Zebedee Quux", "Ünalöz Grizelda", "Petunia")
    ids = [f"{names[n % 3]} {n}" for n in range(_ROWS)]
    rows = "".join(
        f'"{name}","2026-01-01T00:00:00Z",1,"{("cat", "dog")[n > 200]}","4",{n},{n % 2}\n'
        for n, name in enumerate(ids)
    )
    answers = "".join(f"{name},{n % 2},0.5\n" for n, name in enumerate(ids))
    return {
        f"{ROOT}/Process/test/test.csv": rows.encode(),
        f"{ROOT}/Transform/test.csv.out": answers.encode(),
        f"{ROOT}/Tune/model.tar.gz": b"an archive",
    }


_ANSWERS = {"Transform": {"TransformOutput": {"S3OutputPath": f"{ROOT}/Transform"}}}


def _package(run: str) -> dict[str, Any]:
    source = {"ContentType": "application/json"}
    evaluation = {**source, "S3Uri": f"{ROOT}/Evaluate/evaluation/evaluation.json"}
    analysis = {"Report": {**source, "S3Uri": f"{ROOT}/Clarify/analysis_result/analysis.json"}}
    stamps = {"profile": "churn", "profile_sha256": profiles.digest("churn"), "library": "1.4.0"}
    return {
        "ModelMetrics": {"ModelQuality": {"Statistics": evaluation}, "Bias": analysis,
                         "Explainability": analysis},
        "InferenceSpecification": {"Containers": [
            {"Image": "i", "ModelDataUrl": f"{ROOT}/Tune/model.tar.gz"}]},
        "CustomerMetadataProperties": {"gate": "auc gt 0.75", "as_of": "2026-01-01T00:00:00Z",
                                       "execution": run, **stamps},
    }  # fmt: skip


def spellings(text: str) -> set[bytes]:
    """How a text may stand in a file: as it is, escaped in JSON, and in HTML."""
    return {
        text.encode(),
        json.dumps(text)[1:-1].encode(),
        "".join(f"&#{ord(c)};" if ord(c) > 127 else c for c in text).encode(),
    }
