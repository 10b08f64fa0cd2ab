"""The policy of a blue/green deployment, and the alarms that roll it back: by `[deploy]`.

SageMaker reads it in UpdateEndpoint, the rehearsal here follows the same document.
https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the settings' rules read this module
    from cli.settings import Deploy

VARIANT = "main"
"""The endpoint's one production variant."""

PROVISIONING_SECONDS = 1800
"""What starting the new instances may take, beside the waits."""

TIMEOUT_SECONDS = (600, 28800)
"""The least and the most that SageMaker takes for a whole deployment."""

TYPES = {"canary": "CANARY", "linear": "LINEAR", "all_at_once": "ALL_AT_ONCE"}
"""SageMaker's name of each `[deploy] rollout`."""


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
        """As PutMetricAlarm and CloudFormation's AWS::CloudWatch::Alarm have it."""
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
            "TreatMissingData": "notBreaching",  # no request, no fault
        }


def alarms(deploy: Deploy) -> tuple[Alarm, ...]:
    """What is watched during a deployment.

    Invocation5XXErrors is 1 for a request that the model failed and 0 for the others, so that its
    average is a share; ModelLatency is in microseconds.
    """
    return (
        Alarm("5xx", "Invocation5XXErrors", "Average", deploy.max_error_percent / 100),
        Alarm("latency", "ModelLatency", "p99", deploy.max_latency_ms * 1000.0),
    )


def steps(deploy: Deploy) -> tuple[int, ...]:
    """The shares of traffic, in percent, that the new version gets one after the other."""
    if deploy.rollout == "all_at_once":
        return (100,)
    if deploy.rollout == "canary":
        return (deploy.step_percent, 100)
    return (*range(deploy.step_percent, 100, deploy.step_percent), 100)


def deployment_config(deploy: Deploy, alarm_names: Sequence[str]) -> dict[str, Any]:
    """UpdateEndpoint's DeploymentConfig, with the alarms by their names in CloudWatch."""
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
    """Seconds that a deployment may take until it counts as failed."""
    waits = deploy.interval_seconds * (len(steps(deploy)) - 1) + deploy.bake_seconds
    return PROVISIONING_SECONDS + waits
