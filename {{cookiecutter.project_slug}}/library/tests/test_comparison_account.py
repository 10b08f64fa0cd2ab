"""Two executions of an account are compared: what is asked of AWS, and what is said where it fails.

Calls of SageMaker are answered by botocore's Stubber, which validates what is asked and answered;
the files lie in moto's S3.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from account_runs import (
    BEGAN,
    EVALUATED,
    PROD,
    ROOT,
    Service,
    began,
    completed,
    execution,
    execution_arn,
    job_arn,
    parameters,
    pipeline,
    serves,
    version,
    versions,
)
from accounts import REGION, recorded_calls, sign_in
from comparisons import answers, evaluation
from ninesteps.cli import here, main
from ninesteps.infrastructure import permissions
from ninesteps.settings import loading as pipeline_settings
from ninesteps.step_code.bundle import settings_uri
from reports import files

TWO = "aaaaaaaaaaaa"
"""The execution beside `one`, by an id as the service makes them."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Service]:
    """Execution `one`, and the code that its steps have; the session is of this service."""
    sign_in(monkeypatch, tmp_path)
    settings = pipeline_settings.load(ROOT)
    with mock_aws():
        made = Service(settings)
        where = {"LocationConstraint": REGION}
        made.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=where)
        put(made, "one", 1.0, {"evaluate.py": "1", "bias.py": "1"})
        put(made, TWO, 2.0, {"evaluate.py": "2", "bias.py": "1"})
        clients = {"sagemaker": made.sagemaker, "s3": made.s3}

        class Session:
            def client(self, name: str) -> Any:
                return clients[name]

        monkeypatch.setattr("ninesteps.infrastructure.account.session", lambda _: Session())
        monkeypatch.setattr(here, "settings", lambda: settings)
        monkeypatch.setattr(type(settings), "account_environment", lambda self, name: PROD)
        with made.stub:
            yield made
            made.stub.assert_no_pending_responses()


def put(service: Service, run: str, skill: float, code: dict[str, str]) -> None:
    """What an execution wrote, and its code."""
    test, said = answers(skill)
    content = files(evaluation=evaluation(test, said)).content
    content |= {EVALUATED.replace("evaluation.json", "answers.csv"): said.encode(),
                "s3://bucket/pets/executions/one/Process/test/test.csv": test.encode()}  # fmt: skip
    for uri, body in content.items():
        key = uri.removeprefix("s3://bucket/").replace("executions/one", f"executions/{run}")
        service.s3.put_object(Bucket="bucket", Key=key, Body=body)
    for name, text in code.items():
        service.s3.put_object(Bucket="bucket", Key=f"pets/code/of-{run}/{name}", Body=text.encode())


def described(service: Service, name: str) -> None:
    """That there is an execution."""
    arn = {"PipelineExecutionArn": execution_arn(service.settings, name)}
    service.answer("describe_pipeline_execution", arn, **arn)


def listed(service: Service) -> None:
    """The executions: `one` alone, whose id is no id of the service."""
    asked = {"PipelineName": pipeline(service.settings), "SortBy": "CreationTime",
             "SortOrder": "Descending"}  # fmt: skip
    summary = {"PipelineExecutionArn": execution_arn(service.settings, "one"), "StartTime": BEGAN}
    service.answer("list_pipeline_executions", asked, PipelineExecutionSummaries=[summary])


def diff(*arguments: str, status: int = 0) -> Result:
    done = CliRunner(env={"COLUMNS": "80"}).invoke(main.main, [*arguments, "--env", "prod"])
    assert done.exit_code == status, done.output
    return done


