"""`pipeline deploy`, `rollback` and `endpoint`: which version, from where, and what is said."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import registered
from endpoints import RECORDS, ROOT, answer, noted
from ninesteps.cli import main as command_line
from ninesteps.errors import DeployError
from ninesteps.lineage.local import graph_of_version
from ninesteps.local.endpoint.server import Endpoint, Options
from ninesteps.local.state import KeptStep, Record, State, digest_of, digest_of_text
from ninesteps.registry.registry import Approvals, Version
from ninesteps.repository.identity import whoami
from ninesteps.runs.rehearsal import Rehearsal
from ninesteps.settings import loading as pipeline_settings
from ninesteps.terminal.deployment import sentence
from registered import BUCKET, GROUP, acted_on, pipeline, register, settings


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with acted_on(tmp_path, monkeypatch) as folder:
        yield folder


def test_versions_are_deployed_gone_back_from_and_shown(local: Path) -> None:
    register(local, 1)
    register(local, 2)
    first = pipeline("deploy", "1", "--port", "0")
    assert (first.exit_code, first.output.splitlines()[0]) == (0, "version 1 serves")
    again = pipeline("deploy", "1")
    assert (again.exit_code, again.output) == (2, "pipeline: version 1 is already served\n")
    second = pipeline("deploy", "2", "--time-scale", "1000")
    assert second.exit_code == 0, second.output
    assert second.output.splitlines()[:2] == [
        "canary: 10 % of 2 instances is 1: half of the traffic, then all",
        "version 2 serves, after version 1",
    ]
    status = json.loads(pipeline("endpoint", "--json").output)
    assert (status["version"], status["previous"]) == (2, 1)
    (archive,) = (local / "endpoint/archives").iterdir()
    assert archive.name.startswith("2-")
    assert second.output.splitlines()[2] == f"http://127.0.0.1:{status['port']}/invocations"
    back = pipeline("rollback", "--who", "Al", "--why", "slow")
    assert back.output.startswith("version 1 serves, after version 2")
    by = [(one["who"], one["reason"]) for one in noted(Rehearsal(ROOT, local, settings()))]
    assert by == [*[(whoami(ROOT), "no reason given")] * 4, *[("Al", "slow")] * 2]
    assert "version 1 serves, after version 2; by Al: slow\n" in pipeline("endpoint").output
    in_registry = json.loads(pipeline("registry", "2", "--json").output)["deployments"]
    assert [(one["what"], one["who"], one["why"]) for one in in_registry] == [
        ("deployed in place of version 1", whoami(ROOT), "no reason given"),
        ("rolled back to version 1", "Al", "slow"),
    ]
    assert "rolled back to version 1 Al: slow" in " ".join(pipeline("registry", "2").output.split())
    again = json.loads(pipeline("registry", "1", "--json").output)["deployments"]
    assert [one["what"] for one in again] == [
        "deployed",
        "deployed again: version 2 was rolled back",
    ]
    blank = pipeline("rollback", "--why", " ")
    assert (blank.exit_code, "why: expected a reason, got ' '" in blank.output) == (2, True)
    entries = [e for e in State(local / "state.db").events() if "from" in e.facts]
    assert [(e.kind, e.facts["from"], e.facts["to"], e.facts["by_hand"]) for e in entries] == [
        ("deployed", None, 1, False), ("deployed", 1, 2, False), ("rolled back", 2, 1, True)
    ]  # fmt: skip
    assert {e.facts["group"] for e in entries} == {GROUP}
    assert [e.facts["who"] for e in entries] == [whoami(ROOT), whoami(ROOT), "Al"]
    assert entries[-1].facts["reason_sha256"] == digest_of_text("slow")
    assert "slow" not in str(entries)
    assert all(len(e.facts["model"]) == 64 for e in entries)
    assert "100 %" in pipeline("endpoint").output
    example = json.loads(pipeline("endpoint", "--example", "--json").output)
    first = [float(field) for field in RECORDS[0].split(",")]  # whose id is none of the table's
    assert example == {"instances": [{"features": first}]}
    both = pipeline("endpoint", "--example", "--stop")
    assert (both.exit_code, "--example: not with --stop" in both.output) == (2, True)
    going_on = deployments_in_lineage(local, 1)
    assert pipeline("endpoint", "--stop").output == "the endpoint is stopped\n"
    assert_lineage_has_the_traffic(local, going_on)
    assert not list((local / "endpoint/archives").iterdir())
    gone = pipeline("endpoint")
    assert (gone.exit_code, gone.output) == (
        2, "pipeline: no endpoint is running here; `pipeline deploy V` starts one\n",
    )  # fmt: skip


def deployments_in_lineage(local: Path, version: int) -> list[dict[str, str]]:
    """The facts of a version's deployments, the oldest first."""
    graph = graph_of_version(local, settings(), version)
    return [dict(e.properties) for e in graph.entities.values() if e.type == "ModelDeployment"]


