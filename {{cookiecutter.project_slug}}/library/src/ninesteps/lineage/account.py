"""Lineage in an account: what SageMaker has recorded, and what the pipeline adds.

SageMaker makes a trial component for each job and artifacts for its image, inputs and outputs, by
their addresses and not by content; for a model package an artifact, its group's context and an
action; for an endpoint a context and the action of its deployment. It records nothing of the
feature group that step 1 queried, of a commit, or of a file's SHA-256, and of what a version rests
on the model and the image alone. These come from the package's metadata and its evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from ninesteps.errors import LineageError
from ninesteps.infrastructure import account
from ninesteps.lineage import entities, roles
from ninesteps.lineage.graph import (
    ASSOCIATED_WITH,
    CONTRIBUTED_TO,
    DERIVED_FROM,
    Builder,
    Entity,
    Graph,
    Kind,
)
from ninesteps.lineage.of_origin import came_from
from ninesteps.registry.account import AccountRegistry, digest_key
from ninesteps.registry.registry import Version
from ninesteps.settings.features import Features

MAX_DEPTH = 10
"""The depth to which QueryLineage follows associations; from there it is called again."""

PAGE = 50
"""Entities in an answer of QueryLineage, at most."""

PATIENCE = Config(retries={"mode": "adaptive", "total_max_attempts": 10})
"""An entity takes a call, so that a large graph is throttled: the client slows down by itself."""

_KINDS: dict[str, Kind] = {
    "Artifact": "artifact",
    "Action": "action",
    "Context": "context",
    "TrialComponent": "trial component",
}
"""By SageMaker's `LineageType`."""

_BY_PATH = {
    "artifact": "Artifact",
    "action": "Action",
    "context": "Context",
    "experiment-trial-component": "TrialComponent",
}
"""`LineageType` by the beginning of an ARN's resource."""

_ROLES = {
    "Image": roles.IMAGE,
    "Model": roles.MODEL,
    "ModelGroup": roles.GROUP,
    "Approval": roles.APPROVAL,
    "ModelDeployment": roles.DEPLOYMENT,
    "Endpoint": roles.ENDPOINT,
}
"""By SageMaker's types of artifacts, actions and contexts."""

DELETED = "deleted since: SageMaker has its associations alone"

Json = dict[str, Any]


def client(session: Any) -> Any:
    """SageMaker's client, with patience."""
    return session.client("sagemaker", config=PATIENCE)


# A version


def graph_of_version(
    sagemaker: Any, registry: AccountRegistry, version: Version, features: Features
) -> tuple[Graph, str]:
    """What a version came from and became, and the id of the version in it.

    Args:
        features: the environment's, whose feature groups step 1 queries.
    """
    arn = registry.package(version.number)
    starts = list(_artifacts(sagemaker, arn))
    reader = _Reader(sagemaker)
    for start in starts:
        reader.follow(start, "Ascendants")
        reader.follow(start, "Descendants")
    for uri in _rests_on(version):  # of the model and the image alone SageMaker knows itself
        for artifact in _artifacts(sagemaker, uri):
            reader.follow(artifact, "Ascendants")
    reader.describe()
    id_ = starts[0] if starts else arn
    known = _Known(reader.graph, registry, version, features, id_)
    known.add_package(is_recorded=bool(starts))
    known.add_files()
    known.add_run()
    known.add_feature_groups()
    known.add_decisions()
    return reader.graph.graph(), id_


def _rests_on(version: Version) -> Iterator[str]:
    """The addresses of what a version rests on, as its jobs were given them: files' folders."""
    named = (version.metadata.get(key, "") for key in ("test_split", "predictions"))
    folders = (uri.rpartition("/")[0] for uri in version.evidence if uri != version.model)
    return filter(None, dict.fromkeys([*folders, *named]))


def versions_of(sagemaker: Any, uri: str) -> tuple[Graph, list[Entity]]:
    """What became of something with an S3 URI, or another address, that SageMaker has recorded.

    Raises:
        LineageError: if SageMaker has recorded nothing of that address.
    """
    starts = list(_artifacts(sagemaker, uri))
    if not starts:
        raise LineageError(
            f"SageMaker has no record of {uri!r}: expected an S3 URI as it was given to a job, "
            "an image or a model package's ARN"
        )
    reader = _Reader(sagemaker)
    for start in starts:
        reader.follow(start, "Descendants")
    reader.describe()
    graph = reader.graph.graph()
    return graph, [graph.entities[start] for start in starts]


