"""The state machines through every path, in moto's interpreter (`pretend_account/machines.py`)."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

import container
import evidence
import verify_evidence
from ninesteps.infrastructure import state_machines, template
from ninesteps.profiles import profile as profiles
from ninesteps.profiles.stamps import plain
from ninesteps.settings import deploy as policy
from ninesteps.settings import loading as pipeline_settings
from ninesteps.settings.environment import Environment
from ninesteps.settings.judgement import Approval
from ninesteps.settings.operation import Schedule
from ninesteps.version import VERSION
from pretend_account import machines
from pretend_account.lessons import ACCOUNT, identity
from pretend_account.machines import (
    BUCKET,
    GROUP,
    MACHINES,
    NAME,
    REGION,
    ROLE,
    TOPIC,
    Account,
    Job,
    JobFailed,
    filled,
    package,
    passes,
)

ROOT = Path(__file__).resolve().parents[2]

PRODUCTION = Environment(ACCOUNT, REGION, bucket=BUCKET, name="prod")
OWN = pipeline_settings.load(Path(__file__).resolve().parents[2])
SETTINGS = dataclasses.replace(OWN, project=dataclasses.replace(OWN.project, pipeline="pets"))
STACK = {
    "Partition": "aws", "Region": REGION, "Account": ACCOUNT, "Name": NAME, "Pipeline": "pets",
    "Environment": "prod", "Group": GROUP, "Bucket": BUCKET, "TopicArn": TOPIC,
    "KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd", "JobRoleArn": ROLE,
    "EndpointRoleArn": ROLE, "RolloutArn": MACHINES["rollout"],
    "ComparesChampion": "no", "StartArn": MACHINES["start"], "AbTestArn": MACHINES["ab_test"],
}  # fmt: skip
STAMPS = {
    "profile": "churn", "profile_sha256": profiles.digest("churn"), "library": VERSION,
}  # fmt: skip
"""What a version of these settings says that it was made under."""

AT_ONCE = {"PollSeconds": "0", "MostPolls": "5", "BakeSeconds": "0"}
"""What shortens the waits of the tests: values of the stack, not other machines."""


def given(**texts: str) -> dict[str, str]:
    own = state_machines.substitutions(SETTINGS, PRODUCTION, "image")
    return {**own, **STACK, **AT_ONCE, **texts}


@pytest.fixture(autouse=True)
def of_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account of the tests, and its region as a job is told it."""
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", ACCOUNT)


@pytest.fixture
def account() -> Iterator[Account]:
    with machines.account(given()) as found:
        yield found


def approval(version: int, **detail: Any) -> dict[str, Any]:
    """EventBridge's event of an approval; a field that is None is left out."""
    fields = {
        "ModelPackageArn": package(version), "ModelPackageVersion": version,
        "ModelApprovalStatus": "Approved", "UpdatedModelPackageFields": ["ModelApprovalStatus"],
        **detail,
    }  # fmt: skip
    present = {name: value for name, value in fields.items() if value is not None}
    return {"time": "2026-11-25T10:00:05Z", "detail": present}


def rollout(account: Account, version: int) -> Any:
    return account.run("rollout", started(version))


def started(version: int) -> dict[str, Any]:
    return {"package": package(version), "version": version, "approved_at": "2026-11-25T10:00:00Z"}


def live(account: Account) -> int:
    """The version that production's config is of."""
    found = re.fullmatch(rf"{NAME}-v(\d+)-\w+", account.endpoints()[NAME])
    assert found
    return int(found[1])


# The definitions


def test_every_placeholder_is_given_and_every_one_that_is_given_is_used() -> None:
    texts = [path.read_text("utf-8") for path in (ROOT / template.FOLDER).glob("*.asl.json")]
    used = {name for text in texts for name in re.findall(r"\$\{(\w+)\}", text)}
    assert used == {*state_machines.OF_THE_STACK, *state_machines.OF_THE_SETTINGS}
    own = state_machines.substitutions(SETTINGS, PRODUCTION, "image")
    assert own.keys() == state_machines.OF_THE_SETTINGS.keys()
    assert STACK.keys() == state_machines.OF_THE_STACK.keys()


