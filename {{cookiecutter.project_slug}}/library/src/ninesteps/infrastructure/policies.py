"""Compares what the policies of a template allow with the table of permissions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ninesteps.infrastructure.permissions import Grant, read_elsewhere
from ninesteps.settings.environment import Environment
from ninesteps.settings.features import Features, SharedGroup
from ninesteps.settings.settings import Settings

Permission = tuple[str, str, str, str]
"""One action on one resource: effect, action, resource, condition."""


def permissions(grants: Iterable[Grant], values: Mapping[str, str]) -> set[Permission]:
    """What a table's entries allow in one environment; `values` replace the braces."""
    return {
        ("Allow", action, pattern, _condition(entry.conditions, values))
        for entry in grants
        for action in entry.actions
        for resource in entry.resources
        for pattern in resource.format_map(values).split(",")
    }


def values(
    settings: Settings, environment: Environment, repositories: Iterable[str]
) -> dict[str, str]:
    """An environment's values for the braces; `images` are the repositories' ARNs."""
    stack = environment.named(settings.project.pipeline)
    partition, where = environment.partition, f"{environment.region}:{environment.account}"
    services = (
        "application-autoscaling",
        "athena",
        "cloudformation",
        "cloudwatch",
        "ec2",
        "events",
        "glue",
        "logs",
        "sagemaker",
        "sns",
        "sqs",
        "states",
    )
    return {
        **{service: f"arn:{partition}:{service}:{where}" for service in services},
        "bucket": f"arn:{partition}:s3:::{environment.bucket_of(stack)}",
        "iam": f"arn:{partition}:iam::{environment.account}",
        "images": ",".join(repositories),
        "key": environment.kms_key_arn or key_of_the_stack(environment),
        "pipeline": settings.project.pipeline,
        "role": f"arn:{partition}:iam::{environment.account}:role/{stack}",
        "stack": stack,
        **feature_values(settings, environment),
    }


def feature_values(settings: Settings, environment: Environment) -> dict[str, str]:
    """The values of the feature groups and of the base model's location; lists with commas."""
    features = settings.features_of(environment)
    places = [place.removeprefix("s3://") for place in read_elsewhere(settings, environment)]
    prefixes = [place.partition("/")[2] for place in places]
    start = f"arn:{environment.partition}:s3:::"
    own, shared = features.owned_groups.values(), features.groups.values()

    def arns(*groups: Features | SharedGroup) -> str:
        arns = (environment.sagemaker_arn(f"feature-group/{g.group.lower()}") for g in groups)
        return ",".join(dict.fromkeys(arns))

    return {
        "catalog": features.catalog,
        "database": ",".join(features.catalog_arns(environment)[:2]),
        "groups": arns(features, *own),
        "read groups": arns(features, *own, *shared),
        "store": ",".join(f"{start}{place}/*" for place in places),
        "store bucket": ",".join(dict.fromkeys(start + p.partition("/")[0] for p in places)),
        "store key": ",".join(features.kms_key_arns),
        "store prefix": ",".join(dict.fromkeys(_listed(prefixes, settings.model.base_prefix))),
        "read tables": ",".join(features.catalog_arns(environment, *own, *shared)),
        "tables": ",".join(features.catalog_arns(environment, *own)),
        "workgroup": features.workgroup,
    }


def _listed(prefixes: Iterable[str], base: str) -> Iterator[str]:
    """What may be listed of prefixes: what lies below; of the base, which an input names, itself.

    SageMaker lists what has an input's prefix, which ends in no slash.
    """
    for prefix in prefixes:
        yield f"{prefix}/*" if prefix else "*"
    if base:
        yield base.removeprefix("s3://").partition("/")[2]


def key_of_the_stack(environment: Environment) -> str:
    """The placeholder ARN of the stack's own key, which has none before it is created."""
    return f"arn:{environment.partition}:kms:{environment.region}:{environment.account}:key/Key"


def granted(resources: Mapping[str, Any], role: str) -> set[Permission]:
    """What the policies of a role of a resolved template say, those that are its own and others."""
    own = resources[role]["Properties"]
    attached = (r["Properties"] for r in resources.values() if r["Type"] == "AWS::IAM::Policy")
    policies = [
        *own["Policies"],
        *(policy for policy in attached if own["RoleName"] in policy["Roles"]),
    ]
    return {
        (statement["Effect"], action, resource, _condition(statement.get("Condition", {}), {}))
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        for action in _list(statement["Action"])
        for resource in _list(statement["Resource"])
    }


def differences(role: str, wanted: set[Permission], found: set[Permission]) -> Iterator[str]:
    """One sentence for each permission that a role has too much or too little."""
    for sentence, odd in (("the table lacks", found - wanted),
                          ("the template lacks", wanted - found)):  # fmt: skip
        for effect, action, resource, condition in sorted(odd):
            where = f" if {condition}" if condition != "{}" else ""
            yield f"{role}: {sentence} {effect} {action} on {resource}{where}"


def _condition(conditions: Mapping[str, Mapping[str, Any]], values: Mapping[str, str]) -> str:
    """Conditions as one text, whatever their order."""
    ordered = {
        operator: {
            key: sorted(
                part
                for v in _list(value)
                for part in (v.format_map(values).split(",") if values else [v])
            )
            for key, value in keys.items()
        }
        for operator, keys in conditions.items()
    }
    return json.dumps(ordered, sort_keys=True)


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
