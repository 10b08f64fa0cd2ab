"""Puts a pipeline into an AWS account: its code under content-hash keys, then its definition."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ninesteps.infrastructure import account, change_set
from ninesteps.settings.environment import Environment

NOT_THERE = ("ResourceNotFound", "ValidationException")
"""The service's error code for a pipeline that does not exist."""


@dataclass(frozen=True)
class Published:
    """What publishing changed."""

    put: int  # code objects
    already_there: int
    pipeline: str  # created, updated or unchanged

    def sentences(self, environment: Environment) -> Iterator[str]:
        """Lines for the terminal."""
        yield f"code        {self.put} objects put, {self.already_there} were there already"
        where = f"{environment.region} of account {environment.account}"
        yield f"pipeline    {self.pipeline} in {where}"


def outputs(pipeline: str, environment: Environment) -> dict[str, str]:
    """The outputs of a pipeline's stack: bucket, roles, key; empty if there is no stack.

    Raises:
        AccountError: with one sentence.
    """
    with account.one_sentence():
        cloudformation = account.session(environment).client("cloudformation")
        return change_set.outputs(cloudformation, pipeline)


def publish(
    pipeline: str,
    definition: str,
    code_objects: dict[str, bytes],
    environment: Environment,
    record: tuple[str, bytes],
    check: Callable[[Any], None] = lambda sagemaker: None,
) -> Published:
    """Put what the definition names, then create or update the pipeline; skip what is unchanged.

    Args:
        record: where the definition came from: its key and content. It is put before the pipeline,
            so that no execution begins without it.
        check: gets a client of SageMaker, and raises unless the account has what is needed.

    Raises:
        AccountError: with one sentence.
    """
    with account.one_sentence():
        session = account.session(environment)
        sagemaker = session.client("sagemaker")
        check(sagemaker)
        put = put_code(session.client("s3"), code_objects, environment)
        put_record(session.client("s3"), environment, *record)
        done = _put_pipeline(sagemaker, pipeline, definition, environment)
    return Published(put, len(code_objects) - put, done)


def put_code(s3: Any, objects: dict[str, bytes], environment: Environment) -> int:
    """Put the objects whose keys, hashes of the content, do not exist; give their number."""
    owned = {"Bucket": environment.bucket_name, "ExpectedBucketOwner": environment.account}
    root = f"s3://{environment.bucket_name}/"
    put = 0
    for folder in sorted({uri.rpartition("/")[0] for uri in objects}):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Prefix=f"{folder.removeprefix(root)}/", **owned
        )
        there = {item["Key"] for page in pages for item in page.get("Contents", [])}
        for uri, content in objects.items():
            key = uri.removeprefix(root)
            if uri.rpartition("/")[0] == folder and key not in there:
                s3.put_object(Key=key, Body=content, **owned)
                put += 1
    return put


def put_record(s3: Any, environment: Environment, key: str, content: bytes) -> None:
    """Put a record of what was published or ingested."""
    s3.put_object(
        Bucket=environment.bucket_name, Key=key, Body=content, ContentType="application/json",
        ExpectedBucketOwner=environment.account,
    )  # fmt: skip


def is_published(sagemaker: Any, name: str) -> bool:
    """Whether the account has a pipeline of that name."""
    return _current(sagemaker, name) is not None


def _current(sagemaker: Any, name: str) -> dict[str, Any] | None:
    """The pipeline of a name; None if there is none."""
    try:
        return dict(sagemaker.describe_pipeline(PipelineName=name))
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_THERE:
            raise
        return None


def _put_pipeline(sagemaker: Any, name: str, definition: str, environment: Environment) -> str:
    """Create the pipeline, or update it if its definition differs."""
    pipeline = {
        "PipelineName": name, "PipelineDefinition": definition, "RoleArn": environment.role_arn
    }  # fmt: skip
    current = _current(sagemaker, name)
    if current is None:
        sagemaker.create_pipeline(Tags=[{"Key": "pipeline", "Value": name}], **pipeline)
        return "created"
    same = json.loads(current["PipelineDefinition"]) == json.loads(definition)
    if same and current["RoleArn"] == environment.role_arn:
        return "unchanged"
    sagemaker.update_pipeline(**pipeline)
    return "updated"
