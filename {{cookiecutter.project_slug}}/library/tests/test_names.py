"""Every name that the stacks and the machines give, at its longest, and AWS's limits."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session

from ninesteps.infrastructure import names, stacks, template
from ninesteps.settings import loading
from ninesteps.settings.environment import LONGEST_NAME

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = loading.load(ROOT)

MEMBERS = {
    "AWS::CloudWatch::Alarm.AlarmName": "cloudwatch PutMetricAlarm AlarmName",
    "AWS::CloudWatch::Alarm.MetricName": "cloudwatch PutMetricAlarm MetricName",
    "AWS::Events::Rule.Name": "events PutRule Name",
    "AWS::IAM::Policy.PolicyName": "iam PutRolePolicy PolicyName",
    "AWS::IAM::Role.PolicyName": "iam PutRolePolicy PolicyName",
    "AWS::IAM::Role.RoleName": "iam CreateRole RoleName",
    "AWS::KMS::Alias.AliasName": "kms CreateAlias AliasName",
    "AWS::Logs::LogGroup.LogGroupName": "logs CreateLogGroup logGroupName",
    "AWS::SageMaker::FeatureGroup.FeatureGroupName":
        "sagemaker CreateFeatureGroup FeatureGroupName",
    "AWS::SageMaker::ModelPackageGroup.ModelPackageGroupName":
        "sagemaker CreateModelPackageGroup ModelPackageGroupName",
    "AWS::Scheduler::Schedule.Name": "scheduler CreateSchedule Name",
    "AWS::StepFunctions::StateMachine.StateMachineName": "stepfunctions CreateStateMachine name",
    "applicationautoscaling.PolicyName": "application-autoscaling PutScalingPolicy PolicyName",
    "cloudwatch.AlarmNames": "cloudwatch DescribeAlarms AlarmNames",
    "sagemaker.ClientRequestToken":
        "sagemaker StartPipelineExecution ClientRequestToken",
    "sagemaker.EndpointConfigName": "sagemaker CreateEndpointConfig EndpointConfigName",
    "sagemaker.EndpointName": "sagemaker CreateEndpoint EndpointName",
    "sagemaker.ModelName": "sagemaker CreateModel ModelName",
    "sagemaker.ModelPackageGroupName": "sagemaker CreateModelPackageGroup ModelPackageGroupName",
    "sagemaker.ModelPackageName": "sagemaker DescribeModelPackage ModelPackageName",
    "sagemaker.Name": "sagemaker Parameter Name",
    "sagemaker.PipelineName": "sagemaker CreatePipeline PipelineName",
    "sagemaker.ProcessingJobName": "sagemaker CreateProcessingJob ProcessingJobName",
    "sagemaker.VariantName": "sagemaker ProductionVariant VariantName",
    "states.Name": "stepfunctions StartExecution name",
}  # fmt: skip
"""Where a service model that botocore carries says the limit: an operation or a shape, a member."""

OF_GUIDES = {
    "AWS::Budgets::Budget.BudgetName", "AWS::CloudFormation::Stack.StackName",
    "AWS::S3::Bucket.BucketName", "AWS::SNS::Topic.DisplayName", "AWS::SNS::Topic.TopicName",
    "AWS::SQS::Queue.QueueName", "sns.Subject",
}  # fmt: skip
"""Those of which the service models say nothing."""


@pytest.mark.parametrize("kind", MEMBERS)
def test_a_limit_is_that_of_the_service_model(kind: str) -> None:
    service, holder, member = MEMBERS[kind].split()
    model = Session().get_service_model(service)
    is_operation = holder in model.operation_names
    shape = model.operation_model(holder).input_shape if is_operation else model.shape_for(holder)
    found = shape.members[member]
    found = found.member if found.type_name == "list" else found
    assert names.LIMITS[kind] == found.metadata["max"]


def test_every_limit_is_of_a_service_model_or_of_a_guide() -> None:
    assert names.LIMITS.keys() == MEMBERS.keys() | OF_GUIDES


def too_long(**change: Any) -> list[str]:
    """What is found where the templates are changed, each by a function of its resources."""
    templates = copy.deepcopy(dict(stacks.read(ROOT)))
    for file, edit in change.items():
        edit(templates[f"{file}.yaml"]["Resources"])
    return list(stacks.too_long(templates, SETTINGS, {}))


def test_no_name_is_too_long_for_the_longest_pipeline_and_environment() -> None:
    settings, environment = names.longest(SETTINGS)
    assert len(environment.named(settings.project.pipeline)) == LONGEST_NAME
    assert too_long() == []


def test_a_name_that_is_too_long_is_found_in_the_template_and_in_a_machine() -> None:
    def lengthen(resources: dict[str, Any]) -> None:
        name = {"Fn::Sub": "${Name}-version-approved"}
        resources["WhenApproved"]["Properties"]["Name"] = name

    (said,) = too_long(rollout=lengthen)
    assert said.startswith(
        "rollout.yaml WhenApproved: expected a name of at most 64 characters "
        "(AWS::Events::Rule.Name), got up to 67: "
    )

    def tag(resources: dict[str, Any]) -> None:
        filled = resources["Rollout"]["Properties"]["DefinitionSubstitutions"]
        filled["ServingTag"] = "0a1b2c"

    said = " ".join(too_long(rollout=tag))
    for state in ("CreateConfig", "CreateModel", "UpdateEndpoint"):
        assert f"Rollout {state}: expected a name of at most 63 characters" in said


def test_a_name_whose_limit_is_not_known_is_found_whatever_its_condition() -> None:
    def add(resources: dict[str, Any]) -> None:
        resources["Panel"] = {
            "Type": "AWS::CloudWatch::Dashboard", "Condition": "IsInVpc",
            "Properties": {"DashboardName": {"Ref": "AWS::StackName"}},
        }  # fmt: skip

    assert too_long(pipeline=add) == [
        "pipeline.yaml Panel: no limit is known for AWS::CloudWatch::Dashboard.DashboardName"
    ]


def test_a_name_of_unknown_length_in_a_machine_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = template.state_machine(ROOT, "rollout.asl.json")
    staging = machine["States"]["CreateStaging"]["Parameters"]
    staging["EndpointName.$"] = "States.Format('${Name}-{}', $.whatever)"
    read = template.state_machine
    monkeypatch.setattr(
        template, "state_machine",
        lambda root, file: machine if file == "rollout.asl.json" else read(root, file),
    )  # fmt: skip
    (said,) = too_long()
    assert said.startswith("Rollout CreateStaging: the length of sagemaker.EndpointName is not ")


def test_policies_that_are_too_large_together_are_found() -> None:
    def enlarge(resources: dict[str, Any]) -> None:
        policies = resources["PipelineRole"]["Properties"]["Policies"]
        statement = policies[0]["PolicyDocument"]["Statement"][0]
        policies.append({"PolicyName": "more", "PolicyDocument": {"Statement": [statement] * 20}})

    (said,) = too_long(pipeline=enlarge)
    assert said.startswith("pipeline.yaml PipelineRole: expected policies of at most 10,240")


def test_what_the_library_itself_names_is_no_longer_than_it_may_be() -> None:
    """What no template and no machine names: the stacks, and the group and table of features."""
    settings, environment = names.longest(SETTINGS)
    name = environment.named(settings.project.pipeline)
    machines = stacks.rollout_stack(settings, environment, json.dumps({}), "key").name
    most = names.LIMITS["AWS::CloudFormation::Stack.StackName"]
    assert max(map(len, (name, machines, stacks.ACCOUNT_STACK))) <= most
    assert len(name) <= names.LIMITS["AWS::SageMaker::FeatureGroup.FeatureGroupName"]
