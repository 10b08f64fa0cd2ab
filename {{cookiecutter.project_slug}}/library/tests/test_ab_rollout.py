"""The state machine of an A/B test through every path, in moto's interpreter, with the real job."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ab_events
import container
import decide_ab_test
from ab_events import Outcome, Reply
from ninesteps.errors import SettingsError
from ninesteps.infrastructure import state_machines
from ninesteps.settings.ab_test import AbTest
from ninesteps.settings.deploy import AB_TEST, Deploy
from ninesteps.settings.toml import RuleBroken
from ninesteps.terminal import registry
from pretend_account import machines
from pretend_account.lessons import client_error
from pretend_account.machines import BUCKET, NAME, ROLE, Account, Job, JobFailed, package
from test_rollout import PRODUCTION, ROOT, SETTINGS, approval, given, rollout

IS_FULL = int(os.environ.get("AB_RUNS", "80")) >= 2000

QUICK = {"AbTests": "true", "WatchSeconds": "0", "WatchesALook": "2", "LooksAnExecution": "2"}
OWN = {name: value for name, value in given().items() if name in QUICK and name != "AbTests"}
"""What the stack has in the place of `QUICK`."""
TEST, CONFIG = "0a1b2c3d", f"{NAME}-v2-4e5f"
NOTED = {"ab_users": "main 900 challenger 100", "ab_rates": "main 0.5 challenger 0.6",
         "ab_e_better": "41.2", "ab_e_worse": "0.1"}  # fmt: skip


@pytest.fixture(autouse=True)
def of_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account of the tests, and its region as a job is told it."""
    monkeypatch.setenv("AWS_REGION", machines.REGION)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", machines.ACCOUNT)


@pytest.fixture
def account() -> Iterator[Account]:
    """With version 1 in production, and version 2 approved."""
    with machines.account(given(**QUICK)) as found:
        for _ in range(2):
            found.register("Approved")
        put_into_production(found, 1)
        yield found


def put_into_production(account: Account, version: int) -> None:
    variant = {"VariantName": "main", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    for one in (version, version + 1):
        name = model_of(one)
        account.sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=ROLE,
            PrimaryContainer={"ModelPackageName": package(one)},
        )  # fmt: skip
        account.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**variant, "ModelName": name}]
        )
    account.sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=model_of(version))


def model_of(version: int) -> str:
    """What a model and its config are called."""
    return f"{NAME}-v{version}-{given()['ServingTag']}"


def begun(**fields: Any) -> dict[str, Any]:
    """What the rollout starts a test with."""
    return {
        "package": package(2), "version": 2, "target": model_of(2), "incumbent": model_of(1),
        "config": CONFIG, "test": TEST, "look": 0, "share": 10,
        "started_at": "2026-11-25T10:00:00.000Z", **fields,
    }  # fmt: skip


def decides(*decisions: dict[str, Any] | Exception) -> Callable[[Job], None]:
    """A job that decides one after the other; the last again and again."""
    left = list(decisions)

    def run(job: Job) -> None:
        decision = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(decision, Exception):
            raise decision
        look = int(job.arguments[job.arguments.index("--look") + 1])
        whole = {"look": look, "outcome": "continue", "reason": "too few users", "share": 10,
                 "takes_over": False, "metadata": NOTED, **decision}  # fmt: skip
        job.put("decision.json", {k: v for k, v in whole.items() if v is not None})

    return run


BETTER = {"outcome": "better", "reason": "after 1,000 users", "share": 100, "takes_over": True}
WORSE = {"outcome": "worse", "reason": "after 300 users", "share": 0}


def tried(account: Account, *decisions: dict[str, Any] | Exception, **fields: Any) -> Any:
    """A test with a job that decides so, to the end of the execution that begins it."""
    account.containers["decide_ab_test.py"] = decides(*decisions)
    return account.run("ab_test", begun(**fields))


def config(account: Account) -> str:
    """Production's."""
    return account.endpoints()[NAME]


def shares(account: Account) -> list[float]:
    """The challenger's weights that were set, in percent."""
    return [
        one["DesiredWeight"]
        for request in account.called("update_endpoint_weights_and_capacities")
        for one in request["DesiredWeightsAndCapacities"] if one["VariantName"] == "challenger"
    ]  # fmt: skip


