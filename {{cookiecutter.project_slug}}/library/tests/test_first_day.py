"""The whole first day of a pipeline in an account, in one test; without a statement, it fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import first_day
from first_day import NAME, Day
from pretend_account.iam import Identity, decide


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """The day, when it is over."""
    with first_day.day_in(tmp_path_factory.mktemp("day")) as found:
        first_day.live(found)
        yield found


def test_from_bootstrap_to_an_endpoint_that_answers(day: Day) -> None:
    runs = day.account.machine_runs()
    assert all(runs.values()), runs
    assert {state for machine in runs.values() for state, _ in machine} == {"SUCCEEDED"}, runs
    assert [*day.account.served] == [NAME]  # and the staging endpoint is gone
    subjects = [notice["Subject"] for notice in day.account.told if "Subject" in notice]
    assert subjects == [f"{NAME} v1 waits for approval", f"{NAME} v1: deployed"]


def test_each_principal_was_asked_and_nothing_was_denied(day: Day) -> None:
    assert all(decision.allowed for decision in day.account.uses.values())
    asked = {use.principal.removeprefix(f"{NAME}-") for use in day.account.uses}
    assert asked == {
        "approved", "approver", "data-arrival", "endpoint", "events", "evidence", "features",
        "ingest of the table", "job", "operator", "pipeline", "publisher", "record of the table",
        "rollout", "schedule of the table", "scheduler",
    }  # fmt: skip


def test_the_page_shows_every_command_with_what_it_prints(day: Day) -> None:
    shown = first_day.shown()
    assert [command for command, _ in shown] == [said.command for said in day.said]
    for (command, output), said in zip(shown, day.said, strict=True):
        assert first_day.steady(output) == first_day.steady(said.output), command


_REFUSED = "an approval that is refused is noted and told"
_SCALED = "[deploy] lets no endpoint scale itself"

NOT_ON_THE_FIRST_DAY: dict[tuple[str, str], str] = {
    ("approved", "kms:Decrypt"): _REFUSED,
    ("approved", "sagemaker:UpdateModelPackage"): _REFUSED,
    ("approved", "sns:Publish"): _REFUSED,
    ("approver", "s3:ListBucket"): "by it S3 says that a file is missing, and none is",
    ("approver", "states:SendTaskFailure"): "[approval] before_production is off",
    ("data-arrival", "sns:Publish"): "it tells of starts that fail",
    ("endpoint", "s3:PutObject"): "[deploy] captures no requests",
    (
        "operator",
        "servicequotas:ListServiceQuotas",
    ): "`pipeline check --env` asks",
    ("pipeline", "lakeformation:GetDataAccess"): "Lake Formation governs no table here",
    ("pipeline", "s3:ListMultipartUploadParts"): "no answer of Athena is written in parts",
    ("rollout", "application-autoscaling:PutScalingPolicy"): _SCALED,
    ("rollout", "cloudwatch:DeleteAlarms"): _SCALED,
    ("rollout", "iam:CreateServiceLinkedRole"): _SCALED,
    ("rollout", "sagemaker:DescribeEndpointConfig"): "no endpoint is updated on the first day",
    ("rollout", "sagemaker:UpdateEndpoint"): "no endpoint is updated on the first day",
    ("rollout", "sagemaker:UpdateEndpointWeightsAndCapacities"): _SCALED,
    ("scheduler", "kms:Decrypt"): "no firing is lost, to be put into the queue",
    (
        "scheduler",
        "sqs:SendMessage",
    ): "no firing is lost, to be put into the queue",
}
"""Statements that nothing of the day needs, by role and first action, each with the reason."""


def test_without_a_statement_something_of_the_day_is_denied(day: Day) -> None:
    idle = {}
    for role, identity in day.account.roles().items():
        asked = [use.asked for use in day.account.uses if use.principal == role]
        for number, statement in enumerate(identity.statements):
            without: Identity = identity.without(number)
            if all(decide(without, one).allowed for one in asked):
                actions = statement["Action"]
                first = actions if isinstance(actions, str) else sorted(actions)[0]
                idle[role.removeprefix(f"{NAME}-"), first] = number
    assert idle.keys() == NOT_ON_THE_FIRST_DAY.keys()
