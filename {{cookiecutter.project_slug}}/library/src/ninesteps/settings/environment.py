"""`[environments.NAME]`: an AWS account and region to compile for."""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass, field
from typing import Any

from ninesteps.settings import regions
from ninesteps.settings.toml import NOT_IN_FILE, require

DOCUMENTATION_ACCOUNT = "111122223333"
"""AWS's example account, which a definition names if no environment is chosen."""


LOCAL_ENVIRONMENT = "local"


LONGEST_NAME = 50
"""The most characters of a pipeline's and an environment's name: a bucket's has 13 more, of 63."""


@dataclass(frozen=True)
class Environment:
    """An AWS account and region to compile for."""

    account: str  # the account's 12 digits
    region: str  # the region
    role: str = ""  # the jobs' role; empty: the one that `pipeline bootstrap` creates
    bucket: str = ""  # where executions write; empty: the bucket that `pipeline bootstrap` creates
    kms_key_arn: str = ""  # the key for disks and outputs; empty: the one that the stack creates
    subnets: tuple[str, ...] = ()  # the subnets of jobs and models; empty: SageMaker's own network
    security_groups: tuple[str, ...] = ()  # the security groups of jobs and models in these subnets
    permissions_boundary: str = ""  # the ARN of a policy that limits each role that is created
    github_repository: str = ""  # OWNER/NAME, whose main branch may publish; empty: no role for it
    # US dollars for the whole account; [notify] email is told of more; 0: no budget
    monthly_budget: int = 0
    features: dict[str, Any] = field(default_factory=dict)
    """The keys of `[features]` that differ in this environment."""
    name: str = field(default="", metadata=NOT_IN_FILE)  # the table's own

    def __post_init__(self) -> None:
        require(re.fullmatch(r"\d{12}", self.account), "account", self.account, "12 digits")
        regions.require_region(self.region)
        for key, pattern, expected in self.RULES:
            value = getattr(self, key)
            require(not value or re.fullmatch(pattern, value), key, value, expected)
        for key, start in (("subnets", "subnet-"), ("security_groups", "sg-")):
            values = getattr(self, key)
            require(all(re.fullmatch(rf"{start}[0-9a-f]+", value) for value in values), key,
                 list(values), f'a list such as ["{start}0a1b2c3d"]')  # fmt: skip
        require(bool(self.subnets) == bool(self.security_groups), "security_groups",
             list(self.security_groups), "at least one if subnets are set, else none")  # fmt: skip
        require(self.monthly_budget >= 0, "monthly_budget", self.monthly_budget, "0 or more")

    RULES: typing.ClassVar = (
        ("role", r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+",
         "a role's ARN, such as arn:aws:iam::111122223333:role/Name"),
        ("bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
         "a bucket's name of lowercase letters, digits, dots and hyphens"),
        ("kms_key_arn", r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[0-9a-zA-Z-]+",
         "a key's ARN (no alias), such as arn:aws:kms:us-east-1:111122223333:key/1234abcd"),
        ("permissions_boundary", r"arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]+",
         "a policy's ARN, such as arn:aws:iam::111122223333:policy/Boundary"),
        ("github_repository", r"[\w.-]+/[\w.-]+", "OWNER/NAME"),
    )  # fmt: skip
    """What a string must look like, if it is set: key, pattern, what is expected."""

    @property
    def role_arn(self) -> str:
        """The role that the jobs run under."""
        return self.role or f"arn:{self.partition}:iam::{self.account}:role/SageMakerPipelineRole"

    @property
    def bucket_name(self) -> str:
        """The bucket that executions write to."""
        return self.bucket or f"sagemaker-{self.region}-{self.account}"

    @property
    def partition(self) -> str:
        """The part of AWS that the region is in, as ARNs name it."""
        return regions.partition(self.region)

    def sagemaker_arn(self, resource: str) -> str:
        """The ARN of a SageMaker resource, such as `pipeline/customer-churn-prod`."""
        return f"arn:{self.partition}:sagemaker:{self.region}:{self.account}:{resource}"

    def role_of(self, stack: str) -> str:
        """The ARN of the jobs' role that a stack creates."""
        return f"arn:{self.partition}:iam::{self.account}:role/{stack}-pipeline"

    def bucket_of(self, stack: str) -> str:
        """The bucket that a stack creates."""
        return f"{stack}-{self.account}"

    def named(self, pipeline: str) -> str:
        """The name of a pipeline and its resources in this environment.

        One account may have several environments, so the name includes the environment's. It is in
        lower case, because SageMaker lowers names in ARNs and policies compare case.
        """
        return (
            pipeline if self.name in ("", LOCAL_ENVIRONMENT) else f"{pipeline}-{self.name}".lower()
        )
