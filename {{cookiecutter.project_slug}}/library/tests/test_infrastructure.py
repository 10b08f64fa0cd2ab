"""The stacks: what the linter says, what each setting makes of them, and who may do what."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import cfnlint as cfnlint_package
import pytest
from botocore import xform_name
from botocore.session import Session
from cfnlint import api as cfnlint
from cfnlint.config import ManualArgs
from moto.events.models import EventPattern

from ninesteps.definition.step_content import step_contents
from ninesteps.infrastructure import (
    job_code,
    network,
    permissions,
    policies,
    stacks,
    state_machines,
    template,
)
from ninesteps.profiles import profile as profiles
from ninesteps.runs import compiled
from ninesteps.settings import deploy as policy
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings import regions
from ninesteps.settings.deploy import Deploy
from ninesteps.settings.environment import Environment
from ninesteps.settings.moments import is_moment
from ninesteps.settings.operation import Notify, Schedule
from ninesteps.settings.settings import Settings
from ninesteps.validation import service
from ninesteps.version import VERSION

ROOT = Path(__file__).resolve().parents[2]

ACCOUNT, REGION = "111122223333", "eu-west-1"
IN_VPC = {
    "kms_key_arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd",
    "subnets": ("subnet-0a", "subnet-0b"),
    "security_groups": ("sg-0c",),
    "permissions_boundary": f"arn:aws:iam::{ACCOUNT}:policy/Boundary",
    "github_repository": "our/churn",
    "features": {
        "location": "s3://lake/store",
        "kms_key_arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/5678ef",
        "workgroup": "science",
        "groups": {
            "pay": {"group": "hr-prod", "columns": ["salary"], "location": "s3://hr-lake/store"}
        },
        "owned": {"orders": {"columns": ["avgorder"]}},
    },
}
"""An environment with everything that may be set."""


def own(**environment: Any) -> Settings:
    """The settings of this repository, with an environment."""
    prod = Environment(ACCOUNT, REGION, **environment)
    return dataclasses.replace(pipeline_settings.load(ROOT), environments={"prod": prod})


def with_champion(settings: Settings) -> Settings:
    """With a gate that compares with the version that serves."""
    gate = dataclasses.replace(settings.gate, metric="auc > 0.75 and auc > champion.auc - 0.005")
    return dataclasses.replace(settings, gate=gate)


def with_ab_test(settings: Settings) -> Settings:
    """With versions that are tested before they take over."""
    return dataclasses.replace(settings, deploy=Deploy(rollout=policy.AB_TEST))


Full = tuple[Settings, str]


@pytest.fixture(scope="module")
def full() -> Full:
    """Settings that make every role, and their definition."""
    settings = with_ab_test(with_champion(own(**IN_VPC)))
    return settings, compiled.definition(settings, settings.environment("prod"))


@pytest.fixture(scope="module")
def bare() -> Full:
    """Settings with nothing that need not be set, and their definition."""
    settings = own()
    return settings, compiled.definition(settings, settings.environment("prod"))


def resources(settings: Settings, definition: str = "{}", name: str = "prod") -> dict[str, Any]:
    """What an environment gets, of both stacks."""
    environment = settings.account_environment(name)
    return stacks.resources(stacks.read(ROOT), settings, environment, definition)


# Offline checks


TEMPLATES = (template.PIPELINE, template.ROLLOUT, template.ACCOUNT)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("is_packaged", [False, True], ids=["as it is read", "as it is sent"])
def test_the_linter_finds_nothing(name: str, is_packaged: bool) -> None:
    file = (ROOT / template.FOLDER) / name
    text = (
        template.packaged(ROOT, name, "bucket", "churn")
        if is_packaged
        else file.read_text(encoding="utf-8")
    )
    found = cfnlint.lint(text, config=ManualArgs(regions=[REGION]))
    assert [f"{match.rule.id} {match.message}" for match in found] == []


def test_what_is_sent_fits_into_the_request() -> None:
    for name in TEMPLATES:
        assert (
            len(template.packaged(ROOT, name, "b" * 63, "p" * 63).encode()) <= template.INLINE_LIMIT
        )


# Settings reach the stack


def test_the_schedule_is_the_cadence_and_gives_the_moment_that_it_was_due() -> None:
    churn = dataclasses.replace(own(), schedule=Schedule("quarterly", "Asia/Tokyo"))
    schedule = resources(churn)["Schedule"]["Properties"]
    assert schedule["ScheduleExpression"] == churn.cadence.expression == "cron(0 6 1 1,4,7,10 ? *)"
    assert schedule["ScheduleExpressionTimezone"] == "Asia/Tokyo"
    asked = json.loads(schedule["Target"]["Input"])
    due = "2026-10-01T06:00:00Z"
    asked = json.loads(json.dumps(asked).replace("<aws.scheduler.scheduled-time>", due))
    assert asked["PipelineParameters"] == [{"Name": "AsOf", "Value": due}]
    assert is_moment(due)
    assert asked["PipelineName"] == "customer-churn-prod"
    assert 32 <= len(asked["ClientRequestToken"]) <= 128


def test_the_shortest_name_gives_a_token_that_is_long_enough() -> None:
    churn = own()
    short = dataclasses.replace(churn, project=dataclasses.replace(churn.project, pipeline="a"),
                                environments={"b": churn.environments["prod"]})  # fmt: skip
    asked = resources(short, name="b")["Schedule"]["Properties"]["Target"]["Input"]
    token = json.loads(asked)["ClientRequestToken"]
    assert len(token.replace("<aws.scheduler.scheduled-time>", "2026-10-01T06:00:00Z")) >= 32


def test_without_a_cadence_nothing_is_scheduled_and_nobody_may_start_by_it() -> None:
    by_hand = dataclasses.replace(own(), schedule=Schedule("none"))
    assert not {"Schedule", "SchedulerRole"} & resources(by_hand).keys()
    assert {"Schedule", "SchedulerRole"} <= resources(own()).keys()


def endpoint_alarms(made: dict[str, Any]) -> list[dict[str, Any]]:
    alarms = (r["Properties"] for r in made.values() if r["Type"] == "AWS::CloudWatch::Alarm")
    return [alarm for alarm in alarms if alarm.get("Namespace") == "AWS/SageMaker"]


def test_the_alarms_are_those_that_the_policy_watches() -> None:
    churn = dataclasses.replace(own(), deploy=Deploy(max_error_percent=2.5, max_latency_ms=300))
    thresholds = {}
    for problem in ("binary", "language_model"):
        settings = copy.copy(churn)  # not checked again: a language model has other settings too
        gate = {"binary": "auc > 0.5", "language_model": "chrf > 0.5"}[problem]
        for name, change in (("project", {"problem": problem}), ("gate", {"metric": gate})):
            other = dataclasses.replace(getattr(churn, name), **change)
            object.__setattr__(settings, name, other)
        found = endpoint_alarms(resources(settings))
        for alarm in found:
            del alarm["AlarmDescription"], alarm["AlarmActions"]
            alarm["Threshold"] = float(alarm["Threshold"])
        watched = policy.alarms(churn.deploy, problem)
        assert found == [alarm.properties("customer-churn-prod") for alarm in watched]
        thresholds[problem] = [alarm["Threshold"] for alarm in found]
    assert thresholds == {
        "binary": [0.025, 300_000.0], "language_model": [0.025, 0.025, 300_000.0]
    }  # fmt: skip


def test_what_cannot_be_delivered_is_kept_encrypted_and_told() -> None:
    made = resources(own(**IN_VPC))
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:customer-churn-prod-undelivered"
    rules = [r["Properties"] for r in made.values() if r["Type"] == "AWS::Events::Rule"]
    targets = [
        *(t for rule in rules for t in rule["Targets"]),
        made["Schedule"]["Properties"]["Target"],
    ]
    assert len(targets) >= 4
    assert {target["DeadLetterConfig"]["Arn"] for target in targets} == {queue}
    kept = made["Undelivered"]["Properties"]
    assert kept["KmsMasterKeyId"] == IN_VPC["kms_key_arn"]
    allowed_, denied = made["UndeliveredPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (allowed_["Action"], allowed_["Resource"], denied["Effect"]) == (
        "sqs:SendMessage", queue, "Deny",
    )  # fmt: skip
    source = allowed_["Condition"]["ArnLike"]["aws:SourceArn"]
    for rule in rules:
        assert fnmatch(f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule['Name']}", source)
    alarm = made["UndeliveredAlarm"]["Properties"]
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": kept["QueueName"]}]
    assert alarm["AlarmActions"] == [f"arn:aws:sns:{REGION}:{ACCOUNT}:customer-churn-prod"]


def test_nothing_starts_the_pipeline_before_it_is_turned_on() -> None:
    made = resources(own())
    starters = [made["Schedule"]["Properties"], made["WhenRowsArrived"]["Properties"]]
    assert [starter["State"] for starter in starters] == ["DISABLED", "DISABLED"]


def test_an_address_is_told_and_none_is_not() -> None:
    assert "Reader" not in resources(own())
    told = dataclasses.replace(own(), notify=Notify("team@example.com"))
    assert resources(told)["Reader"]["Properties"]["Endpoint"] == "team@example.com"


def test_every_role_has_the_boundary_and_none_where_none_is_set() -> None:
    for settings, boundary in ((own(), None), (own(**IN_VPC), IN_VPC["permissions_boundary"])):
        roles = [r["Properties"] for r in resources(settings).values()
                 if r["Type"] == "AWS::IAM::Role"]  # fmt: skip
        assert roles
        assert {role.get("PermissionsBoundary") for role in roles} == {boundary}


def test_three_environments_of_one_account_share_no_name() -> None:
    churn = own()
    prod = churn.environments["prod"]
    churn = dataclasses.replace(churn, environments=dict.fromkeys(("dev", "staging", "prod"), prod))
    seen: set[str] = set()
    for name in churn.environments:
        names = {
            f"{resource['Type']} {value}"
            for resource in resources(churn, name=name).values()
            for key, value in resource["Properties"].items()
            if key in (*template.NAMES, "AliasName")
        }
        assert len(names) >= 25
        assert not names & seen
        seen |= names


def test_the_stacks_own_key_in_the_settings_is_no_other_key() -> None:
    settings = own(kms_key_arn=IN_VPC["kms_key_arn"])
    prod = settings.environment("prod")
    assert stacks.parameters(settings, prod, {})["KmsKeyArn"] == IN_VPC["kms_key_arn"]
    own_key = str(IN_VPC["kms_key_arn"])
    assert stacks.parameters(settings, prod, {}, own_key)["KmsKeyArn"] == ""


def test_every_parameter_of_a_template_is_given_and_no_other(full: Full) -> None:
    settings, definition = full
    prod = settings.environment("prod")
    told = dataclasses.replace(settings, notify=Notify("team@example.com"))
    for name, stack in (
        (template.PIPELINE, stacks.pipeline_stack(settings, prod, definition)),
        (template.ROLLOUT, stacks.rollout_stack(settings, prod, definition, "key")),
        (template.ACCOUNT, stacks.account_stack(told, prod, {})),
    ):
        assert stack.parameters.keys() == template.read(ROOT, name)["Parameters"].keys(), name


# ... and every job of the definition


JOBS = {
    "Processing": (
        ("ProcessingResources", "ClusterConfig", "VolumeKmsKeyId"),
        ("ProcessingOutputConfig", "KmsKeyId"),
        ("NetworkConfig", "VpcConfig"),
    ),
    "Tuning": (
        ("ResourceConfig", "VolumeKmsKeyId"), ("OutputDataConfig", "KmsKeyId"), ("VpcConfig",),
    ),
    "Model": (("VpcConfig",),),
    "Transform": (("TransformResources", "VolumeKmsKeyId"), ("TransformOutput", "KmsKeyId")),
}  # fmt: skip
"""Where the request of a step of a type has the key and the network; a transform runs in its
model's network."""


