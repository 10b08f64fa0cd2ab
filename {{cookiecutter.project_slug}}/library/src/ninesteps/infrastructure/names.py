"""Compares the longest names that the stacks and state machines can give with AWS's limits.

Names are found anywhere in the templates and in the machines' files, for a pipeline and an
environment with the longest names that settings allow. So a name that is added is checked too.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ninesteps.infrastructure import template
from ninesteps.settings.environment import LONGEST_NAME, Environment
from ninesteps.settings.settings import Settings

LIMITS = {
    "AWS::Budgets::Budget.BudgetName": 100,
    "AWS::CloudFormation::Stack.StackName": 128,
    "AWS::CloudWatch::Alarm.AlarmName": 255,
    "AWS::CloudWatch::Alarm.MetricName": 255,
    "AWS::Events::Rule.Name": 64,
    "AWS::IAM::Policy.PolicyName": 128,
    "AWS::IAM::Role.PolicyName": 128,
    "AWS::IAM::Role.RoleName": 64,
    "AWS::KMS::Alias.AliasName": 256,
    "AWS::Logs::LogGroup.LogGroupName": 512,
    "AWS::S3::Bucket.BucketName": 63,
    "AWS::SNS::Topic.DisplayName": 100,
    "AWS::SNS::Topic.TopicName": 256,
    "AWS::SQS::Queue.QueueName": 80,
    "AWS::SageMaker::FeatureGroup.FeatureGroupName": 64,
    "AWS::SageMaker::ModelPackageGroup.ModelPackageGroupName": 63,
    "AWS::Scheduler::Schedule.Name": 64,
    "AWS::StepFunctions::StateMachine.StateMachineName": 80,
    "applicationautoscaling.PolicyName": 256,
    "cloudwatch.AlarmNames": 255,
    "sagemaker.ClientRequestToken": 128,
    "sagemaker.EndpointConfigName": 63,
    "sagemaker.EndpointName": 63,
    "sagemaker.ModelName": 63,
    "sagemaker.ModelPackageGroupName": 63,
    "sagemaker.ModelPackageName": 176,
    "sagemaker.Name": 256,
    "sagemaker.PipelineName": 256,
    "sagemaker.ProcessingJobName": 63,
    "sagemaker.VariantName": 63,
    "sns.Subject": 100,
    "states.Name": 80,
}
"""Characters of a name: by the resource's type and property, or by the service of a task and the
field of its request. They are those of the service models that botocore carries, which a test
compares; where a model says nothing, of the user guides: S3's "Bucket naming rules", SNS's
CreateTopic and Publish, SQS's CreateQueue, CloudFormation's "AWS CloudFormation quotas"."""

LABELS = ("InputName", "OutputName")
"""Names within a request: SageMaker documents no limit for these."""

POLICY_LIMIT = 10_240
"""Characters of all policies within one role, without white space ("IAM and AWS STS quotas")."""

LONGEST = {
    "$version": "9" * 6,
    "$.version": "9" * 6,
    "$.target": "m" * 63,  # as rollout.asl.json has called the model
    "$run": "0" * 8,  # the first part of a UUID
    "$test": "0" * 8,  # the run that began it
    "$look": "9" * 6,
    "$part[0]": "2026-11-25T10",
    "$part[1]": "00",
    "$part[2]": "00.000000Z",
    "$outcome": "inconclusive",
    "$config": "e" * 63,  # of the endpoint, as the service says; so is its model
    "$endpoint.config": "e" * 63,
    "$ends_to": "e" * 63,
    "$incumbent": "e" * 63,
    "$models[0]": "m" * 63,
    "$token": f"{'n' * LONGEST_NAME}-scheduled-at-2026-11-25T10:00:00Z",
    "$package": f"arn:aws-us-gov:sagemaker:us-gov-west-1:{'1' * 12}:model-package/"
    f"{'n' * LONGEST_NAME}/{'9' * 6}",
}  # fmt: skip
"""The longest text of each value that a machine knows only while it runs."""


@dataclass(frozen=True)
class Name:
    """The longest form of a name."""

    where: str  # the template's resource, or the machine's state
    kind: str  # a key of LIMITS
    text: str


def longest(settings: Settings) -> tuple[Settings, Environment]:
    """The settings with the longest names that they may have, and their environment."""
    suffix = "-prod"
    account, region = "1" * 12, settings.aws.region
    project = dataclasses.replace(settings.project, pipeline="p" * (LONGEST_NAME - len(suffix)))
    own = dataclasses.replace(
        settings, project=project, environments={"prod": Environment(account, region)}
    )
    return own, own.environment("prod")


def violations(
    templates: Mapping[str, dict[str, Any]],
    given: Mapping[str, Mapping[str, str]],
    machines: Mapping[str, dict[str, Any]],
    environment: Environment,
    stack: str,
) -> Iterator[str]:
    """One sentence for each name that may be too long, and for each of unknown limit or length.

    Args:
        given: the parameters of each template.
        machines: the state machines' files, by the name of the resource.
        environment: the one with the longest names, which are `stack`.
    """
    for name in (*names(templates, given, environment, stack),
                 *_names_of_machines(templates, given, machines, environment, stack)):  # fmt: skip
        if name.kind not in LIMITS:
            yield f"{name.where}: no limit is known for {name.kind}"
        elif len(name.text) > LIMITS[name.kind]:
            yield (
                f"{name.where}: expected a name of at most {LIMITS[name.kind]} characters "
                f"({name.kind}), got up to {len(name.text)}: {name.text}"
            )
        elif "?" in name.text:
            yield f"{name.where}: the length of {name.kind} is not known: {name.text}"


def names(
    templates: Mapping[str, dict[str, Any]],
    given: Mapping[str, Mapping[str, str]],
    environment: Environment,
    stack: str,
) -> Iterator[Name]:
    """The names of all resources, whether or not a condition makes them."""
    for file, as_read in templates.items():
        everything = template.resolved_all(as_read, given[file], environment, stack)
        for resource, content in everything.items():
            for field, text in _fields(content.get("Properties", {})):
                if field.endswith("Name"):
                    kind = f"{content['Type']}.{field}"
                    yield Name(f"{file} {resource}", kind, text)


def _fields(content: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value, with the nearest field that contains it.

    What a machine's file gets is looked at where the file uses it; what a metric is of is a name
    that was given elsewhere.
    """
    if isinstance(content, dict):
        for key, inner in content.items():
            if key not in ("Condition", "DefinitionSubstitutions", "Dimensions", "EventPattern"):
                yield from _fields(inner, key)
    elif isinstance(content, list):
        for inner in content:
            yield from _fields(inner, field)
    elif isinstance(content, str):
        yield field, content