def test_two_executions_are_compared_as_two_runs_are(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(service)
    described(service, "one")
    described(service, TWO)
    execution(service, "one")
    parameters(service, "one")
    execution(service, TWO)
    parameters(service, TWO, "2026-02-01T00:00:00Z")
    found = json.loads(diff("diff", "last", TWO, "--json").stdout)
    assert (found["first"]["name"], found["second"]["name"]) == ("execution one",
                                                                 f"execution {TWO}")  # fmt: skip
    assert found["verdict"].startswith(f"Execution {TWO} is better than execution one in auc")
    assert found["metrics"]["says"] == "Both models were scored on the same 404 test rows."
    assert [row["name"] for row in found["data"]["rows"] if not row["is_same"]] == ["as of"]
    assert {(row["step"], row["file"], row["how"]) for row in found["code"]["rows"]} == {
        ("Process", "evaluate.py", "changed"), ("Evaluate", "evaluate.py", "changed")}  # fmt: skip
    assert found["settings"]["absent"] == "Execution one did not keep its settings."


def test_a_version_is_compared_with_the_one_that_serves(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorded_calls(monkeypatch) as calls:
        serves(service, 3)
        versions(service, 3, 4)
        version(service, 3, "one")
        versions(service, 3, 4)
        version(service, 4, TWO)
        completed(service)
        registered = began("Register", RegisterModel={
            "Arn": job_arn("model-package", "customer-churn-prod/4")})  # fmt: skip
        execution(service, TWO, registered)
        version(service, 4, TWO)
        parameters(service, TWO)
        text = diff("registry", "4", "--against", "serving").stdout
    assert "version 3                    version 4" in text
    assert "Approved, serves" in text
    assert "Version 4 is better than version 3" in text
    assert max(map(len, text.splitlines())) <= 80
    of_the_test = {"s3:PutObject"}
    assert calls - of_the_test <= permissions.CALLS["diff"].keys()


def test_the_settings_of_two_versions_are_those_that_their_evidence_names(
    service: Service,
) -> None:
    both = {3: "one", 4: TWO}
    for number, run in both.items():
        versions(service, 3, 4)
        version(service, number, run)
    for number, run in both.items():
        kept = recorded(service, number, f"[tuning]\nseed = {number}\njobs = 12\n")
        registered = began("Register", RegisterModel={
            "Arn": job_arn("model-package", f"customer-churn-prod/{number}")})  # fmt: skip
        execution(service, run, registered)
        version(service, number, run, **kept)
        parameters(service, run)
        if number == 3:  # it is asked for once
            serves(service, None)
    found = json.loads(diff("diff", "3", "4", "--json").stdout)["settings"]
    assert found["absent"] is None
    changed = [(row["name"], row["first"], row["second"]) for row in found["rows"]
               if not row["is_same"]]  # fmt: skip
    assert changed == [("tuning.seed", 3, 4)]
    assert [row["name"] for row in found["rows"]] == ["tuning.seed", "tuning.jobs"]


def recorded(service: Service, number: int, text: str) -> dict[str, str]:
    """Settings and evidence that an account has of a version, and what its metadata says of it."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    evidence = {"origin": {"settings_sha256": digest}, "ingests": [], "older_ingests": 0}
    body = json.dumps(evidence).encode()
    uri = f"s3://bucket/pets/deployments/v{number}/re-1/evidence.json"
    for place, content in ((settings_uri("s3://bucket/pets", digest), text.encode()), (uri, body)):
        key = place.removeprefix("s3://bucket/")
        service.s3.put_object(Bucket="bucket", Key=key, Body=content)
    return {"evidence_uri": uri, "evidence_sha256": hashlib.sha256(body).hexdigest()}


def test_where_nothing_serves_it_says_so(service: Service) -> None:
    serves(service, None)
    said = diff("diff", "serving", "1", status=1).stderr
    assert said == "pipeline: no version serves: there is no endpoint customer-churn-prod\n"


def test_an_unknown_version_names_those_that_there_are(service: Service) -> None:
    versions(service, 3)
    said = diff("registry", "3", "--against", "9", status=2).stderr
    assert said == "pipeline: customer-churn-prod has no version 9: it has 3\n"


def test_nothing_is_read_of_the_first_where_there_is_no_second(service: Service) -> None:
    versions(service, 3)
    version(service, 3, "one")
    versions(service, 3)
    said = diff("diff", "3", "9", status=2).stderr
    assert said == "pipeline: customer-churn-prod has no version 9: it has 3\n"


def test_a_version_of_no_execution_says_so(service: Service) -> None:
    versions(service, 3)
    version(service, 3, "")
    said = diff("diff", "3", "4", status=1).stderr
    assert said == (
        "pipeline: customer-churn-prod version 3 does not say which execution registered it\n"
    )
