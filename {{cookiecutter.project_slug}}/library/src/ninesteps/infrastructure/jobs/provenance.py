"""Where a registered version came from: its execution, the published code, the ingested tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws import client
from evidence import EvidenceError, Package, read
from ninesteps.definition import published

MOST_INGESTS = 500
"""Ingested tables that are listed, the newest; earlier ones are counted."""


@dataclass(frozen=True)
class Execution:
    """The execution that registered a version."""

    arn: str
    started: datetime
    definition: str
    parameters: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """For the evidence."""
        return {"arn": self.arn, "id": self.arn.rpartition("/")[2],
                "started": self.started.isoformat(), "parameters": self.parameters}  # fmt: skip


def of_package(package: Package, pipeline: str) -> Execution:
    """What the service says of the execution that a package names.

    Args:
        pipeline: its name in the account.
    """
    path = f"pipeline/{pipeline}/execution/{package.noted('execution')}"
    arn = ":".join([*package.arn.split(":")[:5], path])
    text = client("sagemaker").describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    definition = str(text["PipelineDefinition"])
    content = json.loads(definition)
    defaults = {p["Name"]: p["DefaultValue"] for p in content.get("Parameters", [])
                if "DefaultValue" in p}  # fmt: skip
    pages = client("sagemaker").get_paginator("list_pipeline_parameters_for_execution")
    given = {p["Name"]: p["Value"] for page in pages.paginate(PipelineExecutionArn=arn)
             for p in page["PipelineParameters"]}  # fmt: skip
    execution = client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=arn)
    started = execution["CreationTime"]
    parameters = {name: str(value) for name, value in {**defaults, **given}.items()}
    return Execution(arn, started, definition, parameters)


def origin(bucket: str, pipeline: str, run: Execution) -> dict[str, Any]:
    """What was recorded when the execution's definition was last published before it began.

    Args:
        pipeline: the folder of the bucket.
    """
    prefix = published.origins(pipeline, run.definition)
    there = [o for o in _objects(bucket, prefix) if o["LastModified"] <= run.started]
    if not there:
        return {"unknown": "the definition was published without a record of where it came from"}
    newest = max(there, key=lambda o: (o["LastModified"], o["Key"]))
    return _record(bucket, newest["Key"])


def ingests(bucket: str, pipeline: str, run: Execution) -> tuple[list[dict[str, Any]], int]:
    """The tables that were ingested before the execution began, with events up to its moment.

    Returns:
        the newest of them, the oldest first, and how many earlier ones there are.
    """
    as_of = run.parameters.get("AsOf", "")
    there = [o for o in _objects(bucket, published.ingests(pipeline))
             if o["LastModified"] <= run.started]  # fmt: skip
    listed = [_record(bucket, o["Key"]) for o in there[-MOST_INGESTS:]]
    read_ones = [one for one in listed if not as_of or _moment(one["table"]["first"]) <=
                 _moment(as_of)]  # fmt: skip
    return read_ones, max(0, len(there) - MOST_INGESTS)


def same_model_as(package: Package, sha256: str) -> int | None:
    """The first earlier version whose recorded archive has the same bytes."""
    group, own = package.arn.split("/")[-2:]
    pages = (
        client("sagemaker")
        .get_paginator("list_model_packages")
        .paginate(ModelPackageGroupName=group)
    )
    same = []
    for page in pages:
        for summary in page["ModelPackageSummaryList"]:
            number = int(summary["ModelPackageVersion"])
            if number < int(own) and _noted_sha256(summary["ModelPackageArn"]) == sha256:
                same.append(number)
    return min(same, default=None)


def _noted_sha256(arn: str) -> str:
    described = client("sagemaker").describe_model_package(ModelPackageName=arn)
    return str(described.get("CustomerMetadataProperties", {}).get("model_sha256", ""))


def _objects(bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """The objects below a prefix, in the order of their keys."""
    pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        yield from page.get("Contents", [])


def _record(bucket: str, key: str) -> dict[str, Any]:
    uri = f"s3://{bucket}/{key}"
    recorded = read(uri)
    try:
        content = dict(json.loads(recorded.content))
    except ValueError:
        raise EvidenceError(f"{uri}: expected JSON, got something else") from None
    return {**content, "uri": uri, "version_id": recorded.version_id, "sha256": recorded.sha256}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))  # as of the container's Python too
