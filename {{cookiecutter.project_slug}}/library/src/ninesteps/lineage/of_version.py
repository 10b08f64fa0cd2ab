"""The lineage of a version since its registration: package, decisions, deployments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninesteps.lineage import entities, roles
from ninesteps.lineage.graph import ASSOCIATED_WITH, CONTRIBUTED_TO, Builder, Entity
from ninesteps.lineage.of_run import gate_id
from ninesteps.local.endpoint.deployments import Noted, deployments
from ninesteps.local.state import KeptStep, ModelPackage, StatusChange
from ninesteps.registry.registry import APPROVED

_QUOTABLE = (
    "alarm ", "by hand", "the deployment took longer", "the endpoint was stopped", "A/B test: ",
)  # fmt: skip
"""How reasons begin that quote nothing: a model's own error may quote a record."""

_ACTION_STATUS = {"deployed": "Completed", "rolled back": "Failed", "interrupted": "Stopped"}
"""SageMaker's `ActionStatus` by the outcome of a deployment."""


@dataclass(frozen=True)
class VersionRecord:
    """What the state keeps of a version."""

    package: ModelPackage
    arn: str
    request_sha256: str  # of the request's text, as it is kept
    steps: list[KeptStep]  # of the run that registered it
    changes: list[StatusChange]


def add_version(version: VersionRecord, graph: Builder) -> None:
    """Add a package with what it is made of, its group, and the decisions on it."""
    package, request = version.package, version.package.request
    id_ = graph.add(Entity(
        entities.package_id(package.group, package.version), "artifact", "ModelPackage",
        f"{package.group} version {package.version}", version.arn, version.request_sha256,
        roles.PACKAGE, created=package.created,
        properties=entities.texts(
            status=package.status, run=package.execution,
            metadata=request.get("CustomerMetadataProperties"),
            content_types=request.get("InferenceSpecification", {}).get("SupportedContentTypes"),
        ),
    ))  # fmt: skip
    digests = {uri: s for step in version.steps for uri, s in step.record.digests.items()}
    for uri in _named(request):
        if uri in digests:
            _join(graph, entities.entity_id("artifact", uri, digests[uri]), id_, CONTRIBUTED_TO)
    for uri, sha256 in digests.items():
        if "/explanations_shap/" in uri:  # beside the report that the package names
            _join(graph, entities.entity_id("artifact", uri, sha256), id_, ASSOCIATED_WITH)
    for container in request.get("InferenceSpecification", {}).get("Containers", []):
        if uri := container.get("Image"):
            graph.join(graph.add(entities.image(uri)), id_, CONTRIBUTED_TO)
    for step in version.steps:
        if step.type == "Condition":
            _join(graph, gate_id(package.execution, step.name), id_, CONTRIBUTED_TO)
    _join(graph, entities.run_id(package.execution), id_, ASSOCIATED_WITH)
    group = graph.add(Entity(
        entities.entity_id("context", roles.GROUP, package.group), "context", "ModelGroup",
        package.group, version.arn.rpartition("/")[0].replace(":model-package/",
                                                             ":model-package-group/"),
        role=roles.GROUP,
    ))  # fmt: skip
    graph.join(id_, group, ASSOCIATED_WITH)
    for number, change in enumerate(version.changes, 1):
        _add_decision(package, number, change, id_, graph)


def _named(request: Mapping[str, Any]) -> Iterator[str]:
    """The S3 URIs of the evidence and of the model that a package names."""
    for section in request.get("ModelMetrics", {}).values():
        for report in section.values():
            yield report.get("S3Uri", "")
    for container in request.get("InferenceSpecification", {}).get("Containers", []):
        yield container.get("ModelDataUrl", "")


def decision_id(group: str, version: int, number: int) -> str:
    """The id of a decision on a version, of which the first has number 1."""
    return entities.entity_id("action", roles.APPROVAL, group, version, number)