def test_what_is_waited_for_follows_from_the_settings() -> None:
    names = ("ApprovalSeconds", "MinimumIntervalSeconds", "WhenTooSoon")
    assert [given()[name] for name in names] == ["604800", "86400", "wait"]
    other = dataclasses.replace(
        SETTINGS, approval=Approval(days_to_answer=2),
        schedule=Schedule(arrival_interval_hours=6, when_too_soon="drop"),
    )  # fmt: skip
    found = state_machines.substitutions(other, PRODUCTION, "image")
    assert [found[name] for name in names] == ["172800", "21600", "drop"]


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_is_reached_named_once_and_ends(machine: str) -> None:
    definition = json.loads(filled(machine, given()))
    states = definition["States"]
    reached, waiting = set(), [definition["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += following(states[name])
    assert reached == set(states)
    for name, state in states.items():
        ends = state["Type"] in ("Succeed", "Fail")
        assert bool(following(state)) != ends, name


@pytest.mark.parametrize("machine", MACHINES)
def test_every_task_ends_in_time_retries_and_catches_all(machine: str) -> None:
    for name, state in json.loads(filled(machine, given()))["States"].items():
        if state["Type"] == "Task":
            assert "TimeoutSeconds" in state or "TimeoutSecondsPath" in state, name
            assert "Retry" in state or state["Resource"].endswith(".waitForTaskToken"), name
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name


def following(state: dict[str, Any]) -> list[str]:
    ways = [state, *state.get("Choices", []), *state.get("Catch", [])]
    names = [way["Next"] for way in ways if "Next" in way]
    return [*names, *([state["Default"]] if "Default" in state else [])]


# Rollout: done


def test_a_first_version_makes_the_endpoint_and_leaves_no_staging_behind(account: Account) -> None:
    version = account.register("Approved")
    assert rollout(account, version).status == "SUCCEEDED"
    assert live(account) == version and list(account.endpoints()) == [NAME]
    assert account.metadata(version)["rollout"] == "deployed"
    assert account.metadata(version)["execution"] == "abc"
    assert account.told() == [f"{NAME} v1: deployed"]
    scripts = [Job(account, one).script for one in account.called("create_processing_job")]
    assert scripts == ["verify_evidence.py", "golden_requests.py"]


def test_a_second_version_takes_over_by_the_policy(account: Account) -> None:
    assert rollout(account, account.register("Approved")).status == "SUCCEEDED"
    second = account.register("Approved")
    done = rollout(account, second)
    assert done.status == "SUCCEEDED" and live(account) == second
    assert done.states.count("LookAtProduction") == 3  # Updating, Updating, InService
    (update,) = account.called("update_endpoint")
    alarms = [f"{NAME}-5xx", f"{NAME}-latency"]
    assert update["DeploymentConfig"]["AutoRollbackConfiguration"] == {
        "Alarms": [{"AlarmName": name} for name in alarms]
    }
    traffic = update["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert traffic["Type"] == policy.TYPES[SETTINGS.deploy.rollout]


def test_a_model_and_a_config_of_the_same_content_are_used_again(account: Account) -> None:
    version = account.register("Approved")
    assert rollout(account, version).status == "SUCCEEDED"
    again = rollout(account, version)
    assert again.status == "SUCCEEDED" and "CreateModel" not in again.states
    assert len(account.called("create_model")) == 1 and not account.called("update_endpoint")


def test_noting_the_outcome_writes_no_status(account: Account) -> None:
    version = account.register("Approved")
    rollout(account, version)
    assert all("ModelApprovalStatus" not in one for one in account.called("update_model_package"))
    front = account.run(
        "approved", approval(version, UpdatedModelPackageFields=["CustomerMetadataProperties"])
    )
    assert front.states[-2:] == ["IsOfApproval", "NothingToDo"]


# Rollout: not done


def test_a_rollback_in_mid_shift_is_told_by_the_config_that_serves(account: Account) -> None:
    first = account.register("Approved")
    rollout(account, first)
    account.rolls_back = True
    second = account.register("Approved")
    done = rollout(account, second)
    assert done.error == "rolled back" and live(account) == first
    assert account.metadata(second)["rollout"] == "rolled back"
    assert done.states.count("WaitForProduction") == 3  # through RollingBack too


def test_a_failed_staging_endpoint_is_deleted_and_production_untouched(account: Account) -> None:
    version = account.register("Approved")
    account.statuses["*"] = ["Creating", "Failed"]
    done = rollout(account, version)
    assert done.error == "failed" and "the staging endpoint is Failed" in done.cause
    assert account.endpoints() == {} and "CreateEndpoint" not in done.states


def test_a_staging_endpoint_that_never_comes_up_is_deleted(account: Account) -> None:
    version = account.register("Approved")
    account.statuses["*"] = ["Creating"] * 20
    done = rollout(account, version)
    assert done.error == "failed" and account.endpoints() == {}
    assert done.states.count("LookAtStaging") == int(AT_ONCE["MostPolls"]) + 1


def test_a_staging_endpoint_that_cannot_be_deleted_is_told(account: Account) -> None:
    version = account.register("Approved")
    account.faults["delete_endpoint"] = ["ValidationException"] * 9
    assert rollout(account, version).status == "SUCCEEDED"
    assert account.told() == [f"{NAME} v1: a staging endpoint is left over", f"{NAME} v1: deployed"]


def test_a_wrong_answer_to_a_golden_request_refuses_the_version(account: Account) -> None:
    def answers_wrongly(job: Job) -> None:
        job.put("verdict.json", {"passed": False, "reason": "golden request 3 was answered '1'"})

    account.containers["golden_requests.py"] = answers_wrongly
    version = account.register("Approved")
    done = rollout(account, version)
    assert done.error == "refused" and "golden request 3" in done.cause
    assert account.endpoints() == {} and account.metadata(version)["rollout"] == "refused"


def test_evidence_that_does_not_do_refuses_the_version_before_anything_is_made(
    account: Account,
) -> None:
    def finds_it_altered(job: Job) -> None:
        job.put("verdict.json", {"passed": False, "reason": 'analysis has the digest "0a"'})

    account.containers["verify_evidence.py"] = finds_it_altered
    done = rollout(account, account.register("Approved"))
    assert done.error == "refused" and 'the digest "0a"' in done.cause
    assert not account.called("create_model") and not account.called("create_endpoint")


def verifies(job: Job) -> None:
    """The real job, up to the files that it reads, in the account that the machines are in."""
    folder = container.output_path("result")
    with contextlib.suppress(ReachedTheFiles):
        verify_evidence.main(job.arguments)
        job.put("verdict.json", (folder / "verdict.json").read_bytes())
        return
    passes(job)


class ReachedTheFiles(Exception):
    """The floors have passed, and the job turns to the evidence."""


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, ""),
        ({"library": "999.0.0+g0a"}, ""),
        ({"profile": "custom"}, "expected the profile 'churn', got 'custom': run the pipeline"),
        ({"profile_sha256": "0" * 64}, "got 000000000000: its floors have changed since, run the"),
        ({"library": "0.9.9+gff"}, f"expected library {plain(VERSION)} or newer, got 0.9.9+gff: "),
        ({"library": "new"}, "expected a library version such as 1.4.0, got 'new'"),
        (dict.fromkeys(STAMPS, ""), "expected profile, profile_sha256, library in its metadata"),
    ],
    ids=["as expected", "a newer library", "another profile", "another digest", "an older library",
         "no version", "no stamps"],
)  # fmt: skip
def test_a_version_of_other_floors_than_the_stacks_is_refused_before_anything_is_made(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, metadata: Any, reason: str
) -> None:
    def reached(*_: object) -> bytes:
        raise ReachedTheFiles

    monkeypatch.setattr(container, "BASE", tmp_path)
    monkeypatch.setattr(verify_evidence, "read_noted", reached)
    monkeypatch.setattr(evidence, "client", account.client)
    account.containers["verify_evidence.py"] = verifies
    stamps = {key: value for key, value in (STAMPS | metadata).items() if value}
    version = account.register("Approved", **stamps)
    done = rollout(account, version)
    if not reason:
        assert done.status == "SUCCEEDED" and live(account) == version
        return
    assert done.error == "refused" and reason in done.cause
    assert account.metadata(version)["rollout"] == "refused"
    assert not account.called("create_model") and not account.called("create_endpoint")