def alarm(account: Account, name: str = "5xx") -> None:
    cloudwatch = account.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=f"{NAME}-challenger-{name}", Namespace="AWS/SageMaker", MetricName="x",
        ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, Period=60, Threshold=1,
        Statistic="Average",
    )  # fmt: skip
    cloudwatch.set_alarm_state(
        AlarmName=f"{NAME}-challenger-{name}", StateValue="ALARM", StateReason="a test"
    )


# How a test ends


def test_a_better_version_gets_more_of_the_users_and_then_all(account: Account) -> None:
    done = tried(account, {}, {"share": 50}, BETTER)
    assert done.states[-1] == "Continued"  # two looks an execution
    (second,) = [e for e in account.executions("ab_test") if e["name"] == f"v2-{TEST}-2"]
    assert account.end(second["executionArn"]).status == "SUCCEEDED"
    assert shares(account) == [50, 100] and account.weights == {"main": 0, "challenger": 100}
    assert config(account) == model_of(2)
    noted = account.metadata(2)
    assert noted["rollout"] == "deployed" and noted["ab_outcome"] == "better"
    assert {key: noted[key] for key in NOTED} == NOTED
    assert dict(registry._rolled_out(noted, None))["A/B test"] == "better"
    assert [text for _, text in registry._rolled_out(noted, None)][-2:] == [
        "users: main 900 challenger 100; rates: main 0.5 challenger 0.6",
        "evidence: better 41.2 to 1, worse 0.1 to 1",
    ]
    assert noted["execution"] == "abc"
    assert account.told() == [f"{NAME} v2: deployed"]
    assert "after 1,000 users" in account.called("publish")[0]["Message"]


def test_a_test_is_entered_and_left_all_at_once_and_main_is_the_version_before(
    account: Account,
) -> None:
    tried(account, WORSE)
    (made,) = account.called("create_endpoint_config")
    variants = [
        (one["VariantName"], one["ModelName"], one["InitialVariantWeight"])
        for one in made["ProductionVariants"]
    ]
    assert variants == [("main", model_of(1), 90), ("challenger", model_of(2), 10)]
    updates = account.called("update_endpoint")
    assert [one["EndpointConfigName"] for one in updates] == [CONFIG, model_of(1)]
    assert all("DeploymentConfig" not in one for one in updates)


@pytest.mark.parametrize("outcome", ["worse", "inconclusive"] if IS_FULL else ["inconclusive"])
def test_a_version_that_did_not_win_gets_no_user(account: Account, outcome: str) -> None:
    done = tried(account, {**WORSE, "outcome": outcome})
    assert done.error == outcome and done.cause == "after 300 users"
    assert shares(account) == [0] and config(account) == model_of(1)
    assert account.metadata(2)["rollout"] == account.metadata(2)["ab_outcome"] == outcome
    assert account.metadata(2)["ab_users"] == NOTED["ab_users"]
    assert account.told() == [f"{NAME} v2: {outcome}"]


def test_an_inconclusive_version_takes_over_where_the_job_says_so(account: Account) -> None:
    assert tried(account, {**BETTER, "outcome": "inconclusive"}).status == "SUCCEEDED"
    assert config(account) == model_of(2)
    assert account.metadata(2)["ab_outcome"] == "inconclusive"


def test_an_alarm_of_the_challenger_ends_the_test_before_any_decision(account: Account) -> None:
    alarm(account)
    done = tried(account, {})
    assert done.error == "guardrail" and f"{NAME}-challenger-5xx" in done.cause
    assert shares(account) == [0] and config(account) == model_of(1)
    assert not account.called("create_processing_job")
    assert account.metadata(2)["ab_outcome"] == "guardrail"


def test_an_alarm_with_all_of_the_traffic_gives_it_back(account: Account) -> None:
    account.before["update_endpoint_weights_and_capacities"] = lambda _: alarm(account, "latency")
    done = tried(account, BETTER)
    assert done.error == "guardrail" and shares(account) == [100, 0]
    assert config(account) == model_of(1)


def test_to_reject_the_version_is_to_end_its_test(account: Account) -> None:
    account.before["describe_alarms"] = lambda _: account.decide(2, "Rejected")
    done = tried(account, {})
    assert done.status == "SUCCEEDED" and config(account) == model_of(1)
    assert account.metadata(2)["rollout"] == "withdrawn" and shares(account) == [0]


# Nothing leaves two variants behind