def _add_decision(
    package: ModelPackage, number: int, change: StatusChange, package_id: str, graph: Builder
) -> None:
    """A decision leads to the package, as SageMaker has it; what it rests on led to it."""
    stage = f" for {change.stage.lower()}" if change.stage else ""
    decision = graph.add(Entity(
        decision_id(package.group, package.version, number), "action", "Approval",
        f"{change.after.lower()}{stage} by {change.who}", role=roles.APPROVAL, created=change.at,
        properties=entities.texts(
            status="Completed", before=change.before, after=change.after, who=change.who,
            why=change.why, stage=change.stage, rules=change.rules, version=package.version,
        ),
    ))  # fmt: skip
    graph.join(decision, package_id, CONTRIBUTED_TO)
    for uri, sha256 in change.evidence.items():
        _join(graph, entities.entity_id("artifact", uri, sha256), decision, CONTRIBUTED_TO)


def _join(graph: Builder, source: str, destination: str, type_: str) -> None:
    """Join to what is there: what an earlier run has written is in the graph before."""
    if graph.has(source):
        graph.join(source, destination, type_)


# Deployments


def add_deployments(
    folder: Path,
    group: str,
    packages: Mapping[tuple[str, int], list[StatusChange]],
    graph: Builder,
) -> None:
    """Add the deployments to the endpoint on this machine, and the traffic that each served.

    Args:
        folder: what the endpoint keeps.
        group: the model package group of deployments that do not note theirs.
        packages: the decisions on each version there is, by its group and number.
    """
    for deployment in deployments(folder, group):
        if (deployment.group, deployment.version) in packages:
            endpoint = graph.add(Entity(
                entities.entity_id("context", roles.ENDPOINT, deployment.group), "context",
                "Endpoint", f"{deployment.group}, on this machine", role=roles.ENDPOINT,
            ))  # fmt: skip
            _add_deployment(deployment, packages, endpoint, graph)


def _add_deployment(
    deployment: Noted,
    packages: Mapping[tuple[str, int], list[StatusChange]],
    endpoint: str,
    graph: Builder,
) -> None:
    began, ended, served = deployment.began, deployment.ended, deployment.served
    group, version, outcome = deployment.group, deployment.version, ended.get("outcome", "")
    policy = began.get("policy", {}).get("BlueGreenUpdatePolicy", {})
    traffic = policy.get("TrafficRoutingConfiguration", {}).get("Type", "")
    action = graph.add(Entity(
        entities.entity_id("action", roles.DEPLOYMENT, group, deployment.number), "action",
        "ModelDeployment", f"version {version} {outcome or 'being deployed'}",
        role=roles.DEPLOYMENT, created=began["at"],
        properties=entities.texts(
            status=_ACTION_STATUS.get(outcome, "InProgress"), outcome=outcome,
            why=_reason(ended.get("why", "")), version=version,
            began=began["at"], ended=ended.get("at"),
            replaced=began.get("before"), by_hand="yes" if began.get("by_hand") else "",
            decided_by=ended.get("who", began.get("who")), reason=ended.get(
                "reason", began.get("reason")
            ),
            routing=traffic,
            served_from=served.get("from"), served_until=served.get("until"),
            served_as_of=served.get("as_of"), served_until_because=served.get("why"),
            requests=served.get("requests"), failed_requests=served.get("failed"),
            latency_p50_ms=served.get("p50_ms"), latency_p99_ms=served.get("p99_ms"),
        ),
    ))  # fmt: skip
    _join(graph, entities.package_id(group, version), action, CONTRIBUTED_TO)
    in_force: dict[str, int] = {}
    for number, change in enumerate(packages[group, version], 1):
        if change.at <= began["at"]:
            in_force[change.stage] = number if change.after == APPROVED else 0
    for number in filter(None, in_force.values()):
        _join(graph, decision_id(group, version, number), action, ASSOCIATED_WITH)
    graph.join(action, endpoint, ASSOCIATED_WITH)


def _reason(text: str) -> str:
    if not text or text.startswith(_QUOTABLE):
        return text
    return "the model failed, or gave another answer than before its registration"
