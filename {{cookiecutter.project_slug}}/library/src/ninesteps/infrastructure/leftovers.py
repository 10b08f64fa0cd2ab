"""Finds resources that a deleted stack left in the account, and imports them into a new stack.

Bucket, key and model package group outlive the stack, and a running endpoint creates its log group
again. A stack of the same name could not create them again. So CloudFormation imports them into a
stack with nothing else, which is then changed like any other.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from ninesteps.errors import AccountError
from ninesteps.infrastructure.change_set import Import, Stack
from ninesteps.settings.environment import Environment

NOT_THERE = ("404", "NoSuchBucket", "ResourceNotFound", "ValidationException")
"""The services' error codes for a name that does not exist."""


def find(session: Any, environment: Environment, name: str) -> list[Import]:
    """The resources of a stack that already exist.

    Args:
        name: the stack's, from which those of its bucket, group and log group are made.

    Raises:
        AccountError: if the bucket is encrypted with a key that can no longer be used.
    """
    return [
        *_bucket_and_key(session, environment, environment.bucket_of(name)),
        *_group(session.client("sagemaker"), name),
        *_logs(session.client("logs"), f"/aws/sagemaker/Endpoints/{name}"),
    ]


def importing(stack: Stack, found: list[Import]) -> Stack:
    """The stack with only what was found: an import may not create anything."""
    template = json.loads(stack.template)
    resources = template["Resources"]
    template["Resources"] = {one.resource: resources[one.resource] for one in found}
    template.pop("Outputs", None)
    return dataclasses.replace(stack, template=json.dumps(template), imports=tuple(found))


def _bucket_and_key(session: Any, environment: Environment, bucket: str) -> Iterator[Import]:
    s3, owned = session.client("s3"), {"ExpectedBucketOwner": environment.account}
    if _asked(s3.head_bucket, Bucket=bucket, **owned) is None:
        return
    yield Import("Bucket", "AWS::S3::Bucket", {"BucketName": bucket})
    rules = s3.get_bucket_encryption(Bucket=bucket, **owned)
    (rule,) = rules["ServerSideEncryptionConfiguration"]["Rules"]
    key = rule["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID", "")
    if environment.kms_key_arn or not key:
        return
    found = session.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    if found["KeyState"] != "Enabled":
        raise AccountError(
            f"the bucket {bucket} of a deleted stack is encrypted with the key {found['Arn']}, "
            f"which is {found['KeyState']}: enable it, or delete the bucket"
        )
    yield Import("Key", "AWS::KMS::Key", {"KeyId": found["KeyId"]})


def _group(sagemaker: Any, name: str) -> Iterator[Import]:
    found = _asked(sagemaker.describe_model_package_group, ModelPackageGroupName=name)
    if found is not None:
        arn = found["ModelPackageGroupArn"]
        yield Import("ModelPackageGroup", "AWS::SageMaker::ModelPackageGroup",
                     {"ModelPackageGroupArn": arn})  # fmt: skip


def _logs(logs: Any, name: str) -> Iterator[Import]:
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    if name in [group["logGroupName"] for group in groups]:
        yield Import("EndpointLogs", "AWS::Logs::LogGroup", {"LogGroupName": name})


def _asked(call: Any, **request: Any) -> dict[str, Any] | None:
    """The answer; None if there is nothing of that name."""
    try:
        return dict(call(**request))
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_THERE:
            raise
        return None