FAULTS = {
    "create_endpoint_config": "could not be started",
    "describe_endpoint_config": "could not be started",
    "describe_alarms": "could not continue",
    "list_model_packages": "could not continue",
    "get_object": "could not continue",
}


@pytest.mark.parametrize("operation", FAULTS if IS_FULL else [*FAULTS][::4])
def test_a_call_that_fails_without_end_gives_all_of_the_traffic_back(
    account: Account, operation: str
) -> None:
    account.faults[operation] = ["ThrottlingException"] * 6
    done = tried(account, {})
    assert done.error == "failed" and FAULTS[operation] in done.cause
    assert config(account) == model_of(1) and account.metadata(2)["rollout"] == "failed"
    assert account.told() == [f"{NAME} v2: failed"]


def test_throttled_calls_are_tried_again(account: Account) -> None:
    operations = ("create_endpoint_config", "update_endpoint", "describe_endpoint",
                  "describe_alarms", "create_processing_job", "get_object",
                  "update_endpoint_weights_and_capacities", "update_model_package")  # fmt: skip
    account.faults |= {operation: ["ThrottlingException"] * 2 for operation in operations}
    assert tried(account, BETTER).status == "SUCCEEDED" and config(account) == model_of(2)


def test_a_job_that_fails_now_and_then_ends_no_test(account: Account) -> None:
    fails = JobFailed("no capacity")
    assert tried(account, fails, fails, fails, BETTER).status == "SUCCEEDED"
    looks = [Job(account, one).arguments for one in account.called("create_processing_job")]
    assert {one[one.index("--look") + 1] for one in looks} == {"1"} and len(looks) == 4


def test_a_job_that_always_fails_ends_it(account: Account) -> None:
    done = tried(account, JobFailed("out of memory"))
    assert done.error == "failed" and "out of memory" in done.cause
    assert config(account) == model_of(1) and shares(account) == [0]


@pytest.mark.parametrize("key", ["look", "metadata"] if IS_FULL else ["metadata"])
def test_a_decision_that_lacks_something_ends_it(account: Account, key: str) -> None:
    done = tried(account, {key: None})
    assert done.error == "failed" and "left no decision" in done.cause
    assert config(account) == model_of(1)


def test_a_decision_of_another_look_ends_it(account: Account) -> None:
    done = tried(account, {"look": 7})
    assert done.error == "failed" and "left no decision" in done.cause


def test_a_share_that_cannot_be_set_ends_it(account: Account) -> None:
    account.faults["update_endpoint_weights_and_capacities"] = ["ThrottlingException"] * 12
    done = tried(account, {"share": 50})
    assert done.error == "failed" and config(account) == model_of(1)
    assert not account.weights


def test_all_of_the_users_come_with_the_single_variant_where_weights_cannot_be_set(
    account: Account,
) -> None:
    account.faults["update_endpoint_weights_and_capacities"] = ["ThrottlingException"] * 6
    assert tried(account, BETTER).status == "SUCCEEDED" and config(account) == model_of(2)


def test_a_test_whose_instances_do_not_start_leaves_the_version_before(account: Account) -> None:
    account.rolls_back = True
    done = tried(account, {})
    assert done.error == "failed" and "did not start" in done.cause
    assert config(account) == model_of(1) and not shares(account)


def test_an_endpoint_that_is_updated_for_ever_is_told(account: Account) -> None:
    account.before["describe_endpoint"] = lambda _: account.statuses.update(
        {NAME: ["Updating", "Updating"]}
    )
    done = tried(account, {})
    assert done.error == "failed" and "too long" in done.cause


def test_an_endpoint_that_breaks_as_it_is_entered_is_given_back(account: Account) -> None:
    account.before["describe_endpoint"] = broken_once(account)
    done = tried(account, {})
    assert done.error == "failed" and "the endpoint was Failed" in done.cause
    assert config(account) == model_of(1)


def broken_once(account: Account, look: int = 1) -> Callable[[dict[str, Any]], None]:
    """Let the endpoint be Failed at a look, and InService afterwards."""
    count = iter(range(1, 1000))

    def shown(_: dict[str, Any]) -> None:
        if next(count) == look:
            account.statuses[NAME] = ["Failed"]

    return shown


