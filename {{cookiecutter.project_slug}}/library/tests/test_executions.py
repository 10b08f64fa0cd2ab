"""Executions in an account: started, shown, listed and stopped, by the commands themselves.

SageMaker is botocore's Stubber, which validates what is asked and answered, and the order of it;
CloudWatch's logs and whose account it is are moto's.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import click
import pytest
from botocore.stub import ANY, Stubber
from click.testing import CliRunner, Result
from moto import mock_aws

from account_runs import (
    BEGAN,
    ENDED,
    PROD,
    ROOT,
    Service,
    began,
    client,
    completed,
    definition,
    execution_arn,
    job_arn,
    of_job,
    pipeline,
    processing,
)
from accounts import ACCOUNT, REGION, recorded_calls, sign_in
from ninesteps.cli import execution, here, main
from ninesteps.definition.selection import needed_of_others, selected_steps
from ninesteps.errors import DefinitionError
from ninesteps.infrastructure import addresses, permissions, quotas
from ninesteps.registry.account import archives
from ninesteps.runs import compiled
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.environment import Environment
from ninesteps.settings.moments import is_moment
from ninesteps.settings.settings import Settings

RUN = "p4jn9xou8a8s"
GROUP = "/aws/sagemaker/ProcessingJobs"
STUDIO = f"https://studio-d-abc.studio.{REGION}.sagemaker.aws/pipelines/view"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    own = pipeline_settings.load(ROOT)
    environments = {"prod": dataclasses.replace(PROD, name="")}
    chosen = dataclasses.replace(
        own, environments=environments, data=dataclasses.replace(own.data, file="table.csv")
    )
    monkeypatch.setattr(here, "root", lambda: tmp_path)
    monkeypatch.setattr(pipeline_settings, "load", lambda root: chosen)
    here.show_notice.cache_clear()
    same = compiled.Compiled(definition(), {})
    monkeypatch.setattr(compiled, "compiled", lambda *_: same)
    return chosen


@pytest.fixture
def service(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Service]:
    sign_in(monkeypatch, tmp_path)
    monkeypatch.setattr(execution, "POLL_SECONDS", 0)
    with mock_aws():
        made = Service(settings)
        monkeypatch.setattr(boto3.Session, "client", lambda session, name, **_: client(name))
        with made.stub:
            yield made
            made.stub.assert_no_pending_responses()


def pipeline_command(*arguments: str, status: int = 0) -> Result:
    done = CliRunner().invoke(main.main, arguments)
    assert done.exit_code == status, done.output
    return done


def published(service: Service, text: str = "") -> None:
    service.answer(
        "describe_pipeline",
        {"PipelineName": pipeline(service.settings)},
        PipelineDefinition=text or definition(),
    )


def listed(service: Service, *executions: tuple[str, str]) -> None:
    """Executions, the newest first: id and status."""
    service.answer(
        "list_pipeline_executions",
        {"PipelineName": pipeline(service.settings), "SortBy": "CreationTime",
         "SortOrder": "Descending"},
        PipelineExecutionSummaries=[
            {"PipelineExecutionArn": execution_arn(service.settings, name), "StartTime": BEGAN,
             "PipelineExecutionStatus": status, "PipelineExecutionDescription": "by hand"}
            for name, status in executions
        ],
    )  # fmt: skip


def with_champion() -> str:
    """The definition with the parameter for the archive of the version that serves."""
    content = json.loads(definition())
    content["Parameters"].append(
        {"Name": "ChampionModel", "Type": "String", "DefaultValue": "s3://bucket/none/model.tar.gz"}
    )
    return json.dumps(content)


ARCHIVE = "s3://bucket/pets/executions/abc/output/model.tar.gz"


def serving(service: Service, package: str = "") -> None:
    """An endpoint with the model of a version."""
    name = pipeline(service.settings)
    model, arn = f"{name}-v4-abcd", f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:x/{name}"
    service.answer(
        "describe_endpoint", {"EndpointName": name}, EndpointName=name, EndpointArn=arn,
        EndpointConfigName=model, EndpointStatus="InService", CreationTime=BEGAN,
        LastModifiedTime=BEGAN,
    )  # fmt: skip
    service.answer(
        "describe_endpoint_config", {"EndpointConfigName": model}, EndpointConfigName=model,
        EndpointConfigArn=arn, CreationTime=BEGAN,
        ProductionVariants=[{"VariantName": "main", "ModelName": model}],
    )  # fmt: skip
    container = {"ModelPackageName": package} if package else {"Image": "i"}
    service.answer(
        "describe_model", {"ModelName": model}, PrimaryContainer=container, ModelName=model,
        ModelArn=arn, CreationTime=BEGAN,
    )  # fmt: skip
    if package:
        service.answer(
            "describe_model_package", {"ModelPackageName": package}, ModelPackageArn=package,
            ModelPackageName="pets", ModelPackageStatus="Completed", CreationTime=BEGAN,
            ModelPackageStatusDetails={"ValidationStatuses": []},
            InferenceSpecification={"Containers": [{"Image": "i", "ModelDataUrl": ARCHIVE}]},
        )  # fmt: skip


PACKAGE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/pets-prod/4"


def test_an_execution_gets_the_archive_of_the_version_that_serves(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_compare", lambda *_: None)
    published(service, with_champion())
    serving(service, PACKAGE)
    started(service)
    domains(service)
    sent = requests(service)
    pipeline_command("start", "--env", "prod")
    assert {"Name": "ChampionModel", "Value": ARCHIVE} in sent[0]["PipelineParameters"]


def test_where_there_is_no_endpoint_the_definitions_empty_archive_counts(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_compare", lambda *_: None)
    published(service, with_champion())
    service.stub.add_client_error("describe_endpoint", "ValidationException", "Could not find")
    started(service)
    domains(service)
    sent = requests(service)
    pipeline_command("start", "--env", "prod")
    assert [p["Name"] for p in sent[0]["PipelineParameters"]] == ["AsOf"]


def test_an_endpoint_with_another_model_is_named_before_anything_starts(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_compare", lambda *_: None)
    published(service, with_champion())
    serving(service)
    said = pipeline_command("start", "--env", "prod", status=1).stderr
    assert "a model that is not a registered version; --set ChampionModel=s3://..." in " ".join(
        said.split()
    )
    assert said.count("\n") == 1


def domains(service: Service, *hosts: str) -> None:
    service.answer(
        "list_domains", {}, Domains=[{"Url": f"https://{h}", "Status": "InService"} for h in hosts]
    )


def started(service: Service, name: str = RUN, **more: Any) -> None:
    asked = {
        "PipelineName": pipeline(service.settings),
        "PipelineParameters": ANY,
        "PipelineExecutionDescription": ANY,
        "ClientRequestToken": ANY,
    }
    service.answer(
        "start_pipeline_execution",
        {**asked, **more},
        PipelineExecutionArn=execution_arn(service.settings, name),
    )


def requests(service: Service) -> list[dict[str, Any]]:
    """What StartPipelineExecution is asked with, from here on."""
    sent: list[dict[str, Any]] = []
    event = "provide-client-params.sagemaker.StartPipelineExecution"
    service.sagemaker.meta.events.register(event, lambda params, **_: sent.append(params))
    return sent


# Which steps may run alone


def steps() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(definition())
    return content


@pytest.mark.parametrize(
    ("selected", "needed"),
    [
        (["Process"], []),
        (["Process", "Tune"], []),
        (["Evaluate"], ["Tune"]),
        (["Clarify"], ["Config", "Transform"]),
        (["Check"], ["Evaluate", "Clarify"]),
        (["Check", "Register"], ["Evaluate", "Clarify"]),
        (["Config", "Transform", "Clarify", "Check", "Register"], ["Evaluate", "Create"]),
    ],
)
def test_selected_steps_need_what_they_read_of_the_others(
    selected: list[str], needed: list[str]
) -> None:
    assert needed_of_others(steps(), selected) == needed


@pytest.mark.parametrize(
    ("selected", "said"),
    [
        (["Train"], "there is no step 'Train'; there is 1 Process, 2 Tune, "),
        (["Process", "Evaluate"],
         "expected Tune among the selected steps, which is between Process and Evaluate, got"),
        (["Register"],
         "expected Check among the selected steps, which decides whether Register runs, got"),
    ],
)  # fmt: skip
def test_steps_that_sagemaker_would_not_run_alone_are_refused(
    selected: list[str], said: str
) -> None:
    with pytest.raises(DefinitionError) as refused:
        needed_of_others(steps(), selected_steps(steps(), selected))
    assert str(refused.value).startswith(said)


# Starting


def test_an_execution_is_started_as_of_now_and_said_where_it_is_seen(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(service)
    started(service)
    domains(service, f"d-abc.studio.{REGION}.sagemaker.aws")
    sent = requests(service)
    done = pipeline_command("start", "--env", "prod", "--set", "Count=2")
    name = pipeline(service.settings)
    assert done.stdout == (
        f"execution   {RUN} of {name}\n"
        f"            {execution_arn(service.settings, RUN)}\n"
        f"address     {STUDIO}/{name}/executions/{RUN}/graph\n"
        f"next        pipeline status {RUN} --env prod\n"
    )
    assert done.stderr == ""
    (request,) = sent
    given = {one["Name"]: one["Value"] for one in request["PipelineParameters"]}
    assert given.keys() == {"AsOf", "Count"}
    assert given["Count"] == "2"
    assert is_moment(given["AsOf"])
    age = datetime.now(UTC) - datetime.fromisoformat(given["AsOf"])
    assert timedelta(0) <= age < timedelta(minutes=10)
    assert request["PipelineExecutionDescription"].startswith("pipeline start by ")
    assert len(request["ClientRequestToken"]) >= 32


def test_the_description_names_the_commit(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ninesteps.repository import identity

    monkeypatch.setattr(identity, "whoami", lambda root: "Jo <jo@example.com>")
    monkeypatch.setattr(identity, "commit", lambda root: "0a1b2c3d4e5f with changes")
    published(service)
    started(service)
    domains(service)
    sent = requests(service)
    pipeline_command("start", "--env", "prod")
    assert sent[0]["PipelineExecutionDescription"] == (
        "pipeline start by Jo <jo@example.com> at commit 0a1b2c3d4e5f with changes"
    )


def test_another_definition_than_the_one_compiled_here_is_a_notice(service: Service) -> None:
    published(service, definition().replace('"Count"', '"Number"'))
    started(service)
    domains(service)
    assert pipeline_command("start", "--env", "prod").stderr == (
        "pipeline: notice: the published definition differs from the one compiled here; "
        "`pipeline publish --env prod` replaces it\n"
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ResourceNotFound", "Pipeline 'arn:aws:sagemaker:...:pipeline/{name}' does not exist."),
        ("ValidationException", "Could not find pipeline with PipelineName {name}."),
    ],
)
@pytest.mark.parametrize("command", [("start",), ("runs",), ("status", "last")])
def test_a_pipeline_that_is_not_published_is_one_sentence(
    service: Service, code: str, message: str, command: tuple[str, ...]
) -> None:
    name = pipeline(service.settings)
    operation = "describe_pipeline" if command == ("start",) else "list_pipeline_executions"
    service.stub.add_client_error(operation, code, message.format(name=name))
    assert pipeline_command(*command, "--env", "prod", status=1).stderr == (
        f"pipeline: there is no pipeline {name} in {REGION} of account {ACCOUNT}; "
        "`pipeline publish --env prod` creates it\n"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--as-of", "yesterday"], "--as-of: expected a time in UTC such as"),
        (["--as-of", "2026-01-31T00:00:00Z", "--set", "AsOf=2026-01-31T00:00:00Z"],
         "expected --as-of or --set AsOf, got both"),
        (["--set", "AsOf=now"], "--set AsOf: expected a time in UTC"),
        (["--steps", ""], "--steps: expected names of steps, such as A,B, got ''"),
        (["--steps", " ,"], "--steps: expected names of steps, such as A,B, got ' ,'"),
    ],
)  # fmt: skip
def test_wrong_moments_and_steps_are_refused_before_anything_is_asked(
    service: Service, given: list[str], said: str
) -> None:
    assert said in pipeline_command("start", "--env", "prod", *given, status=2).stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Gate=0", "there is no pipeline parameter 'Gate'; there is AsOf, Count"),
        ("Count=two", "parameter Count: expected Integer, got 'two'"),
    ],
)
def test_a_parameter_that_the_pipeline_does_not_take_is_refused(
    service: Service, given: str, said: str
) -> None:
    published(service)
    done = pipeline_command("start", "--env", "prod", "--set", given, status=2)
    assert done.stderr == f"pipeline: {said}\n"


def test_selected_steps_read_the_latest_execution_that_has_what_they_need(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that runs and one in which a step failed are passed over."""
    published(service)
    listed(service, ("runs", "Executing"), ("broke", "Failed"), ("whole", "Failed"))
    failed = {**of_job("Transform"), "StepStatus": "Failed"}
    service.steps(of_job("Config"), failed, name="broke")
    service.steps(of_job("Config"), of_job("Transform"), of_job("Clarify"), name="whole")
    service.answer(
        "list_pipeline_parameters_for_execution",
        {"PipelineExecutionArn": execution_arn(service.settings, "whole")},
        PipelineParameters=[{"Name": "AsOf", "Value": "2026-01-01T00:00:00Z"},
                            {"Name": "Count", "Value": "3"}],
    )  # fmt: skip
    started(
        service,
        SelectiveExecutionConfig={
            "SelectedSteps": [{"StepName": "Clarify"}],
            "SourcePipelineExecutionArn": execution_arn(service.settings, "whole"),
        },
    )
    domains(service)
    sent = requests(service)
    done = pipeline_command("start", "--env", "prod", "--steps", "Clarify", "--set", "Count=2")
    assert "source      whole: outputs of Config, Transform\n" in done.stdout
    assert sent[0]["PipelineParameters"] == [
        {"Name": "AsOf", "Value": "2026-01-01T00:00:00Z"},
        {"Name": "Count", "Value": "2"},
    ]