def _names_of_machines(
    templates: Mapping[str, dict[str, Any]],
    given: Mapping[str, Mapping[str, str]],
    machines: Mapping[str, dict[str, Any]],
    environment: Environment,
    stack: str,
) -> Iterator[Name]:
    """The names in the requests of the machines' tasks."""
    rollout = template.resolved_all(
        templates[template.ROLLOUT], given[template.ROLLOUT], environment, stack
    )
    for machine, definition in machines.items():
        filled = rollout[machine]["Properties"]["DefinitionSubstitutions"]
        text = _PLACEHOLDER.sub(functools.partial(_given, filled), json.dumps(definition))
        states = json.loads(text)["States"]
        assigned = {
            f"${name.removesuffix('.$')}": value
            for state in states.values()
            for name, value in state.get("Assign", {}).items()
            if isinstance(value, str)
        }
        for state, content in states.items():
            if content["Type"] == "Task":
                service = content["Resource"].partition(":states:::")[2].removeprefix("aws-sdk:")
                service = service.partition(":")[0]
                for field, value in _fields(content["Parameters"]):
                    name = field.removesuffix(".$")
                    if re.search(r"Names?$|Token$|^Subject$", name) and name not in LABELS:
                        computed = _text(value, assigned) if field.endswith(".$") else value
                        yield Name(f"{machine} {state}", f"{service}.{name}", computed)


_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def _given(values: Mapping[str, str], placeholder: re.Match[str]) -> str:
    return values.get(placeholder[1], "?")


def _text(expression: str, assigned: Mapping[str, str]) -> str:
    """The longest result of a machine's expression; `?` if it is not known."""
    if expression in LONGEST:
        return LONGEST[expression]
    if expression.startswith("'"):
        return expression[1:-1]
    if re.fullmatch(r"States\.Hash\(.*, 'SHA-256'\)", expression):
        return "0" * 64
    if call := re.fullmatch(r"States\.Format\('([^']*)', ([^()]*)\)", expression):
        text, values = call[1], call[2].split(", ")
        for value in values:
            text = text.replace("{}", _text(value, assigned), 1)
        return text
    return _text(assigned[expression], assigned) if expression in assigned else "?"


def policy_sizes(resources: Mapping[str, Any]) -> dict[str, int]:
    """Characters of all policies within each role of resolved templates, without white space."""
    sizes = {name: 0 for name, r in resources.items() if r["Type"] == "AWS::IAM::Role"}
    attached = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::IAM::Policy"]
    for name in sizes:
        role = resources[name]["Properties"]
        others = (policy for policy in attached if role["RoleName"] in policy["Roles"])
        for policy in (*role["Policies"], *others):
            sizes[name] += len(re.sub(r"\s", "", json.dumps(policy["PolicyDocument"])))
    return sizes