def test_an_endpoint_that_breaks_within_the_test_is_given_back(account: Account) -> None:
    account.before["describe_endpoint"] = broken_once(account, 4)  # Updating, Updating, InService
    done = tried(account, {})
    assert done.error == "failed" and "the endpoint was Failed" in done.cause
    assert done.states.count("LookAtEntry") == 3 and config(account) == model_of(1)


def test_an_endpoint_that_breaks_with_new_weights_is_given_back(account: Account) -> None:
    account.before["update_endpoint_weights_and_capacities"] = lambda _: account.before.update(
        {"describe_endpoint": broken_once(account)}
    )
    done = tried(account, {"share": 50})
    assert done.error == "failed" and "the endpoint is Failed" in done.cause
    assert config(account) == model_of(1)


def test_a_config_that_another_has_given_the_endpoint_is_left_alone(account: Account) -> None:
    def another(_: dict[str, Any]) -> None:
        account._endpoint(NAME).endpoint_config_name = model_of(2)

    account.before["describe_alarms"] = another
    done = tried(account, {})
    assert done.error == "failed" and "nothing was restored" in done.cause
    assert config(account) == model_of(2) and not shares(account)


def test_a_test_that_cannot_be_left_is_told_as_such(account: Account) -> None:
    entered = [None, *["ValidationException"] * 60]

    def refuse(_: dict[str, Any]) -> None:
        if entered.pop(0):
            account.faults["update_endpoint"] = ["ValidationException"]

    account.before["update_endpoint"] = refuse
    done = tried(account, WORSE)
    assert done.error == "failed" and "still has two variants" in done.cause
    assert done.states.count("CountTry") == 5 and account.weights == {"main": 100, "challenger": 0}


def test_an_end_that_rolls_back_is_tried_again(account: Account) -> None:
    def rolls_back(request: dict[str, Any]) -> None:
        account.rolls_back = request["EndpointConfigName"] != CONFIG and "again" not in seen
        seen.update({"again"} if account.rolls_back else ())

    seen: set[str] = set()
    account.before["update_endpoint"] = rolls_back
    done = tried(account, BETTER)
    assert done.status == "SUCCEEDED" and config(account) == model_of(2)
    assert done.states.count("CountTry") == 1


# Executions


def test_a_test_goes_on_as_another_execution_with_its_share_and_moment(account: Account) -> None:
    tried(account, {"share": 50}, {"share": 50}, {"share": 50}, {"share": 50}, WORSE)
    waiting = [f"v2-{TEST}-2", f"v2-{TEST}-4"]
    for name in waiting:
        (found,) = [e for e in account.executions("ab_test") if e["name"] == name]
        last = account.end(found["executionArn"])
    assert last.error == "worse" and "CreateTestConfig" not in last.states
    assert shares(account) == [50, 0] and config(account) == model_of(1)
    starts = [request["input"] for request in account.called("start_execution")]
    first, second = (json.loads(one) if isinstance(one, str) else one for one in starts)
    assert (first["look"], second["look"], second["share"]) == (2, 4, 50)
    assert first["started_at"] == second["started_at"] != begun()["started_at"]


def test_an_execution_has_less_events_than_step_functions_takes(account: Account) -> None:
    """Twice over: of a day's watches and looks, by the events of one watch and of one look."""
    account.containers["decide_ab_test.py"] = decides({}, WORSE)
    execution = account.start("ab_test", begun())
    account.end(execution)
    history = account.client("stepfunctions").get_execution_history(
        executionArn=execution, maxResults=1000
    )["events"]
    states = [one.get("stateEnteredEventDetails", {}).get("name") for one in history]
    watches = [number for number, name in enumerate(states) if name == "WaitForUsers"]
    first, second, third = watches[:3]  # the second ends in a look
    of_a_watch, of_a_look = second - first, third - second
    assert (of_a_watch, of_a_look) == (20, 48)
    given_ = {name: int(value) for name, value in OWN.items()}
    per_look = of_a_watch * (given_["WatchesALook"] - 1) + of_a_look
    assert 2 * per_look * given_["LooksAnExecution"] < 25_000
    seconds = given_["WatchSeconds"] * given_["WatchesALook"] * given_["LooksAnExecution"]
    assert seconds == 24 * 3600


# The rollout before it


