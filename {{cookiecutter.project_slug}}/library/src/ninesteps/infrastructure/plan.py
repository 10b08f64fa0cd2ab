"""What `bootstrap` and `publish` would do, computed from the repository without asking AWS.

A plan has actions in the order in which the commands take them. Each comes from the functions that
the commands themselves call, so a plan names the stacks, resources and files that they would send.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ninesteps.definition import published
from ninesteps.definition.definition import read_definition
from ninesteps.definition.step_names import numbered
from ninesteps.infrastructure import policies, stacks, template
from ninesteps.infrastructure.change_set import Stack
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings

NAMES = (*template.NAMES, "AliasName", "PolicyName")
"""The properties that name a resource."""

KEY = "KmsKeyArn"
"""The parameter that has the ARN of the key, which AWS gives when the first stack makes one."""


@dataclass(frozen=True)
class Resource:
    """A resource of a stack."""

    resource: str  # its name in the template
    type: str
    name: str  # in the account; empty where AWS chooses it, or where it has none


@dataclass(frozen=True)
class StackAction:
    """Create or update a stack."""

    stack: str
    resources: tuple[Resource, ...]
    parameters: Mapping[str, str | None]  # None: known when the stack before it is there
    action: str = "stack"


@dataclass(frozen=True)
class Upload:
    """A file that is put into the bucket if it is not there yet."""

    uri: str
    bytes: int | None  # None: not known before a wheel is fetched
    sha256: str | None  # None: as above


@dataclass(frozen=True)
class UploadAction:
    """Put files whose keys have a hash of their content."""

    bucket: str
    files: tuple[Upload, ...]
    wheels: tuple[str, ...] = ()  # that pip fetches first
    action: str = "upload"


@dataclass(frozen=True)
class GroupAction:
    """Create a feature group, or add features to it."""

    feature_group: str
    table: str
    features: Mapping[str, str]  # feature -> its type
    action: str = "feature group"


@dataclass(frozen=True)
class CheckAction:
    """Ask the account for what the pipeline needs, and stop if it is missing."""

    workgroup: str
    feature_groups: tuple[str, ...]
    action: str = "check"


@dataclass(frozen=True)
class RecordAction:
    """Put a record of the commit and the library that the code came from."""

    prefix: str  # an S3 URI; the record's name has the moment
    commit: str
    action: str = "record"


@dataclass(frozen=True)
class PipelineAction:
    """Create or update the pipeline."""

    pipeline: str
    role: str
    bytes: int
    sha256: str  # of the definition's text
    steps: tuple[tuple[str, str], ...]  # name and type
    action: str = "pipeline"


Action = StackAction | UploadAction | GroupAction | CheckAction | RecordAction | PipelineAction


@dataclass(frozen=True)
class Plan:
    """What a command would do."""

    command: str
    account: str
    region: str
    actions: tuple[Action, ...]
    not_made: str = ""  # why no feature group is
    not_known: tuple[str, ...] = ()  # what only AWS can tell

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON."""
        return asdict(self)


def stack_action(stack: Stack, environment: Environment, not_known: str = "") -> StackAction:
    """The resources of a stack.

    Args:
        stack: with a value for every parameter; it may be a placeholder.
        not_known: the parameter whose value is a placeholder.
    """
    read = json.loads(stack.template)
    resources = template.resolved(read, stack.parameters, environment, stack.name)
    made = (
        Resource(name, content["Type"], _name(content.get("Properties", {})))
        for name, content in resources.items()
    )
    given = {n: None if n == not_known else value for n, value in stack.parameters.items()}
    return StackAction(stack.name, tuple(made), given)


def _name(properties: Mapping[str, Any]) -> str:
    return next((str(properties[key]) for key in NAMES if key in properties), "")


def uploads(objects: Mapping[str, bytes]) -> list[Upload]:
    """Files by their S3 URIs, the folders in order."""
    return [
        Upload(uri, len(content), hashlib.sha256(content).hexdigest())
        for uri, content in sorted(objects.items())
    ]


def bootstrap_actions(
    settings: Settings, environment: Environment, definition: str
) -> tuple[StackAction, UploadAction, StackAction]:
    """The first stack, the files that the second one needs, and the second stack.

    Args:
        definition: the compiled one.

    Raises:
        SettingsError: for everything that `bootstrap` refuses without asking AWS.
    """
    first = stacks.pipeline_stack(settings, environment, definition)
    key = environment.kms_key_arn or policies.key_of_the_stack(environment)
    second = stacks.rollout_stack(settings, environment, definition, key)
    files = uploads(stacks.rollout_objects(settings, environment))
    return (
        stack_action(first, environment),
        UploadAction(environment.bucket_name, tuple(files)),
        stack_action(second, environment, "" if environment.kms_key_arn else KEY),
    )


def pipeline_actions(
    settings: Settings, environment: Environment, definition: str, commit: str
) -> tuple[RecordAction, PipelineAction]:
    """The actions of `publish` after the code has been uploaded.

    Args:
        commit: that the code came from, in words.
    """
    prefix = published.origins(settings.project.pipeline, definition)
    pipeline = environment.named(settings.project.pipeline)
    types = {name: step.type for name, step in read_definition(definition).steps.items()}
    content = definition.encode()
    return (
        RecordAction(f"s3://{environment.bucket_name}/{prefix}", commit),
        PipelineAction(
            pipeline, environment.role_arn, len(content), hashlib.sha256(content).hexdigest(),
            tuple((name, types[name]) for name in numbered(types)),
        ),
    )  # fmt: skip


def check_action(settings: Settings, environment: Environment) -> CheckAction:
    """What `publish` checks in the account before it sends anything."""
    features = settings.features_of(environment)
    owned = (own.group for own in features.owned_groups.values())
    shared = (other.group for other in features.groups.values())
    return CheckAction(features.workgroup, (features.group, *owned, *shared))


def not_known_of_bootstrap(environment: Environment, pipeline: str) -> tuple[str, ...]:
    """What only AWS knows, a sentence each."""
    stack = environment.named(pipeline)
    already = "what the account already has: `pipeline bootstrap` asks, and shows what would change"
    starts = f"{stacks.STARTS} of a stack that is already there, which stays as it is"
    if environment.kms_key_arn:
        key = (
            f"whether the stack {stack} made the key kms_key_arn: if it did, it also keeps its Key "
            f"and KeyAlias, and its {KEY} is empty"
        )
    else:
        key = f"the key's ARN, an output of {stack} that {stack}-rollout gets as {KEY}"
    return already, starts, key