def assert_lineage_has_the_traffic(local: Path, going_on: list[dict[str, str]]) -> None:
    """Version 1 served, then 2, then 1 again: each stretch is that deployment's own."""
    assert "served until" not in going_on[-1]
    assert going_on[-1]["served as of"] >= going_on[-1]["served from"]
    first, third = deployments_in_lineage(local, 1)
    (second,) = deployments_in_lineage(local, 2)
    assert [d["outcome"] for d in (first, second, third)] == ["deployed"] * 3
    assert [d["served until because"] for d in (first, second, third)] == [
        "version 2 took over", "version 1 took over", "the endpoint was stopped"
    ]  # fmt: skip
    moments = [(d["began"], d["served from"], d["served until"]) for d in (first, second, third)]
    assert all(began <= since <= until for began, since, until in moments)
    assert (third["by hand"], third["replaced"]) == ("yes", "2")
    assert (third["decided by"], third["reason"]) == ("Al", "slow")


def evaluated(local: Path, *answers: str) -> None:
    """What the evaluation of version 1's run was answered."""
    uri = f"{BUCKET}/run1/evaluation/answers.csv"
    file = local / "s3/bucket/run1/evaluation/answers.csv"
    file.parent.mkdir()
    file.write_text("".join(f"{answer}\n" for answer in answers), encoding="utf-8")
    record = Record(digests={uri: digest_of(file)})
    step = KeptStep("run1", "Evaluate", "Processing", "Succeeded", 1.0, "", record)
    State(local / "state.db").note_step(step)


def test_a_version_is_deployed_if_its_evaluation_was_answered_as_it_answers(local: Path) -> None:
    register(local, 1)
    evaluated(local, *(answer(1, record) for record in RECORDS))
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0


def test_a_version_that_was_evaluated_by_other_answers_is_not_deployed(local: Path) -> None:
    register(local, 1)
    evaluated(local, "7", *(answer(1, record) for record in RECORDS[1:]))
    done = pipeline("deploy", "1", "--port", "0")
    assert (done.exit_code, done.output) == (
        2, "pipeline: version 1 was not evaluated on its own answers: 1 of 100 answers differ from "
        "what the model predicted when it was registered, sent 100 at once, as text/csv\n",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["test/test.csv", "test/columns.json", "test.csv.out"])
def test_golden_files_that_are_not_as_the_run_left_them_are_refused(local: Path, name: str) -> None:
    register(local, 1)
    with (local / "s3/bucket/run1" / name).open("a", encoding="utf-8") as file:
        file.write("\n")
    done = pipeline("deploy", "1", "--port", "0")
    assert done.exit_code == 2
    assert f"{BUCKET}/run1/{name}: expected sha256 " in done.output


def test_without_golden_requests_nothing_is_deployed(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registered, "RECORDS", ())
    register(local, 1)
    done = pipeline("deploy", "1", "--port", "0")
    assert (done.exit_code, done.output) == (
        2, "pipeline: version 1 cannot be deployed without golden requests: expected predictions "
        "of the test split of run run1, got 0 of 0 records\n",
    )  # fmt: skip