def test_a_rollout_starts_the_test_of_what_passed_staging(account: Account) -> None:
    account.containers["decide_ab_test.py"] = decides(WORSE)
    done = rollout(account, 2)
    assert done.status == "SUCCEEDED" and done.states[-1] == "Done"
    assert "AreGolden" in done.states and not [s for s in done.states if s == "UpdateEndpoint"]
    (execution,) = account.executions("ab_test")
    assert account.end(execution["executionArn"]).error == "worse"
    config_of_the_test = account.called("update_endpoint")[0]["EndpointConfigName"]
    assert re.fullmatch(rf"{NAME}-v2-[0-9a-f]{{4}}", config_of_the_test)
    assert sorted(account.told()) == [f"{NAME} v2: in test", f"{NAME} v2: worse"]
    (begins,) = [one["Message"] for one in account.called("publish") if "in test" in one["Subject"]]
    state = account.called("get_object")[-1]["Key"]
    assert begins.endswith(f"Its state: s3://{BUCKET}/{state}")
    assert config(account) == model_of(1)


def test_a_first_version_gets_all_of_the_traffic_and_says_so() -> None:
    with machines.account(given(**QUICK)) as account:
        done = rollout(account, account.register("Approved"))
        assert done.status == "SUCCEEDED" and not account.executions("ab_test")
        assert "without an A/B test: no version served" in account.called("publish")[0]["Message"]


@pytest.mark.parametrize("tests", ["true", "false"])
def test_while_a_test_goes_on_another_version_is_refused(tests: str) -> None:
    with machines.account(given(**{**QUICK, "AbTests": tests})) as account:
        for _ in range(3):
            account.register("Approved")
        put_into_production(account, 1)
        under_test(account)
        done = rollout(account, 3)
        assert done.error == "refused" and f"{model_of(2)} is in an A/B test" in done.cause
        assert account.metadata(3)["rollout"] == "refused" and config(account) == CONFIG


def under_test(account: Account) -> None:
    """Give production both variants."""
    variants = [
        {"VariantName": name, "ModelName": model_of(number), "InitialInstanceCount": 1,
         "InstanceType": "ml.m5.large"}
        for number, name in enumerate(ab_events.VARIANTS, 1)
    ]  # fmt: skip
    account.sagemaker.create_endpoint_config(EndpointConfigName=CONFIG, ProductionVariants=variants)
    account._endpoint(NAME).endpoint_config_name = CONFIG


def test_the_notes_of_a_test_start_no_other_rollout(account: Account) -> None:
    tried(account, WORSE)
    account.modified_by[package(2)] = {
        "IamIdentity": {"Arn": f"arn:aws:sts::{machines.ACCOUNT}:assumed-role/{NAME}-ab-test/x"}
    }
    event = approval(2, UpdatedModelPackageFields=None)
    assert account.run("approved", event).states[-1] == "NothingToDo"


# The job


def events(account: Account, name: str, lines: list[str]) -> None:
    """An object that an application has written."""
    body = "".join(f"{line}\n" for line in lines).encode()
    account.s3.put_object(Bucket=BUCKET, Key=f"pets/ab-events/{CONFIG}/{name}.jsonl", Body=body)


def users(first: int, count: int, at: datetime, wins: Callable[[str, int], bool]) -> list[str]:
    """The events of users who each ask once, five seconds apart."""
    lines = []
    for number in range(first, first + count):
        digest = ab_events.user_digest(CONFIG, f"user {number}")
        variant, moment = ab_events.variant_of(digest, 50), at.timestamp() + 5 * number
        reply = Reply(moment, f"r{number}", digest, 50, variant, 200, 20.0)
        outcome = Outcome(moment + 1, f"r{number}", wins(variant, number))
        lines += [ab_events.line(reply), ab_events.line(outcome)]
    return lines