@pytest.mark.parametrize("script", ["verify_evidence.py", "golden_requests.py"])
def test_a_job_that_fails_or_decides_nothing_refuses_too(account: Account, script: str) -> None:
    def fails(job: Job) -> None:
        raise JobFailed("out of memory")

    account.containers[script] = fails
    version = account.register("Approved")
    failed = rollout(account, version)
    assert failed.error == "failed" and "out of memory" in failed.cause
    account.containers[script] = lambda job: None
    undecided = rollout(account, version)
    assert undecided.error == "failed" and account.endpoints() == {}


def test_a_job_that_hangs_is_given_up() -> None:
    with machines.account(given(JobSeconds="1")) as account:
        account.containers["golden_requests.py"] = lambda job: time.sleep(3)
        done = rollout(account, account.register("Approved"))
        assert done.error == "failed" and account.endpoints() == {}


def test_an_endpoint_that_could_never_be_made_is_deleted_so_that_the_next_can(
    account: Account,
) -> None:
    account.statuses[NAME] = ["Creating", "Failed"]
    version = account.register("Approved")
    assert rollout(account, version).error == "failed"
    assert account.endpoints() == {}
    account.statuses.clear()
    assert rollout(account, version).status == "SUCCEEDED"


def test_a_deployment_that_takes_too_long_is_given_up(account: Account) -> None:
    account.statuses[NAME] = ["Creating"] * 20
    done = rollout(account, account.register("Approved"))
    assert done.error == "failed" and "too long" in done.cause


