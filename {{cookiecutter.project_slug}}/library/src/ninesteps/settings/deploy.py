"""`[deploy]`: how an approved version takes over, and the alarms that roll it back.

UpdateEndpoint takes this policy; the local rehearsal follows the same document.
https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ninesteps.settings.operation import require_instance
from ninesteps.settings.toml import require

VARIANT = "main"
"""The endpoint's only production variant."""

PROVISIONING_SECONDS = 1800
"""The most seconds for starting new instances, without the waits."""

TIMEOUT_SECONDS = (600, 28800)
"""The smallest and largest timeout of a deployment that SageMaker accepts."""

AB_TEST = "ab_test"
"""The rollout that compares a version with the one that serves, as `[ab]` says, before it takes
over."""

TYPES = {
    "canary": "CANARY",
    "linear": "LINEAR",
    "all_at_once": "ALL_AT_ONCE",
    AB_TEST: "ALL_AT_ONCE",  # to two variants, and back to one: by users, not by instances
}
"""SageMaker's name for the traffic shift of each `[deploy] rollout`."""


@dataclass(frozen=True)
class Deploy:
    """How an approved version replaces the one before it, and when it is rolled back."""

    rollout: str = "canary"  # canary: a part, then all; linear: equal steps; all_at_once; ab_test
    # the canary, or a step of a linear rollout, in percent of instances (rounded up)
    step_percent: int = 10
    interval_seconds: int = 300  # the wait between two steps
    bake_seconds: int = 300  # the wait with all the traffic, before the old version is stopped
    instance_type: str = "ml.m5.large"  # the endpoint's instance type
    instances: int = 2  # the endpoint's instances; a canary is at most half of them
    max_instances: int = 0  # the most instances that autoscaling may reach; 0: no autoscaling
    target_invocations: int = 0  # requests a minute and instance that autoscaling aims at; 0: none
    # percent of requests that are kept in the bucket with their answers
    data_capture_percent: int = 0
    # roll back if the model fails more than this percent of requests in a minute
    max_error_percent: float = 1.0
    max_latency_ms: int = 1000  # roll back if the p99 latency of a minute's requests is above this

    def __post_init__(self) -> None:
        require(self.rollout in TYPES, "rollout", self.rollout, ", ".join(TYPES))
        require(self.instances >= 2, "instances", self.instances, "2 or more")
        least = 10 if self.rollout == "linear" else 1  # SageMaker's own limits
        require(least <= self.step_percent <= 50, "step_percent", self.step_percent,
             f"{least} to 50 percent of the capacity")  # fmt: skip
        for key in ("interval_seconds", "bake_seconds"):
            require(0 <= getattr(self, key) <= 3600, key, getattr(self, key), "0 to 3600 seconds")
        most = TIMEOUT_SECONDS[1]
        require(longest(self) <= most, "interval_seconds", self.interval_seconds,
             f"a shorter interval (with its {len(steps(self))} steps the rollout would take longer "
             f"than SageMaker's {most} seconds)")  # fmt: skip
        require_instance("instance_type", self.instance_type)
        require(not self.max_instances or self.max_instances > self.instances, "max_instances",
             self.max_instances, f"more than the {self.instances} instances, or 0")  # fmt: skip
        require(not (self.is_scaled and self.rollout == AB_TEST), "max_instances",
             self.max_instances,
             "0 with rollout = 'ab_test', whose variants have the same size")  # fmt: skip
        require((self.target_invocations > 0) == self.is_scaled and self.target_invocations >= 0,
             "target_invocations", self.target_invocations,
             "1 or more if max_instances is set, otherwise 0")  # fmt: skip
        require(0 <= self.data_capture_percent <= 100, "data_capture_percent",
             self.data_capture_percent, "0 to 100 percent")  # fmt: skip
        require(0 < self.max_error_percent < 100, "max_error_percent", self.max_error_percent,
             "a percentage above 0 and below 100")  # fmt: skip
        require(0 < self.max_latency_ms <= 60_000, "max_latency_ms", self.max_latency_ms,
             "1 to 60000 milliseconds (SageMaker waits no longer)")  # fmt: skip

    @property
    def is_scaled(self) -> bool:
        """Whether autoscaling changes the number of instances."""
        return self.max_instances > 0


