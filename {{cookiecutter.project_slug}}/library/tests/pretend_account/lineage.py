"""What SageMaker's lineage API answers: of entities that are given, or of an account's jobs.

By the developer guide's "Amazon SageMaker AI-Created Tracking Entities" and "Querying Lineage
Entities": a trial component for each job, artifacts by the S3 URIs of requests, an artifact and an
action for each model package, a context for its group. moto has none of these calls.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pretend_account.lessons import client_error

CREATED = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)
DESCRIBED = {
    "artifact": ("DescribeArtifact", "ArtifactArn", "Artifact"),
    "action": ("DescribeAction", "ActionName", "Action"),
    "context": ("DescribeContext", "ContextName", "Context"),
    "experiment-trial-component": (
        "DescribeTrialComponent", "TrialComponentName", "TrialComponent",
    ),
}  # fmt: skip
"""By the path of an ARN: the call, the member that names the entity, and its lineage type."""


@dataclass
class Lineage:
    """Entities by ARN, as Describe answers of them, and associations."""

    prefix: str  # of ARNs: arn:aws:sagemaker:us-east-1:111122223333
    entities: dict[str, dict[str, Any]] = field(default_factory=dict)
    edges: list[tuple[str, str, str]] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)  # of which the associations are left
    page: int = 50  # the most vertices in an answer

    # Making one

    def artifact(self, uri: str, type_: str, **more: Any) -> str:
        """One artifact for one address, as SageMaker has it."""
        arn = f"{self.prefix}:artifact/{hashlib.sha256(uri.encode()).hexdigest()[:32]}"
        self.entities[arn] = {
            "ArtifactArn": arn, "ArtifactType": type_, "Source": {"SourceUri": uri},
            "CreationTime": CREATED, **more,
        }  # fmt: skip
        return arn

    def job(self, name: str, kind: str, **more: Any) -> str:
        """The trial component of a job; its kind is such as `TrainingJob`."""
        path = {"TrainingJob": "training-job", "ProcessingJob": "processing-job",
                "TransformJob": "transform-job"}[kind]  # fmt: skip
        arn = f"{self.prefix}:experiment-trial-component/{name.lower()}-aws-{path}"
        self.entities[arn] = {
            "TrialComponentName": arn.rpartition("/")[2], "TrialComponentArn": arn,
            "Source": {"SourceArn": f"{self.prefix}:{path}/{name}",
                       "SourceType": f"SageMaker{kind}"},
            "Status": {"PrimaryStatus": "Completed"}, "CreationTime": CREATED,
            "StartTime": CREATED, "EndTime": CREATED + datetime.timedelta(seconds=90), **more,
        }  # fmt: skip
        return arn

    def action(self, name: str, type_: str, uri: str, **more: Any) -> str:
        arn = f"{self.prefix}:action/{name}"
        self.entities[arn] = {
            "ActionName": name, "ActionArn": arn, "ActionType": type_, "Status": "Completed",
            "Source": {"SourceUri": uri}, "CreationTime": CREATED, **more,
        }  # fmt: skip
        return arn

    def context(self, name: str, type_: str, uri: str) -> str:
        arn = f"{self.prefix}:context/{name}"
        self.entities[arn] = {
            "ContextName": name, "ContextArn": arn, "ContextType": type_,
            "Source": {"SourceUri": uri}, "CreationTime": CREATED,
        }  # fmt: skip
        return arn

    def join(self, source: str, destination: str, type_: str = "ContributedTo") -> None:
        self.edges.append((source, destination, type_))

    # What the API answers

    def query_lineage(
        self, StartArns: list[str], Direction: str, MaxDepth: int, MaxResults: int,
        NextToken: str = "0", IncludeEdges: bool = True,
    ) -> dict[str, Any]:  # fmt: skip
        """The entities within a depth, a page at a time, each with the associations to it."""
        assert IncludeEdges
        steps = list(self._reached(StartArns[0], Direction, MaxDepth))
        vertices = list(dict.fromkeys(arn for arn, _ in steps))
        first, size = int(NextToken), min(MaxResults, self.page)
        shown = vertices[first : first + size]
        more = {"NextToken": str(first + size)} if first + size < len(vertices) else {}
        return {
            "Vertices": [self._vertex(arn) for arn in shown],
            "Edges": [
                {"SourceArn": s, "DestinationArn": d, "AssociationType": t}
                for arn, (s, d, t) in dict.fromkeys(steps) if arn in shown
            ],
            **more,
        }  # fmt: skip

    def _reached(
        self, start: str, direction: str, depth: int
    ) -> Iterator[tuple[str, tuple[str, str, str]]]:
        near, far = (1, 0) if direction == "Ascendants" else (0, 1)
        visited, row = {start}, [start]
        for _ in range(depth):
            following = []
            for arn in row:
                for edge in self.edges:
                    if edge[near] == arn:
                        yield edge[far], edge
                        if edge[far] not in visited:
                            visited.add(edge[far])
                            following.append(edge[far])
            row = following

    def _vertex(self, arn: str) -> dict[str, Any]:
        *_, lineage_type = DESCRIBED[arn.split(":", 5)[-1].partition("/")[0]]
        found = self.entities[arn]
        types = [found[f"{kind}Type"] for kind in ("Artifact", "Action", "Context")
                 if f"{kind}Type" in found]  # fmt: skip
        own = (types or [found["Source"].get("SourceType", "").removeprefix("SageMaker")])[0]
        return {"Arn": arn, "Type": own, "LineageType": lineage_type}

    def list_artifacts(self, SourceUri: str, **_: Any) -> dict[str, Any]:
        found = [
            {key: one[key] for key in ("ArtifactArn", "Source", "ArtifactType", "CreationTime")}
            for arn, one in self.entities.items()
            if one.get("ArtifactArn") and one["Source"]["SourceUri"] == SourceUri
            and arn not in self.deleted
        ]  # fmt: skip
        return {"ArtifactSummaries": found}

    def describe(self, **request: str) -> dict[str, Any]:
        """Any of the Describe calls: each names its entity by ARN here."""
        (arn,) = request.values()
        if arn in self.deleted or arn not in self.entities:
            raise client_error("ResourceNotFound", "Describe", f"{arn} does not exist")
        return self.entities[arn]


def of_jobs(prefix: str, requests: Mapping[str, dict[str, Any]], packages: Mapping[str, Any]
            ) -> Lineage:  # fmt: skip
    """What SageMaker would have recorded of jobs and packages.

    Args:
        requests: of jobs, by `processing_job/name` and so on.
        packages: what Describe answers of each package, by ARN.
    """
    made = Lineage(prefix)
    for key, request in requests.items():
        kind = key.partition("/")[0]
        if kind == "processing_job":
            job = made.job(request["ProcessingJobName"], "ProcessingJob")
            image = request["AppSpecification"]["ImageUri"]
            inputs = [one["S3Input"]["S3Uri"] for one in request.get("ProcessingInputs", [])]
            outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
            written = [(one["S3Output"]["S3Uri"], "DataSet") for one in outputs]
        elif kind == "training_job":
            name = request["TrainingJobName"]
            job = made.job(name, "TrainingJob", Parameters={"eta": {"NumberValue": 0.1}})
            image = request["AlgorithmSpecification"]["TrainingImage"]
            inputs = [one["DataSource"]["S3DataSource"]["S3Uri"]
                      for one in request.get("InputDataConfig", [])]  # fmt: skip
            place = request["OutputDataConfig"]["S3OutputPath"]
            written = [(f"{place}/{name}/output/model.tar.gz", "Model")]
        elif kind == "transform_job":
            job = made.job(request["TransformJobName"], "TransformJob")
            image = ""
            inputs = [request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]]
            written = [(request["TransformOutput"]["S3OutputPath"], "DataSet")]
        else:
            continue
        for uri in inputs:
            made.join(made.artifact(uri, "DataSet"), job)
        if image:
            made.join(made.artifact(image, "Image"), job)
        for uri, type_ in written:
            made.join(job, made.artifact(uri, type_), "Produced")
    for arn, package in packages.items():
        _package(made, arn, package)
    return made


def _package(made: Lineage, arn: str, package: Mapping[str, Any]) -> None:
    artifact = made.artifact(arn, "Model")
    for container in package["InferenceSpecification"]["Containers"]:
        made.join(made.artifact(container["ModelDataUrl"], "Model"), artifact)
        made.join(made.artifact(container["Image"], "Image"), artifact)
    group = package["ModelPackageGroupName"]
    context = made.context(f"{group}-group", "ModelGroup", arn.rpartition("/")[0])
    made.join(artifact, context, "AssociatedWith")
    name = "-".join(arn.split("/")[1:])
    made.join(artifact, made.action(f"{name}-approval", "Approval", arn,
                                    Properties={"ModelApprovalStatus":
                                                package["ModelApprovalStatus"]}))  # fmt: skip
