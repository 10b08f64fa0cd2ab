"""The state machines' placeholders: the meaning of each `${Name}` of the ASL files, and its value.

What only the stack knows (`OF_THE_STACK`) is filled by its template; the rest follows from the
settings. CloudFormation inserts all of them as texts: a number becomes one within the machine, and
JSON is escaped, because it is inserted into a JSON string.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re

from ninesteps.errors import SettingsError
from ninesteps.infrastructure.job_code import SCRIPTS, job_code
from ninesteps.profiles import profile as profiles
from ninesteps.profiles import stamps
from ninesteps.settings import deploy as policy
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.step_code.by_digest import root_uri
from ninesteps.version import VERSION

OF_THE_STACK = {
    "Partition": "the region's partition: aws",
    "Region": "the region",
    "Account": "the account's twelve digits",
    "Name": "the name of pipeline, endpoint and stack: <pipeline>-<environment>",
    "Pipeline": "the pipeline's name without the environment: its prefix in the bucket, and a tag",
    "Environment": "the environment's name: a tag",
    "Group": "the model package group",
    "Bucket": "the bucket's name",
    "KmsKeyArn": "the key that disks and outputs of jobs and endpoints are encrypted with",
    "TopicArn": "the SNS topic for notices",
    "JobRoleArn": "the role of the machines' Processing jobs",
    "EndpointRoleArn": "the role of the endpoint's containers",
    "RolloutArn": "the state machine of rollout.asl.json, which approved.asl.json starts",
    "ComparesChampion": "yes: the gate compares a model with the version that serves",
    "StartArn": "the state machine of start.asl.json, which then starts the pipeline",
    "AbTestArn": "the state machine of ab_test.asl.json, which rollout.asl.json starts",
}
"""Placeholders that the template fills: name -> meaning.

The machines' own roles are called `${Name}-data-arrival`, `${Name}-evidence`, `${Name}-approved`,
`${Name}-rollout` and `${Name}-ab-test`: `approved` uses this to tell whether a person or a machine
wrote last.
"""

OF_THE_SETTINGS = {
    "ImageUri": "the image that every job runs in",
    "RecordCodeUri": "the code of record_evidence.py, under its hash",
    "VerifyCodeUri": "the code of verify_evidence.py, under its hash",
    "GoldenCodeUri": "the code of golden_requests.py, under its hash",
    "DecideCodeUri": "the code of decide_ab_test.py, under its hash",
    "JobInstanceType": "the jobs' instance type",
    "JobSeconds": "the time limit of a job",
    "NetworkConfig": "JSON, escaped: the jobs' NetworkConfig",
    "VpcConfig": "JSON, escaped: the model's VpcConfig; empty if it has none",
    "Gate": "the gate in force, metrics and bias",
    "Problem": "binary or regression",
    "Facets": "the facets that the gate may name, each with its column in a split: key=column,...",
    "MinGroupSize": "rows below which a group does not count",
    "Profile": "the profile that a version must be made with",
    "ProfileSha256": "... and the SHA-256 of its floors",
    "LeastLibrary": "x.y.z: the lowest version of the library that may have made it",
    "RequireSecondApprover": "true: the person who started a run may not approve its version",
    "BeforeProduction": "true: a second approval, between staging and production",
    "ApprovalSeconds": "the time limit of the second approval",
    "InstanceType": "the endpoint's instance type",
    "Instances": "the endpoint's instances",
    "ServingTag": "four characters that change with type, number, network, key or data capture",
    "DeploymentConfig": "JSON, escaped: UpdateEndpoint's, of settings/deploy.py",
    "IsScaled": "true: autoscaling changes the number of instances, and an update keeps it",
    "MaxInstances": "autoscaling's highest number of instances",
    "TargetInvocations": "requests per minute and instance, autoscaling's target",
    "CapturesData": "true: requests and answers are captured",
    "CapturePercent": "... for this percentage of requests",
    "BakeSeconds": "how long a first endpoint is watched; SageMaker watches later ones",
    "PollSeconds": "between two polls of a long operation",
    "MostPolls": "polls before it has taken too long",
    "MinimumIntervalSeconds": "between a start of the pipeline and the next by arrived data",
    "WhenTooSoon": "wait until that interval has passed, or drop",
    "AbTests": "true: rollout = ab_test",
    "AbTestRules": "the rules of a test, from [ab] and [deploy]: key=value,...",
    "FirstShare": "the percentage of users with which a test begins",
    "WatchSeconds": "between two checks of a test's alarms",
    "WatchesALook": "checks of its alarms until the next decision",
    "LooksAnExecution": "decisions until a new execution continues the test",
}
"""Placeholders that `substitutions` fills: name -> meaning."""

POLL_SECONDS = 60
MOST_POLLS = 720
"""Twelve hours: the longest deployment that SageMaker allows takes eight."""
WATCH_SECONDS = 300
WATCHES_A_LOOK = 12
LOOKS_AN_EXECUTION = 24
"""An A/B test's: its alarms every five minutes, a decision every hour, an execution every day. That
is about 6,400 events of an execution's 25,000 ("Quotas", Step Functions developer guide)."""
JOB_SECONDS = 3600
MAX_ARGUMENT = 256
"""Characters of one argument of a Processing job."""


