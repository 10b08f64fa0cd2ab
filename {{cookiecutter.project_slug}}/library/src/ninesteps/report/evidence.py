"""The files of a run that a report reads, each with its digest or why it is missing."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ninesteps.feature_store.findings import FINDINGS
from ninesteps.report.facts import SUCCEEDED, RunFacts, Source, StepFacts
from ninesteps.settings.project import LANGUAGE_MODEL

MOST_BYTES = 64_000_000
"""The size of the largest file that is read."""

MOST_DOTS = 240
"""The most explained records that are drawn, evenly spaced."""


@dataclass(frozen=True)
class File:
    """One file that a step wrote."""

    name: str
    uri: str = ""
    raw: bytes | None = None
    why: str = ""  # why it is not there, as a sentence without its full stop
    noted: str = ""  # its SHA-256 when the step ended; empty: not noted

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was read."""
        return "" if self.raw is None else hashlib.sha256(self.raw).hexdigest()

    def json(self) -> Any:
        """Its content.

        Raises:
            Absent: if it is missing or not JSON.
        """
        if self.raw is None:
            raise Absent(self.why)
        try:
            return json.loads(self.raw)
        except ValueError:
            raise Absent(f"{self.name} cannot be read as JSON") from None


class Absent(Exception):
    """The data of a panel are missing; the message says why."""


@dataclass(frozen=True)
class RunEvidence:
    """The files that a run left; their content is parsed only when it is needed."""

    evaluation: File
    curves: File
    columns: File
    profile: File
    training_bias: File
    config: File
    analysis: File
    local_shap: File
    test: File
    findings: File
    replies: File
    attributions: File

    @property
    def files(self) -> list[File]:
        """All of them."""
        return list(vars(self).values())


def collect(facts: RunFacts, source: Source) -> RunEvidence:
    """Read every file that the report is made from."""

    def file(output: str, name: str) -> File:
        return output_file(facts, source, output, name)

    columns = file("train", "columns.json")
    has_replies = is_of_replies(columns)

    def of(has_it: bool, output: str, name: str) -> File:
        return file(output, name) if has_it else File(name, why=f"this pipeline has no {name}")

    return RunEvidence(
        evaluation=file("evaluation", "evaluation.json"),
        curves=of(not has_replies, "evaluation", "curves.json"),
        columns=columns,
        profile=file("train", "profile.json"),
        training_bias=file("bias", "pretraining_bias.json"),
        config=file("config", "analysis_config.json"),
        analysis=file("analysis_result", "analysis.json"),
        local_shap=of(not has_replies, "analysis_result", "explanations_shap/out.csv"),
        test=file("test", "test.csv"),
        findings=file("test", FINDINGS),
        replies=of(has_replies, "evaluation", "replies.jsonl"),
        attributions=of(has_replies, "evaluation", "attributions.json"),
    )


def is_of_replies(columns: File) -> bool:
    """Whether a run's `columns.json` belongs to a language model."""
    try:
        return bool(columns.json()["problem"] == LANGUAGE_MODEL)
    except (Absent, LookupError, TypeError):
        return False


def output_file(facts: RunFacts, source: Source, output: str, name: str) -> File:
    """A file in a processing step's output, or why it is missing."""
    writer = _written(facts, output)
    if writer is None:
        return File(name, why=f"no step of this pipeline writes {name}")
    step, uri = writer
    if step.status != SUCCEEDED:
        reason = f": {step.reason}" if step.reason else ""
        state = {"Failed": "failed", "Skipped": "was skipped"}.get(step.status, "has not run")
        return File(name, why=f"{step.name} {state}{reason}")
    uri = f"{uri.rstrip('/')}/{name}"
    try:
        raw = source.read(uri, MOST_BYTES)
    except Absent as refused:
        return File(name, uri, why=str(refused))
    why = "" if raw is not None else f"{step.name} left no {name} that can be read"
    return File(name, uri, raw, why, facts.digests.get(uri, ""))


def _written(facts: RunFacts, output: str) -> tuple[StepFacts, str] | None:
    """The step that writes the named output, and the output's S3 URI."""
    for step in facts.step("Processing"):
        for written in step.request.get("ProcessingOutputConfig", {}).get("Outputs", []):
            if written.get("OutputName") == output:
                return step, str(written.get("S3Output", {}).get("S3Uri", ""))
    return None


@dataclass(frozen=True)
class Swarm:
    """SHAP values of some records, and the ranks of their feature values among these records."""

    features: list[str]
    values: list[list[float]]  # [record][feature]
    ranks: list[list[float | None]] | None  # ... in [0, 1]; None: no value, or not known
    of: int  # records that were explained


def swarm(evidence: RunEvidence, test_rows: int) -> Swarm:
    """The records that are drawn: explained ones, evenly spaced.

    Raises:
        Absent: if there are no local values.
    """
    raw = evidence.local_shap.raw
    if raw is None:
        raise Absent(evidence.local_shap.why)
    lines = _lines(raw)
    header = next(csv.reader(lines[:1]))
    features = [name.removesuffix("_label0") for name in header]
    explained = len(lines) - 1
    chosen = list(_even(explained, MOST_DOTS))
    values = [[float(cell) for cell in row] for row in csv.reader(lines[1 + i] for i in chosen)]
    of_test = list(_even(test_rows, explained))
    ranks = _ranks(evidence, features, [of_test[i] for i in chosen], test_rows)
    return Swarm(features, values, ranks, explained)


def _even(rows: int, most: int) -> Iterator[int]:
    """As `bias_metrics.evenly_spaced` chooses rows: their places."""
    count = min(rows, most)
    return (place * rows // count for place in range(count))


def _ranks(
    evidence: RunEvidence, features: list[str], rows: list[int], test_rows: int
) -> list[list[float | None]] | None:
    """The features of rows of the test split, each as its rank among these rows."""
    try:
        names = evidence.columns.json()["columns"]
    except Absent:
        return None
    if evidence.test.raw is None or not set(features) <= set(names):
        return None
    lines = _lines(evidence.test.raw)  # no text of a split has a line break: step 1 refuses it
    if len(lines) != test_rows:
        return None
    table = list(csv.reader(lines[row] for row in rows))
    ranked = []
    for place in (names.index(name) for name in features):
        column = [_number(record[place]) for record in table]
        known = sorted({value for value in column if value is not None})
        order = {value: place / max(len(known) - 1, 1) for place, value in enumerate(known)}
        ranked.append([None if value is None else order[value] for value in column])
    return [list(row) for row in zip(*ranked, strict=True)]


def _lines(raw: bytes) -> list[str]:
    return raw.decode("utf-8").removesuffix("\n").split("\n")


def _number(text: str) -> float | None:
    return float(text) if text else None
