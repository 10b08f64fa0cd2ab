"""What a pipeline needs at once, and the account's quotas: compared where they may be asked for.

Service Quotas is botocore's Stubber: moto has none for SageMaker.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner, Result
from moto import mock_aws

from account_runs import PROD, ROOT, client
from accounts import ACCOUNT, REGION, sign_in
from ninesteps.cli import definition as command
from ninesteps.cli import here, main
from ninesteps.definition.step_content import step_contents
from ninesteps.infrastructure import instances
from ninesteps.infrastructure.instances import (
    ENDPOINT,
    PROCESSING,
    TRAINING,
    TRANSFORM,
    Jobs,
    Need,
)
from ninesteps.runs import compiled
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.deploy import Deploy
from ninesteps.settings.operation import Compute
from ninesteps.settings.settings import Settings

M5, C5 = "ml.m5.large", "ml.c5.xlarge"


def processing(name: str, instances: Any, *after: str, kind: Any = M5) -> dict[str, Any]:
    cluster = {"InstanceType": kind, "InstanceCount": instances, "VolumeSizeInGB": 30}
    request = {"ProcessingResources": {"ClusterConfig": cluster},
               "StoppingCondition": {"MaxRuntimeInSeconds": 600}}  # fmt: skip
    return {"Name": name, "Type": "Processing", "Arguments": request, "DependsOn": list(after)}


def search(name: str, parallel: int, *kinds: str) -> dict[str, Any]:
    limit = {"MaxRuntimeInSeconds": 900}
    definitions = [
        {
            "ResourceConfig": {"InstanceType": kind, "InstanceCount": 2},
            "StoppingCondition": limit,
        }
        for kind in kinds
    ]
    limits = {"MaxNumberOfTrainingJobs": 12, "MaxParallelTrainingJobs": parallel}
    own = ({"TrainingJobDefinition": definitions[0]} if len(kinds) == 1
           else {"TrainingJobDefinitions": definitions})  # fmt: skip
    request = {"HyperParameterTuningJobConfig": {"ResourceLimits": limits}, **own}
    return {"Name": name, "Type": "Tuning", "Arguments": request}


def pipeline(*steps: dict[str, Any]) -> dict[str, Any]:
    parameters = [{"Name": "Kind", "Type": "String", "DefaultValue": C5},
                  {"Name": "Count", "Type": "Integer", "DefaultValue": 3}]  # fmt: skip
    return {"Version": "2020-12-01", "Parameters": parameters, "Steps": list(steps)}


def test_the_jobs_of_a_definition_are_read_with_the_parameters_defaults() -> None:
    transform = {"Name": "Predict", "Type": "Transform", "Arguments": {
        "TransformResources": {"InstanceType": M5, "InstanceCount": 1}}}  # fmt: skip
    step = processing("A", {"Get": "Parameters.Count"}, kind={"Get": "Parameters.Kind"})
    found = instances.jobs(pipeline(step, search("Tune", 4, M5), transform))
    assert found == [
        Jobs("A", PROCESSING, C5, 3, 1, 1, 600),
        Jobs("Tune", TRAINING, M5, 2, 12, 4, 900),
        Jobs("Predict", TRANSFORM, M5, 1, 1, 1, 0),
    ]
    assert [job.most for job in found] == [3, 8, 1]


def test_definitions_that_share_a_searchs_trials_on_one_type_count_once() -> None:
    assert len(instances.jobs(pipeline(search("Tune", 4, M5, M5)))) == 1
    assert len(instances.jobs(pipeline(search("Tune", 4, M5, C5)))) == 2


@pytest.mark.parametrize(
    ("steps", "together"),
    [
        ([processing("A", 5), processing("B", 1, "A"), processing("C", 2, "A")], {"A"}),
        ([processing("A", 2), processing("B", 1, "A"), processing("C", 2, "A")], {"B", "C"}),
        ([processing("A", 1), processing("B", 2, "A"), processing("C", 2, "B")], {"B"}),
        ([processing("A", 1), processing("B", 1), processing("C", 1, "A"),
          processing("D", 9, "B", "C")], {"D"}),
        ([processing("A", 4), processing("B", 3), processing("C", 1, "A")], {"A", "B"}),
    ],
)  # fmt: skip
def test_steps_that_do_not_wait_for_each_other_run_at_once(
    steps: list[dict[str, Any]], together: set[str]
) -> None:
    definition = pipeline(*steps)
    known = {step.name: step for step in step_contents(definition)}
    assert {job.step for job in instances.most_at_once(instances.jobs(definition), known)} == (
        together
    )


def test_of_two_branches_one_runs() -> None:
    branches = {"IfSteps": [processing("Yes", 2)], "ElseSteps": [processing("No", 3)]}
    gate = {"Name": "Gate", "Type": "Condition", "Arguments": {"Conditions": [], **branches}}
    definition = pipeline(gate)
    known = {step.name: step for step in step_contents(definition)}
    found = instances.most_at_once(instances.jobs(definition), known)
    assert [job.step for job in found] == ["No"]


def test_many_steps_beside_each_other_are_added_at_once() -> None:
    definition = pipeline(*(processing(f"S{n}", 1) for n in range(50)))
    known = {step.name: step for step in step_contents(definition)}
    assert len(instances.most_at_once(instances.jobs(definition), known)) == 50


@pytest.fixture(scope="module")
def own() -> Settings:
    return pipeline_settings.load(ROOT)


def test_an_execution_needs_its_jobs_and_a_rollout_a_second_fleet(own: Settings) -> None:
    settings = dataclasses.replace(
        own, deploy=Deploy(instances=3, instance_type=C5), compute=Compute()
    )
    steps = pipeline(processing("A", 1), processing("B", 1), search("Tune", 4, M5))
    assert instances.needs(steps, settings) == [
        Need(PROCESSING, M5, 3, "A and B; a rollout's job"),
        Need(TRAINING, M5, 8, "Tune"),
        Need(ENDPOINT, C5, 6, "the endpoint and the new one that takes over"),
    ]


def test_autoscaling_may_add_instances_to_both_fleets(own: Settings) -> None:
    deploy = Deploy(instance_type=M5, instances=2, max_instances=5, target_invocations=100)
    settings = dataclasses.replace(own, deploy=deploy)
    (endpoint,) = (n for n in instances.needs(pipeline(), settings) if n.use == ENDPOINT)
    assert endpoint.count == 10


def test_clarifys_image_has_an_endpoint_of_its_own(own: Settings) -> None:
    step = processing("Bias", 1)
    step["Arguments"]["AppSpecification"] = {"ImageUri": "1.dkr/sagemaker-clarify-processing:1.0"}
    settings = dataclasses.replace(own, deploy=Deploy(instance_type=M5), compute=Compute())
    (endpoint,) = (n for n in instances.needs(pipeline(step), settings) if n.use == ENDPOINT)
    assert endpoint.count == 5
    assert endpoint.why.endswith("; Clarify's shadow endpoint")


# The command


@pytest.fixture
def quotas(own: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stubber]:
    """Service Quotas, in the place of the account's; this repository with an environment."""
    sign_in(monkeypatch, tmp_path)
    chosen = dataclasses.replace(
        own, environments={"prod": dataclasses.replace(PROD, name="")},
        deploy=Deploy(), compute=Compute(),
    )  # fmt: skip
    steps = compiled.Compiled(json.dumps(pipeline(search("Tune", 4, M5))), {})
    monkeypatch.setattr(compiled, "compiled", lambda *_: steps)
    monkeypatch.setattr(here, "settings_with_table", lambda: chosen)
    monkeypatch.setattr(here, "local", lambda: tmp_path)
    monkeypatch.setattr(command, "_check_repository", lambda settings: None)
    for part in ("features", "table", "definition", "infrastructure"):
        monkeypatch.setattr(command, f"_check_{part}", lambda *_, part=part: part)
    with mock_aws(), Stubber(client("service-quotas")) as stub:
        monkeypatch.setattr(boto3.Session, "client", lambda session, name, **_: client(name))
        yield stub