def test_an_alarm_after_the_first_endpoint_has_baked_is_told(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")
    (alarm, _) = policy.alarms(SETTINGS.deploy, "binary")
    cloudwatch.put_metric_alarm(**alarm.properties(NAME))
    cloudwatch.set_alarm_state(AlarmName=f"{NAME}-5xx", StateValue="ALARM", StateReason="a test")
    done = rollout(account, account.register("Approved"))
    assert done.error == "in alarm" and f"{NAME}-5xx" in done.cause


def test_throttled_calls_are_tried_again(account: Account) -> None:
    version = account.register("Approved")
    operations = ("list_model_packages", "create_model", "create_endpoint", "describe_endpoint",
                  "create_processing_job", "get_object", "update_model_package")  # fmt: skip
    account.faults |= {operation: ["ThrottlingException"] * 2 for operation in operations}
    assert rollout(account, version).status == "SUCCEEDED"
    assert len(account.pauses) == 2 * len(operations)


def test_calls_that_are_throttled_without_end_fail_and_leave_nothing(account: Account) -> None:
    version = account.register("Approved")
    account.faults["describe_endpoint"] = ["ThrottlingException"] * 50
    done = rollout(account, version)
    assert done.error == "failed" and account.endpoints() == {}
    assert account.metadata(version)["rollout"] == "failed"


# Rollout: several versions


def test_of_two_approved_versions_the_newer_wins_and_the_older_says_so(account: Account) -> None:
    older, newer = account.register("Approved"), account.register("Approved")
    assert rollout(account, older).status == "SUCCEEDED"
    assert account.metadata(older)["rollout"] == "superseded"
    assert not account.endpoints()
    assert rollout(account, newer).status == "SUCCEEDED" and live(account) == newer


def test_a_version_that_is_superseded_on_staging_never_reaches_production(account: Account) -> None:
    older, newer = account.register("Approved"), account.register()
    account.before["delete_endpoint"] = lambda _: account.decide(newer, "Approved")
    done = rollout(account, older)
    assert done.status == "SUCCEEDED" and account.metadata(older)["rollout"] == "superseded"
    assert not account.endpoints()


def test_a_version_that_is_rejected_meanwhile_never_reaches_production(account: Account) -> None:
    version = account.register("Approved")
    account.before["delete_endpoint"] = lambda _: account.decide(version, "Rejected")
    assert rollout(account, version).status == "SUCCEEDED"
    assert account.metadata(version)["rollout"] == "withdrawn" and not account.endpoints()


def test_a_rollout_waits_while_another_updates_and_then_looks_again(account: Account) -> None:
    first = account.register("Approved")
    rollout(account, first)
    second = account.register("Approved")
    account.statuses[NAME] = ["Updating", "RollingBack", "InService"]
    done = rollout(account, second)
    assert done.status == "SUCCEEDED" and live(account) == second
    assert done.states.count("WaitForOther") == 2
    assert done.states.count("ListApproved") == 4


def test_an_update_that_another_was_faster_with_is_looked_at_again(account: Account) -> None:
    rollout(account, account.register("Approved"))
    second = account.register("Approved")
    account.faults["update_endpoint"] = ["ValidationException"] * 6  # retried 4 times, then seen
    done = rollout(account, second)
    assert done.status == "SUCCEEDED" and done.states.count("CountTry") == 1


def test_an_update_that_aws_always_refuses_ends(account: Account) -> None:
    rollout(account, account.register("Approved"))
    account.faults["update_endpoint"] = ["ValidationException"] * 100
    done = rollout(account, account.register("Approved"))
    assert done.error == "failed" and done.states.count("CountTry") == 5


def test_two_rollouts_at_once_end_on_the_newer_version(account: Account) -> None:
    older, newer = account.register("Approved"), account.register()
    met = threading.Event()

    def approve_the_newer(_: dict[str, Any]) -> None:
        if not met.is_set():
            met.set()
            account.decide(newer, "Approved")
            executions.append(account.start("rollout", started(newer)))

    executions: list[str] = []
    account.before["create_endpoint_config"] = approve_the_newer
    executions.append(account.start("rollout", started(older)))
    assert account.end(executions[0]).status == "SUCCEEDED"
    assert account.end(executions[1]).status == "SUCCEEDED"
    assert live(account) == newer and list(account.endpoints()) == [NAME]
    assert account.metadata(older)["rollout"] == "superseded"
    assert account.metadata(newer)["rollout"] == "deployed"


# The second approval


def asked(account: Account, execution: str) -> str:
    """The task token that was told."""
    until = time.monotonic() + machines.PATIENCE_SECONDS
    while time.monotonic() < until:
        if messages := [one["Message"] for one in account.called("publish")]:
            found = re.search(r"--task-output true --task-token (\S+)", messages[0])
            assert found
            return found[1]
        time.sleep(0.02)
    raise AssertionError(account.states(execution))


def test_a_second_approval_is_waited_for_and_answered_under_the_token() -> None:
    with machines.account(given(BeforeProduction="true")) as account:
        execution = account.start("rollout", started(account.register("Approved")))
        token = asked(account, execution)
        assert not account.endpoints()  # staging is gone, production has not begun
        account.client("stepfunctions").send_task_success(taskToken=token, output="true")
        assert account.end(execution).status == "SUCCEEDED" and live(account) == 1


def test_a_second_approval_that_is_refused_ends_the_rollout() -> None:
    with machines.account(given(BeforeProduction="true")) as account:
        execution = account.start("rollout", started(account.register("Approved")))
        token = asked(account, execution)
        account.client("stepfunctions").send_task_failure(taskToken=token, error="Refused")
        done = account.end(execution)
        assert done.error == "refused" and "Refused" in done.cause and not account.endpoints()


def test_a_second_approval_that_nobody_gives_ends_the_rollout() -> None:
    with machines.account(given(BeforeProduction="true", ApprovalSeconds="1")) as account:
        done = rollout(account, account.register("Approved"))
        assert done.error == "refused" and "in time" in done.cause and not account.endpoints()


# Autoscaling and data capture

SCALED = {"IsScaled": "true", "MaxInstances": "6", "TargetInvocations": "1000"}


def test_autoscaling_is_set_once_the_endpoint_is_there_and_an_update_keeps_it() -> None:
    with machines.account(given(**SCALED)) as account:
        for _ in range(2):
            assert rollout(account, account.register("Approved")).status == "SUCCEEDED"
        (update,) = account.called("update_endpoint")
        assert update["RetainAllVariantProperties"] is True
        target, again = account.called("register_scalable_target")
        assert target == again and (target["MinCapacity"], target["MaxCapacity"]) == (2, 6)
        assert target["ResourceId"] == f"endpoint/{NAME}/variant/main"
        scaling = account.client("application-autoscaling")
        (kept,) = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
        assert kept["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 1000


def test_autoscaling_that_cannot_be_set_is_told_of_an_endpoint_that_is_live() -> None:
    with machines.account(given(**SCALED)) as account:
        account.faults["register_scalable_target"] = ["ValidationException"] * 9
        version = account.register("Approved")
        assert rollout(account, version).error == "not scaled"
        assert live(account) == version and account.told() == [f"{NAME} v1: not scaled"]


def test_without_autoscaling_nothing_is_registered_and_the_settings_number_counts(
    account: Account,
) -> None:
    for _ in range(2):
        rollout(account, account.register("Approved"))
    (update,) = account.called("update_endpoint")
    assert update["RetainAllVariantProperties"] is False
    assert not account.called("register_scalable_target")


@pytest.mark.parametrize(("percent", "captures"), [("0", "false"), ("20", "true")])
def test_data_capture_is_of_production_alone_and_goes_to_the_bucket_with_its_key(
    percent: str, captures: str
) -> None:
    with machines.account(given(CapturePercent=percent, CapturesData=captures)) as account:
        rollout(account, account.register("Approved"))
        staging, production = account.called("create_endpoint_config")
        assert "DataCaptureConfig" not in staging
        kept = production["DataCaptureConfig"]
        assert (kept["EnableCapture"], kept["InitialSamplingPercentage"]) == (
            captures == "true", int(percent),
        )  # fmt: skip
        assert kept["DestinationS3Uri"] == f"s3://{BUCKET}/pets/captured"
        assert kept["KmsKeyId"] == STACK["KmsKeyArn"]


# The front


def test_an_approval_starts_its_rollout_once_however_often_its_event_comes(
    account: Account,
) -> None:
    version = account.register()
    account.decide(version, "Approved", approved_at="2026-11-25T10:00:00Z")
    first = account.run("approved", approval(version))
    (execution,) = account.executions("rollout")
    assert first.states[-1] == "Started" and execution["name"] == "v1-2026-11-25T10-00-00Z"
    account.end(execution["executionArn"])
    again = account.run("approved", {**approval(version), "time": "2026-11-25T10:09:00Z"})
    assert again.states[-1] == "Duplicate" and len(account.executions("rollout")) == 1


@pytest.mark.parametrize(
    "detail",
    [
        {"UpdatedModelPackageFields": ["CustomerMetadataProperties"]},
        {"ModelApprovalStatus": "Rejected"},
        {"ModelApprovalStatus": "PendingManualApproval"},
    ],
)
def test_an_event_that_is_no_approval_does_nothing(account: Account, detail: Any) -> None:
    version = account.register("Approved")
    assert account.run("approved", approval(version, **detail)).states[-1] == "NothingToDo"
    assert not account.executions("rollout") and not account.calls


NOTHING_SAID = {"UpdatedModelPackageFields": None}
"""AWS's sample of the event has no such field."""


def forgotten(account: Account) -> None:
    """What Step Functions does 90 days after the end of an execution: its name is free again."""
    for machine in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines:
        machine.executions.clear()


@pytest.mark.parametrize("noted", [{"approved_at": "2026-11-25T10:00:00Z"}, {}],
                         ids=["by the command", "in the console"])  # fmt: skip
@pytest.mark.parametrize("fields", [NOTHING_SAID, {}], ids=["nothing said", "said"])
def test_the_notes_of_a_rollout_start_no_other_even_when_its_name_is_free_again(
    account: Account, noted: dict[str, str], fields: dict[str, Any]
) -> None:
    version = account.register()
    account.decide(version, "Approved", **noted)
    event = approval(version, **fields)
    assert account.run("approved", event).states[-1] == "Started"
    (execution,) = account.executions("rollout")
    account.end(execution["executionArn"])
    assert account.metadata(version)["rollout"] == "deployed"
    note = approval(version, **NOTHING_SAID)
    said = approval(version, UpdatedModelPackageFields=["CustomerMetadataProperties"])
    for sent in (note, said, event if noted else note):
        assert account.run("approved", sent).states[-1] in ("NothingToDo", "Duplicate")
    forgotten(account)
    for sent in (note, said, event if noted else note):
        assert account.run("approved", sent).states[-1] in ("NothingToDo", "Duplicate")
    account.modified_by[package(version)] = identity("Scientist/bob")  # who edits a description
    assert account.run("approved", note).states[-1] in ("NothingToDo", "Duplicate")
    assert not account.executions("rollout")


def test_the_notes_of_a_refusal_start_nothing_and_another_approval_does() -> None:
    with machines.account(given(RequireSecondApprover="true")) as account:
        version = account.register()
        account.decide(version, "Approved", "Approver/bob")
        account.created_by = identity("Developer/bob")
        event = approval(version, **NOTHING_SAID)
        assert account.run("approved", event).error == "refused"
        assert account.run("approved", event).states[-1] == "NothingToDo"  # sent by its own note
        assert account.told() == [f"{NAME} v1: refused"]
        account.decide(version, "Approved", "Approver/ada")
        assert account.run("approved", event).states[-1] == "Started"
        for execution in account.executions("rollout"):
            account.end(execution["executionArn"])


def test_an_approval_that_is_overtaken_by_a_rejection_starts_nothing(account: Account) -> None:
    version = account.register("Rejected")
    assert account.run("approved", approval(version)).states[-1] == "NothingToDo"
    assert not account.executions("rollout")


@pytest.mark.parametrize(
    ("approver", "starter", "starts"),
    [
        ("Approver/ada", "Developer/bob", True),
        ("Approver/ada", "Developer/ada", False),  # one person in two roles
        (f"{NAME}-evidence/machine", "Developer/bob", False),  # nobody knows who approved
        ("Approver/ada", None, False),  # nor who started it
    ],
)
def test_a_second_approver(approver: str, starter: str | None, starts: bool) -> None:
    with machines.account(given(RequireSecondApprover="true")) as account:
        version = account.register()
        account.decide(version, "Approved", approver)
        account.created_by = {} if starter is None else identity(starter)
        done = account.run("approved", approval(version))
        assert bool(account.executions("rollout")) == starts
        if not starts:
            assert done.error == "refused" and account.told() == [f"{NAME} v1: refused"]
            assert account.metadata(version)["rollout"] == "refused"
        for execution in account.executions("rollout"):
            account.end(execution["executionArn"])


# Evidence


def registration(version: int) -> dict[str, Any]:
    event = approval(version, ModelApprovalStatus="PendingManualApproval")
    del event["detail"]["UpdatedModelPackageFields"]
    return event


def test_evidence_is_recorded_once_and_the_reviewers_are_told(account: Account) -> None:
    version = account.register()
    assert account.run("record_evidence", registration(version)).states[-1] == "Recorded"
    noted = account.metadata(version)
    assert noted["evaluation_sha256"] == "0a" and noted["execution"] == "abc"
    assert noted["golden_version_id"] and noted["evidence_recorded_at"]
    assert noted["evidence_version_id"] != noted["golden_version_id"]
    (notice,) = account.called("publish")
    assert " in its metadata. Look twice. Look at it by: pipeline registry" in notice["Message"]
    assert account.told() == [f"{NAME} v1 waits for approval"]
    again = account.run("record_evidence", registration(version))
    assert again.states[-1] == "NothingToDo" and account.metadata(version) == noted


def test_evidence_is_not_recorded_after_the_approval(account: Account) -> None:
    version = account.register("Approved")
    assert account.run("record_evidence", registration(version)).states[-1] == "NothingToDo"
    pending = account.register()
    account.before["head_object"] = lambda _: account.decide(pending, "Approved")
    assert account.run("record_evidence", registration(pending)).states[-1] == "NothingToDo"
    assert "evidence_recorded_at" not in account.metadata(pending)


def test_evidence_that_cannot_be_recorded_is_told(account: Account) -> None:
    def fails(job: Job) -> None:
        raise JobFailed("the bucket keeps no versions")

    account.containers["record_evidence.py"] = fails
    done = account.run("record_evidence", registration(account.register()))
    assert done.error == "NotRecorded" and "keeps no versions" in done.cause
    assert account.told() == [f"{NAME} v1: no evidence was recorded"]


# Data arrival

ARRIVED = "2026-11-25T10:00:00Z"


def arrival(account: Account, marker: object, key: str = "pets/arrivals/1.json") -> Any:
    body = marker if isinstance(marker, str) else json.dumps(marker)
    account.s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())
    event = {"detail": {"bucket": {"name": BUCKET}, "object": {"key": key}}}
    return account.run("data_arrival", event)


def run_of(account: Account, as_of: str, started_at: str) -> str:
    """A run that was started before."""
    found = account.sagemaker.start_pipeline_execution(
        PipelineName=NAME, PipelineParameters=[{"Name": "AsOf", "Value": as_of}]
    )
    account.started[found["PipelineExecutionArn"]] = started_at
    return str(found["PipelineExecutionArn"])


def test_arrived_rows_start_the_pipeline_as_of_the_last_of_them(account: Account) -> None:
    done = arrival(account, {"rows": 120, "largest_write_time": ARRIVED})
    assert done.states[-1] == "Started"
    (request,) = account.called("start_pipeline_execution")
    assert request["PipelineParameters"] == [{"Name": "AsOf", "Value": ARRIVED}]


# With the version that serves

START = {"as_of": ARRIVED, "token": "t" * 40, "description": "by the schedule"}


def serve(account: Account, version: int) -> str:
    """An endpoint with the model of a version; gives its archive."""
    described = account.describe_package(version)
    name = f"{NAME}-v{version}-abcd"
    account.sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=ROLE,
        PrimaryContainer={"ModelPackageName": described["ModelPackageArn"]},
    )  # fmt: skip
    variant = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.large",
               "InitialInstanceCount": 1}  # fmt: skip
    account.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    account.sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=name)
    return str(described["InferenceSpecification"]["Containers"][0]["ModelDataUrl"])


