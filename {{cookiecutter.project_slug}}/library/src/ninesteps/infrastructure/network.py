"""The VPC endpoints that jobs and endpoints in an account's subnets need.

It follows from the calls that their roles may make: a service that a statement is added for needs
an endpoint too.
"""

from __future__ import annotations

from collections.abc import Iterable

from ninesteps.infrastructure.permissions import Grant

OF_SERVICE = {
    "athena": ("athena",),
    "cloudwatch": ("monitoring",),
    "ec2": (),  # SageMaker itself attaches jobs to the subnets
    "ecr": ("ecr.api", "ecr.dkr"),
    "glue": ("glue",),
    "iam": (),  # a role is passed in a request to SageMaker
    "kms": ("kms",),
    "lakeformation": (),  # Athena asks it
    "logs": ("logs",),
    "s3": ("s3",),
    "sagemaker": ("sagemaker.api",),
}
"""The ends of a service's interface endpoint names; that of S3 may be a gateway."""

OF_ACTION = {
    "sagemaker:GetRecord": "sagemaker.featurestore-runtime",
    "sagemaker:BatchGetRecord": "sagemaker.featurestore-runtime",
    "sagemaker:PutRecord": "sagemaker.featurestore-runtime",
    "sagemaker:InvokeEndpoint": "sagemaker.runtime",
}
"""SageMaker's actions that have an endpoint of their own."""


def endpoints(grants: Iterable[Grant]) -> list[str]:
    """The endpoints that the allowed actions need, such as `sagemaker.api`, in order.

    Raises:
        KeyError: for a service that the table lacks.
    """
    actions = {action for entry in grants for action in entry.actions}
    names = {name for action in actions for name in OF_SERVICE[action.partition(":")[0]]}
    return sorted({*names, *(OF_ACTION[a] for a in actions & OF_ACTION.keys()), "sts"})