@dataclass(frozen=True)
class Alarm:
    """When a deployment is rolled back: a metric of all requests to the endpoint, old and new."""

    name: str  # within the endpoint
    metric: str  # in the namespace AWS/SageMaker
    statistic: str  # Average, or a percentile such as p99
    threshold: float  # in the metric's unit; above it the alarm goes off
    period_seconds: int = 60
    periods: int = 1  # in a row

    def properties(self, endpoint: str) -> dict[str, Any]:
        """The alarm as PutMetricAlarm and CloudFormation's AWS::CloudWatch::Alarm take it."""
        statistic = "ExtendedStatistic" if self.statistic.startswith("p") else "Statistic"
        dimensions = {"EndpointName": endpoint, "VariantName": VARIANT}
        return {
            "AlarmName": f"{endpoint}-{self.name}",
            "Namespace": "AWS/SageMaker",
            "MetricName": self.metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            statistic: self.statistic,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": self.threshold,
            "Period": self.period_seconds,
            "EvaluationPeriods": self.periods,
            "TreatMissingData": "notBreaching",  # no requests, no errors
        }


FAILURES = {
    "binary": ("5xx",),
    "regression": ("5xx",),
    "language_model": ("5xx", "4xx"),
}
"""The HTTP statuses by which a problem type's model server reports that the model failed.

Hugging Face's server answers 400 if the script raises, and to every request if a version cannot be
loaded: `handler_service.py` of `sagemaker-huggingface-inference-toolkit`. A wrong request gets 200
there, with its own status in the answer: `containers/reply_requests.py`.
"""


def alarms(deploy: Deploy, problem: str) -> tuple[Alarm, ...]:
    """The alarms that are watched during a deployment.

    Invocation5XXErrors is 1 for a request with such an answer and 0 for the others, so its average
    is a share; ModelLatency is in microseconds.
    """
    share = deploy.max_error_percent / 100
    return (
        *(Alarm(status, f"Invocation{status.upper()}Errors", "Average", share)
          for status in FAILURES[problem]),
        Alarm("latency", "ModelLatency", "p99", deploy.max_latency_ms * 1000.0),
    )  # fmt: skip


def step_instances(percent: int, instances: int) -> int:
    """The instances of a canary or a step: rounded up, and at most half of them.

    SageMaker shifts traffic by whole instances. How it rounds a percentage is not documented, which
    is why `deployment_config` gives a number of instances if it is known.
    """
    return min(-(-percent * instances // 100), instances // 2)


def steps(deploy: Deploy) -> tuple[int, ...]:
    """The instances of the new version that get traffic, after each step."""
    part, whole = step_instances(deploy.step_percent, deploy.instances), deploy.instances
    if TYPES[deploy.rollout] == "ALL_AT_ONCE":
        return (whole,)
    if deploy.rollout == "canary":
        return (part, whole)
    return (*range(part, whole, part), whole)


def shift(deploy: Deploy) -> str:
    """How the traffic is shifted, in whole instances, as a sentence."""
    if deploy.rollout == "all_at_once":
        return "all_at_once: all the traffic in one step"
    if deploy.rollout == AB_TEST:
        return "ab_test: first some of the users; [ab] decides whether all follow"
    part, *_, whole = steps(deploy)
    instances = f"{whole} instances"
    if deploy.is_scaled:
        instances = f"the minimum of {instances}"
    percents = [f"{share(step, whole)} %" for step in steps(deploy)]
    traffic = "half" if 2 * part == whole else percents[0]
    then = ", ".join([*percents[1:-1], "all"])
    return (
        f"{deploy.rollout}: {deploy.step_percent} % of {instances} is {part}: {traffic} of "
        f"the traffic, then {then}"
    )


def share(part: int, whole: int) -> int:
    """The share of the traffic that a part of the instances gets, in percent."""
    return round(100 * part / whole)


def deployment_config(deploy: Deploy, alarm_names: Sequence[str]) -> dict[str, Any]:
    """UpdateEndpoint's DeploymentConfig, with the alarms' names in CloudWatch."""
    size = {
        "Type": "INSTANCE_COUNT", "Value": step_instances(deploy.step_percent, deploy.instances)
    }  # fmt: skip
    if deploy.is_scaled:  # the number of instances varies; a linear step is at least 10 % of them
        size = {"Type": "CAPACITY_PERCENT", "Value": deploy.step_percent}
    routing: dict[str, Any] = {
        "Type": TYPES[deploy.rollout],
        "WaitIntervalInSeconds": deploy.interval_seconds,
    }
    if deploy.rollout == "canary":
        routing["CanarySize"] = size
    if deploy.rollout == "linear":
        routing["LinearStepSize"] = size
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": deploy.bake_seconds,
            "MaximumExecutionTimeoutInSeconds": max(TIMEOUT_SECONDS[0], longest(deploy)),
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarm_names]},
    }


def longest(deploy: Deploy) -> int:
    """The seconds after which a deployment counts as failed."""
    number = len(steps(deploy))
    if deploy.is_scaled and deploy.rollout == "linear":  # more instances may need more steps
        number = -(-100 // deploy.step_percent)
    waits = deploy.interval_seconds * (number - 1) + deploy.bake_seconds
    return PROVISIONING_SECONDS + waits
