"""The policy of a deployment: what SageMaker would take, and nothing it would not."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import Any

import botocore.session
import pytest
from botocore.model import Shape
from botocore.validate import ParamValidator

from ninesteps.local.endpoint import blue_green
from ninesteps.settings import deploy as policy
from ninesteps.settings.deploy import Deploy
from ninesteps.settings.toml import RuleBroken

SESSION = botocore.session.get_session()
NAMES = ("churn-prod-5xx", "churn-prod-latency")


def faults(value: Any, shape: Shape, path: str = "") -> list[str]:
    """What breaks the service's model: types and members by botocore, ranges and enums here."""
    found = []
    if not path and (report := ParamValidator().validate(value, shape)).has_errors():
        return [report.generate_report()]
    if shape.type_name == "structure":
        for key, one in value.items():
            found += faults(one, shape.members[key], f"{path}.{key}")
    elif shape.type_name == "list":
        for one in value:
            found += faults(one, shape.member, f"{path}[]")
    size = value if shape.type_name in ("integer", "double") else len(value)
    if not shape.metadata.get("min", size) <= size <= shape.metadata.get("max", size):
        found.append(f"{path}: {value}")
    if value not in shape.metadata.get("enum", [value]):
        found.append(f"{path}: {value}")
    return found


def config_shape() -> Shape:
    return SESSION.get_service_model("sagemaker").shape_for("DeploymentConfig")


@pytest.mark.parametrize("rollout", policy.TYPES)
def test_every_policy_is_within_sagemakers_model(rollout: str) -> None:
    """At the ends of what each setting may be."""
    ends = itertools.product((10, 50), (0, 2700), (0, 2700), (2, 9))
    for percent, interval, bake, instances in ends:
        deploy = Deploy(
            rollout=rollout, step_percent=percent, interval_seconds=interval, bake_seconds=bake,
            instances=instances,
        )  # fmt: skip
        assert faults(policy.deployment_config(deploy, NAMES), config_shape()) == []


def test_the_check_of_the_model_finds_what_is_out_of_its_range() -> None:
    found = policy.deployment_config(Deploy(), NAMES)
    found["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] = 3601
    found["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] = "SLOWLY"
    assert len(faults(found, config_shape())) == 2


def test_a_canary_goes_by_its_size_and_a_linear_rollout_by_its_step() -> None:
    routing = {
        rollout: policy.deployment_config(Deploy(rollout=rollout, step_percent=25), NAMES)[
            "BlueGreenUpdatePolicy"
        ]["TrafficRoutingConfiguration"]
        for rollout in policy.TYPES
    }
    size = {"Type": "INSTANCE_COUNT", "Value": 1}
    assert routing == {
        "canary": {"Type": "CANARY", "WaitIntervalInSeconds": 300, "CanarySize": size},
        "linear": {"Type": "LINEAR", "WaitIntervalInSeconds": 300, "LinearStepSize": size},
        "all_at_once": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 300},
        "ab_test": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 300},
    }


def test_shares_end_with_all_of_the_traffic() -> None:
    ten = partial(Deploy, step_percent=30, instances=10)
    found = [policy.steps(ten(rollout=rollout)) for rollout in policy.TYPES]
    assert found == [(3, 10), (3, 6, 9, 10), (10,), (10,)]


@pytest.mark.parametrize("rollout", ["canary", "linear"])
def test_a_step_is_of_whole_instances_and_within_what_sagemaker_takes(rollout: str) -> None:
    """CanarySize is at most half of the instances, LinearStepSize 10 to 50 % of them."""
    for instances in range(2, 41):
        for percent in range(10, 51):
            deploy = Deploy(rollout=rollout, step_percent=percent, instances=instances,
                            interval_seconds=60)  # fmt: skip
            part = policy.steps(deploy)[0]
            assert isinstance(part, int) and part >= 1
            assert part / instances <= 0.5
            assert part / instances >= 0.1
            assert part * 100 >= percent * instances or part == instances // 2


