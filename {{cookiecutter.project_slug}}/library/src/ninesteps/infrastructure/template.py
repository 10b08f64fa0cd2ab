"""Reads the stacks' templates, packs them for CloudFormation and resolves their functions.

Resolving a template replaces its functions by an environment's values, so that a role's permissions
can be compared (`permissions.py`) without an account.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ninesteps.settings import regions
from ninesteps.settings.environment import Environment
from ninesteps.settings.operation import LOCAL_DISKS

FOLDER = "model_deploy/infrastructure"
"""The folder of a repository's templates and state machines."""

PIPELINE, ROLLOUT, ACCOUNT = "pipeline.yaml", "rollout.yaml", "account.yaml"

INLINE_LIMIT = 51_200
"""Bytes of a template that CloudFormation accepts in the request itself, without an upload."""


def read(root: Path, name: str) -> dict[str, Any]:
    """A template, its tags (`!Ref x`) written as functions (`{"Ref": "x"}`)."""
    text = (root / FOLDER / name).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506  # a safe loader, with tags
    return content


def packaged(
    root: Path, name: str, bucket: str = "", prefix: str = "", endpoint_instance: str = ""
) -> str:
    """A template as compact JSON.

    Args:
        root: the repository.
        bucket: of its state machines' files.
        prefix: ... and their prefix in it; `machine_key` gives the rest.
        endpoint_instance: what the endpoint runs on.
    """
    template = read(root, name)
    for resource in template["Resources"].values():
        if file := resource["Properties"].get("DefinitionS3Location"):
            key = machine_key(root, prefix, file, endpoint_instance)
            resource["Properties"]["DefinitionS3Location"] = {"Bucket": bucket, "Key": key}
    return _compact(template)


def machine_key(root: Path, prefix: str, file: str, endpoint_instance: str) -> str:
    """The key of a state machine's file: by content, so that a new file changes the stack."""
    digest = hashlib.sha256(machine_content(root, file, endpoint_instance)).hexdigest()[:16]
    return f"{prefix}/code/{digest}/{file}"


def machine_content(root: Path, file: str, endpoint_instance: str) -> bytes:
    """A state machine's file as uploaded: with a key for the disks of endpoints that accept one.

    A state cannot leave out a field of a request, so it is left out here. The instance's own disks
    are encrypted by hardware, and a key is useless or refused:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html
    """
    machine = state_machine(root, file)
    if re.fullmatch(LOCAL_DISKS, endpoint_instance):
        for state in machine["States"].values():
            if str(state.get("Resource")).endswith(":createEndpointConfig"):
                del state["Parameters"]["KmsKeyId"]
    return _compact(machine).encode()


def state_machine(root: Path, file: str) -> dict[str, Any]:
    """A state machine's definition in Amazon States Language."""
    text = (root / FOLDER / file).read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def state_machines(template: dict[str, Any]) -> dict[str, str]:
    """The file of each state machine of a template, by the resource's name."""
    return {
        name: resource["Properties"]["DefinitionS3Location"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
    }


def resolved(
    template: dict[str, Any], parameters: Mapping[str, str], environment: Environment, stack: str
) -> dict[str, Any]:
    """The resources of an environment, by name, with its values."""
    return _Resolver(template, parameters, environment, stack).resources()


def resolved_all(
    template: dict[str, Any], parameters: Mapping[str, str], environment: Environment, stack: str
) -> dict[str, Any]:
    """Every resource, whether or not its condition is true."""
    resolver = _Resolver(template, parameters, environment, stack)
    return {name: resolver.value(resource) for name, resource in template["Resources"].items()}


def _compact(content: object) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


def _function(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        value: Any = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node)  # type: ignore[arg-type]  # no tag takes a mapping
    if tag == "GetAtt":
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _function)

_ABSENT = object()
"""The value of `AWS::NoValue`."""