def test_a_scheduled_run_is_compared_with_the_version_that_serves(account: Account) -> None:
    archive = serve(account, account.register())
    done = account.run("start", START)
    assert done.states[-1] == "Started"
    (request,) = account.called("start_pipeline_execution")
    assert request["PipelineParameters"] == [
        {"Name": "AsOf", "Value": ARRIVED}, {"Name": "ChampionModel", "Value": archive}
    ]  # fmt: skip
    assert request["ClientRequestToken"] == START["token"]


def test_without_an_endpoint_the_definitions_empty_archive_counts(account: Account) -> None:
    account.register()
    done = account.run("start", START)
    assert done.states[-2:] == ["StartWithoutChampion", "Started"]
    (request,) = account.called("start_pipeline_execution")
    assert request["PipelineParameters"] == [{"Name": "AsOf", "Value": ARRIVED}]


def test_what_keeps_a_scheduled_run_from_starting_is_told(account: Account) -> None:
    serve(account, account.register())
    account.faults["describe_model_package"] = ["ThrottlingException"] * 9
    done = account.run("start", START)
    assert done.error == "NotStarted"
    assert account.told() == [f"{NAME}: no run was started"]
    assert not account.called("start_pipeline_execution")


def test_arrived_rows_start_a_run_that_is_compared_with_it() -> None:
    with machines.account(given(ComparesChampion="yes")) as account:
        archive = serve(account, account.register())
        done = arrival(account, {"rows": 120, "largest_write_time": ARRIVED})
        assert done.states[-2:] == ["StartWithChampion", "Started"]
        (execution,) = account.executions("start")
        account.end(execution["executionArn"])
        (request,) = account.called("start_pipeline_execution")
        assert {"Name": "ChampionModel", "Value": archive} in request["PipelineParameters"]
        assert {"Name": "AsOf", "Value": ARRIVED} in request["PipelineParameters"]