@pytest.mark.parametrize(
    ("deploy", "sentence"),
    [
        (Deploy(), "canary: 10 % of 2 instances is 1: half of the traffic, then all"),
        (Deploy(instances=20), "canary: 10 % of 20 instances is 2: 10 % of the traffic, then all"),
        (Deploy(rollout="linear", step_percent=30, instances=3),
         "linear: 30 % of 3 instances is 1: 33 % of the traffic, then 67 %, all"),
        (Deploy(max_instances=4, target_invocations=9),
         "canary: 10 % of the minimum of 2 instances is 1: half of the traffic, then all"),
        (Deploy(rollout="all_at_once"), "all_at_once: all the traffic in one step"),
    ],
)  # fmt: skip
def test_what_a_percentage_means_for_the_instances_is_said(deploy: Deploy, sentence: str) -> None:
    assert policy.shift(deploy) == sentence


def test_a_step_of_instances_that_autoscaling_changes_is_a_percentage() -> None:
    """One of two, as a number, would be less than LinearStepSize's 10 % of twenty."""
    deploy = Deploy(rollout="linear", max_instances=20, target_invocations=100)
    found = policy.deployment_config(deploy, NAMES)["BlueGreenUpdatePolicy"]
    size = found["TrafficRoutingConfiguration"]["LinearStepSize"]
    assert size == {"Type": "CAPACITY_PERCENT", "Value": 10}
    assert found["MaximumExecutionTimeoutInSeconds"] == 9 * 300 + 300 + 1800
    assert [part for part, _ in blue_green.steps(found, 2)] == list(policy.steps(deploy)) == [1, 2]
    assert [part for part, _ in blue_green.steps(found, 20)] == [*range(2, 21, 2)]


def test_the_time_limit_covers_every_wait() -> None:
    deploy = Deploy(rollout="linear", step_percent=20, interval_seconds=600, bake_seconds=900,
                    instances=5)  # fmt: skip
    found = policy.deployment_config(deploy, NAMES)["BlueGreenUpdatePolicy"]
    assert found["MaximumExecutionTimeoutInSeconds"] == 4 * 600 + 900 + 1800


@pytest.mark.parametrize(
    "wrong",
    [
        {"rollout": "slowly"},
        {"step_percent": 0},
        {"step_percent": 51},
        {"rollout": "linear", "step_percent": 9},
        {"interval_seconds": 3601},
        {"bake_seconds": -1},
        {"rollout": "linear", "interval_seconds": 3600, "instances": 10},
        {"instance_type": "m5.large"},
        {"instances": 1},
        {"max_error_percent": 0.0},
        {"max_instances": 2, "target_invocations": 100},
        {"max_instances": 4},
        {"target_invocations": 100},
        {"max_instances": 4, "target_invocations": -1},
        {"data_capture_percent": 101},
        {"data_capture_percent": -1},
        {"max_latency_ms": 60_001},
    ],
    ids=str,
)
def test_what_sagemaker_would_refuse_is_refused_in_the_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(RuleBroken):
        replace(Deploy(), **wrong)


def test_alarms_are_what_cloudwatch_takes_of_the_variant_that_is_served() -> None:
    shape = SESSION.get_service_model("cloudwatch").shape_for("PutMetricAlarmInput")
    deploy = Deploy(max_error_percent=2.5, max_latency_ms=250)
    errors, refusals, latency = (
        alarm.properties("churn-prod") for alarm in policy.alarms(deploy, "language_model")
    )
    assert [faults(alarm, shape) for alarm in (errors, refusals, latency)] == [[], [], []]
    assert policy.alarms(deploy, "binary") == policy.alarms(deploy, "regression")
    assert [alarm.properties("churn-prod") for alarm in policy.alarms(deploy, "binary")] == [
        errors, latency,
    ]  # fmt: skip
    assert (refusals["AlarmName"], refusals["MetricName"], refusals["Threshold"]) == (
        "churn-prod-4xx", "Invocation4XXErrors", 0.025,
    )  # fmt: skip
    assert (errors["AlarmName"], errors["Statistic"], errors["Threshold"]) == (
        "churn-prod-5xx", "Average", 0.025,
    )  # fmt: skip
    assert (latency["ExtendedStatistic"], latency["Threshold"]) == ("p99", 250_000)
    assert {one["Name"]: one["Value"] for one in latency["Dimensions"]} == {
        "EndpointName": "churn-prod", "VariantName": "main",
    }  # fmt: skip
