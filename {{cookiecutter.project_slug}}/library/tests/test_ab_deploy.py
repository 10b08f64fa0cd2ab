"""`pipeline deploy V --ab`: real requests to real processes, whatever stops the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ab_decision import ABTest, Rules
from ab_events import read_lines, variant_of
from endpoints import ROOT
from ninesteps.cli import here
from ninesteps.local.endpoint.control import address, ask
from ninesteps.local.endpoint.router import INVOKED, TARGET
from ninesteps.local.state import State, digest_of_text
from ninesteps.report import ab_page
from ninesteps.runs import ab_test
from ninesteps.runs.ab_test import looked_at
from ninesteps.settings.settings import Settings
from ninesteps.terminal import ab_test as terminal
from registered import acted_on, pipeline, register, settings

IS_FULL = int(os.environ.get("AB_RUNS", "80")) >= 2000

AB = {"min_users": 40, "first_users": 40, "window_hours": 24, "max_days": 14}
USERS = ["--users", "60"]
IDA = ["--who", "Ida Rhodes", "--why", "try the new features"]
BETTER, WORSE = (["--outcome-rate", rates] for rates in ("0.3,0.8", "0.95,0.05"))

COMMAND = """
import dataclasses, json, sys
from pathlib import Path
from ninesteps.cli import here, main
root, local, ab = sys.argv[1:4]
read = here.loading.load(Path(root))
deploy = dataclasses.replace(read.deploy, max_latency_ms=60_000)
own = dataclasses.replace(read.ab, **json.loads(ab))
here.root, here.local = lambda: Path(root), lambda: Path(local)
here.settings = lambda: dataclasses.replace(read, deploy=deploy, ab=own)
main.main(sys.argv[4:])
"""
"""The command as a process of its own, with the settings of these tests."""


def own_settings() -> Settings:
    read = settings()
    return replace(read, ab=replace(read.ab, **AB))


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with acted_on(tmp_path, monkeypatch) as folder:
        monkeypatch.setattr(here, "settings", own_settings)
        yield folder


def test_of(local: Path, number: int = 1) -> Path:
    return local / "ab_tests" / f"{number:04}"


test_of.__test__ = False  # type: ignore[attr-defined]


def entered(local: Path) -> list[dict[str, Any]]:
    """What the chain of events has of A/B tests."""
    events = [e for e in State(local / "state.db").events() if "ab_outcome" in e.facts]
    return [{"kind": e.kind, **e.facts} for e in events]


def events_of(folder: Path) -> list[Any]:
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    return list(read_lines(lines))


def killed_after_its_decision(
    local: Path, monkeypatch: pytest.MonkeyPatch, rates: list[str]
) -> dict[str, Any]:
    """A test whose command is killed before its page, and again before its note; its entry."""

    def killed(*_: object) -> None:
        raise SystemExit(137)

    for module, name in ((ab_page, "of_folder"), (ab_test, "keep")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, killed)
            assert pipeline("deploy", "2", "--ab", *USERS, *rates, *IDA).exit_code == 137
    (entry,) = entered(local)
    assert "decision" not in json.loads((test_of(local) / "test.json").read_text(encoding="utf-8"))
    return entry


def test_a_better_version_takes_over_and_a_page_says_why_though_the_command_is_killed(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(local, 1)
    register(local, 2)
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0
    killed_after_its_decision(local, monkeypatch, BETTER)
    done = pipeline("deploy", "2", "--ab", *USERS, *BETTER)
    assert done.exit_code == 0, done.output
    assert "decision" in json.loads((test_of(local) / "test.json").read_text(encoding="utf-8"))
    assert not test_of(local, 2).exists()
    assert "version 2 against version 1: better: after " in done.output
    assert json.loads(pipeline("endpoint", "--json").output)["version"] == 2
    events = events_of(test_of(local))
    replies = [event for event in events if event.kind == "reply"]
    assert {reply.share for reply in replies} == {10, 50}
    assert all(reply.variant == variant_of(reply.user, reply.share) for reply in replies)
    assert [event.time for event in events] == sorted(event.time for event in events)
    (entry,) = entered(local)
    assert (entry["kind"], entry["from"], entry["to"]) == ("deployed", 1, 2)
    assert (entry["ab_outcome"], len(entry["ab_events_sha256"])) == ("better", 64)
    assert (entry["who"], entry["reason_sha256"]) == (IDA[1], digest_of_text(IDA[3]))
    shown = " ".join(pipeline("registry", "2").output.split())
    assert f"A/B test: better after {entry['ab_users']:,} users, deployed" in shown
    assert f"deployed in place of version 1 {IDA[1]}: {IDA[3]}" in shown
    page = (test_of(local) / "page.html").read_text(encoding="utf-8")
    assert "Better: version 2 takes over" in page
    assert all(f"{name} over time" in page for name in ("The evidence", "Rates", "Shares"))
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_worse_version_and_one_that_fails_are_taken_back(local: Path, tmp_path: Path) -> None:
    flag = tmp_path / "fail"
    register(local, 1)
    register(local, 2, predict=f"if os.path.exists({str(flag)!r}): raise RuntimeError('no')")
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0
    done = pipeline("deploy", "2", "--ab", *USERS, *WORSE, "--json")
    *_, last, error = map(json.loads, done.stdout.splitlines())
    assert (done.exit_code, last["outcome"], last["share"]) == (1, "worse", 0)
    assert (error["event"], error["status"]) == ("error", 1) and "worse" in error["message"]
    assert json.loads(pipeline("endpoint", "--json").output)["version"] == 1

    file = test_of(local, 2) / "events.jsonl"
    failing = threading.Thread(target=when, args=(lambda: lines(file) > 100, flag.touch))
    failing.start()
    done = pipeline("deploy", "2", "--ab", *USERS, "--outcome-rate", "0.5,0.5")
    failing.join()
    assert done.exit_code == 1
    assert "guardrail: errors: " in done.output
    assert "version 1 serves" in done.output
    assert [entry["ab_outcome"] for entry in entered(local)] == ["worse", "guardrail"]
    page = (test_of(local, 2) / "page.html").read_text(encoding="utf-8")
    assert "Stopped by a guardrail: version 1 stays" in page


@pytest.mark.skipif(not IS_FULL, reason="in the full tier: AB_RUNS")
def test_a_command_that_is_killed_after_worse_leaves_one_entry_and_a_page(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(local, 1)
    register(local, 2)
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0
    entry = killed_after_its_decision(local, monkeypatch, WORSE)
    done = pipeline("deploy", "2", "--ab", *USERS, *WORSE)
    assert (done.exit_code, "version 1 serves" in done.output) == (1, True)
    assert entered(local) == [entry]
    assert (test_of(local) / "page.html").exists()
    assert not test_of(local, 2).exists()


def when(is_so: Callable[[], bool], act: Callable[[], object]) -> None:
    """Do something once it is so."""
    until = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)
    act()


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def test_a_test_that_is_stopped_or_killed_leaves_the_incumbent_and_goes_on(local: Path) -> None:
    register(local, 1)
    register(local, 2)
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0
    file = test_of(local) / "events.jsonl"
    before = 0
    for number in (signal.SIGINT, signal.SIGKILL):
        command = [sys.executable, "-c", COMMAND, str(ROOT), str(local), json.dumps(AB),
                   "deploy", "2", "--ab", *USERS, *BETTER]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            when(lambda least=before + 60: lines(file) > least, lambda: None)
            if number == signal.SIGINT:
                assert_variants_answer(local)
            process.send_signal(number)
            _, told = process.communicate()
        if number == signal.SIGINT:
            assert process.returncode == 130
            assert b"stopped; version 1 serves alone. The same command continues" in told
        else:
            assert process.returncode == -signal.SIGKILL
        when(lambda: ask(local / "endpoint", "status")["deploying"] is None, lambda: None)
        status = ask(local / "endpoint", "status")
        assert (status["version"], status["last"]["why"]) == (
            1, "A/B test: left undecided",
        )  # fmt: skip
        before = lines(file)
    with file.open("a", encoding="utf-8") as torn:
        torn.write('{"kind":"reply","ti')
    done = pipeline("deploy", "2", "--ab", *USERS, *BETTER)
    assert done.exit_code == 0, done.output
    assert "the test continues from request " in done.output
    assert "time is compressed" in done.output
    replies = [int(e.id[1:]) for e in events_of(test_of(local)) if e.kind == "reply"]
    outcomes = [e.id for e in events_of(test_of(local)) if e.kind == "outcome"]
    assert replies == [*range(len(replies))]
    assert len(outcomes) == len(set(outcomes))
    assert [e["ab_outcome"] for e in entered(local)] == ["interrupted", "interrupted", "better"]
    assert not test_of(local, 2).exists()


def assert_variants_answer(local: Path) -> None:
    """Requests that name a variant are answered by it."""
    connection = HTTPConnection("127.0.0.1", address(local / "endpoint")["port"])
    for variant, status, told in (
        ("main", 200, b"1001"), ("challenger", 200, b"2001"), ("green", 400, b"expected main or"),
    ):  # fmt: skip
        headers = {"content-type": "text/csv", TARGET: variant}
        connection.request("POST", "/invocations", "1,0\n", headers)
        answer = connection.getresponse()
        assert (answer.status, told in answer.read()) == (status, True)
        assert answer.headers[INVOKED] == (variant if status == 200 else None)
    connection.close()


def test_what_cannot_be_tested_is_said_in_one_sentence(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(local, 1)
    register(local, 2)

    def refused(*words: str) -> str:
        done = pipeline("deploy", *words)
        assert done.exit_code == 2, done.output
        return done.output.strip().splitlines()[-1]

    none = "pipeline: an A/B test needs a version that serves, but none does"
    assert refused("1", "--ab").startswith(none)
    assert "expected 2 numbers from 0 to 1" in refused("2", "--ab", "--outcome-rate", "0.5")
    assert "expected 2 numbers from 0 to 1" in refused("2", "--ab", "--outcome-rate", "0.5,1.5")
    assert refused("2", "--seed", "1") == "Error: --seed: only with --ab"
    assert refused("2", "--ab", "--traffic", "9") == "Error: --traffic: not with --ab"
    read = own_settings()
    tested = replace(read, deploy=replace(read.deploy, rollout="ab_test"))
    monkeypatch.setattr(here, "settings", lambda: tested)
    assert pipeline("deploy", "1", "--port", "0").exit_code == 0  # the first takes all at once
    assert refused("1", "--ab") == "pipeline: version 1 is already served"
    assert refused("2") == (
        'pipeline: rollout = "ab_test": version 2 is tested against version 1, which serves, by '
        "`pipeline deploy 2 --ab`"
    )
    port = address(local / "endpoint")["port"]
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/invocations", "1,0\n", {TARGET: "challenger"})
    answer = connection.getresponse()
    assert (answer.status, b"expected main, got" in answer.read()) == (400, True)
    connection.close()
    os.kill(address(local / "endpoint")["pid"], signal.SIGTERM)


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (("deploy", "2", "--env", "prod"), "`pipeline approve V --env NAME`"),
        (("rollback", "--env=prod"), "`pipeline reject V --env NAME`"),
        (("endpoint", "--env", "prod"), "`pipeline registry V --env NAME`"),
    ],
)
def test_a_command_of_this_machine_says_what_to_use_in_an_account(
    words: tuple[str, ...], instead: str
) -> None:
    done = pipeline(*words)
    assert done.exit_code == 2
    assert "--env: expected none, got one: " in done.output
    assert instead in done.output
    assert "No such option '--evn'" in pipeline("endpoint", "--evn").output


@pytest.mark.parametrize("evidence", [0.0, 10.0])
def test_a_terminal_says_what_a_test_waits_for_that_has_its_evidence(evidence: float) -> None:
    test = ABTest(Rules())
    test.bets.better, test.bets.users = [evidence] * len(test.bets.better), [900, 100]
    run = SimpleNamespace(
        test=test, before=1, package=SimpleNamespace(version=2),
        rehearsal=SimpleNamespace(settings=settings()),
    )  # fmt: skip
    console = terminal.Console(width=80)
    with console.capture() as shown:
        console.print(terminal.table(run))
    lines = shown.get().splitlines()
    assert lines[0].rstrip() == "day 0.0 of the users' time: 10 % of them are the challenger's"
    assert max(map(len, lines)) <= 80
    waits = "Better also needs 200 users of each version and a week." in " ".join(
        shown.get().split()
    )
    assert waits == (evidence > 0)


def test_nothing_that_a_page_shows_is_read_as_markup(tmp_path: Path) -> None:
    rules = asdict(Rules())
    about = {"version": 2, "before": 1, "rules": rules, "outcome": "<b>resolved",
             "facts": {"<i>Name": "<script>alert(1)</script>"}}  # fmt: skip
    page = ab_page.build([], about)
    assert "<b>" not in page
    assert "<i>" not in page
    assert "<script" not in page
    assert "Version 2 is being tested against version 1" in page


@pytest.mark.parametrize(
    ("reply", "seen"),
    [
        ("Ask the desk.", (False, False)),
        ("I  CANNOT say that.", (True, False)),
        ("Write to ann@example.com.", (False, True)),
        ("Your address is bo@example.com.", (False, False)),  # the user's own words
    ],
)
def test_a_reply_that_refuses_or_leaks_is_seen(reply: str, seen: tuple[bool, bool]) -> None:
    asked = json.dumps({"messages": [{"role": "user", "content": "I am bo@example.com. Who?"}]})
    body = json.dumps({"reply": reply, "status": 200}).encode()
    assert looked_at(asked.encode(), body, ["I cannot"]) == seen
    assert looked_at(b"1,2\n", b"0.5\n", ["I cannot"]) == (False, False)
