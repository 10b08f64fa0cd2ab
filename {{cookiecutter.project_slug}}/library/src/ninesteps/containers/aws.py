"""Creates all clients of AWS's services in a container."""

from __future__ import annotations

import functools
import os
from typing import Any

from container import job_request

ARN_PARTS = 6
"""The position of the region in arn:partition:service:region:account:resource."""

RETRIES: dict[str, Any] = {"mode": "standard", "total_max_attempts": 8}
"""Retries in standard mode: botocore's legacy mode, the default of the image's 1.38, does not retry
Athena's TooManyRequestsException, which has status 400."""


def region() -> str:
    """The region of the job.

    SageMaker sets `AWS_REGION`, but botocore reads only `AWS_DEFAULT_REGION`, which is not set
    there. Without `AWS_REGION`, the region comes from the ARN in a processing job's own request.

    Raises:
        RuntimeError: if neither exists.
    """
    if given := os.environ.get("AWS_REGION"):
        return given
    arn = str(job_request().get("ProcessingJobArn", "")).split(":")
    if len(arn) < ARN_PARTS:
        raise RuntimeError("expected the job's region in the variable AWS_REGION, got none")
    return arn[3]


def client(service: str) -> Any:
    """A client of a service in the job's region."""
    return _client(service, region())


@functools.cache
def _client(service: str, where: str) -> Any:
    """A client, created once: that takes longer than most of its calls."""
    import boto3
    from botocore.config import Config

    return boto3.client(service, region_name=where, config=Config(retries=RETRIES))