def test_a_region_is_named_once_with_the_environments_that_are_there(own: Settings) -> None:
    there = {"dev": PROD, "prod": dataclasses.replace(PROD, region="us-west-2"), "old": PROD}
    aws = dataclasses.replace(own.aws, region=PROD.region)
    settings = dataclasses.replace(own, aws=aws, environments=there)
    assert command._regions_used(settings) == f"{PROD.region} ([aws], dev, old), us-west-2 (prod)"


def check(status: int = 0) -> Result:
    done = CliRunner().invoke(main.main, ["check", "--env", "prod", "--no-cache"])
    assert done.exit_code == status, done.output
    return done


def listed(stub: Stubber, **values: float) -> None:
    """The account's quotas in two pages."""
    names = {
        "processing": f"{M5} for processing job usage",
        "training": f"{M5} for training job usage",
        "endpoint": f"{M5} for endpoint usage",
        "all_endpoints": "Number of instances across active endpoints",
    }
    found = [{"QuotaName": names[key], "Value": value} for key, value in values.items()]
    asked = {"ServiceCode": "sagemaker"}
    stub.add_response(
        "list_service_quotas", {"Quotas": found[:1], "NextToken": "2"}, asked
    )  # pragma: allowlist secret
    stub.add_response("list_service_quotas", {"Quotas": found[1:]}, {**asked, "NextToken": "2"})


def test_what_is_needed_is_shown_beside_the_quotas(quotas: Stubber) -> None:
    listed(quotas, processing=1, training=8, endpoint=4, all_endpoints=20)
    text = check().stdout
    assert f"            8 {M5}, training job: Tune\n" in text
    assert f"            4 {M5}, endpoint: the endpoint and the new one that takes over\n" in text
    assert f"quotas      what is needed, and what {REGION} of account {ACCOUNT} has:\n" in text
    rows = [line.split(maxsplit=2) for line in text.partition("quotas ")[2].splitlines()[1:]]
    assert ["8", "8", f"{M5} for training job usage"] in rows
    assert ["4", "20", "Number of instances across active endpoints"] in rows
    assert ["8", "not", "listed  Number of instances across all training jobs"] in rows


def test_a_quota_that_is_too_small_is_a_finding(quotas: Stubber) -> None:
    listed(quotas, processing=1, training=0, endpoint=4, all_endpoints=3)
    where = f"in {REGION} of account {ACCOUNT}"
    assert check(status=2).stderr == (
        f"pipeline: expected the quota '{M5} for training job usage' to be 8 or more {where}, got "
        "0: request an increase in Service Quotas\n"
        "pipeline: expected the quota 'Number of instances across active endpoints' to be 4 or "
        f"more {where}, got 3: request an increase in Service Quotas\n"
    )


def test_who_may_not_ask_is_told_that_nothing_was_compared(quotas: Stubber) -> None:
    quotas.add_client_error("list_service_quotas", "AccessDeniedException", "no")
    done = check()
    assert "quotas      not compared: AWS refused ListServiceQuotas: AccessDenied" in done.stdout
    assert f"            8 {M5}, training job: Tune\n" in done.stdout
    assert done.stderr == ""


def test_without_credentials_nothing_is_compared(
    quotas: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import NoCredentialsError

    from ninesteps.infrastructure import account

    def none(environment: object) -> None:
        raise NoCredentialsError

    monkeypatch.setattr(account, "session", none)
    assert "quotas      not compared: no credentials for AWS were found;" in check().stdout