def _artifacts(sagemaker: Any, uri: str) -> Iterator[str]:
    """The ARNs of the artifacts with a source URI."""
    pages = sagemaker.get_paginator("list_artifacts").paginate(SourceUri=uri)
    return (summary["ArtifactArn"] for page in pages for summary in page["ArtifactSummaries"])


# What SageMaker recorded


@dataclass
class _Reader:
    """Reads entities and associations into a graph."""

    sagemaker: Any
    graph: Builder = field(default_factory=Builder)
    _types: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By ARN: `LineageType`, and the entity's own type; empty where no answer has said it."""

    def follow(self, start: str, direction: str) -> None:
        """Read all associations in a direction, however far they lead."""
        waiting, asked = [start], set[str]()
        self._types.setdefault(start, (_lineage_type(start), ""))
        while waiting:
            origin = waiting.pop()
            if origin in asked:
                continue
            asked.add(origin)
            edges = list(self._query(origin, direction))
            waiting += _farthest(origin, edges, direction)

    def _query(self, start: str, direction: str) -> Iterator[tuple[str, str]]:
        """The associations around an entity, as (source, destination)."""
        request: Json = {"StartArns": [start], "Direction": direction, "IncludeEdges": True,
                         "MaxDepth": MAX_DEPTH, "MaxResults": PAGE}  # fmt: skip
        while True:
            answer = self.sagemaker.query_lineage(**request)
            for vertex in answer.get("Vertices", []):
                arn = vertex["Arn"]
                kind = vertex.get("LineageType") or _lineage_type(arn)
                self._types[arn] = (kind, vertex.get("Type", ""))
            for edge in answer.get("Edges", []):
                source, destination = edge["SourceArn"], edge["DestinationArn"]
                for arn in (source, destination):
                    self._types.setdefault(arn, (_lineage_type(arn), ""))
                self.graph.join(source, destination, edge.get("AssociationType", ASSOCIATED_WITH))
                yield source, destination
            if not (token := answer.get("NextToken")):
                return
            request["NextToken"] = token

    def describe(self) -> None:
        """Read what each entity is; one that was deleted since keeps its associations."""
        for arn, (kind, type_) in self._types.items():
            try:
                self.graph.add(_DESCRIBED[kind](self.sagemaker, arn, type_))
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFound":
                    raise
                self.graph.add(Entity(
                    arn, _KINDS[kind], type_ or kind, arn.rpartition("/")[2],
                    role=_ROLES.get(type_, ""), properties={"note": DELETED},
                ))  # fmt: skip


def _lineage_type(arn: str) -> str:
    path = arn.split(":", 5)[-1].partition("/")[0]
    return _BY_PATH.get(path, "Artifact")


def _farthest(start: str, edges: Iterable[tuple[str, str]], direction: str) -> list[str]:
    """The entities at the depth where QueryLineage stops."""
    near, far = (1, 0) if direction == "Ascendants" else (0, 1)
    following: dict[str, list[str]] = {}
    for edge in edges:
        following.setdefault(edge[near], []).append(edge[far])
    visited, row = {start}, [start]
    for _ in range(MAX_DEPTH):
        row = list(dict.fromkeys(o for a in row for o in following.get(a, []) if o not in visited))
        visited.update(row)
    return row


def _artifact(sagemaker: Any, arn: str, type_: str) -> Entity:
    found = sagemaker.describe_artifact(ArtifactArn=arn)
    source = found.get("Source", {})
    uri, own = source.get("SourceUri", ""), found.get("ArtifactType", type_)
    versions = {one["SourceIdType"]: one["Value"] for one in source.get("SourceTypes", [])}
    is_package = ":model-package/" in uri
    return Entity(
        arn, "artifact", "ModelPackage" if is_package else own,
        _name_of_package(uri) if is_package else _last(uri) or found.get("ArtifactName", ""),
        uri, role=roles.PACKAGE if is_package else _ROLES.get(own, _of_uri(uri)),
        properties={**_properties(found), **versions, **_commit(found)}, created=_created(found),
    )  # fmt: skip


