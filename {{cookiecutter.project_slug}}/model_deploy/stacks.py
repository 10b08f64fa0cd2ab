"""The stacks of an environment: which template, with which of the settings as its parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cli.bootstrap import Stack
from cli.settings import Environment, Settings
from cli.tables import SettingsError
from model_deploy import permissions, policy, template
from model_deploy.permissions import Grant

ACCOUNT_STACK = "sagemaker-pipelines-account"
"""What `account.yaml` is called: the same from every repository."""

NOTHING = {"HasGitHub": "no", "MonthlyBudget": "0", "NotifyEmail": ""}
"""Its parameters where nobody has asked for anything."""


def pipeline_stack(
    settings: Settings, environment: Environment, definition: str, own_key: str = ""
) -> Stack:
    """The stack of one environment.

    Args:
        definition: the compiled one, whose images the roles may fetch.
        own_key: the ARN of the key that the stack has made before, if it has.

    Raises:
        SettingsError: if the settings name a role or a bucket that the stack does not make.
    """
    name = environment.named(settings.project.pipeline)
    made = {
        "role": f"arn:{environment.partition}:iam::{environment.account}:role/{name}-pipeline",
        "bucket": f"{name}-{environment.account}",
    }
    for key, right in made.items():
        if (read := getattr(environment, key)) != right:
            raise SettingsError(f"{read!r} was read, where the stack makes {right}: leave the key "
                                "out", "environments", environment.name, key)  # fmt: skip
    return Stack(
        name=name,
        template=template.packaged(template.PIPELINE),
        parameters=parameters(settings, environment, json.loads(definition), own_key),
        tags={"pipeline": settings.project.pipeline, "environment": environment.name},
    )


def parameters(
    settings: Settings, environment: Environment, definition: Mapping[str, Any], own_key: str = ""
) -> dict[str, str]:
    """The parameters of `pipeline.yaml`."""
    is_own = environment.kms_key_arn == own_key  # it stands in the settings for the jobs to use
    return {
        "Pipeline": settings.project.pipeline,
        "KmsKeyArn": "" if is_own else environment.kms_key_arn,
        "PermissionsBoundary": environment.permissions_boundary,
        "IsInVpc": "yes" if environment.subnets else "no",
        "ImageRepositories": ",".join(image_repositories(definition, environment)),
        "HasClarify": "yes" if permissions.CLARIFY_IMAGE in json.dumps(definition) else "no",
        "FeatureTable": settings.feature_table,
        "ScheduleExpression": settings.cadence.expression,
        "ScheduleTimezone": settings.cadence.timezone,
        "NotifyEmail": settings.notify.email,
        **{
            limit: str(alarm.threshold)
            for limit, alarm in zip(
                ("MaxErrorShare", "MaxLatencyMicroseconds"),
                policy.alarms(settings.deploy),
                strict=True,
            )
        },
        "GitHubRepository": environment.github_repository,
    }


def account_stack(
    settings: Settings, environment: Environment, previous: Mapping[str, str]
) -> Stack:
    """The stack of what exists once an account; what other repositories have asked for stays.

    Args:
        previous: the parameters that the stack has now.

    Raises:
        SettingsError: if nothing is asked for, or nobody could be told of the budget.
    """
    asked = {}
    if environment.github_repository:
        asked["HasGitHub"] = "yes"
    if environment.monthly_budget:
        if not settings.notify.email:
            raise SettingsError("nobody was read, whom a monthly_budget needs", "notify", "email")
        asked["MonthlyBudget"] = str(environment.monthly_budget)
        asked["NotifyEmail"] = settings.notify.email
    if not asked and not previous:
        raise SettingsError(
            "neither github_repository nor monthly_budget was read, where one is right: there is "
            "nothing else to make for the account", "environments", environment.name,
        )  # fmt: skip
    return Stack(
        name=ACCOUNT_STACK,
        template=template.packaged(template.ACCOUNT),
        parameters={**NOTHING, **previous, **asked},
        tags={"pipeline": "all"},
    )


def image_repositories(definition: Mapping[str, Any], environment: Environment) -> list[str]:
    """The ARNs of the repositories that a definition's images are in."""
    images = re.findall(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.[a-z.]+/([\w./-]+)",
                        json.dumps(definition))  # fmt: skip
    return sorted(
        f"arn:{environment.partition}:ecr:{region}:{account}:repository/{repository}"
        for account, region, repository in set(images)
    )


def roles(definition: Mapping[str, Any]) -> dict[str, list[Grant]]:
    """What each role of `pipeline.yaml` may do, by the resource's name."""
    return {
        "PipelineRole": permissions.of_definition(definition),
        "ApproverRole": [*permissions.APPROVER],
        "PublisherRole": permissions.of_calls("publish"),
        "SchedulerRole": [*permissions.SCHEDULER],
    }


def wrong(
    content: dict[str, Any], settings: Settings, environment: Environment, definition: str
) -> Iterator[str]:
    """What a template's roles may do otherwise than the table says."""
    compiled = json.loads(definition)
    name = environment.named(settings.project.pipeline)
    given = parameters(settings, environment, compiled)
    resources = template.resolved(content, given, environment, name)
    repositories = image_repositories(compiled, environment)
    values = permissions.values(settings, environment, repositories)
    table = roles(compiled)
    for role, resource in resources.items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        if role not in table:
            yield f"{role}: the table has no such role"
            continue
        wanted = permissions.permissions(table[role], values)
        yield from permissions.differences(role, wanted, permissions.granted(resources, role))
