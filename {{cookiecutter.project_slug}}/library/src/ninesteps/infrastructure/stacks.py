"""The stacks of an environment: their templates, with parameters from the settings."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ninesteps.definition.values import named_values
from ninesteps.errors import AccountError, SettingsError
from ninesteps.infrastructure import (
    addresses,
    job_code,
    names,
    network,
    permissions,
    policies,
    state_machines,
    template,
)
from ninesteps.infrastructure.change_set import Stack
from ninesteps.infrastructure.permissions import Grant
from ninesteps.settings import deploy as policy
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.step_code.no_champion import PARAMETER

ACCOUNT_STACK = "sagemaker-pipelines-account"
"""The name of the stack of `account.yaml`: the same from every repository."""

NOTHING = {"HasGitHub": "no", "MonthlyBudget": "0", "NotifyEmail": ""}
"""Its parameters if nothing was requested."""


STARTS = "Starts"
"""The parameter of both stacks that says whether schedule and arrived rows start the pipeline."""

ON, OFF = "ENABLED", "DISABLED"


def starts(previous: Mapping[str, str]) -> str:
    """The value of `Starts`, from a stack's present parameters: a new stack starts nothing.

    A stack that was made before there was such a parameter has its schedule on.
    """
    return previous.get(STARTS, ON if previous else OFF)


def pipeline_stack(
    settings: Settings,
    environment: Environment,
    definition: str,
    own_key: str = "",
    previous: Mapping[str, str] | None = None,
) -> Stack:
    """The stack of one environment.

    Args:
        definition: the compiled one, whose images the roles may fetch.
        own_key: the ARN of the key that the stack created earlier, if it did.
        previous: the parameters that it has now, if it exists.

    Raises:
        SettingsError: if the settings name a role or a bucket that the stack does not create.
    """
    name = environment.named(settings.project.pipeline)
    of_the_stack = {"role": environment.role_of(name), "bucket": environment.bucket_of(name)}
    for key, right in of_the_stack.items():
        if (read := getattr(environment, key)) != right:
            raise SettingsError(
                f"expected {right}, which the stack creates, got {read!r}: leave the key out",
                "environments", environment.name, key,
            )  # fmt: skip
    return Stack(
        name=name,
        template=template.packaged(settings.root, template.PIPELINE),
        parameters={
            **parameters(settings, environment, json.loads(definition), own_key),
            STARTS: starts(previous or {}),
        },
        tags={"pipeline": settings.project.pipeline, "environment": environment.name},
    )


def parameters(
    settings: Settings, environment: Environment, definition: Mapping[str, Any], own_key: str = ""
) -> dict[str, str]:
    """The parameters of `pipeline.yaml`."""
    is_own = environment.kms_key_arn == own_key  # it stands in the settings for the jobs to use
    return {
        "Pipeline": settings.project.pipeline,
        "Environment": environment.name,
        "Console": addresses.console(environment) or "SageMaker's console",
        "KmsKeyArn": "" if is_own else environment.kms_key_arn,
        "PermissionsBoundary": environment.permissions_boundary,
        "IsInVpc": "yes" if environment.subnets else "no",
        "ImageRepositories": ",".join(image_repositories(definition, environment)),
        "ComparesChampion": "yes" if compares_champion(definition) else "no",
        "HasClarify": "yes" if permissions.CLARIFY_IMAGE in json.dumps(definition) else "no",
        **_features(settings, environment),
        "ScheduleExpression": settings.cadence.expression,
        "ScheduleTimezone": settings.cadence.timezone,
        STARTS: OFF,
        "NotifyEmail": settings.notify.email,
        **_watched(settings),
        "GitHubRepository": environment.github_repository,
    }


def _watched(settings: Settings) -> dict[str, str]:
    """The parameters of the endpoint's alarms."""
    alarms = policy.alarms(settings.deploy, settings.project.problem)
    thresholds = {alarm.name: str(alarm.threshold) for alarm in alarms}
    return {
        "MaxErrorShare": thresholds["5xx"],
        "FailsWith4xx": "yes" if "4xx" in thresholds else "no",
        "MaxLatencyMicroseconds": thresholds["latency"],
    }