def test_the_same_marker_again_starts_no_second_run(account: Account) -> None:
    arrival(account, {"rows": 120, "largest_write_time": ARRIVED})
    again = arrival(account, {"rows": 120, "largest_write_time": ARRIVED})
    assert again.states[-1] == "InARunAlready"
    assert len(account.called("start_pipeline_execution")) == 1


@pytest.mark.parametrize(
    ("marker", "ends"),
    [
        ({"rows": 0, "largest_write_time": ARRIVED}, "NothingArrived"),
        ({"rows": "many", "largest_write_time": ARRIVED}, "NotStarted"),
        ({"rows": 5}, "NotStarted"),
        ({"rows": 5, "largest_write_time": "yesterday"}, "NotStarted"),
        ("no JSON", "NotStarted"),
    ],
)
def test_a_marker_without_rows_or_without_sense_starts_nothing(
    account: Account, marker: object, ends: str
) -> None:
    assert arrival(account, marker).states[-1] == ends
    assert not account.called("start_pipeline_execution")
    assert bool(account.told()) == (ends == "NotStarted")


def test_a_run_that_goes_on_is_waited_for_and_rows_it_has_are_dropped(account: Account) -> None:
    run_of(account, "2026-11-25T09:00:00Z", "2020-01-01T00:00:00.000Z")
    account.statuses[NAME] = ["Executing", "Stopping", "Succeeded"]
    done = arrival(account, {"rows": 1, "largest_write_time": ARRIVED})
    assert done.states[-1] == "Started" and done.states.count("WaitForRun") == 2
    run_of(account, "2026-11-25T11:00:00Z", "2020-01-01T00:00:00.000Z")
    account.statuses[NAME] = ["Executing"]
    late = arrival(account, {"rows": 1, "largest_write_time": "2026-11-25T10:30:00Z"}, "other")
    assert late.states[-1] == "InARunAlready"


def test_a_run_that_never_ends_is_told(account: Account) -> None:
    run_of(account, "2026-11-25T09:00:00Z", "2020-01-01T00:00:00.000Z")
    account.statuses[NAME] = ["Executing"] * 20
    done = arrival(account, {"rows": 1, "largest_write_time": ARRIVED})
    assert done.error == "NotStarted" and "still runs" in done.cause


@pytest.mark.parametrize(
    ("interval", "when", "ends"),
    [("3600", "drop", "TooSoon"), ("2", "wait", "Started"), ("0", "drop", "Started")],
)
def test_the_least_interval_since_the_last_start(interval: str, when: str, ends: str) -> None:
    with machines.account(given(MinimumIntervalSeconds=interval, WhenTooSoon=when)) as account:
        run_of(
            account, "2026-11-25T09:00:00Z", time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        )
        done = arrival(account, {"rows": 1, "largest_write_time": ARRIVED})
        assert done.states[-1] == ends
        assert ("WaitForInterval" in done.states) == (when == "wait")