def substitutions(settings: Settings, environment: Environment, image: str) -> dict[str, str]:
    """The values of the placeholders that follow from the settings.

    Args:
        image: the URI of the image that every job runs in.
    """
    deploy, root = settings.deploy, root_uri(settings, environment)
    name = environment.named(settings.project.pipeline)
    vpc = _vpc(environment)
    alarms = [f"{name}-{alarm.name}" for alarm in policy.alarms(deploy, settings.project.problem)]
    serving = [deploy.instance_type, deploy.instances, vpc, environment.kms_key_arn,
               deploy.data_capture_percent]  # fmt: skip
    record, verify, golden, decide = (job_code(script).uri(root) for script in SCRIPTS)
    return {
        "ImageUri": image,
        "RecordCodeUri": record,
        "VerifyCodeUri": verify,
        "GoldenCodeUri": golden,
        "DecideCodeUri": decide,
        "JobInstanceType": settings.compute.processing_instance,
        "JobSeconds": str(JOB_SECONDS),
        "NetworkConfig": _escaped(
            {"EnableNetworkIsolation": False, **({"VpcConfig": vpc} if vpc else {})}
        ),
        "VpcConfig": _escaped(vpc) if vpc else "",
        "Gate": str(settings.full_gate),
        "Problem": settings.project.problem,
        "Facets": _facets(settings),
        "MinGroupSize": str(settings.bias.min_group_size),
        "Profile": settings.project.profile,
        "ProfileSha256": profiles.digest(settings.project.profile),
        "LeastLibrary": stamps.plain(VERSION),
        "RequireSecondApprover": str(settings.approval.require_second_approver).lower(),
        "BeforeProduction": str(settings.approval.before_production).lower(),
        "ApprovalSeconds": str(settings.approval.days_to_answer * 24 * 3600),
        "InstanceType": deploy.instance_type,
        "Instances": str(deploy.instances),
        "ServingTag": _tag(serving),
        "DeploymentConfig": _escaped(policy.deployment_config(deploy, alarms)),
        "IsScaled": str(deploy.is_scaled).lower(),
        "MaxInstances": str(deploy.max_instances),
        "TargetInvocations": str(deploy.target_invocations),
        "CapturesData": str(deploy.data_capture_percent > 0).lower(),
        "CapturePercent": str(deploy.data_capture_percent),
        "BakeSeconds": str(deploy.bake_seconds),
        "PollSeconds": str(POLL_SECONDS),
        "MostPolls": str(MOST_POLLS),
        "MinimumIntervalSeconds": str(settings.schedule.arrival_interval_hours * 3600),
        "WhenTooSoon": settings.schedule.when_too_soon,
        "AbTests": str(deploy.rollout == policy.AB_TEST).lower(),
        "AbTestRules": _rules(settings),
        "FirstShare": str(settings.ab.first_share),
        "WatchSeconds": str(WATCH_SECONDS),
        "WatchesALook": str(WATCHES_A_LOOK),
        "LooksAnExecution": str(LOOKS_AN_EXECUTION),
    }


def _rules(settings: Settings) -> str:
    """The argument of `decide_ab_test.py` with its rules: the fields of `Rules`."""
    text = ",".join(f"{name}={value}" for name, value in settings.ab_rules.items())
    if len(text) > MAX_ARGUMENT:
        raise SettingsError(
            f"expected numbers with fewer digits, got {text}: a job takes them as one argument of "
            f"at most {MAX_ARGUMENT} characters", "ab"
        )  # fmt: skip
    return text


def _tag(content: object) -> str:
    """Four of 32 characters, a million in all: with more, the longest names would be too long."""
    digest = hashlib.sha256(json.dumps(content).encode()).digest()
    return base64.b32encode(digest).decode()[:4].lower()


def _facets(settings: Settings) -> str:
    stored = settings.data.stored_name  # as the bias step's analysis has the columns
    text = ",".join(f"{facet.key}={stored(facet.column)}" for facet in settings.facets)
    if len(text) > MAX_ARGUMENT or re.search(r"[^\w ,=.-]", text):
        raise SettingsError(
            "expected facets whose columns have only letters, digits, spaces and _ . -, and at "
            f"most {MAX_ARGUMENT} characters with their keys, got {settings.bias.facets!r}: a "
            "rollout evaluates the gate again by them", "bias", "facets",
        )  # fmt: skip
    return text


def _vpc(environment: Environment) -> dict[str, list[str]]:
    if not environment.subnets:
        return {}
    return {
        "SecurityGroupIds": list(environment.security_groups),
        "Subnets": list(environment.subnets),
    }


def _escaped(content: object) -> str:
    """JSON escaped for a JSON string."""
    return json.dumps(json.dumps(content))[1:-1]
