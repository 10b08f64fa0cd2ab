"""The CloudFormation resources that moto (5.2) does not make, or makes otherwise.

Each is made by the call of the service's own API, whose members most properties share: so botocore
checks the template's properties against the service's model.

- A change set that was executed leaves the stack without outputs: `outputs`.
- A change set lists resources whose condition does not hold: `absent`.
- A bucket is made without versions, access block and ownership.
- A state machine's definition is taken from the template alone: `_machine` fetches it from S3 and
  fills its placeholders, as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import boto3
from moto.cloudformation import parsing
from moto.cloudformation.models import cloudformation_backends

Properties = Mapping[str, Any]
Clients = Callable[[str], Any]


class Made:
    """A resource that was made, as moto's CloudFormation wants it."""

    def __init__(self, identifier: str, attributes: Mapping[str, str]) -> None:
        self.physical_resource_id = identifier
        self.attributes = attributes
        self.name = identifier

    def get_cfn_attribute(self, name: str) -> str:
        """What `Fn::GetAtt` gives."""
        return self.attributes[name]

    def is_created(self) -> bool:
        """It is there at once."""
        return True


def _alarm(client: Clients, properties: Properties) -> Made:
    client("cloudwatch").put_metric_alarm(**properties)
    return Made(properties["AlarmName"], {})


def _bucket(client: Clients, properties: Properties) -> Made:
    s3, bucket = client("s3"), properties["BucketName"]
    if bucket not in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
        region = s3.meta.region_name
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else where))
    s3.put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration=properties["VersioningConfiguration"]
    )
    encryption = [
        {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
         "BucketKeyEnabled": rule["BucketKeyEnabled"]}
        for rule in properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    ]  # fmt: skip
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": encryption})
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration=properties["PublicAccessBlockConfiguration"],
    )
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls=properties["OwnershipControls"]
    )
    return Made(bucket, {"Arn": f"arn:aws:s3:::{bucket}"})


def _bucket_policy(client: Clients, properties: Properties) -> Made:
    """moto reads one without its conditions, and would refuse everything: it does not get it."""
    assert json.dumps(properties["PolicyDocument"])
    return Made(properties["Bucket"], {})


def _package_group(client: Clients, properties: Properties) -> Made:
    made = client("sagemaker").create_model_package_group(**properties)
    return Made(properties["ModelPackageGroupName"], {"Arn": made["ModelPackageGroupArn"]})


def _schedule(client: Clients, properties: Properties) -> Made:
    scheduler, name = client("scheduler"), properties["Name"]
    is_there = name in [one["Name"] for one in scheduler.list_schedules()["Schedules"]]
    put = scheduler.update_schedule if is_there else scheduler.create_schedule
    return Made(name, {"Arn": put(**properties)["ScheduleArn"]})


def _subscription(client: Clients, properties: Properties) -> Made:
    return Made(client("sns").subscribe(**properties)["SubscriptionArn"], {})


def _topic_policy(client: Clients, properties: Properties) -> Made:
    for topic in properties["Topics"]:
        client("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy",
            AttributeValue=json.dumps(properties["PolicyDocument"]),
        )  # fmt: skip
    return Made("topic-policy", {})


def _queue_policy(client: Clients, properties: Properties) -> Made:
    for queue in properties["Queues"]:
        client("sqs").set_queue_attributes(
            QueueUrl=queue, Attributes={"Policy": json.dumps(properties["PolicyDocument"])}
        )
    return Made("queue-policy", {})