def _action(sagemaker: Any, arn: str, type_: str) -> Entity:
    found = sagemaker.describe_action(ActionName=arn)
    own, source = found.get("ActionType", type_), found.get("Source", {})
    who = found.get("CreatedBy", {}).get("IamIdentity", {}).get("Arn", "")
    said = {"status": found.get("Status", ""), "by": who, "note": found.get("Description", "")}
    return Entity(
        arn, "action", own, found.get("ActionName", _last(arn)), source.get("SourceUri", ""),
        role=_ROLES.get(own, ""), created=_created(found),
        properties={**_properties(found), **{k: v for k, v in said.items() if v},
                    **_commit(found)},
    )  # fmt: skip


def _context(sagemaker: Any, arn: str, type_: str) -> Entity:
    found = sagemaker.describe_context(ContextName=arn)
    own, source = found.get("ContextType", type_), found.get("Source", {})
    return Entity(
        arn, "context", own, found.get("ContextName", _last(arn)), source.get("SourceUri", ""),
        role=_ROLES.get(own, ""), properties=_properties(found), created=_created(found),
    )  # fmt: skip


def _trial_component(sagemaker: Any, arn: str, type_: str) -> Entity:
    found = sagemaker.describe_trial_component(TrialComponentName=arn)
    source = found.get("Source", {})
    job = _last(source.get("SourceArn", "")) or found.get("TrialComponentName", _last(arn))
    parameters = {
        name: str(value.get("StringValue", value.get("NumberValue", "")))
        for name, value in found.get("Parameters", {}).items()
    }
    began, ended = (found.get(name) for name in ("StartTime", "EndTime"))
    took = f"{(ended - began).total_seconds():g}" if began and ended else ""
    return Entity(
        arn, "trial component", _job_type(source.get("SourceType", ""), type_), job,
        source.get("SourceArn", ""), role=roles.JOB,
        created=account.moment(ended) if ended else _created(found),
        properties=entities.texts(
            job=job, status=found.get("Status", {}).get("PrimaryStatus"),
            hyperparameters=parameters, seconds=took, **_commit(found),
        ),
    )  # fmt: skip


_DESCRIBED = {
    "Artifact": _artifact,
    "Action": _action,
    "Context": _context,
    "TrialComponent": _trial_component,
}


def _job_type(source: str, type_: str) -> str:
    """The type of a job: `SageMakerTrainingJob` is a TrainingJob."""
    return type_ or source.removeprefix("SageMaker") or "TrialComponent"


def _properties(found: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in found.get("Properties", {}).items()}


def _commit(found: Mapping[str, Any]) -> dict[str, str]:
    """What the creator of an entity recorded about its code; SageMaker records nothing."""
    metadata = found.get("MetadataProperties", {})
    named = {"commit": metadata.get("CommitId"), "repository": metadata.get("Repository")}
    return {name: str(value) for name, value in named.items() if value}


def _created(found: Mapping[str, Any]) -> str:
    when = found.get("CreationTime")
    return account.moment(when) if isinstance(when, datetime) else ""


def _last(address: str) -> str:
    return address.rstrip("/").rpartition("/")[2]


def _name_of_package(arn: str) -> str:
    *_, group, version = arn.split("/")
    return f"{group} version {version}"


def _of_uri(uri: str) -> str:
    """The role of data by where this pipeline writes it."""
    if "/code/" in uri:
        return roles.CODE
    named = {"train": roles.SPLIT, "validation": roles.SPLIT, "test": roles.SPLIT,
             "evaluation": roles.EVALUATION, "analysis_result": roles.BIAS}  # fmt: skip
    return named.get(_last(uri), "")


# What this pipeline knows beside it