def test_a_first_step_alone_needs_no_source(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(service)
    started(service, SelectiveExecutionConfig={"SelectedSteps": [{"StepName": "Process"}]})
    domains(service)
    sent = requests(service)
    done = pipeline_command("start", "--env", "prod", "--steps", " Process, Process ")
    assert "source" not in done.stdout
    assert [one["Name"] for one in sent[0]["PipelineParameters"]] == ["AsOf"]


def test_steps_that_no_execution_has_the_inputs_of_are_refused(service: Service) -> None:
    published(service)
    listed(service, ("broke", "Failed"))
    service.steps(of_job("Process"), began("Tune", status="Failed"), name="broke")
    done = pipeline_command("start", "--env", "prod", "--steps", "Evaluate", status=1)
    assert done.stderr == (
        "pipeline: expected an execution in which Tune succeeded, since the selected steps read "
        f"what they wrote, got none among the last 20 of {pipeline(service.settings)}\n"
    )


def test_a_step_that_is_not_there_is_refused_with_those_that_are(service: Service) -> None:
    published(service)
    said = pipeline_command("start", "--env", "prod", "--steps", "Train", status=2).stderr
    assert said.startswith("pipeline: there is no step 'Train'; there is 1 Process, 2 Tune, ")


# Standing


def log(job: str, *lines: str, group: str = GROUP, host: str = "algo-1") -> None:
    logs = client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        logs.create_log_group(logGroupName=group)
    stream = f"{job}/{host}-1772000000"
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(datetime.now(UTC).timestamp() * 1000)
    events = [{"timestamp": now + n, "message": line} for n, line in enumerate(lines)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def failed(service: Service) -> None:
    """An execution whose third step failed."""
    service.execution(status="Failed", name=RUN)
    broke = {**of_job("Evaluate"), "StepStatus": "Failed", "FailureReason": "ClientError: no auc"}
    service.steps(of_job("Process"), of_job("Tune", "TuningJob"), broke, name=RUN)
    service.process_and_search()
    service.others("Evaluate")
    parameters(service)
    domains(service)


def parameters(service: Service, name: str = RUN) -> None:
    service.answer(
        "list_pipeline_parameters_for_execution",
        {"PipelineExecutionArn": execution_arn(service.settings, name)},
        PipelineParameters=[{"Name": "AsOf", "Value": "2026-01-01T00:00:00Z"}],
    )


def test_a_failed_execution_shows_why_and_the_end_of_the_steps_log(service: Service) -> None:
    failed(service)
    log("job-Evaluate", *(f"line {n}" for n in range(30)))
    log("job-Evaluate-2", "another job's")
    done = pipeline_command("status", RUN, "--env", "prod", status=1)
    text = done.stdout
    assert text.startswith(f"execution {RUN} of {pipeline(service.settings)}: Failed\n")
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    assert [row for row in rows if row[0] in ("1", "3", "4")] == [
        ["1", "Process", "Processing", "Succeeded", "1 min 30 s"],
        ["3", "Evaluate", "Processing", "Failed", "1 min 30 s"],
        ["4", "Create", "Model", "Skipped"],
    ]
    assert "Evaluate failed\n  ClientError: no auc\n" in text
    shown = re.findall(r"^    (line \d+)$", text, re.MULTILINE)
    assert shown == [f"line {n}" for n in range(10, 30)]
    assert "another job's" not in text
    assert f"next       pipeline logs {RUN} Evaluate --env prod\n" in text
    assert f"filter$3Dpipelines-{RUN}-".lower() in text.lower()


def test_a_search_that_failed_shows_the_log_of_a_trial_that_did(service: Service) -> None:
    service.execution(status="Failed", name=RUN)
    broke = {**of_job("Tune", "TuningJob"), "StepStatus": "Failed", "FailureReason": "no trial"}
    service.steps(of_job("Process"), broke, name=RUN)
    service.process_and_search()
    parameters(service)
    domains(service)
    log("tune-004", "out of memory", group="/aws/sagemaker/TrainingJobs")
    text = pipeline_command("status", RUN, "--env", "prod", status=1).stdout
    assert "Tune failed\n  no trial\n" in text
    assert "    out of memory\n" in text


def test_a_log_that_may_not_be_read_leaves_the_rest(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(service)
    from botocore.exceptions import ClientError

    from ninesteps.infrastructure.job_logs import JobLogs

    def denied(*_: object) -> list[str]:
        error = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
        raise ClientError(error, "DescribeLogStreams")  # type: ignore[arg-type]

    monkeypatch.setattr(JobLogs, "streams", denied)
    text = pipeline_command("status", RUN, "--env", "prod", status=1).stdout
    assert "its log could not be read: An error occurred (AccessDeniedException)" in text
    assert "started    2026-01-01T00:00:00Z by arn:aws:sts::1:assumed-role/Ops/jo\n" in text


def test_an_execution_that_goes_on_ends_with_0_and_says_how_to_stop_it(service: Service) -> None:
    listed(service, (RUN, "Executing"))
    service.execution(status="Executing", name=RUN)
    source = execution_arn(service.settings, "abcdefghijkl")
    cached = {**of_job("Process"), "CacheHitResult": {"SourcePipelineExecutionArn": source}}
    begun = began("Tune", status="Executing")
    del begun["EndTime"]
    service.steps(cached, begun, name=RUN)
    service.answer("describe_processing_job", {"ProcessingJobName": "job-Process"},
                   **processing("Process"))  # fmt: skip
    parameters(service)
    domains(service)
    text = pipeline_command("status", "--env", "prod").stdout
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    assert ["1", "Process", "Processing", "Cached", "from abcdefghijkl"] in rows
    (search,) = (row for row in rows if row[0] == "2")
    assert search[1:4] == ["Tune", "Tuning", "Executing"]
    assert re.fullmatch(r"\d+ h \d+ min", search[4])
    assert f"next       pipeline stop {RUN} --env prod\n" in text
    assert "registered" not in text


@pytest.mark.parametrize(("outcome", "said"), [("true", "passes"), ("false", "fails")])
def test_a_completed_execution_shows_the_gate_and_what_may_be_approved(
    service: Service, outcome: str, said: str
) -> None:
    completed(service, outcome, "PendingManualApproval")
    domains(service)
    arn = execution_arn(service.settings)
    text = pipeline_command("status", arn, "--env", "prod").stdout
    assert f"gate       auc > 0.75  {said}\n" in text
    assert "took       31 min 0 s\n" in text
    assert "as of      2026-01-01T00:00:00Z\n" in text
    decides = "next       pipeline approve 3 --env prod, or pipeline reject 3 --env prod\n"
    assert (decides in text) == (outcome == "true")
    assert f"registered {'pets version 3' if outcome == 'true' else 'nothing'}\n" in text


def test_a_program_reads_the_same_as_json(service: Service) -> None:
    failed(service)
    content = json.loads(
        pipeline_command("status", RUN, "--env", "prod", "--json", status=1).stdout
    )
    assert (content["run"], content["status"]) == (RUN, "Failed")
    third = content["steps"][2]
    assert (third["name"], third["status"], third["reason"]) == (
        "Evaluate", "Failed", "ClientError: no auc",
    )  # fmt: skip
    assert third["job"] == job_arn("processing-job", "job-Evaluate")
    assert [one["started"] for one in content["steps"][:1]] == ["2026-01-01T00:00:00Z"]


def test_waiting_tells_each_change_and_ends_as_the_execution_does(service: Service) -> None:
    published(service)
    started(service)
    domains(service)
    service.execution(status="Executing", name=RUN)
    service.steps(began("Process", status="Executing"), name=RUN)
    parameters(service)
    service.execution(status="Failed", name=RUN)
    service.steps(began("Process", status="Failed"), name=RUN)
    parameters(service)
    domains(service)
    text = pipeline_command("start", "--env", "prod", "--wait", status=1).stdout
    assert "\nExecuting  Process\nFailed     Process\n" in text
    assert "Process failed\n  the service gives no reason\n" in text


def test_who_stops_waiting_is_told_that_the_execution_goes_on(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(execution, "time", SimpleNamespace(sleep=interrupted))
    published(service)
    started(service)
    domains(service)
    service.execution(status="Executing", name=RUN)
    service.steps(began("Process", status="Executing"), name=RUN)
    parameters(service)
    done = pipeline_command("start", "--env", "prod", "--wait", status=130)
    assert done.stderr == (
        f"pipeline: stopped waiting; the execution continues; `pipeline stop {RUN} --env prod` "
        "stops it\n"
    )


@pytest.mark.parametrize(
    ("status", "ends_with"), [("Stopping", 1), ("Stopped", 1), ("CompletedWithFailures", 1)]
)
def test_an_execution_that_does_not_come_to_its_end_ends_with_1(
    service: Service, status: str, ends_with: int
) -> None:
    service.execution(status=status, name=RUN)
    service.steps(began("Process"), began("Tune", status="Stopped"), name=RUN)
    parameters(service)
    domains(service)
    text = pipeline_command("status", RUN, "--env", "prod", status=ends_with).stdout
    assert text.startswith(f"execution {RUN} of {pipeline(service.settings)}: {status}\n")


def test_the_beginning_of_an_id_is_enough_where_it_is_one_executions_alone(
    service: Service,
) -> None:
    runs = (("abcdefghijkl", "Executing"), ("abcxxxxxxxxx", "Succeeded"))
    listed(service, *runs)
    said = pipeline_command("stop", "abc", "--env", "prod", status=1).stderr
    assert said == (
        "pipeline: 2 executions begin with 'abc'; `pipeline runs --env prod` lists them\n"
    )
    listed(service, *runs)
    said = pipeline_command("stop", "xyz", "--env", "prod", status=1).stderr
    assert said == (
        "pipeline: there is no execution 'xyz'; `pipeline runs --env prod` lists them\n"
    )
    listed(service, *runs)
    described(service, "abcdefghijkl", "Executing")
    service.answer(
        "stop_pipeline_execution",
        {"PipelineExecutionArn": execution_arn(service.settings, "abcdefghijkl"),
         "ClientRequestToken": ANY},
    )  # fmt: skip
    done = pipeline_command("stop", "abcd", "--env", "prod")
    assert done.stdout.startswith("execution   abcdefghijkl was executing and is being stopped\n")


def described(service: Service, name: str, status: str) -> None:
    arn = {"PipelineExecutionArn": execution_arn(service.settings, name)}
    service.answer(
        "describe_pipeline_execution", arn, **arn, PipelineExecutionStatus=status,
        CreationTime=BEGAN, LastModifiedTime=ENDED,
    )  # fmt: skip


def test_an_execution_that_is_over_is_not_stopped(service: Service) -> None:
    described(service, RUN, "Succeeded")
    assert pipeline_command("stop", RUN, "--env", "prod", status=1).stderr == (
        f"pipeline: there is nothing to stop: execution {RUN} is Succeeded\n"
    )


def test_another_pipelines_execution_is_refused(service: Service) -> None:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/another/execution/{RUN}"
    said = pipeline_command("status", arn, "--env", "prod", status=1).stderr
    assert said == f"pipeline: expected an execution of {pipeline(service.settings)}, got {arn}\n"


def test_executions_are_listed_the_newest_first(service: Service) -> None:
    listed(service, (RUN, "Executing"), ("abcdefghijkl", "Succeeded"), ("third", "Failed"))
    service.steps(began("Create"), name=RUN)
    gate = {"Metadata": {"Condition": {"Outcome": "False"}}}
    service.steps({**began("Check"), **gate}, name="abcdefghijkl")
    assert pipeline_command("runs", "--env", "prod", "--last", "2").stdout == (
        f"{RUN}  running                2026-01-01T00:00:00Z  by hand\n"
        "abcdefghijkl  gate failed            2026-01-01T00:00:00Z  by hand\n"
    )
    listed(service, (RUN, "Succeeded"))
    package = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/pets-prod/7"
    passed = {"Metadata": {"Condition": {"Outcome": "True"}}}
    registered = {"Metadata": {"RegisterModel": {"Arn": package}}}
    service.steps({**began("Check"), **passed}, {**began("Register"), **registered}, name=RUN)
    (content,) = json.loads(pipeline_command("runs", "--env", "prod", "--json").stdout)
    assert (content["run"], content["status"]) == (RUN, "Succeeded")
    assert (content["verdict"], content["version"]) == ("registered", 7)
    listed(service)
    assert "has no execution in eu-west-1\n" in pipeline_command("runs", "--env", "prod").stdout


# Logs


def one_step(service: Service, step: dict[str, Any]) -> None:
    service.execution(name=RUN)
    service.steps(began("Create"), step, name=RUN)


def test_the_whole_log_of_a_step_is_printed(service: Service) -> None:
    one_step(service, of_job("Evaluate"))
    service.others("Evaluate")
    log("job-Evaluate", *(f"line {n}" for n in range(30)))
    printed = pipeline_command("logs", RUN, "Evaluate", "--env", "prod").stdout
    assert printed.splitlines() == [f"line {n}" for n in range(30)]


def test_the_logs_of_two_machines_are_told_apart(service: Service) -> None:
    one_step(service, of_job("Evaluate"))
    service.others("Evaluate")
    for host in ("algo-1", "algo-2"):
        log("job-Evaluate", f"from {host}", host=host)
    printed = pipeline_command("logs", RUN, "Evaluate", "--env", "prod").stdout
    assert printed.splitlines() == [
        "job-Evaluate/algo-1-1772000000:", "from algo-1",
        "job-Evaluate/algo-2-1772000000:", "from algo-2",
    ]  # fmt: skip


def test_a_search_shows_how_each_trial_ended_and_one_trials_log(service: Service) -> None:
    one_step(service, of_job("Tune", "TuningJob"))
    service.search()
    lines = pipeline_command("logs", RUN, "Tune", "--env", "prod").stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["001", "Completed", "tune-001"], ["002", "Completed", "tune-002"],
        ["003", "Stopped", "tune-003"], ["004", "Failed", "tune-004"],
    ]  # fmt: skip
    assert "validation:auc 0.91" in lines[1]
    log("tune-002", "[0]#011validation-auc:0.9", group="/aws/sagemaker/TrainingJobs")
    one_step(service, of_job("Tune", "TuningJob"))
    service.search()
    printed = pipeline_command("logs", RUN, "Tune", "--trial", "2", "--env", "prod").stdout
    assert printed == "[0]#011validation-auc:0.9\n"


@pytest.mark.parametrize(
    ("step", "asked", "said"),
    [
        (began("Check", Condition={"Outcome": "True"}), ("Check",),
         "Check has no log: a Condition step runs no container"),
        (began("Process"), ("Nothing",), "there is no step 'Nothing'; there is 1 Process, 2 "),
        (began("Process"), ("Evaluate",), "Evaluate has no log: it has not run (skipped)"),
        ({**began("Process"), "StepStatus": "Failed"}, ("Process",),
         "Process has no log: no job of it was started (failed)"),
        ({**began("Process"), "CacheHitResult": {"SourcePipelineExecutionArn": "a/b/older"}},
         ("Process",), "Process has no log here: its result is execution older's"),
    ],
)  # fmt: skip
def test_where_there_is_no_log_it_is_said_why(
    service: Service, step: dict[str, Any], asked: tuple[str, ...], said: str
) -> None:
    if asked == ("Nothing",):
        service.execution(name=RUN)
    else:
        one_step(service, step)
    status = 2 if asked == ("Nothing",) else 1
    printed = pipeline_command("logs", RUN, *asked, "--env", "prod", status=status).stderr
    assert printed.startswith(f"pipeline: {said}")


def test_a_job_that_has_printed_nothing_is_said(service: Service) -> None:
    one_step(service, of_job("Evaluate"))
    service.others("Evaluate")
    assert pipeline_command("logs", RUN, "Evaluate", "--env", "prod", status=1).stderr == (
        f"pipeline: {GROUP} has no log of job-Evaluate: it has printed nothing yet\n"
    )


# Addresses


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("eu-west-1", "https://eu-west-1.console.aws.amazon.com/"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/"),
        ("us-iso-east-1", ""),
    ],
)
def test_the_console_is_that_of_the_regions_part_of_aws(region: str, console: str) -> None:
    environment = Environment(ACCOUNT, region, name="prod")
    pages = (addresses.console(environment), addresses.job_logs(environment, RUN))
    for page in pages:
        assert page.startswith(console) and bool(page) == bool(console)


@pytest.mark.parametrize(
    ("host", "studio"),
    [
        ("d-abc.studio.cn-north-1.sagemaker.com.cn",
         "https://studio-d-abc.studio.cn-north-1.sagemaker.com.cn/"),
        ("studio-d-abc.studio.eu-west-1.sagemaker.aws",
         "https://studio-d-abc.studio.eu-west-1.sagemaker.aws/"),
    ],
)  # fmt: skip
def test_studios_host_is_the_one_that_the_domain_says(
    service: Service, host: str, studio: str
) -> None:
    domains(service, host)
    page = addresses.execution(service.sagemaker, PROD, "pets-prod", RUN)
    assert page == f"{studio}pipelines/view/pets-prod/executions/{RUN}/graph"


def test_without_a_domain_that_may_be_asked_for_it_is_the_jobs_logs(service: Service) -> None:
    service.stub.add_client_error("list_domains", "AccessDeniedException", "no")
    page = addresses.execution(service.sagemaker, PROD, "pets-prod", RUN)
    assert page == addresses.job_logs(PROD, RUN)


def test_the_words_are_those_of_the_commands_for_runs_here() -> None:
    names = set(main.main.commands)
    assert {"run", "runs", "show", "logs", "start", "status", "stop"} <= names
    for command in ("runs", "logs", "report"):
        options = {text for p in main.main.commands[command].params for text in p.opts}
        assert "--env" in options
    assert isinstance(main.main.commands["status"].params[0], click.Argument)


# Who may do it


def test_the_calls_of_the_commands_are_those_of_the_table(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kind of step is described, and every command has been given."""
    with recorded_calls(monkeypatch) as calls:
        published(service)
        listed(service, ("whole", "Succeeded"))
        service.steps(of_job("Process"), of_job("Tune"), name="whole")
        parameters(service, "whole")
        source = execution_arn(service.settings, "whole")
        selected = {"SelectedSteps": [{"StepName": "Evaluate"}],
                    "SourcePipelineExecutionArn": source}  # fmt: skip
        started(service, SelectiveExecutionConfig=selected)
        domains(service)
        pipeline_command("start", "--env", "prod", "--steps", "Evaluate")

        service.execution(status="Failed", name=RUN)
        broke = {**of_job("Evaluate"), "StepStatus": "Failed"}
        others = [began(step, **{kind: {"Arn": job_arn(kind, "job")}})
                  for step, kind in (("Create", "Model"), ("Transform", "TransformJob"),
                                     ("Register", "RegisterModel"))]  # fmt: skip
        service.steps(of_job("Tune", "TuningJob"), broke, *others, name=RUN)
        service.search()
        service.others("Evaluate")
        for operation in ("describe_model", "describe_transform_job", "describe_model_package"):
            service.stub.add_client_error(operation, "ResourceNotFound", "deleted")
        parameters(service)
        domains(service)
        log("job-Evaluate", "KeyError")
        pipeline_command("status", RUN, "--env", "prod", status=1)

        described(service, RUN, "Executing")
        service.answer(
            "stop_pipeline_execution",
            {"PipelineExecutionArn": execution_arn(service.settings, RUN),
             "ClientRequestToken": ANY},
        )  # fmt: skip
        pipeline_command("stop", RUN, "--env", "prod")
        monkeypatch.setattr(execution, "_compare", lambda *_: None)
        published(service, with_champion())
        serving(service, PACKAGE)
        started(service)
        domains(service)
        pipeline_command("start", "--env", "prod")
        group = {"ModelPackageGroupName": "pets-prod"}
        service.answer("list_model_packages", group, ModelPackageSummaryList=[])
        assert [*archives(service.sagemaker, PROD, "pets-prod")] == []  # as its report asks
        with Stubber(client("service-quotas")) as quota_stub:
            quota_stub.add_response("list_service_quotas", {"Quotas": []})
            assert quotas.by_name(boto3.Session()) == {}
    of_the_test = {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups",
                   "logs:PutLogEvents"}  # fmt: skip
    champion = permissions.CALLS["champion"].keys()
    assert calls - of_the_test == permissions.CALLS["operate"].keys() | champion
