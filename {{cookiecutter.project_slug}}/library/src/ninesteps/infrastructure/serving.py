"""Which version an endpoint in an account serves, and which one a version is compared with.

The job that looks at a version before its rollout takes this module along: it imports nothing else
of the library.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

NO_ENDPOINT = ("ValidationException", "ResourceNotFound")
"""The service's error code for an endpoint that does not exist."""

SERVES, APPROVED_BEFORE = "the version that serves", "the newest approved version before it"
"""Why a version is the one that another is compared with."""


def package_arn(sagemaker: Any, endpoint: str) -> str:
    """The ARN of the model package that an endpoint serves; empty if there is no endpoint.

    While an endpoint is being updated, it is that of the previous version.

    Raises:
        ValueError: if what serves is not a registered version.
    """
    try:
        described = sagemaker.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if error.response["Error"]["Code"] not in NO_ENDPOINT:
            raise
        return ""
    config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    name = config["ProductionVariants"][0]["ModelName"]
    arn = sagemaker.describe_model(ModelName=name)["PrimaryContainer"].get("ModelPackageName")
    if not arn:
        raise ValueError(
            f"the endpoint {endpoint} serves {name}, a model that is not a registered version"
        )
    return str(arn)


def package(sagemaker: Any, endpoint: str) -> dict[str, Any] | None:
    """The model package that an endpoint serves, as Describe has it; None if there is no endpoint.

    Raises:
        ValueError: if what serves is not a registered version.
    """
    arn = package_arn(sagemaker, endpoint)
    if not arn:
        return None
    return {"ModelPackageArn": arn, **sagemaker.describe_model_package(ModelPackageName=arn)}


def number(arn: str) -> int:
    """The number of a version, by the ARN of its package."""
    return int(arn.rpartition("/")[2])


def compared_with(
    serves: int | None, approved_ones: Iterable[tuple[int, str]], own: int | None, began: str
) -> tuple[int, str] | None:
    """What an execution is compared with: a version's number, and why that one.

    The version that serves; else the newest approved one before it. None if there is none.

    Args:
        approved_ones: the newest first, each with when it was made.
        own: the version that the execution registered, if it did.
        began: when it began.
    """
    if serves is not None and serves != own:
        return serves, SERVES
    for version, created in approved_ones:
        if version < own if own else created < began:
            return version, APPROVED_BEFORE
    return None


def archive(model_package: dict[str, Any]) -> str:
    """The S3 URI of a version's archive."""
    return str(model_package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"])
