"""`[environments.NAME]`: an AWS account and region to compile for."""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass, field
from typing import Any

from ninesteps.settings import regions
from ninesteps.settings.toml import NOT_IN_FILE, require

DOCUMENTATION_ACCOUNT = "111122223333"
"""AWS's own example account: what a definition names until an environment is chosen."""


LOCAL_ENVIRONMENT = "local"


LONGEST_NAME = 50
"""Characters of a pipeline's name with an environment's: a bucket's adds 13, and may have 63."""


@dataclass(frozen=True)
class Environment:
    """An AWS account and region to compile for."""

    account: str  # its twelve digits
    region: str  # the region
    role: str = ""  # the jobs' role; none: the one that `pipeline bootstrap` makes
    bucket: str = ""  # what executions write to; none: the one that `pipeline bootstrap` makes
    kms_key_arn: str = ""  # the key of disks and outputs; none: the one that the stack makes
    subnets: tuple[str, ...] = ()  # the subnets that jobs and models are in; none: SageMaker's own
    security_groups: tuple[str, ...] = ()  # ... and their security groups
    permissions_boundary: str = ""  # the ARN of a policy that limits each role that is made
    github_repository: str = ""  # OWNER/NAME: its main branch may publish; none: no role for it
    monthly_budget: int = 0  # of the whole account, in US dollars: above it [notify] email is told
    features: dict[str, Any] = field(default_factory=dict)
    """Keys of `[features]` that differ in this environment."""
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
             list(self.security_groups), "at least one with subnets, and none without")  # fmt: skip
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
        """The ARN of something of SageMaker's, such as `pipeline/customer-churn-prod`."""
        return f"arn:{self.partition}:sagemaker:{self.region}:{self.account}:{resource}"

    def role_of(self, stack: str) -> str:
        """The ARN of the jobs' role that a stack makes."""
        return f"arn:{self.partition}:iam::{self.account}:role/{stack}-pipeline"

    def bucket_of(self, stack: str) -> str:
        """The bucket that a stack makes."""
        return f"{stack}-{self.account}"

    def named(self, pipeline: str) -> str:
        """What a pipeline and all that belongs to it is called here.

        Several environments may lie in one account: so its name, and the environment's. In small
        letters, as SageMaker writes names in ARNs, which policies compare letter by letter.
        """
        return (
            pipeline if self.name in ("", LOCAL_ENVIRONMENT) else f"{pipeline}-{self.name}".lower()
        )
