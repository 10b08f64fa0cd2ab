"""What an execution and a year cost: hours by what jobs take, money by a team's table."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from account_runs import (
    BEGAN,
    PROD,
    ROOT,
    Service,
    client,
    execution_arn,
    of_job,
    pipeline,
    processing,
)
from accounts import sign_in
from ninesteps.cli import here, main
from ninesteps.errors import SettingsError
from ninesteps.runs import compiled, cost
from ninesteps.runs.cost import Use
from ninesteps.settings import cadence, prices
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.deploy import Deploy
from ninesteps.settings.operation import Schedule
from ninesteps.settings.prices import Prices
from ninesteps.settings.settings import Settings
from test_quotas import C5, M5, search
from test_quotas import pipeline as small
from test_quotas import processing as step

PRICES = f"""
date = "2026-11-01"
currency = "EUR"
region = "eu-west-1"

[processing]
"{M5}" = 0.5
[training]
"{M5}" = 1
[endpoint]
"{M5}" = 0.25
"""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    own = pipeline_settings.load(ROOT)
    chosen = dataclasses.replace(
        own,
        environments={"prod": dataclasses.replace(PROD, name="")},
        deploy=Deploy(instance_type=M5, instances=2),
        schedule=Schedule("quarterly"),
    )
    monkeypatch.setattr(here, "root", lambda: tmp_path)
    monkeypatch.setattr(here, "settings_with_table", lambda: chosen)
    here.show_notice.cache_clear()
    text = json.dumps(small(step("A", 2), search("Tune", 4, M5)))
    monkeypatch.setattr(compiled, "compiled", lambda *_: compiled.Compiled(text, {}))
    return chosen


def run(*arguments: str, status: int = 0) -> Result:
    done = CliRunner().invoke(main.main, ["cost", *arguments])
    assert done.exit_code == status, done.output
    return done


def rows(done: Result) -> list[list[str]]:
    """The table's rows by their columns: 16, 18 and the numbers."""
    return [[line[:16].strip(), line[16:34].strip(), *line[34:].split()]
            for line in done.stdout.splitlines() if line]  # fmt: skip


def test_without_an_execution_hours_are_the_most_that_the_definition_allows(
    settings: Settings,
) -> None:
    done = run()
    assert done.stdout.startswith("counted     at most: every job is counted with its time")
    found = rows(done)
    assert ["processing job", M5, "0.33"] in found  # two instances, ten minutes
    assert ["training job", M5, "6.00"] in found  # twelve trials of two instances, a quarter hour
    assert ["executions", "x 4 (quarterly)", "25.33"] in found
    assert ["endpoint", f"2 {M5}", "17,520.00"] in found
    assert ["a year", "", "17,545.33"] in found
    assert "prices      none: prices.toml, which your team writes, does not exist\n" in done.stdout


def test_a_job_that_nothing_ends_is_counted_with_the_longest_that_has_an_end() -> None:
    transform = {"Name": "Predict", "Type": "Transform", "Arguments": {
        "TransformResources": {"InstanceType": M5, "InstanceCount": 3}}}  # fmt: skip
    basis, uses = cost.of_definition(small(step("A", 1), transform), None)
    assert basis.endswith("; Predict has no limit: 10")
    assert uses == [Use("processing job", M5, 1 / 6), Use("transform job", M5, 0.5)]
    with pytest.raises(SettingsError, match="expected --minutes, because no job"):
        cost.of_definition(small(transform), None)


def test_prices_of_the_team_give_money_and_those_that_are_missing_are_named(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / prices.FILE).write_text(PRICES, encoding="utf-8")
    done = run("--minutes", "30")
    found = rows(done)
    assert ["processing job", M5, "1.00", "0.50"] in found
    assert ["training job", M5, "12.00", "12.00"] in found
    assert ["an execution", "", "13.00", "12.50"] in found
    assert ["executions", "x 4 (quarterly)", "52.00", "50.00"] in found
    assert ["a year", "", "17,572.00", "4,430.00"] in found
    assert "missing" not in done.stdout
    less = PRICES.replace(f'[training]\n"{M5}" = 1\n', f'[training]\n"{C5}" = 1\n')
    (tmp_path / prices.FILE).write_text(less, encoding="utf-8")
    done = run("--minutes", "30")
    assert ["training job", M5, "12.00", "?"] in rows(done)
    assert ["an execution", "", "13.00", "?"] in rows(done)
    assert f'            missing: [training] "{M5}"\n' in done.stdout


def test_a_program_reads_the_same_as_json(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / prices.FILE).write_text(PRICES, encoding="utf-8")
    content = json.loads(run("--minutes", "30", "--json").stdout)
    assert content["money_a_year"] == 4430.0
    assert content["executions_a_year"] == 4
    assert content["execution"][0] == {
        "use": "processing job", "instance_type": M5, "hours": 1.0, "money": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('date = "today"', "prices.toml date: expected a day such as 2026-11-27, got 'today'"),
        ('currency = "euro"', "prices.toml currency: expected three letters such as USD"),
        ("[processing]\nm5 = 1", "prices.toml processing: expected an instance type such as"),
        (f'[training]\n"{M5}" = -1', "prices.toml training: expected a price of 0 or more, got"),
        (f'[training]\n"{M5}" = "1"', "prices.toml [training] ml.m5.large: expected a number"),
        ("[storage]", "prices.toml storage: "),
    ],
)
def test_a_wrong_table_is_one_sentence(
    settings: Settings, tmp_path: Path, change: str, said: str
) -> None:
    key = change.partition(" ")[0] if "=" in change.partition("\n")[0] else ""
    head = ['date = "2026-11-01"', 'currency = "EUR"', 'region = "eu-west-1"']
    lines = [line for line in head if not key or not line.startswith(key)]
    (tmp_path / prices.FILE).write_text("\n".join([*lines, change]), encoding="utf-8")
    done = run(status=2)
    assert done.stderr.startswith(f"pipeline: {said}"), done.stderr
    assert done.stderr.count("\n") == 1