def test_an_archive_that_is_swapped_after_the_check_is_not_deployed(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that are unpacked are hashed, not those of a moment before."""
    register(local, 1)
    may_deploy = Approvals.may_deploy

    def and_swap(approvals: Approvals, number: int, **how: bool) -> Version:
        version = may_deploy(approvals, number, **how)
        shutil.copyfile(
            local / "s3/bucket/run1/test.csv.out", local / "s3/bucket/run1/model.tar.gz"
        )
        return version

    monkeypatch.setattr(Approvals, "may_deploy", and_swap)
    done = pipeline("deploy", "1", "--port", "0")
    assert done.exit_code == 2
    assert done.output.startswith(
        f"pipeline: version 1: {BUCKET}/run1/model.tar.gz: expected sha256 "
    )
    assert not list((local / "endpoint/archives").iterdir())


@pytest.mark.parametrize("name", ["code/inference.py", "code/json.py"])
def test_a_process_that_would_read_other_files_than_were_unpacked_is_not_started(
    local: Path, name: str
) -> None:
    """The archive was edited, and the processes killed so that others read it."""
    register(local, 1)
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0
    rehearsal = Rehearsal(ROOT, local, settings())
    (archive,) = (local / "endpoint/archives").iterdir()
    before = (archive / name).read_bytes() if (archive / name).exists() else b""
    (archive / name).write_bytes(before + b"answers = 7\n")
    for pid in rehearsal.ask("status")["processes"]["1"]:
        os.kill(pid, signal.SIGKILL)
    what = "of the unpacked archive was changed" if before else "was added to the unpacked archive"
    log = local / "endpoint/endpoint.log"
    wait_until(lambda: f"version 1 is not served: {name} {what}" in log.read_text("utf-8"))
    assert rehearsal.ask("status")["processes"]["1"] == []
    (archive / name).write_bytes(before) if before else (archive / name).unlink()
    wait_until(lambda: len(rehearsal.ask("status")["processes"]["1"]) == 2)  # as it was


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_endpoints_process_is_the_librarys_whatever_lies_in_the_repository(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (local / "ninesteps").mkdir()
    (local / "ninesteps/__init__.py").write_text("raise SystemExit('not the library')\n")
    rehearsal = Rehearsal(local, local, settings())
    rehearsal.start(0)
    assert rehearsal.is_running()


def test_traffic_is_sent_as_long_as_a_deployment_goes_on(local: Path) -> None:
    register(local, 1)
    register(local, 2)
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0
    rehearsal = Rehearsal(ROOT, local, settings())

    def break_off() -> None:
        """Once some requests were answered, of a deployment that would take minutes."""
        while sum(one.get("requests", 0) for one in rehearsal.ask("status")["versions"]) < 5:
            time.sleep(0.02)
        rehearsal.ask("cancel")

    breaking_off = threading.Thread(target=break_off)
    breaking_off.start()
    done = pipeline("deploy", "2", "--time-scale", "1", "--traffic", "40")
    breaking_off.join()
    assert done.exit_code == 1
    sent = re.fullmatch(
        r"version 2 was rolled back: by hand; version 1 still serves \(sent: (\d+) answered 200\)",
        done.output.splitlines()[1],
    )
    assert sent, done.output
    assert int(sent[1]) >= 5


def test_a_deployment_that_cannot_be_entered_in_the_chain_says_so(tmp_path: Path) -> None:
    endpoint = Endpoint(Options(str(tmp_path), 0, state=str(tmp_path)))
    noted = {"version": 2, "before": 1, "by_hand": False}
    kept = endpoint._enter(noted, "deployed", "", {})
    said = sentence({**noted, "outcome": "deployed", "why": "", **kept})
    entry = f"no entry could be added to the chain of events: {tmp_path} cannot be used: "
    assert said.startswith(f"version 2 serves, after version 1; {entry}")


def test_nobody_asks_before_the_first_version_is_served(local: Path) -> None:
    register(local, 1)
    first = pipeline("deploy", "1", "--port", "0", "--time-scale", "300", "--traffic", "50")
    said = first.output.splitlines()[0]
    sent = (
        r"nothing, because no version was served meanwhile|\d+ answered 200"  # just before the end
    )
    assert re.fullmatch(rf"version 1 serves \(sent: ({sent})\)", said)


def test_a_version_that_is_rolled_back_ends_with_1_and_says_why(local: Path) -> None:
    register(local, 1)
    register(local, 2, predict="model = 7")
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0
    second = pipeline("deploy", "2")
    assert second.exit_code == 1
    assert "\nversion 2 was rolled back: golden requests: 100 of 100 " in second.output
    assert "; version 1 still serves" in second.output
    assert [one.name[:2] for one in (local / "endpoint/archives").iterdir()] == ["1-"]
    last = State(local / "state.db").events()[-1]
    assert (last.kind, last.facts["from"], last.facts["to"]) == ("rolled back", 2, 1)
    assert "golden" not in json.dumps(last.facts)  # it may quote a record
    (refused,) = deployments_in_lineage(local, 2)
    assert (refused["outcome"], refused["status"]) == ("rolled back", "Failed")
    assert "served from" not in refused, "it never had a request"
    assert "1" not in refused["why"], "which may quote a record"
    none = pipeline("rollback")
    assert (none.exit_code, none.output) == (
        2,
        "pipeline: there is no previous version to go back to\n",
    )


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("PendingManualApproval", "is not approved: pipeline approve 1"),
        ("Rejected", "was rejected by Jo at 2026-01-31T00:00:00Z; it can never be deployed"),
    ],
)
def test_only_an_approved_version_is_deployed(local: Path, status: str, why: str) -> None:
    register(local, 1, status)
    found = pipeline("deploy", "1", "--port", "0")
    assert (found.exit_code, found.output) == (2, f"pipeline: {GROUP} version 1 {why}\n")
    assert not (local / "endpoint").exists()


def test_a_version_that_there_is_not(local: Path) -> None:
    register(local, 1)
    found = pipeline("deploy", "2")
    assert found.output == f"pipeline: {GROUP} has no version 2: it has 1\n"


@pytest.mark.parametrize("name", ["model.tar.gz", "test.csv.out", "test/test.csv"])
def test_a_version_whose_files_are_gone_is_named(local: Path, name: str) -> None:
    register(local, 1)
    (local / "s3/bucket/run1" / name).unlink()
    found = pipeline("deploy", "1", "--port", "0")
    assert found.exit_code == 2
    gone = f"there is nothing at {BUCKET}/run1/{name}"
    evidence = f"cannot be approved or deployed: its evidence {BUCKET}/run1/{name} is gone"
    assert found.output.startswith("pipeline: ")
    assert (evidence if name == "model.tar.gz" else gone) in found.output


def test_a_port_that_is_taken_is_said(local: Path) -> None:
    register(local, 1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        found = pipeline("deploy", "1", "--port", str(port))
    assert found.exit_code == 2
    assert found.output.startswith(
        f"pipeline: the endpoint did not start: port {port} of 127.0.0.1: "
    )
    assert found.output.rstrip().endswith("; use another port, or --port 0 for any free one")


def test_an_endpoint_that_runs_is_not_moved_to_another_port(local: Path) -> None:
    register(local, 1)
    register(local, 2)
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0
    port = json.loads(pipeline("endpoint", "--json").output)["port"]
    found = pipeline("deploy", "2", "--port", "1")
    said = f"--port: expected {port}, where the endpoint is running, got 1; `pipeline endpoint"
    assert (found.exit_code, found.output) == (2, f"pipeline: {said} --stop` stops it\n")
    assert pipeline("deploy", "2", "--port", str(port), "--time-scale", "1000").exit_code == 0


@pytest.mark.parametrize("option", ["--traffic", "--time-scale"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_a_rate_is_a_number(local: Path, option: str, value: str) -> None:
    found = pipeline("deploy", "1", option, value)
    assert found.exit_code == 2
    assert f"Invalid value for '{option}'" in found.output


def test_an_endpoint_that_ends_meanwhile_has_interrupted_the_deployment(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(local, 1)
    register(local, 2)
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0
    ask, is_stopped = Rehearsal.ask, threading.Event()

    def ask_and_stop(self: Rehearsal, command: str, **arguments: Any) -> dict[str, Any]:
        """The first look that sees the deployment is the last."""
        answer = ask(self, command, **arguments)
        if answer.get("deploying") == 2 and not is_stopped.is_set():
            is_stopped.set()
            ask(self, "stop")
        return answer

    monkeypatch.setattr(Rehearsal, "ask", ask_and_stop)
    found = pipeline("deploy", "2", "--time-scale", "1")
    assert found.exit_code == 1
    said = "version 2 was interrupted: the endpoint has stopped; no version is served\n"
    assert found.output.splitlines(keepends=True)[1:] == [said]
    while (local / "endpoint/endpoint.json").exists():  # it is the last that an endpoint removes
        time.sleep(0.02)
    gone = json.loads((local / "endpoint/deployments.jsonl").read_text().splitlines()[-1])
    assert (gone["version"], gone["outcome"]) == (2, "rolled back")


def test_an_endpoint_that_nobody_can_reach_any_more_ends(local: Path) -> None:
    register(local, 1)
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0
    status = json.loads(pipeline("endpoint", "--json").output)
    (local / "endpoint/endpoint.json").unlink()
    until = time.monotonic() + 120
    with pytest.raises(ConnectionRefusedError):
        while time.monotonic() < until:
            socket.create_connection(("127.0.0.1", status["port"]), timeout=5).close()
            time.sleep(0.1)


def test_what_an_endpoint_that_was_killed_left_is_no_endpoint(local: Path) -> None:
    rehearsal = Rehearsal(ROOT, local, pipeline_settings.load(ROOT))
    rehearsal.folder.mkdir()
    content = {"pid": 1, "port": 1, "control": 1, "token": "x"}
    (rehearsal.folder / "endpoint.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DeployError, match="no endpoint is running here"):
        rehearsal.ask("status")


def test_what_a_killed_endpoint_had_served_is_kept_by_the_next(local: Path) -> None:
    register(local, 1)
    register(local, 2)
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0
    file = local / "endpoint/endpoint.json"
    running = json.loads(file.read_text())
    body = f"{RECORDS[0]}\n".encode()
    for _ in range(3):
        with closing(HTTPConnection("127.0.0.1", running["port"], timeout=60)) as asked:
            asked.request("POST", "/invocations", body, {"content-type": "text/csv"})
            assert asked.getresponse().status == 200
    serving = local / "endpoint/serving.json"
    until = time.monotonic() + 60
    while json.loads(serving.read_text())[0]["requests"] < 3 and time.monotonic() < until:
        time.sleep(0.05)
    workers = json.loads(pipeline("endpoint", "--json").output)["processes"]["1"]
    for process in (running["pid"], *workers):
        with contextlib.suppress(ProcessLookupError):  # a worker that has ended with the first
            os.kill(process, signal.SIGKILL)
    (killed,) = deployments_in_lineage(local, 1)
    assert ("served until" not in killed, killed["requests"]) == (True, "3")
    file.unlink()
    assert pipeline("deploy", "2", "--port", "0").exit_code == 0
    (killed,) = deployments_in_lineage(local, 1)
    assert killed["served until because"] == "the endpoint was killed"
    assert killed["requests"] == "3"


# Stopped


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"version": 1, "deploying": 2, "last": None},
         "version 2 is still being deployed: `pipeline endpoint` shows it, `pipeline rollback` "
         "stops it"),
        ({"version": 2, "deploying": None,
          "last": {"version": 2, "before": 1, "outcome": "deployed"}},
         "version 2 serves, after version 1"),
        ({"version": None, "deploying": None, "last": None}, "no version is served"),
        (None, "no endpoint is running here"),
    ],
)  # fmt: skip
def test_who_stops_a_deployment_is_told_how_the_endpoint_stands(
    local: Path, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any] | None, said: str
) -> None:
    """Whether the signal comes while the deployment is begun, or while it is followed."""

    def ask(self: Rehearsal, command: str, **arguments: Any) -> dict[str, Any]:
        if status is None:
            raise DeployError("no endpoint is running here")
        return status

    def stopped(*arguments: Any) -> None:
        raise KeyboardInterrupt

    register(local, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Rehearsal, "ask", ask)
        patch.setattr(Rehearsal, "deploy", stopped)
        done = CliRunner().invoke(command_line.main, ["deploy", "1"])
    assert done.exit_code == 130 and done.stderr == f"pipeline: stopped; {said}\n"