def _machine(client: Clients, properties: Properties) -> Made:
    where, name = properties["DefinitionS3Location"], properties["StateMachineName"]
    body = client("s3").get_object(Bucket=where["Bucket"], Key=where["Key"])["Body"].read().decode()
    texts = properties["DefinitionSubstitutions"]
    logging = properties["LoggingConfiguration"]
    destinations = [
        {"cloudWatchLogsLogGroup": {"logGroupArn": one["CloudWatchLogsLogGroup"]["LogGroupArn"]}}
        for one in logging["Destinations"]
    ]
    made = client("stepfunctions").create_state_machine(
        name=name, roleArn=properties["RoleArn"],
        definition=re.sub(r"\$\{(\w+)\}", lambda placeholder: str(texts[placeholder[1]]), body),
        loggingConfiguration={
            "level": logging["Level"], "includeExecutionData": logging["IncludeExecutionData"],
            "destinations": destinations,
        },
    )  # fmt: skip
    return Made(made["stateMachineArn"], {"Arn": made["stateMachineArn"], "Name": name})


TYPES: dict[str, Callable[[Clients, Properties], Made]] = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SageMaker::ModelPackageGroup": _package_group,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::StepFunctions::StateMachine": _machine,
}
"""What makes a resource of a type; made again, it is put in the place of what was there."""


@contextmanager
def made(
    on_made: Callable[[str, Properties], None] = lambda kind, properties: None,
) -> Iterator[None]:
    """Let moto's CloudFormation make them.

    Args:
        on_made: told of the type and the properties of each.
    """
    own = {kind: _model(kind, make, on_made) for kind, make in TYPES.items()}
    names = dict.fromkeys(TYPES, "")
    with (
        mock.patch.dict(parsing.get_model_map(), own),
        mock.patch.dict(parsing.get_name_type_map(), names),
    ):
        yield


def _model(
    kind: str, make: Callable[[Clients, Properties], Made], on_made: Callable[..., None]
) -> Any:
    """A class as moto's CloudFormation calls it."""

    def create(_: str, content: dict[str, Any], account: str, region: str, **__: Any) -> Made:
        on_made(kind, content["Properties"])
        return make(
            lambda service: boto3.client(service, region_name=region), content["Properties"]
        )

    def update(
        original_resource: Made, new_resource_name: str, cloudformation_json: dict[str, Any],
        account_id: str, region_name: str,
    ) -> Made:  # fmt: skip
        return create(new_resource_name, cloudformation_json, account_id, region_name)

    return type(kind, (), {
        "create_from_cloudformation_json": staticmethod(create),
        "update_from_cloudformation_json": staticmethod(update),
        "has_cfn_attr": staticmethod(lambda name: True),
    })  # fmt: skip


def outputs(account: str, region: str) -> None:
    """Give each stack the outputs that its template names, and the parameters of its change."""
    for stack in cloudformation_backends[account][region].stacks.values():
        if isinstance(stack.template, str):
            stack.template_dict = stack.parse_template(stack.template)
            stack.output_map = stack._create_output_map()
            stack.parameters = stack.resource_map.input_parameters


def absent(account: str, region: str, change_set: str) -> set[str]:
    """The resources of a change set's template whose condition does not hold."""
    found = cloudformation_backends[account][region].describe_change_set(change_set)
    assert found is not None
    template = found.template_dict
    read = parsing.ResourceMap(
        found.stack_id, found.stack_name, found.parameters, {}, account, region, template, {}
    )
    read.load()
    conditional = {name: resource["Condition"] for name, resource in template["Resources"].items()
                   if "Condition" in resource}  # fmt: skip
    return {name for name, of in conditional.items() if not read.lazy_condition_map[of]}


def parameters(account: str, region: str, stack: str) -> dict[str, str]:
    """What a stack was given."""
    return dict(cloudformation_backends[account][region].stacks[stack].parameters)


def inventory(
    account: str, region: str, name: str
) -> tuple[dict[tuple[str, str], str], dict[str, str]]:
    """What a stack has made, by its name in the template and its type; and its parameters."""
    stack = cloudformation_backends[account][region].get_stack(name)
    made = {
        (one.logical_resource_id, one.cf_resource_type): str(one.physical_resource_id)
        for one in stack.stack_resources
        if one is not None  # its condition does not hold
    }
    return made, parameters(account, region, stack.stack_id)