def test_old_prices_and_those_of_another_region_are_a_notice() -> None:
    own = Prices("2026-01-01", "USD", "eu-west-1")
    assert own.notices("eu-west-1", date(2026, 6, 30)) == []
    assert own.notices("us-east-1", date(2026, 7, 1)) == [
        "prices.toml: its prices are from 2026-01-01, 181 days ago: look them up again",
        "prices.toml: its prices are for eu-west-1, not us-east-1",
    ]


@pytest.mark.parametrize(
    ("text", "times"),
    [("none", 0), ("daily", 365), ("monthly", 12), ("annual", 1), ("rate(12 hours)", 730),
     ("rate(400 days)", 0), ("cron(0 6 ? * MON-FRI *)", 261)],
)  # fmt: skip
def test_a_cadence_says_how_often_a_year_it_fires(text: str, times: int) -> None:
    assert cadence.parse(text).in_a_year(datetime(2026, 11, 27, tzinfo=UTC)) == times


# What an execution in an account took


@pytest.fixture
def service(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Service]:
    sign_in(monkeypatch, tmp_path)
    with mock_aws():
        made = Service(settings)
        monkeypatch.setattr(boto3.Session, "client", lambda session, name, **_: client(name))
        with made.stub:
            yield made
            made.stub.assert_no_pending_responses()


def listed(service: Service, *executions: tuple[str, str]) -> None:
    asked = {"PipelineName": pipeline(service.settings), "SortBy": "CreationTime",
             "SortOrder": "Descending"}  # fmt: skip
    summaries = [
        {"PipelineExecutionArn": execution_arn(service.settings, name), "StartTime": BEGAN,
         "PipelineExecutionStatus": status}
        for name, status in executions
    ]  # fmt: skip
    service.answer("list_pipeline_executions", asked, PipelineExecutionSummaries=summaries)


def timed(name: str, minutes: int, instances: int) -> dict[str, Any]:
    answer = processing(name)
    answer["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = instances
    return {**answer, "ProcessingStartTime": BEGAN,
            "ProcessingEndTime": BEGAN + timedelta(minutes=minutes)}  # fmt: skip


def test_with_an_account_hours_are_what_the_latest_whole_execution_took(
    service: Service, tmp_path: Path
) -> None:
    """One that failed is passed over, and one that reused a result."""
    (tmp_path / prices.FILE).write_text(PRICES, encoding="utf-8")
    listed(service, ("broke", "Failed"), ("reused", "Succeeded"), ("whole", "Succeeded"))
    cached = {**of_job("Process"), "CacheHitResult": {"SourcePipelineExecutionArn": "a/b"}}
    service.steps(of_job("Evaluate"), cached, name="reused")
    service.steps(of_job("Process"), of_job("Evaluate"), name="whole")
    service.execution(name="whole")
    service.steps(of_job("Process"), of_job("Evaluate"), name="whole")
    for name, minutes, instances in (("Process", 30, 2), ("Evaluate", 15, 1)):
        asked = {"ProcessingJobName": f"job-{name}"}
        service.answer("describe_processing_job", asked, **timed(name, minutes, instances))
    service.answer(
        "list_pipeline_parameters_for_execution",
        {"PipelineExecutionArn": execution_arn(service.settings, "whole")},
        PipelineParameters=[],
    )
    done = run("--env", "prod")
    assert done.stdout.startswith(
        "counted     times of the jobs of execution whole of 2026-01-01T00:00:00Z\n"
    )
    assert ["processing job", M5, "1.25", "0.62"] in rows(done)
    assert "missing" not in done.stdout


def test_a_searchs_hours_are_those_of_its_trials() -> None:
    from ninesteps.report.facts import StepFacts

    trials = [
        {"TrainingJobName": "1", "TrainingStartTime": BEGAN,
         "TrainingEndTime": BEGAN + timedelta(minutes=30)},
        {"TrainingJobName": "2", "TrainingJobDefinitionName": "b", "TrainingStartTime": BEGAN,
         "TrainingEndTime": BEGAN + timedelta(minutes=60)},
        {"TrainingJobName": "3"},
    ]  # fmt: skip
    shared = [{"DefinitionName": name, "ResourceConfig": {"InstanceType": kind, "InstanceCount": 2}}
              for name, kind in (("a", M5), ("b", C5))]  # fmt: skip
    answer = {"TrainingJobDefinitions": shared, "TrainingJobSummaries": trials}
    tuned = StepFacts("Tune", "Tuning", (), {}, answer=answer)
    assert list(cost._took(tuned)) == [
        Use("training job", M5, 1.0), Use("training job", C5, 2.0),
    ]  # fmt: skip
    assert list(cost._took(dataclasses.replace(tuned, source="older"))) == []


def test_where_no_execution_has_succeeded_it_is_said_what_to_do(service: Service) -> None:
    listed(service, ("broke", "Failed"))
    assert run("--env", "prod", status=1).stderr == (
        f"pipeline: no execution of {pipeline(service.settings)} has succeeded in eu-west-1: leave "
        "out --env, or give --minutes\n"
    )


def test_what_is_expected_and_what_was_measured_exclude_each_other(settings: Settings) -> None:
    assert (
        "expected --minutes or --env, got both"
        in run("--env", "prod", "--minutes", "5", status=2).stderr
    )