@dataclass
class _Known:
    """Adds to a graph what the package's metadata, its evidence and pipeline.toml say."""

    graph: Builder
    registry: AccountRegistry
    version: Version
    features: Features
    package: str  # the id of the version's entity

    def add_package(self, is_recorded: bool) -> None:
        """The version with its metadata, and a note if SageMaker has no lineage for it."""
        version = self.version
        there = self.graph.entities.get(self.package) or Entity(
            self.package, "artifact", "ModelPackage", version.name,
            self.registry.package(version.number), role=roles.PACKAGE,
        )  # fmt: skip
        note = "" if is_recorded else (
            "SageMaker has no lineage for it: it is recorded some time after registration, and "
            "may have been deleted"
        )  # fmt: skip
        said = entities.texts(status=version.status, run=version.execution,
                              metadata=version.metadata, note=note)  # fmt: skip
        self.graph.add(replace(
            there, created=there.created or version.created,
            properties={**there.properties, **said},
        ))  # fmt: skip

    def add_files(self) -> None:
        """The files that the version rests on, with their SHA-256 as they were registered."""
        named = {self.version.evaluation: roles.EVALUATION, self.version.model: roles.MODEL}
        for uri in self.version.evidence:
            sha256 = self.version.metadata.get(digest_key(uri), "")
            if there := self._at(uri):
                self.graph.add(replace(there, sha256=sha256))
                continue
            id_ = self.graph.add(entities.file(uri, sha256, named.get(uri, roles.BIAS)))
            self.graph.join(id_, self.package, CONTRIBUTED_TO)
            if folder := self._at(uri.rpartition("/")[0]):
                self.graph.join(folder.id, id_, DERIVED_FROM)

    def add_run(self) -> None:
        """The execution of the pipeline, its jobs, and the code and settings that it came from."""
        version, execution = self.version, self.version.execution
        if not execution:
            return
        arn = self.registry.execution(execution)
        run = self.graph.add(Entity(
            arn, "context", "PipelineExecution", f"run {execution}", arn, role=roles.RUN,
            properties=entities.texts(run=execution, pipeline=self.registry.pipeline,
                                      as_of=version.metadata.get("as_of")),
        ))  # fmt: skip
        for entity in list(self.graph.entities.values()):
            # Jobs of a pipeline are called pipelines-<execution>-..., those of a search
            # <execution>-...: see `ninesteps.local.engine`.
            own = (f"pipelines-{execution}-", f"{execution}-")
            if entity.kind == "trial component" and entity.name.startswith(own):
                self.graph.join(run, entity.id, ASSOCIATED_WITH)
        for entity in came_from(self.registry.origin(version)):
            self.graph.join(self.graph.add(entity), run, CONTRIBUTED_TO)

    def add_feature_groups(self) -> None:
        """The feature groups that step 1 queried by Athena, of which SageMaker records nothing."""
        split = self._at(self.version.metadata.get("test_split", ""))
        jobs = [a.source for a in self.graph.associations if split and a.destination == split.id]
        names = (self.features.group, *(g.group for g in self.features.owned_groups.values()),
                 *(g.group for g in self.features.groups.values()))  # fmt: skip
        for name in dict.fromkeys(filter(None, names)):
            arn = self.registry.environment.sagemaker_arn(f"feature-group/{name}")
            id_ = self.graph.add(Entity(
                arn, "artifact", "DataSet", name, arn, role=roles.FEATURE_GROUP,
                properties={"note": "by pipeline.toml as it is now: SageMaker records no query"},
            ))  # fmt: skip
            for job in jobs:
                self.graph.join(id_, job, CONTRIBUTED_TO)

    def add_decisions(self) -> None:
        """The decisions on the version, where SageMaker has no action of an approval."""
        if any(e.role == roles.APPROVAL for e in self.graph.entities.values()):
            return
        for number, decision in enumerate(self.version.decisions, 1):
            id_ = self.graph.add(Entity(
                f"{self.package}#{number}", "action", "Approval",
                f"{decision.after} by {decision.who}", role=roles.APPROVAL, created=decision.at,
                properties=entities.texts(status="Completed", why=decision.why, by=decision.who),
            ))  # fmt: skip
            self.graph.join(self.package, id_, CONTRIBUTED_TO)

    def _at(self, uri: str) -> Entity | None:
        """What SageMaker has recorded of an address."""
        wanted = uri.rstrip("/")
        every = self.graph.entities.values()
        return next((e for e in every if uri and e.uri.rstrip("/") == wanted), None)