@dataclass(frozen=True)
class _Resolver:
    template: dict[str, Any]
    given: Mapping[str, str]
    environment: Environment
    stack: str

    def resources(self) -> dict[str, Any]:
        return {
            name: self.value(resource)
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self.holds(resource["Condition"])
        }

    @functools.cached_property
    def names(self) -> dict[str, Any]:
        """The values of parameters and of AWS's pseudo parameters."""
        values: dict[str, Any] = {}
        for name, declared in self.template.get("Parameters", {}).items():
            text = self.given.get(name, declared.get("Default", ""))
            values[name] = text.split(",") if declared["Type"] == "CommaDelimitedList" else text
        return {
            **values,
            "AWS::AccountId": self.environment.account,
            "AWS::Partition": self.environment.partition,
            "AWS::Region": self.environment.region,
            "AWS::StackName": self.stack,
            "AWS::URLSuffix": regions.URL_SUFFIXES[self.environment.partition],
        }

    def holds(self, condition: object) -> bool:
        """Whether a condition, or the one of a name, is true."""
        if isinstance(condition, str):
            return self.holds(self.template["Conditions"][condition])
        ((function, operands),) = condition.items()  # type: ignore[attr-defined]
        if function == "Condition":
            return self.holds(operands)
        if function == "Fn::Equals":
            left, right = (str(self.value(operand)) for operand in operands)  # 0 is "0"
            return left == right
        results = [self.holds(operand) for operand in operands]
        return {"Fn::Not": not results[0], "Fn::And": all(results), "Fn::Or": any(results)}[
            function
        ]

    def value(self, content: Any) -> Any:
        if isinstance(content, list):
            return [v for v in map(self.value, content) if v is not _ABSENT]
        if not isinstance(content, dict):
            return content
        if len(content) == 1:
            ((function, operand),) = content.items()
            if function in ("Ref", "Fn::GetAtt", "Fn::Sub", "Fn::If", "Fn::Join"):
                return self.called(function, operand)
        values = {key: self.value(inner) for key, inner in content.items()}
        return {key: inner for key, inner in values.items() if inner is not _ABSENT}

    def called(self, function: str, operand: Any) -> Any:
        if function == "Ref":
            return _ABSENT if operand == "AWS::NoValue" else self.reference(operand)
        if function == "Fn::GetAtt":
            return self.attribute(*operand)
        if function == "Fn::If":
            condition, when_true, otherwise = operand
            return self.value(when_true if self.holds(condition) else otherwise)
        if function == "Fn::Join":
            return operand[0].join(self.value(operand[1]))
        text, own = (operand, {}) if isinstance(operand, str) else operand
        values = {name: self.value(inner) for name, inner in own.items()}
        return re.sub(r"\$\{([^!}]+)\}", lambda m: str(values.get(m[1]) or self.named(m[1])), text)

    def named(self, name: str) -> Any:
        resource, dot, attribute = name.partition(".")
        return self.attribute(resource, attribute) if dot else self.reference(name)

    def reference(self, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        kind, own = self.kind_and_name(name)
        by_arn = ("AWS::SNS::Topic", "AWS::StepFunctions::StateMachine")
        return self.attribute(name, "Arn") if kind in by_arn else own

    def attribute(self, resource: str, attribute: str) -> str:
        """An attribute of a resource: of the kinds that templates here name, its ARN."""
        kind, own = self.kind_and_name(resource)
        if attribute.endswith("Name"):
            return str(own)
        where = f"{self.environment.region}:{self.environment.account}"
        arns = {
            "AWS::CloudWatch::Alarm": f"cloudwatch:{where}:alarm:{own}",
            "AWS::IAM::Role": f"iam::{self.environment.account}:role/{own}",
            "AWS::KMS::Key": f"kms:{where}:key/{own}",
            "AWS::Logs::LogGroup": f"logs:{where}:log-group:{own}:*",
            "AWS::S3::Bucket": f"s3:::{own}",
            "AWS::SNS::Topic": f"sns:{where}:{own}",
            "AWS::SQS::Queue": f"sqs:{where}:{own}",
            "AWS::StepFunctions::StateMachine": f"states:{where}:stateMachine:{own}",
            "AWS::Events::Rule": f"events:{where}:rule/{own}",
        }
        return f"arn:{self.environment.partition}:{arns[kind]}"

    def kind_and_name(self, resource: str) -> tuple[str, str]:
        """A resource's type and name: its logical name if it has no other."""
        definition = self.template["Resources"][resource]
        named = [key for key in definition["Properties"] if key in NAMES]
        return definition["Type"], self.value(
            definition["Properties"][named[0]]
        ) if named else resource


NAMES = ("AlarmName", "BucketName", "LogGroupName", "ModelPackageGroupName", "Name", "QueueName",
          "RoleName", "StateMachineName", "TopicName")  # fmt: skip
