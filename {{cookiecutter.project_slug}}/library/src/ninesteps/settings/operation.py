"""`[schedule]`, `[compute]`, `[aws]` and `[notify]`: when and where a pipeline runs, who is
told."""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass

from ninesteps.settings import cadence as cadences
from ninesteps.settings.regions import require_region
from ninesteps.settings.toml import require


@dataclass(frozen=True)
class Schedule:
    """When the pipeline retrains."""

    # how often to retrain: a word such as monthly, `cron(...)`, `rate(...)` or none
    cadence: str = cadences.NEVER
    timezone: str = "UTC"  # the time zone of the cadence
    arrival_interval_hours: int = 24  # the fewest hours between two starts that new rows cause
    # rows that arrive sooner start a run when these hours are over ("wait"), or only with later
    # rows ("drop")
    when_too_soon: str = "wait"

    TOO_SOON: typing.ClassVar = ("wait", "drop")

    def __post_init__(self) -> None:
        require(0 <= self.arrival_interval_hours <= 120, "arrival_interval_hours",
             self.arrival_interval_hours, "0 to 120")  # fmt: skip
        require(self.when_too_soon in self.TOO_SOON, "when_too_soon", self.when_too_soon,
             " or ".join(self.TOO_SOON))  # fmt: skip


INSTANCE_TYPE = r"ml\.[a-z0-9-]+\.[a-z0-9-]+"


INSTANCE_TYPE_RULE = "an instance type such as ml.m5.large"


LOCAL_DISKS = (
    r"ml\.([a-z]+\d+[a-z]*d[a-z]*|dl1|g[5-7]e?|p[56][a-z]*|p6-b\d+|p6e-gb\d+|trn[12]n?)\..+"
)
"""Instances with NVMe disks of their own, whose hardware encrypts them: SageMaker takes no key for
a volume there. By EC2's "Instance store volumes", of the families that SageMaker has."""


ARM = r"ml\.([a-z]+\d+g[a-z]*|p6e-gb\d+)\..+"
"""Instances with Arm's processors: Graviton's families have a g after the number, such as m6g, c7gn
and g5g, and p6e-gb has Grace."""


GPU = r"ml\.[gp]\d+[a-z]*(-[a-z0-9]+)?\..+"
"""Instances with NVIDIA's processors: the families of which the SDK names an image's GPU build."""


def require_instance(key: str, value: str) -> None:
    """Check that a value is an instance type that the image can run on.

    XGBoost's image is built only for x86 (the SDK knows 1.3-1 and 1.5-1 for Graviton), and so are
    the wheels that the code carries.

    Raises:
        SettingsError: if it is not.
    """
    require(re.fullmatch(INSTANCE_TYPE, value), key, value, INSTANCE_TYPE_RULE)
    require(not re.fullmatch(ARM, value), key, value,
            "an x86 instance type (the XGBoost image is not built for Arm)")  # fmt: skip


LONGEST_HOURS = {"processing_hours": 120, "training_hours": 672}
"""What SageMaker lets a job take: five days, and 28 for training, of which an account's quota
"Longest run time for a training job" allows five at first.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html, and the API's
ProcessingStoppingCondition, whose nine days are above its quota.
"""


@dataclass(frozen=True)
class Compute:
    """The instances of SageMaker's jobs: defaults of the definition's parameters."""

    processing_instance: str = "ml.m5.large"  # the instance type of steps 1, 3, 5 and 7
    evaluation_instance: str = ""  # the instance type of step 3; empty: processing_instance
    processing_count: int = 1  # the instances of each of these jobs
    processing_hours: int = 1  # the hours after which each of these jobs is stopped
    training_instance: str = "ml.m5.large"  # the instance type of each trial of step 2
    training_count: int = 1  # the instances of each trial
    training_hours: int = 1  # the hours after which a trial is stopped
    transform_instance: str = "ml.m5.large"  # the instance type of step 6
    transform_count: int = 1  # the instances of step 6

    def __post_init__(self) -> None:
        for key in ("processing_instance", "training_instance", "transform_instance"):
            require_instance(key, getattr(self, key))
        if self.evaluation_instance:
            require_instance("evaluation_instance", self.evaluation_instance)
        for key in ("processing_count", "training_count", "transform_count"):
            require(getattr(self, key) > 0, key, getattr(self, key), "1 or more")
        for key, most in LONGEST_HOURS.items():
            require(1 <= getattr(self, key) <= most, key, getattr(self, key), f"1 to {most}")


@dataclass(frozen=True)
class Aws:
    """The region that definitions are compiled for if no environment is named."""

    region: str = "us-east-1"  # the region whose images and endpoints a definition names

    def __post_init__(self) -> None:
        require_region(self.region)


@dataclass(frozen=True)
class Notify:
    """Who is notified of approvals to give, rollouts and alarms."""

    email: str = ""  # an address, which must be confirmed once; empty: nobody is notified

    def __post_init__(self) -> None:
        address = r"[^@\s<>\"',;]+@[^@\s<>\"',;]+\.[^@\s<>\"',;]+"
        require(not self.email or re.fullmatch(address, self.email), "email", self.email,
             "one address, such as team@example.com, or none")  # fmt: skip