@pytest.fixture
def real_job(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Account:
    """The account with the job as it runs there, on events that a test puts into the bucket."""

    def run(job: Job) -> None:
        monkeypatch.setattr(container, "BASE", tmp_path)
        decide_ab_test.main(job.arguments)
        for name in ("state.json", "decision.json"):
            job.put(name, (container.output_path("result") / name).read_bytes())

    monkeypatch.setattr(decide_ab_test, "client", account.client)
    account.containers["decide_ab_test.py"] = run
    return account


def test_the_job_decides_by_the_events_and_reads_each_once(real_job: Account) -> None:
    account, now = real_job, datetime.now(UTC)
    week_ago = now - timedelta(days=8)

    def wins(variant: str, number: int) -> bool:
        return (variant == "main") != (number % 10 < 2)

    events(account, "1", users(0, 30, week_ago, wins))
    written = iter([
        lambda: events(account, "2", ["no event", *users(30, 300, week_ago, wins)]),
    ])  # fmt: skip
    account.before["create_processing_job"] = lambda _: next(written, lambda: None)()
    done = account.run("ab_test", begun(share=50))
    assert done.error == "worse" and "the challenger is worse" in done.cause
    assert "of 661 lines 1 are no events, the first: pets/ab-events/" in done.cause
    noted = account.metadata(2)
    assert re.fullmatch(r"main \d+ challenger \d+", noted["ab_users"])
    assert float(noted["ab_e_worse"]) >= 40 > 1 > float(noted["ab_e_better"])


def test_a_test_whose_events_nobody_writes_ends_after_its_days() -> None:
    now = datetime.now(UTC)
    test = decide_ab_test.ABTest(decide_ab_test.Rules(max_days=14))
    assert decide_ab_test.decide(test, now - timedelta(days=13), now).outcome == "continue"
    ended = decide_ab_test.decide(test, now - timedelta(days=14), now)
    assert (ended.outcome, ended.share) == ("inconclusive", 0)
    assert ended.why == "14 days have passed, and no reply was written"


def test_an_object_is_read_once_though_a_later_one_sorts_before_it(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide_ab_test, "client", account.client)
    place = decide_ab_test.Place.of(f"s3://{BUCKET}/pets/ab-events/{CONFIG}/")
    state, now = (
        decide_ab_test.State(decide_ab_test.ABTest(decide_ab_test.Rules())),
        datetime.now(UTC),
    )

    def look(at: datetime) -> int:
        before = state.lines
        decide_ab_test.take_in(state, place, at)
        return state.lines - before

    events(account, "2", users(0, 3, now, lambda *_: True))
    assert (look(now), state.after) == (6, "")
    events(account, "1", users(3, 2, now, lambda *_: True))
    assert (look(now), look(now)) == (4, 0) and len(state.seen) == 2
    kept = decide_ab_test.State.of(json.loads(json.dumps(state.as_json())))
    assert kept.seen == state.seen and kept.test.replies == state.test.replies == [
        sum(state.test.replies) - state.test.replies[1], state.test.replies[1]
    ]  # fmt: skip
    assert look(now + timedelta(hours=3)) == 0
    assert state.after.endswith("/2.jsonl") and state.seen == []
    listed = list(decide_ab_test.objects(place, state.after))
    assert listed == []  # what was read is not listed again


def test_a_look_without_the_state_of_the_one_before_fails(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide_ab_test, "client", account.client)
    place, rules = decide_ab_test.Place(BUCKET, "state.json"), decide_ab_test.Rules()
    with pytest.raises(decide_ab_test.LookError, match=r"expected the state of look 4 .* got none"):
        decide_ab_test.read_state(place, 5, rules)
    state = decide_ab_test.State(decide_ab_test.ABTest(rules), 4)
    account.s3.put_object(Bucket=BUCKET, Key="state.json", Body=json.dumps(state.as_json()))
    assert decide_ab_test.read_state(place, 5, rules).look == 5
    with pytest.raises(decide_ab_test.LookError, match=r"look 5 .* got that of 4"):
        decide_ab_test.read_state(place, 6, rules)


def test_the_rules_are_those_of_the_settings() -> None:
    ab = AbTest(first_share=5, share=40, margin=0.05, on_inconclusive="take_over", max_days=21)
    deploy = Deploy(rollout=AB_TEST, max_error_percent=2.5, max_latency_ms=300)
    settings = dataclasses.replace(SETTINGS, ab=ab, deploy=deploy)
    found = state_machines.substitutions(settings, PRODUCTION, "image")
    rules = decide_ab_test.read_rules(found["AbTestRules"])
    assert dataclasses.asdict(rules).items() >= {
        **{k: v for k, v in dataclasses.asdict(ab).items() if k not in ("outcome", "salt")},
        "max_error_percent": 2.5, "max_latency_ms": 300,
    }.items()  # fmt: skip
    assert found["AbTests"] == "true" and found["FirstShare"] == "5"
    with pytest.raises(decide_ab_test.LookError, match="got odds"):
        decide_ab_test.read_rules("odds=2")
    long = dataclasses.replace(ab, alpha=0.1234567890123456, margin=0.1234567890123456,
                               first_users=1_000_000, min_users=1_000_000,
                               max_refusal_points=12.34567890123456)  # fmt: skip
    slow = dataclasses.replace(deploy, max_error_percent=1.234567890123456)
    with pytest.raises(SettingsError, match="fewer digits"):
        state_machines.substitutions(
            dataclasses.replace(settings, ab=long, deploy=slow), PRODUCTION, "image"
        )


def test_a_test_is_of_variants_of_equal_size() -> None:
    with pytest.raises(RuleBroken, match="variants have the same size"):
        Deploy(rollout=AB_TEST, max_instances=6, target_invocations=100)


# The application of docs/ab-test-aws.md


@pytest.fixture
def page() -> str:
    return (ROOT.parent / "docs" / "ab-test-aws.md").read_text(encoding="utf-8")


def of_kind(page: str, language: str) -> str:
    """The first block of a language."""
    return page.split(f"```{language}\n", 1)[1].split("\n```", 1)[0]


def test_the_applications_events_are_the_jobs(
    page: str, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    weights = {"main": 50.0, "challenger": 50.0}

    def invoke_endpoint(**request: Any) -> dict[str, Any]:
        asked.append(request)
        if request.get("TargetVariant") == "challenger" and "challenger" not in weights:
            raise client_error("ValidationError", "InvokeEndpoint")
        return {"Body": "a reply"}

    def describe_endpoint(EndpointName: str) -> dict[str, Any]:
        variants = [{"VariantName": name, "CurrentWeight": value}
                    for name, value in weights.items()]  # fmt: skip
        return {"EndpointConfigName": CONFIG, "ProductionVariants": variants}

    clients = {
        "sagemaker-runtime": SimpleNamespace(invoke_endpoint=invoke_endpoint),
        "sagemaker": SimpleNamespace(describe_endpoint=describe_endpoint), "s3": account.s3,
    }  # fmt: skip
    monkeypatch.setattr("boto3.client", clients.__getitem__)
    written = of_kind(page, "python").replace('"BUCKET"', f'"{BUCKET}"')
    application: dict[str, Any] = {}
    exec(written.replace("customer-churn/ab-events", "pets/ab-events"), application)  # noqa: S102
    for number in range(40):
        answer, told = application["ask"](f"user {number}", b"{}")
        assert answer == {"Body": "a reply"}
        application["tell"](told, number % 2 == 0)
    assert {one["TargetVariant"] for one in asked} == set(ab_events.VARIANTS)
    again = [one["TargetVariant"] for one in asked]
    asked.clear()
    for number in range(40):
        application["ask"](f"user {number}", b"{}")
    assert [one["TargetVariant"] for one in asked] == again
    application["flush"]()
    monkeypatch.setattr(decide_ab_test, "client", account.client)
    state = decide_ab_test.State(decide_ab_test.ABTest(decide_ab_test.Rules()))
    place = decide_ab_test.Place.of(f"s3://{BUCKET}/pets/ab-events/{CONFIG}/")
    decide_ab_test.take_in(state, place, datetime.now(UTC))
    assert (state.lines, state.unreadable) == (120, 0)
    state.test.look(time.time() + 1)
    assert sum(state.test.bets.users) == 40 and sum(state.test.bets.resolved) == 20

    del weights["challenger"]  # it has just ended: who asks has not looked since
    gone = next(n for n, variant in enumerate(again) if variant == "challenger")
    assert application["ask"](f"user {gone}", b"{}") == ({"Body": "a reply"}, None)
    asked.clear()
    assert application["ask"]("user 0", b"{}")[1] is None and "TargetVariant" not in asked[0]


def test_the_application_needs_what_the_page_says(page: str) -> None:
    statements = json.loads(of_kind(page, "json"))["Statement"]
    given_ = [one["Action"] for one in statements]
    actions = {action for one in given_ for action in ([one] if isinstance(one, str) else one)}
    calls = set(re.findall(r"\b(?:runtime|sagemaker|s3)\.(\w+)\(", of_kind(page, "python")))
    assert calls == {"describe_endpoint", "invoke_endpoint", "put_object"}
    assert actions == {"sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint", "s3:PutObject",
                       "kms:GenerateDataKey"}  # fmt: skip
    assert all(one["Resource"] != "*" for one in statements)