def _features(settings: Settings, environment: Environment) -> dict[str, str]:
    """The parameters for what step 1 reads: names, and the ARNs that policies need."""
    values = policies.feature_values(settings, environment)
    return {
        "FeatureGroups": values["read groups"],
        "OwnFeatureGroups": values["groups"],
        "ReadTables": values["read tables"],
        "FeatureTables": values["tables"],
        "FeatureCatalog": values["catalog"],
        "FeatureWorkgroup": values["workgroup"],
        "StoreBuckets": values["store bucket"],
        "StoreObjects": values["store"],
        "StorePrefixes": values["store prefix"],
        "StoreKeys": values["store key"],
    }


def as_made(environment: Environment, outputs: Mapping[str, str]) -> Environment:
    """An environment with its stack's bucket, and with the stack's key if it names no other.

    Args:
        outputs: of the stack; none where there is no stack, and then it is as the settings say.

    Raises:
        AccountError: if the settings name another bucket.
    """
    bucket = outputs.get("BucketName", environment.bucket)
    if bucket != environment.bucket:
        raise AccountError(
            f"expected the bucket {bucket}, which the stack created, as "
            f"[environments.{environment.name}] bucket, got {environment.bucket!r}: leave the "
            "key out"
        )
    key = environment.kms_key_arn or outputs.get("KeyArn", "")
    return dataclasses.replace(environment, kms_key_arn=key)


def as_published(environment: Environment, definition: Mapping[str, Any]) -> Environment:
    """An environment with the key of a published definition, if the settings name none."""
    keys = {key for name in ("KmsKeyId", "VolumeKmsKeyId")
            for key in named_values(definition, name)}  # fmt: skip
    if environment.kms_key_arn or len(keys) != 1:
        return environment
    return dataclasses.replace(environment, kms_key_arn=str(*keys))


def rollout_stack(
    settings: Settings,
    environment: Environment,
    definition: str,
    key: str,
    previous: Mapping[str, str] | None = None,
) -> Stack:
    """The stack of the state machines, which needs the bucket of the other stack.

    Args:
        definition: the compiled one.
        key: the ARN of the key that the bucket is encrypted with.
        previous: the parameters that the stack has now, if it is there.
    """
    return Stack(
        name=f"{environment.named(settings.project.pipeline)}-rollout",
        template=template.packaged(
            settings.root,
            template.ROLLOUT,
            environment.bucket_name,
            settings.project.pipeline,
            settings.deploy.instance_type,
        ),
        parameters={
            **rollout_parameters(settings, environment, json.loads(definition), key),
            STARTS: starts(previous or {}),
        },
        tags={"pipeline": settings.project.pipeline, "environment": environment.name},
    )


def rollout_parameters(
    settings: Settings, environment: Environment, definition: Mapping[str, Any], key: str
) -> dict[str, str]:
    """The parameters of `rollout.yaml`."""
    return {
        "Name": environment.named(settings.project.pipeline),
        "Pipeline": settings.project.pipeline,
        "Environment": environment.name,
        "KmsKeyArn": key,
        "PermissionsBoundary": environment.permissions_boundary,
        "ComparesChampion": "yes" if compares_champion(definition) else "no",
        "IsInVpc": "yes" if environment.subnets else "no",
        "ImageRepositories": ",".join(image_repositories(definition, environment)),
        STARTS: OFF,
        **{limit: _watched(settings)[limit] for limit in LIMITS},
        **state_machines.substitutions(settings, environment, image(definition)),
    }


LIMITS = ("MaxErrorShare", "MaxLatencyMicroseconds")
"""The parameters of both templates for alarms."""

FLOORS = ("Profile", "ProfileSha256", "LeastLibrary")
"""The parameters of `rollout.yaml` for the floors that a version must meet."""


def floor_changes(previous: Mapping[str, str], parameters: Mapping[str, str]) -> Iterator[str]:
    """How a stack's floors would change, a line each within 80 columns.

    Args:
        previous: the parameters that the stack has now; empty if there is no stack.
    """
    for name in FLOORS if previous else ():
        before, after = previous.get(name, "none"), parameters[name]
        if before != after:
            yield f"{'Floor':<8}{name:<28}{before[:18]} -> {after[:18]}"


