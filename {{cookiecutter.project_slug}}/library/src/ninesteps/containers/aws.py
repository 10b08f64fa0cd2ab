"""Clients of AWS's services for what runs in a container: the one place there that makes them."""

from __future__ import annotations

import functools
import os
from typing import Any

from container import job_request

ARN_PARTS = 6
"""Of arn:partition:service:region:account:resource."""

RETRIES: dict[str, Any] = {"mode": "standard", "total_max_attempts": 8}
"""botocore's legacy mode, which the image's 1.38 has by default, does not ask again what Athena has
too many of: it answers TooManyRequestsException with status 400."""


def region() -> str:
    """The region of the job.

    SageMaker says it in `AWS_REGION`, which botocore does not read: it looks for
    `AWS_DEFAULT_REGION`, which is set by nobody there. Without the variable it is taken from the
    ARN in a processing job's own request.

    Raises:
        RuntimeError: if neither is there.
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
    """Made once: that takes longer than most calls of it."""
    import boto3
    from botocore.config import Config

    return boto3.client(service, region_name=where, config=Config(retries=RETRIES))