def requests(definition: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each job's request, with its step's type; of a search each training's."""
    for step in json.loads(definition)["Steps"]:
        arguments = step["Arguments"]
        if step["Type"] == "Tuning":
            one = arguments.get("TrainingJobDefinition")
            for training in [one] if one else arguments["TrainingJobDefinitions"]:
                yield "Tuning", training
        elif step["Type"] in JOBS:
            yield step["Type"], arguments


NETWORK = {"SecurityGroupIds": ["sg-0c"], "Subnets": ["subnet-0a", "subnet-0b"]}


def at(content: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        content = content.get(key, {})
    return content


def test_key_and_network_reach_every_job_and_every_output(full: Full) -> None:
    settings, definition = full
    searched = dataclasses.replace(settings.tuning, algorithms=("xgboost", "lightgbm"), static={})
    two = dataclasses.replace(settings, tuning=searched)
    for text in (definition, compiled.definition(two, two.environment("prod"))):
        found = list(requests(text))
        assert {kind for kind, _ in found} == set(JOBS)
        for kind, request in found:
            for path in JOBS[kind]:
                wanted = NETWORK if path[-1] == "VpcConfig" else IN_VPC["kms_key_arn"]
                assert at(request, path) == wanted, (kind, path)
    assert len([kind for kind, _ in found if kind == "Tuning"]) == 2


def test_the_stacks_own_key_encrypts_every_output_and_the_disks_that_take_a_key() -> None:
    compute = dataclasses.replace(own().compute, training_instance="ml.g5.xlarge")
    settings = dataclasses.replace(own(), compute=compute)
    key = str(IN_VPC["kms_key_arn"])
    made = stacks.as_made(settings.environment("prod"), {"KeyArn": key})
    for kind, request in requests(compiled.definition(settings, made)):
        for path in JOBS[kind]:
            if path[-1] != "VpcConfig":
                has_disks = kind == "Tuning" and path[-1] == "VolumeKmsKeyId"
                assert at(request, path) == ({} if has_disks else key), (kind, path)


def test_each_kind_of_job_is_stopped_after_its_own_hours() -> None:
    compute = dataclasses.replace(own().compute, training_hours=12, processing_hours=4)
    settings = dataclasses.replace(own(), compute=compute)
    found = requests(compiled.definition(settings, settings.environment()))
    limits = {(kind, request["StoppingCondition"]["MaxRuntimeInSeconds"])
              for kind, request in found if "StoppingCondition" in request}  # fmt: skip
    assert limits == {("Processing", 14_400), ("Tuning", 43_200)}


@pytest.mark.parametrize(("instance", "has_key"), [("ml.m5.large", True), ("ml.g5.xlarge", False)])
def test_an_endpoint_whose_disks_take_no_key_is_sent_without_one(
    instance: str, has_key: bool
) -> None:
    deploy = dataclasses.replace(own().deploy, instance_type=instance)
    settings = dataclasses.replace(own(), deploy=deploy)
    prod = settings.environment("prod")
    objects, configs = stacks.rollout_objects(settings, prod), []
    for uri, content in objects.items():
        if uri.endswith(".asl.json"):
            states = json.loads(content)["States"].values()
            configs += [
                state["Parameters"]
                for state in states
                if str(state.get("Resource")).endswith(":createEndpointConfig")
            ]
    assert len(configs) >= 3
    assert all(("KmsKeyId" in config) == has_key for config in configs)
    for config in configs:
        assert "KmsKeyId" in config.get("DataCaptureConfig", {"KmsKeyId": ""})
    sent = stacks.rollout_stack(settings, prod, compiled.definition(settings, prod), "key").template
    for resource in json.loads(sent)["Resources"].values():
        if place := resource["Properties"].get("DefinitionS3Location"):
            assert f"s3://{place['Bucket']}/{place['Key']}" in objects


def test_without_key_and_network_no_job_names_any(bare: Full) -> None:
    for word in ("Kms", "Vpc", "Subnet", "NetworkConfig"):
        assert word not in bare[1]


# Parts of AWS

GLOBAL = {
    "application-autoscaling", "cloudwatch", "events", "sagemaker", "scheduler", "states", "sts",
}  # fmt: skip
"""The services whose principals, or token audience, are called the same in every part of AWS. That
of the logs is not: AWS CDK's region-info, which knows the exceptions, has its region and suffix."""


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_every_arn_and_address_is_of_the_part_of_aws_that_the_region_is_in(region: str) -> None:
    prod = Environment(ACCOUNT, region, github_repository="our/churn", subnets=("subnet-0a",),
                       security_groups=("sg-0c",))  # fmt: skip
    settings = dataclasses.replace(own(), environments={"prod": prod})
    environment = settings.environment("prod")
    definition = compiled.definition(settings, environment)
    templates, key = stacks.read(ROOT), policies.key_of_the_stack(environment)
    name = environment.named(settings.project.pipeline)
    given = {
        template.PIPELINE: stacks.parameters(settings, environment, json.loads(definition)),
        template.ROLLOUT: stacks.rollout_parameters(
            settings, environment, json.loads(definition), key
        ),
    }
    made = [template.resolved_all(templates[file], given[file], environment, name)
            for file in given]  # fmt: skip
    filled = made[1]["Rollout"]["Properties"]["DefinitionSubstitutions"]
    machines = [
        re.sub(r"\$\{(\w+)\}", lambda m: str(filled.get(m[1], m[0])), json.dumps(machine))
        for machine in (template.state_machine(ROOT, file)
                        for file in template.state_machines(templates[template.ROLLOUT]).values())
    ]  # fmt: skip
    partition, suffix = environment.partition, regions.URL_SUFFIXES[environment.partition]
    for text in (definition, json.dumps(made), *machines):
        found = set(re.findall(r"\barn:([a-z$][\w${}-]*):", text)) - {"${Partition}"}
        assert found <= {partition}
        for address in re.findall(r"([\w.-]+)\.amazonaws\.com(?![.\w])", text):
            assert suffix == "amazonaws.com" or address.rpartition(".")[2] in GLOBAL, address
    logs = made[0]["Key"]["Properties"]["KeyPolicy"]["Statement"][1]["Principal"]["Service"]
    assert logs == f"logs.{region}.{suffix}"
    (image,) = stacks.images(json.loads(definition))
    assert image.partition("/")[0].endswith(f"{region}.{suffix}")
    (repository,) = stacks.image_repositories(json.loads(definition), environment)
    assert repository.startswith(f"arn:{partition}:ecr:{region}:")


def test_the_suffixes_of_addresses_are_botocores() -> None:
    known = Session().get_component("data_loader").load_data("partitions")["partitions"]
    suffixes = {one["id"]: one["outputs"]["dnsSuffix"] for one in known}
    assert {name: suffixes[name] for name in regions.REGIONS} == regions.URL_SUFFIXES
    isolated = "111122223333.dkr.ecr.us-iso-east-1.c2s.ic.gov/sagemaker-xgboost:3.2-0"
    iso = Environment(ACCOUNT, "us-iso-east-1")
    assert stacks.image_repositories({"ImageUri": isolated}, iso) == [
        "arn:aws-iso:ecr:us-iso-east-1:111122223333:repository/sagemaker-xgboost"
    ]


# What subnets must reach


def test_every_service_that_is_reached_from_subnets_has_its_endpoints(full: Full) -> None:
    settings, definition = full
    reached = stacks.endpoints(settings, settings.environment("prod"), json.loads(definition))
    assert reached == sorted(reached)
    assert {"athena", "ecr.api", "ecr.dkr", "glue", "kms", "logs", "monitoring", "s3",
            "sagemaker.api", "sagemaker.runtime", "sts"} <= set(reached)  # fmt: skip
    page = (ROOT.parent / "docs" / "deploy-infrastructure.md").read_text(encoding="utf-8")
    for name in reached:
        assert f"`{name}`" in page, name
    with pytest.raises(KeyError, match="quantum"):
        network.endpoints([permissions.grant("quantum: Leap", "*")])


# Least privilege


@pytest.mark.parametrize("which", ["bare", "full"])
def test_every_role_may_do_what_the_table_says_and_nothing_else(
    which: str, request: pytest.FixtureRequest
) -> None:
    assert wrong(request.getfixturevalue(which), stacks.read(ROOT)) == []


def test_a_base_model_in_another_bucket_may_be_read_and_listed(bare: Full) -> None:
    settings, definition = bare
    model = dataclasses.replace(settings.model, base="s3://weights/llama/small")
    changed = dataclasses.replace(settings, model=model), definition
    assert wrong(changed, stacks.read(ROOT)) == []
    added = allowed(changed, "s3:GetObject")["PipelineRole"]
    added -= allowed(bare, "s3:GetObject").get("PipelineRole", set())
    assert {permission[2] for permission in added} == {"arn:aws:s3:::weights/llama/small/*"}
    (listed,) = (p for p in allowed(changed, "s3:ListBucket")["PipelineRole"]
                 if p[2] == "arn:aws:s3:::weights")  # fmt: skip
    assert '["llama/small", "llama/small/*"]' in listed[3]


def test_clarifys_image_may_use_its_shadow_endpoint_and_no_other_step_may(bare: Full) -> None:
    settings, definition = bare
    assert allowed(bare, "sagemaker:CreateEndpoint").get("PipelineRole") is None
    content = json.loads(definition)
    bias = next(s for s in content["Steps"] if s["Name"] == "ClarifyProcessingStep")
    bias["Arguments"]["AppSpecification"] = {
        "ImageUri": "131013547314.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-clarify-processing:1.0"
    }
    managed = settings, json.dumps(content)
    assert wrong(managed, stacks.read(ROOT)) == []
    endpoints = {p[2] for p in allowed(managed, "sagemaker:CreateEndpoint")["PipelineRole"]}
    assert {arn.partition("/")[2] for arn in endpoints} == {"sm-clarify-*", "sm-clarify-config-*"}
    image = next(p for p in allowed(managed, "ecr:BatchGetImage")["PipelineRole"]
                 if "clarify" in p[2])  # fmt: skip
    assert image[2] == (
        "arn:aws:ecr:eu-west-1:131013547314:repository/sagemaker-clarify-processing"
    )


def roles_of_the_templates() -> list[tuple[str, str]]:
    """Every role, with the template that it is in."""
    return [
        (file, name)
        for file, content in stacks.read(ROOT).items()
        for name, resource in content["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
    ]


ROLES = [name for _, name in roles_of_the_templates()]


def wrong(full: Full, templates: stacks.Templates) -> list[str]:
    settings, definition = full
    return list(stacks.violations(templates, settings, settings.environment("prod"), definition))


@pytest.mark.parametrize(("file", "role"), roles_of_the_templates(), ids=lambda name: name)
def test_a_statement_removed_widened_or_added_is_found(full: Full, file: str, role: str) -> None:
    settings, definition = full
    prod = settings.environment("prod")
    values = policies.values(
        settings, prod, stacks.image_repositories(json.loads(definition), prod)
    )
    wanted = policies.permissions(
        stacks.roles(settings, prod, json.loads(definition))[role], values
    )
    whole = resources(settings, definition)
    own = {name: r for name, r in whole.items()
           if name == role or r["Type"] == "AWS::IAM::Policy"}  # fmt: skip

    def differences(change: Callable[[list[dict[str, Any]]], object]) -> list[str]:
        changed = copy.deepcopy(own)
        change(changed[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"])
        found = policies.granted(changed, role)
        return list(policies.differences(role, wanted, found))

    statements = own[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert differences(lambda _: None) == []
    for number, statement in enumerate(statements):
        without = differences(lambda them, n=number: them.pop(n))
        assert any("the template lacks" in s for s in without), statement
        if statement["Resource"] != "*":
            wide = differences(lambda them, n=number: them[n].update(Resource="*"))
            assert any("on *" in s and "lacks" in s for s in wide), statement
        if "Condition" in statement:
            free = differences(lambda them, n=number: them[n].pop("Condition"))
            assert any("the table lacks" in s for s in free), statement
    more = {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "*"}
    assert differences(lambda them: them.append(more)) == [
        f"{role}: the table lacks Allow s3:DeleteObject on *"
    ]


def test_every_property_of_a_step_comes_from_calls_that_its_role_may_make(bare: Full) -> None:
    """Each property of SageMaker's answers is read once, whatever the call that gives it."""
    definition = json.loads(bare[1])
    steps = {step.type: step for step in step_contents(definition)}
    for kind in permissions.STEPS.keys() & service.CALLS.keys():
        for call in service.CALLS[kind].describe:
            for name in service.model().operation_model(call).output_shape.members:
                reference = {"Get": f"Steps.{steps[kind].name}.{name}"}
                reading = {"Name": "Reads", "Type": "Processing", "Arguments": {"x": reference}}
                read = {**definition, "Steps": [*definition["Steps"], reading]}
                may = {a for entry in permissions.of_definition(read) for a in entry.actions}
                assert f"sagemaker:{call}" in may or name == "NextToken", (kind, name)


def test_the_trials_of_a_search_may_be_listed_only_where_a_step_reads_them(bare: Full) -> None:
    action = "sagemaker:ListTrainingJobsForHyperParameterTuningJob"
    assert set(allowed(bare, action)) == {"ApproverRole", "PipelineRole", "OperatorRole"}
    text = bare[1].replace("TrainingJobSummaries[0].", "BestTrainingJob.")
    assert text != bare[1]
    assert wrong((bare[0], text), stacks.read(ROOT)) == [
        f"PipelineRole: the table lacks Allow {action} on "
        f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:hyper-parameter-tuning-job/*"
    ]


def test_a_role_or_a_policy_that_the_table_does_not_know_is_found(full: Full) -> None:
    more = stacks.read(ROOT)
    pipelines = more[template.PIPELINE]["Resources"]
    pipelines["Another"] = pipelines["PipelineRole"]
    assert "Another: the table has no such role" in wrong(full, more)
    vpc = stacks.read(ROOT)
    policy_ = vpc[template.PIPELINE]["Resources"]["PipelineRoleInVpc"]["Properties"][
        "PolicyDocument"
    ]
    policy_["Statement"][0]["Action"].append("ec2:RunInstances")
    assert wrong(full, vpc) == ["PipelineRole: the table lacks Allow ec2:RunInstances on *"]


def test_a_placeholder_that_nothing_fills_and_a_filling_without_one_are_found(full: Full) -> None:
    templates = stacks.read(ROOT)
    rollout = templates[template.ROLLOUT]["Resources"]["Rollout"]["Properties"]
    del rollout["DefinitionSubstitutions"]["Gate"]
    rollout["DefinitionSubstitutions"]["Gates"] = "auc > 0.5"
    assert wrong(full, templates) == [
        "rollout.asl.json: nothing fills ${Gate}",
        "rollout.asl.json: it has no ${Gates} to fill",
    ]


def test_the_calls_of_the_machines_jobs_are_those_of_the_table() -> None:
    """Read from the scripts: each call is written as `client("service").operation(`, or as
    `client("service").get_paginator("operation")`."""
    session, found = Session(), set()
    for script in job_code.JOBS.glob("*.py"):
        text = script.read_text(encoding="utf-8")
        call = r"\bclient\(\"([\w-]+)\"\)\s*\.(?:get_paginator\(\"(\w+)\"|(\w+)\()"
        calls = [(name, paged or method) for name, paged, method in re.findall(call, text)]
        asked = re.findall(r"serving\.package_arn\(client\(", text)
        assert len(calls) + len(asked) == len(re.findall(r"\bclient\(", text)), script.name
        if asked:
            module = (job_code.LIBRARY / "infrastructure/serving.py").read_text(encoding="utf-8")
            calls += [("sagemaker", m) for m in re.findall(r"\bsagemaker\.(\w+)\(", module)]
        for name, method in calls:
            model = session.get_service_model(name)
            operation = next(o for o in model.operation_names if xform_name(o) == method)
            found.add(f"{model.signing_name}:{operation}")
    assert found == permissions.CALLS["jobs"].keys()


def test_a_filled_state_machine_is_json_and_has_the_settings_in_it(full: Full) -> None:
    settings, definition = full
    made = resources(settings, definition)
    for machine, file in template.state_machines(template.read(ROOT, template.ROLLOUT)).items():
        given = made[machine]["Properties"]["DefinitionSubstitutions"]
        text = ((ROOT / template.FOLDER) / file).read_text(encoding="utf-8")
        for name, value in given.items():
            text = text.replace(f"${{{name}}}", value)
        assert "${" not in text
        json.loads(text)
    filled = made["Rollout"]["Properties"]["DefinitionSubstitutions"]
    deployment = json.loads(json.loads(f'"{filled["DeploymentConfig"]}"'))
    names = [alarm["AlarmName"] for alarm in deployment["AutoRollbackConfiguration"]["Alarms"]]
    alarms = [alarm["AlarmName"] for alarm in endpoint_alarms(made)]
    assert names == alarms
    assert filled["JobRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/customer-churn-prod-job"


def test_what_the_machines_name_is_what_is_put_into_the_bucket(full: Full) -> None:
    settings, definition = full
    prod = settings.environment("prod")
    put = stacks.rollout_objects(settings, prod)
    sent = json.loads(stacks.rollout_stack(settings, prod, definition, "key").template)
    located = [
        "s3://{Bucket}/{Key}".format_map(r["Properties"]["DefinitionS3Location"])
        for r in sent["Resources"].values() if r["Type"] == "AWS::StepFunctions::StateMachine"
    ]  # fmt: skip
    assert len(located) == 6
    assert set(located) <= put.keys()
    given = stacks.rollout_parameters(settings, prod, json.loads(definition), "key")
    for code, script in (("Record", "record_evidence"), ("Verify", "verify_evidence"),
                         ("Golden", "golden_requests"), ("Decide", "decide_ab_test")):  # fmt: skip
        assert f"{given[f'{code}CodeUri']}/{script}.py" in put


def test_the_stack_carries_the_floors_that_the_rollouts_job_is_called_with(full: Full) -> None:
    settings, definition = full
    stack = stacks.rollout_stack(settings, settings.environment("prod"), definition, "key")
    floors = {
        "Profile": "churn", "ProfileSha256": profiles.digest("churn"),
        "LeastLibrary": VERSION.partition("+")[0],
    }  # fmt: skip
    assert {name: stack.parameters[name] for name in stacks.FLOORS} == floors
    declared = json.loads(stack.template)["Parameters"]
    for name, value in floors.items():
        assert "Default" not in declared[name]
        assert re.fullmatch(declared[name].get("AllowedPattern", ".+"), value)
    made = resources(settings, definition)["Rollout"]["Properties"]["DefinitionSubstitutions"]
    assert {name: made[name] for name in floors} == floors
    verify = template.state_machine(ROOT, "rollout.asl.json")["States"]["Verify"]["Parameters"]
    arguments = verify["AppSpecification"]["ContainerArguments.$"]
    for option, name in (("profile", "Profile"), ("profile-sha256", "ProfileSha256"),
                         ("least-library", "LeastLibrary")):  # fmt: skip
        assert f"'--{option}', '${{{name}}}'" in arguments


@pytest.mark.parametrize("suffix", ["", "+g3f2a91c0", "+g00000000"])
def test_a_librarys_suffix_changes_no_stack(
    full: Full, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(state_machines, "VERSION", f"1.12.3{suffix}")
    settings, definition = full
    stack = stacks.rollout_stack(settings, settings.environment("prod"), definition, "key")
    assert stack.parameters["LeastLibrary"] == "1.12.3"


# What the rules let through


APPROVED = {
    "source": "aws.sagemaker",
    "detail-type": "SageMaker Model Package State Change",
    "detail": {
        "ModelPackageGroupName": "customer-churn-prod",
        "ModelApprovalStatus": "Approved",
        "UpdatedModelPackageFields": ["ModelApprovalStatus"],
    },
}
PENDING = {"ModelApprovalStatus": "PendingManualApproval"}


def event(**detail: Any) -> str:
    """An event of the registry: an approval, but for what is given; None leaves a field out."""
    fields: dict[str, Any] = {**APPROVED["detail"], **detail}  # type: ignore[dict-item]
    return json.dumps(APPROVED | {"detail": {k: v for k, v in fields.items() if v is not None}})


def of_an_execution(status: str, pipeline: str = "customer-churn-prod") -> str:
    """An event of a pipeline's execution: AWS's sample, of "Pipeline execution state change"."""
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/{pipeline}"
    detail = {
        "pipelineExecutionDisplayName": "SomeDisplayName",
        "currentPipelineExecutionStatus": status,
        "previousPipelineExecutionStatus": "Executing",
        "executionStartTime": "2021-03-15T16:03:13Z",
        "executionEndTime": "2021-03-15T16:10:10Z",
        "pipelineExecutionDescription": "SomeDescription",
        "pipelineArn": arn,
        "pipelineExecutionArn": f"{arn}/execution/p4jn9xou8a8s",
    }
    sent = {"source": "aws.sagemaker", "time": "2021-03-15T16:10:11Z", "detail": detail,
            "detail-type": "SageMaker Model Building Pipeline Execution Status Change"}  # fmt: skip
    return json.dumps(sent)


@pytest.mark.parametrize(
    ("sent", "rules"),
    [
        (event(), {"WhenApproved"}),
        (event(UpdatedModelPackageFields=["CustomerMetadataProperties"]), {"WhenApproved"}),
        (event(UpdatedModelPackageFields=None), {"WhenApproved"}),
        (event(ModelPackageGroupName="customer-churn-dev"), set()),
        (event(ModelApprovalStatus="Rejected"), set()),
        (event(**PENDING, UpdatedModelPackageFields=None), {"WhenRegistered"}),
        (event(**PENDING), {"WhenRegistered"}),
        (event(**PENDING, UpdatedModelPackageFields=["ModelCard"]), {"WhenRegistered"}),
        (json.dumps({
            "source": "aws.s3", "detail-type": "Object Created",
            "detail": {"bucket": {"name": f"customer-churn-prod-{ACCOUNT}"},
                       "object": {"key": "customer-churn/arrivals/1.json"}},
        }), {"WhenRowsArrived"}),
        (json.dumps({
            "source": "aws.s3", "detail-type": "Object Created",
            "detail": {"bucket": {"name": f"customer-churn-prod-{ACCOUNT}"},
                       "object": {"key": "customer-churn/executions/1.json"}},
        }), set()),
        (of_an_execution("Failed"), {"WhenFailed"}),
        (of_an_execution("Stopped"), {"WhenFailed"}),
        (of_an_execution("Succeeded"), set()),
        (of_an_execution("Executing"), set()),
        (of_an_execution("Failed", "customer-churn-dev"), set()),
    ],
)  # fmt: skip
def test_an_event_starts_the_machine_that_decides_on_it(sent: str, rules: set[str]) -> None:
    made = resources(own())
    patterns = {name: r["Properties"]["EventPattern"] for name, r in made.items()
                if r["Type"] == "AWS::Events::Rule"}  # fmt: skip
    assert len(patterns) == 4
    # moto's matching, an independent reading of EventBridge's patterns
    fits = {
        name
        for name, pattern in patterns.items()
        if EventPattern(json.dumps(pattern), pattern).matches_event(json.loads(sent))
    }
    assert fits == rules


def test_who_is_told_of_a_failed_execution_reads_which_one_and_how_to_look_at_it() -> None:
    transformed = resources(own())["WhenFailed"]["Properties"]["Targets"][0]["InputTransformer"]
    sent = json.loads(of_an_execution("Failed"))
    text = transformed["InputTemplate"]
    for name, path in transformed["InputPathsMap"].items():
        value: Any = sent
        for key in path.removeprefix("$.").split("."):
            value = value[key]
        assert f"<{name}>" in text
        text = text.replace(f"<{name}>", value)
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/customer-churn-prod/execution/"
    assert json.loads(text) == (  # a template of plain text is a JSON string
        "An execution of customer-churn-prod changed to Failed at 2021-03-15T16:10:11Z. "
        "To see why: "
        f"pipeline status {arn}p4jn9xou8a8s --env prod, or "
        f"https://{REGION}.console.aws.amazon.com/sagemaker/home?region={REGION}"
    )


def test_the_rule_may_publish_to_the_encrypted_topic_by_policies_that_have_no_condition() -> None:
    """EventBridge's guide: a topic's policy for it may have none, and its target no role."""
    made = resources(own())
    target = made["WhenFailed"]["Properties"]["Targets"][0]
    assert target["Arn"] == f"arn:aws:sns:{REGION}:{ACCOUNT}:customer-churn-prod"
    assert "RoleArn" not in target
    policies = {
        "sns:Publish": made["TopicPolicy"]["Properties"]["PolicyDocument"],
        "kms:GenerateDataKey*": made["Key"]["Properties"]["KeyPolicy"],
    }
    for action, document in policies.items():
        (statement,) = (
            s for s in document["Statement"]
            if s["Principal"] == {"Service": "events.amazonaws.com"}
        )  # fmt: skip
        assert statement["Effect"] == "Allow"
        assert action in (statement["Action"], *statement["Action"])
        assert "Condition" not in statement


def allowed(full: Full, action: str) -> dict[str, set[policies.Permission]]:
    """The roles that may do something, with the permissions by which they may."""
    settings, definition = full
    made = resources(settings, definition)
    return {
        name: found
        for name in ROLES
        if name in made
        if (found := {p for p in policies.granted(made, name) if p[1] == action})
    }


def test_the_pipelines_role_registers_as_pending_alone(full: Full) -> None:
    may_create = allowed(full, "sagemaker:CreateModelPackage")
    assert set(may_create) == {"PipelineRole"}
    pending = {"StringEquals": {"sagemaker:ModelApprovalStatus": ["PendingManualApproval"]}}
    assert {json.dumps(pending)} == {condition for *_, condition in may_create["PipelineRole"]}


def test_the_approver_alone_decides_and_machines_write_notes_alone(full: Full) -> None:
    writers = allowed(full, "sagemaker:UpdateModelPackage")
    assert set(writers) == {
        "AbTestRole",
        "ApproverRole",
        "ApprovedRole",
        "EvidenceRole",
        "RolloutRole",
    }
    decides = {"StringEquals": {"sagemaker:ModelApprovalStatus": ["Approved", "Rejected"]}}
    notes = {"Null": {"sagemaker:ModelApprovalStatus": ["true"]}}
    for role, found in writers.items():
        wanted = decides if role == "ApproverRole" else notes
        assert {condition for *_, condition in found} == {json.dumps(wanted)}, role


def test_no_role_may_change_a_stack_or_a_state_machine(full: Full) -> None:
    """What floors an account holds versions to, whoever bootstraps says, and no `publish`."""
    settings, definition = full
    made = resources(settings, definition)
    for role in ROLES:
        for _, action, _, _ in policies.granted(made, role):
            service, _, name = action.partition(":")
            assert service != "cloudformation" or name == "DescribeStacks", role
            assert service != "states" or name.startswith(("SendTask", "StartExecution")), role
    of_stacks = [call for call in permissions.CALLS["publish"] if "cloudformation" in call]
    assert of_stacks == ["cloudformation:DescribeStacks"]


def test_no_role_may_everything_of_a_service(full: Full) -> None:
    settings, definition = full
    made = resources(settings, definition)
    for role in ROLES:
        for _, action, _, _ in policies.granted(made, role):
            assert "*" not in action


# What the Service Authorization Reference knows

REFERENCE = json.loads(
    (Path(cfnlint_package.__file__).parent / "data/AdditionalSpecs/Policies.json").read_text()
)
"""Actions and resource types by service, in cfn-lint's copy of the reference."""

KEYS = {
    "application-autoscaling:service-namespace":
        ("application-autoscaling:PutScalingPolicy",
         "application-autoscaling:RegisterScalableTarget"),
    "cloudwatch:namespace": ("cloudwatch:PutMetricData",),
    "iam:AWSServiceName": ("iam:CreateServiceLinkedRole",),
    "iam:PassedToService": ("iam:PassRole",),
    "kms:GrantIsForAWSResource": ("kms:CreateGrant",),
    "s3:prefix": ("s3:ListBucket", "s3:ListBucketVersions"),
    "sagemaker:ModelApprovalStatus":
        ("sagemaker:CreateModelPackage", "sagemaker:UpdateModelPackage"),
}  # fmt: skip
"""The condition keys in use, and whose requests have them: the reference's tables of actions, which
cfn-lint's copy lacks. A condition on a key that a request has not denies without a word."""

ON_ALL = ("cloudwatch:PutMetricData",)
"""What is allowed on "*" although there are resources: SageMaker's metrics are in no dataset."""

BESIDE = {"sagemaker:CreateModelPackage", "sagemaker:ListModelPackages"}
"""What is allowed on the package group too: the reference says that they are for its versions, and
which of the two a request is compared with is told nowhere."""


def is_of(resource: str, types: list[str], service: str) -> bool:
    """Whether an ARN, perhaps with wildcards, can be that of a resource of some types."""
    formats = (
        form
        for kind in types
        for form in REFERENCE[service]["Resources"][kind.lower()]["ARNFormats"]
    )
    given = resource.replace("*", "x")
    return any(
        re.fullmatch(
            re.sub(r"\\\$\\\{\w+\\\}", "[^:]*", re.escape(form)).replace(r"\.\*", ".*"), given
        )
        for form in formats
    )


def faults_of(statements: list[dict[str, Any]]) -> Iterator[str]:
    """What of some statements grants nothing, or more than it has to."""
    for statement in statements:
        actions, resources = (
            [value] if isinstance(value, str) else value
            for value in (statement["Action"], statement["Resource"])
        )
        used = set[str]()
        for action in actions:
            service, _, name = action.partition(":")
            known = REFERENCE[service]["Actions"].get(name.lower())
            if known is None:
                yield f"{action}: there is no such action"
                continue
            types = known.get("Resources", [])
            fitting = {one for one in resources if one != "*" and is_of(one, types, service)}
            used |= fitting
            if action in BESIDE:
                used |= {one for one in resources if ":model-package-group/" in one}
            if types and "*" in resources and action not in ON_ALL:
                yield f"{action}: it is for {', '.join(types)}, and is allowed on all of them"
            if not types and resources != ["*"]:
                yield f"{action}: it is for no resource, and is allowed on some"
            if types and "*" not in resources and not fitting:
                yield f"{action}: it is for {', '.join(types)}, and none is named"
            for key in (k for keys in statement.get("Condition", {}).values() for k in keys):
                if action not in KEYS.get(key, ()):
                    yield f"{action}: its requests have no {key}"
        yield from (
            f"{one}: it is of no resource of {', '.join(actions)}"
            for one in resources
            if one not in ("*", *used)
        )


def statement(entry: permissions.Grant, values: dict[str, str]) -> dict[str, Any]:
    resources = [one for r in entry.resources for one in r.format_map(values).split(",") if one]
    return {"Action": [*entry.actions], "Resource": resources, "Condition": entry.conditions}


def test_every_grant_is_one_that_the_service_authorization_reference_knows(full: Full) -> None:
    """Of the roles and of the commands that have none."""
    settings, definition = full
    content, prod = json.loads(definition), settings.environment("prod")
    values = policies.values(settings, prod, stacks.image_repositories(content, prod))
    table = [*stacks.roles(settings, prod, content).values()]
    table += [permissions.of_calls(command) for command in permissions.CALLS]
    table += [[*permissions.IMAGES[permissions.CLARIFY_IMAGE]]]
    found = [statement(entry, values) for entries in table for entry in entries]
    assert len(found) > 200
    assert "\n".join(sorted(set(faults_of(found)))) == ""


def test_a_grant_that_gives_nothing_is_found() -> None:
    def fault(action: str, resource: str, **condition: Any) -> list[str]:
        return [*faults_of([{"Action": action, "Resource": resource, "Condition": condition}])]

    job = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:processing-job/x-*"
    assert fault("sagemaker:DescribeProcessingJob", job) == []
    assert fault("sagemaker:DescribeNothing", job)[0].endswith("there is no such action")
    assert fault("sagemaker:DescribeTrainingJob", job) == [
        "sagemaker:DescribeTrainingJob: it is for training-job, and none is named",
        f"{job}: it is of no resource of sagemaker:DescribeTrainingJob",
    ]
    assert fault("sagemaker:ListEndpoints", job)[0].endswith("it is for no resource, and is "
                                                             "allowed on some")  # fmt: skip
    assert fault("sagemaker:DescribeProcessingJob", "*") == [
        "sagemaker:DescribeProcessingJob: it is for processing-job, and is allowed on all of them"
    ]
    passed = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert fault("sagemaker:DescribeProcessingJob", job, **passed) == [
        "sagemaker:DescribeProcessingJob: its requests have no iam:PassedToService"
    ]


def test_the_images_of_a_language_model_are_listed_once_each_without_clarifys() -> None:
    host = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
    names = ("sagemaker-xgboost:3.2-0", "huggingface-pytorch-training:2.9.0-gpu-py312",
             "sagemaker-clarify-processing:1.0", "sagemaker-xgboost:3.2-0")  # fmt: skip
    steps = [{"Arguments": {"AppSpecification": {"ImageUri": f"{host}/{name}"}}} for name in names]
    assert stacks.images({"Steps": steps}) == [f"{host}/{name}" for name in names[:2]]