def rollout_objects(settings: Settings, environment: Environment) -> dict[str, bytes]:
    """What the bucket must have before the machines exist: their files, and their jobs' code."""
    root, prefix, instance = settings.root, settings.project.pipeline, settings.deploy.instance_type
    machines = template.state_machines(template.read(root, template.ROLLOUT)).values()
    return {
        **{
            f"s3://{environment.bucket_name}/{template.machine_key(root, prefix, file, instance)}":
                template.machine_content(root, file, instance)
            for file in machines
        },
        **job_code.code_objects(settings, environment),
    }  # fmt: skip


def account_stack(
    settings: Settings, environment: Environment, previous: Mapping[str, str]
) -> Stack:
    """The stack of what exists once per account; what other repositories requested stays.

    Args:
        previous: the parameters that the stack has now.

    Raises:
        SettingsError: if nothing is requested, or the budget has no address to notify.
    """
    asked = {}
    if environment.github_repository:
        asked["HasGitHub"] = "yes"
    if environment.monthly_budget:
        if not settings.notify.email:
            raise SettingsError(
                "expected an e-mail address, which monthly_budget needs, got none",
                "notify", "email",
            )  # fmt: skip
        asked["MonthlyBudget"] = str(environment.monthly_budget)
        asked["NotifyEmail"] = settings.notify.email
    if not asked and not previous:
        raise SettingsError(
            "expected github_repository or monthly_budget, got neither: there is nothing else "
            "to create for the account", "environments", environment.name,
        )  # fmt: skip
    return Stack(
        name=ACCOUNT_STACK,
        template=template.packaged(settings.root, template.ACCOUNT),
        parameters={**NOTHING, **previous, **asked},
        tags={"pipeline": "all"},
    )


_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.[a-z0-9.-]+/([\w./-]+):[\w.-]+")
"""An image's URI: account, region, repository."""


def image_repositories(definition: Mapping[str, Any], environment: Environment) -> list[str]:
    """The ARNs of the repositories that a definition's images are in."""
    images = set(_IMAGE.findall(json.dumps(definition)))
    return sorted(
        f"arn:{environment.partition}:ecr:{region}:{account}:repository/{repository}"
        for account, region, repository in images
    )


def images(definition: Mapping[str, Any]) -> list[str]:
    """The images of this repository's own scripts, each once, in the steps' order."""
    found = dict.fromkeys(match[0] for match in _IMAGE.finditer(json.dumps(definition)))
    return [uri for uri in found if permissions.CLARIFY_IMAGE not in uri]


def image(definition: Mapping[str, Any]) -> str:
    """The image of step 1, which runs every job of the stacks too."""
    return next(iter(images(definition)), "")


def roles(
    settings: Settings, environment: Environment, definition: Mapping[str, Any]
) -> dict[str, list[Grant]]:
    """What each role of the templates may do, by the resource's name."""
    root = settings.root
    machines = template.state_machines(template.read(root, template.ROLLOUT))
    compares = compares_champion(definition)
    champion = permissions.of_calls("champion") if compares else []
    scheduler = permissions.SCHEDULER_OF_A_CHAMPION if compares else permissions.SCHEDULER
    return {
        "PipelineRole": [
            *permissions.of_definition(definition),
            *permissions.of_queries(settings, environment),
        ],
        "FeaturesRole": [*permissions.FEATURE_GROUP],
        "IngesterRole": permissions.of_ingester(settings, environment),
        "SchedulerRole": [*scheduler],
        "ApproverRole": [
            *permissions.of_calls("approve"),
            *permissions.of_calls("diff"),
            *permissions.SECOND_APPROVAL,
        ],
        "OperatorRole": [*permissions.of_calls("operate"), *champion],
        "PublisherRole": permissions.of_calls("publish"),
        "EventsRole": [*permissions.EVENTS],
        **{
            f"{machine}Role": permissions.of_state_machine(
                template.state_machine(root, file), settings.deploy.rollout == policy.AB_TEST
            )
            for machine, file in machines.items()
        },
        "JobRole": [
            *permissions.MACHINES_JOB,
            *permissions.of_calls("jobs"),
            *_in_vpc(definition),
        ],
        "EndpointRole": [*permissions.ENDPOINT, *_in_vpc(definition)],
    }


