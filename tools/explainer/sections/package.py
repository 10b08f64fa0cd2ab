"""The contents of a registered version: each file, the step that made it, and its purpose."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from explainer.diagram import Box, arrow
from explainer.facts import ScenarioFacts
from explainer.section import Section, rendered
from explainer.stored import size_text
from ninesteps.report import drawing as d
from ninesteps.report.evidence import MOST_BYTES
from ninesteps.report.facts import StepFacts
from ninesteps.settings import gate as gates

SHOWN = "churn"

PURPOSES = {
    "model.tar.gz": "The model and the script that serves it. An endpoint loads this file.",
    "evaluation.json": "The metrics and bias numbers on the test split, which the gate compared. "
    "It identifies the model's archive by SHA-256.",
    "analysis.json": "Clarify's report: bias before and after training by group, and SHAP values, "
    "which show what the model relies on.",
}
"""The purpose of each file that a package can name."""

KINDS = {"ModelQuality": "quality", "Bias": "bias report", "Explainability": "explainability"}

MEMBERS = {
    "xgboost-model.json": "the trees, as XGBoost writes them",
    "lightgbm-model.txt": "the trees, as LightGBM writes them",
    "code/inference.py": "answers requests, on the endpoint and in a batch transform",
    "code/columns.json": "the columns of the splits, and which of them the model sees",
    "code/raw_columns.json": "the raw table's columns, so that a request can send a raw record",
    "code/model.json": "algorithm, settings and decision threshold",
    "code/feature_store/features.py": "the team's features, the same code as in training",
}
"""The archive's files that are shown; the others belong to the library."""


@dataclass(frozen=True)
class Artifact:
    """A file that a package names."""

    name: str
    uses: str  # as the package calls it
    step: StepFacts  # that made it
    size: str
    sha256: str

    @property
    def purpose(self) -> str:
        """What it is for."""
        return PURPOSES[self.name]


def section(facts: Mapping[str, ScenarioFacts]) -> Section:
    """The section."""
    scenario = facts[SHOWN]
    (registered,) = scenario.run.step("RegisterModel")
    package = registered.request
    specification = package["InferenceSpecification"]
    (container,) = specification["Containers"]
    found = artifacts(scenario)
    html = rendered(
        "sections/package.html.jinja",
        version=scenario.run.registered,
        artifacts=found,
        picture=_picture(scenario, found, registered),
        members=_members(scenario, container["ModelDataUrl"]),
        specification={
            "Image": container["Image"].rpartition("/")[2],
            "Request type": ", ".join(specification["SupportedContentTypes"]),
            "Response type": ", ".join(specification["SupportedResponseMIMETypes"]),
            "Endpoint on": ", ".join(specification["SupportedRealtimeInferenceInstanceTypes"]),
            "Batch transform on": ", ".join(specification["SupportedTransformInstanceTypes"]),
        },
        metadata={
            name: _end(gates.written(value) if name == "gate" else value)
            for name, value in package["CustomerMetadataProperties"].items()
        },
        status=package["ModelApprovalStatus"],
    )
    lead = (
        "A version in the Model Registry is not a copy of the model. It lists the files that the "
        "steps wrote, how to serve them, and the rules that applied to the run."
    )
    return Section("package", "What is in a model package", lead, html, menu="Model package")


def artifacts(scenario: ScenarioFacts) -> list[Artifact]:
    """Every file that the run's package names, once each.

    Raises:
        StopIteration: if no step of the run wrote it.
    """
    (registered,) = scenario.run.step("RegisterModel")
    named: dict[str, list[str]] = {}
    for kind, uri in _named(registered.request):
        named.setdefault(uri, []).append(kind)
    return [
        Artifact(
            uri.rpartition("/")[2],
            " and ".join(kinds),
            next(step for step in scenario.run.steps if f"/{step.name}/" in uri),
            size_text(len(scenario.files.read(uri, MOST_BYTES) or b"")),
            scenario.run.digests.get(uri, ""),
        )
        for uri, kinds in named.items()
    ]


def _named(package: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for container in package["InferenceSpecification"]["Containers"]:
        yield "model", container["ModelDataUrl"]
    for kind, report in package["ModelMetrics"].items():
        for source in report.values():
            yield KINDS[kind], source["S3Uri"]


def _members(scenario: ScenarioFacts, archive: str) -> list[tuple[str, str, str]]:
    """The archive's files that are shown, in its order: name, size and what each is."""
    content = scenario.files.read(archive, MOST_BYTES)
    if content is None:
        raise FileNotFoundError(archive)
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        return [(member.name, size_text(member.size), MEMBERS[member.name])
                for member in opened.getmembers() if member.name in MEMBERS]  # fmt: skip


def _end(value: str) -> str:
    """A value, shortened if necessary: to the end of an address, or the beginning of a digest."""
    most = 38
    if len(value) <= most:
        return value
    return f"…{value[1 - most :]}" if value.startswith("s3://") else f"{value[:12]}…"


def _picture(scenario: ScenarioFacts, found: list[Artifact], registered: StepFacts) -> Markup:
    """Steps on the left, the file that each wrote on the right, and the version below."""
    marks, ends = [], []
    numbers = {step.name: place for place, step in enumerate(scenario.run.steps, 1)}
    for row, artifact in enumerate(found):
        y = 8 + row * 64
        step = Box(3, y, 92, f"Step {numbers[artifact.step.name]}", (artifact.step.type,))
        file = Box(124, y, 184, artifact.name, (artifact.uses,), "store")
        marks += [
            step.marks,
            file.marks,
            arrow((step.right, step.centre), (file.x - 1, step.centre)),
        ]
        ends.append(file)
    last = ends[-1].bottom
    version = Box(84, last + 26, 224, scenario.run.registered.partition(" (")[0],
                  (f"step {numbers[registered.name]}: {registered.type}",), "good")  # fmt: skip
    for file in ends:
        marks.append(d.path([(file.right, file.centre), (332, file.centre)], "flow-line"))
    marks.append(
        arrow((332, ends[0].centre), (332, version.centre), (version.right + 1, version.centre))
    )
    says = f"One version lists {len(found)} files that the steps wrote."
    return d.svg(
        "package-files", version.bottom + 8, "From step to package", says, *marks, version.marks
    )