def compares_champion(definition: Mapping[str, Any]) -> bool:
    """Whether the gate of a definition compares a model with the version that serves."""
    return PARAMETER in (parameter["Name"] for parameter in definition.get("Parameters", []))


def endpoints(
    settings: Settings, environment: Environment, definition: Mapping[str, Any]
) -> list[str]:
    """The VPC endpoints for what jobs and endpoint reach, with the roles that they have."""
    table = roles(settings, environment, definition)
    inside = ("PipelineRole", "JobRole", "EndpointRole")
    return network.endpoints(grant for role in inside for grant in table[role])


def _in_vpc(definition: Mapping[str, Any]) -> Sequence[Grant]:
    """What subnets take, where the definition's jobs are in some."""
    is_in_vpc = '"VpcConfig"' in json.dumps(definition)
    return permissions.FEATURES["VpcConfig"] if is_in_vpc else ()


Templates = Mapping[str, dict[str, Any]]
"""Parsed templates, by name."""


def read(root: Path) -> Templates:
    """The templates of an environment."""
    return {name: template.read(root, name) for name in (template.PIPELINE, template.ROLLOUT)}


def resources(
    templates: Templates, settings: Settings, environment: Environment, definition: str
) -> dict[str, Any]:
    """What an environment gets, by the resource's name."""
    compiled, name = json.loads(definition), environment.named(settings.project.pipeline)
    key = environment.kms_key_arn or policies.key_of_the_stack(environment)
    given = {
        template.PIPELINE: parameters(settings, environment, compiled),
        template.ROLLOUT: rollout_parameters(settings, environment, compiled, key),
    }
    return {
        resource: content
        for file, as_read in templates.items()
        for resource, content in template.resolved(as_read, given[file], environment, name).items()
    }


def violations(
    templates: Templates, settings: Settings, environment: Environment, definition: str
) -> Iterator[str]:
    """Differences between roles and the table of permissions, and unfilled placeholders."""
    compiled = json.loads(definition)
    own = resources(templates, settings, environment, definition)
    repositories = image_repositories(compiled, environment)
    values = policies.values(settings, environment, repositories)
    table = roles(settings, environment, compiled)
    for role in (name for name, resource in own.items() if resource["Type"] == "AWS::IAM::Role"):
        if role not in table:
            yield f"{role}: the table has no such role"
            continue
        expected = policies.permissions(table[role], values)
        yield from policies.differences(role, expected, policies.granted(own, role))
    yield from _unfilled(settings.root, templates[template.ROLLOUT])
    yield from too_long(templates, settings, compiled)


def too_long(
    templates: Templates, settings: Settings, definition: Mapping[str, Any]
) -> Iterator[str]:
    """Names and policies that AWS would refuse for a pipeline with the longest possible name."""
    own, environment = names.longest(settings)
    stack, key = environment.named(own.project.pipeline), policies.key_of_the_stack(environment)
    given = {
        template.PIPELINE: parameters(own, environment, definition),
        template.ROLLOUT: rollout_parameters(own, environment, definition, key),
    }
    machines = {
        name: template.state_machine(settings.root, file)
        for name, file in template.state_machines(templates[template.ROLLOUT]).items()
    }
    yield from names.violations(templates, given, machines, environment, stack)
    for file, as_read in templates.items():
        everything = template.resolved_all(as_read, given[file], environment, stack)
        for role, size in names.policy_sizes(everything).items():
            if size > names.POLICY_LIMIT:
                yield (
                    f"{file} {role}: expected policies of at most {names.POLICY_LIMIT:,} "
                    f"characters together, got up to {size:,}"
                )


def _unfilled(root: Path, rollout: dict[str, Any]) -> Iterator[str]:
    """Placeholders that only a state machine's file has, or only its template."""
    for machine, file in template.state_machines(rollout).items():
        text = (root / template.FOLDER / file).read_text(encoding="utf-8")
        used = set(re.findall(r"\$\{(\w+)\}", text))
        given = set(rollout["Resources"][machine]["Properties"]["DefinitionSubstitutions"])
        yield from (f"{file}: nothing fills ${{{name}}}" for name in sorted(used - given))
        yield from (f"{file}: it has no ${{{name}}} to fill" for name in sorted(given - used))
