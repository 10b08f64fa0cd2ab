"""Versions taking over from each other under steady load, and not: every request is accounted for.

The load is half of what the machine carried a moment before. What is asserted holds however slow
or busy the machine is: counts that the router promises, never how much is done in some seconds.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from endpoints import RECORDS, answer, archive, begin, ended, noted, running
from ninesteps.errors import DeployError
from ninesteps.local.endpoint.blue_green import Deployment, Golden
from ninesteps.local.endpoint.connection import Answer
from ninesteps.local.endpoint.fleet import Fleet, FleetClosedError, Request, ServedVersion
from ninesteps.local.endpoint.observed import Observed
from ninesteps.local.endpoint.router import Router
from ninesteps.local.endpoint.traffic import Caller, Reply
from ninesteps.runs.rehearsal import Rehearsal
from ninesteps.settings.deploy import Deploy, deployment_config

SECONDS = float(os.environ.get("LOAD_SECONDS", "0.6"))
"""How long a step of a rollout that succeeds lasts here."""

WATCHED = 100
"""The time scale where an alarm is to go off: the canary lasts 36 seconds, and each tenth request
goes to the new version, so on the slowest machine some do. An alarm looks each 0.6 seconds."""

SEEN_BY_ALARMS = 50.0
"""Requests a second of which each failed one sets off an alarm: one of fewer than a hundred in its
0.6 seconds. Of more, those that wait for a slow version could be too few of all."""

TIMEOUT = 3.0
"""Seconds that a model may take where none answers: far more than a model that answers needs."""

MINUTES_LATENCY = 60_000
"""A limit that no slowness of the machine passes."""


@dataclass(frozen=True)
class Load:
    """What became of requests at a steady rate."""

    per_second: float
    replies: list[Reply]

    @property
    def failed(self) -> list[Reply]:
        return [one for one in self.replies if one.status != 200]

    def answered_by(self, number: int) -> int:
        """How many of the requests a version answered, and rightly."""
        return sum(
            one.status == 200 and one.body.decode() == f"{answer(number, RECORDS[one.record])}\n"
            for one in self.replies
        )


def under_load(
    rehearsal: Rehearsal, act: Callable[[], Any], most: float = math.inf
) -> tuple[Load, Any]:
    """Half of the requests that the machine carries, before, while and after something is done."""

    async def main() -> tuple[Load, Any]:
        bodies = [f"{record}\n".encode() for record in RECORDS]
        carried = await Caller(rehearsal.port(), bodies).as_fast_as_answered(4, 0.4)
        per_second = min(carried / 2, most)
        caller, stop = Caller(rehearsal.port(), bodies), asyncio.Event()
        traffic = asyncio.create_task(caller.steadily(per_second, stop))
        await asyncio.sleep(0.2)
        done = await asyncio.to_thread(act)
        await asyncio.sleep(0.2)
        stop.set()
        await traffic
        print(f"{per_second:.0f} requests a second of the {carried:.0f} carried")  # noqa: T201  # for the log
        return Load(per_second, caller.replies), done

    return asyncio.run(main())


def policy(**changed: Any) -> Deploy:
    """A canary of one of two; a step and the baking last `SECONDS` at a scale of 1 / `SECONDS`."""
    return Deploy(
        **{
            "step_percent": 10,
            "interval_seconds": 600,
            "bake_seconds": 600,
            "max_latency_ms": MINUTES_LATENCY,
            **changed,
        }
    )


def deployed(rehearsal: Rehearsal, version: dict[str, Any], deploy: Deploy) -> dict[str, Any]:
    begin(rehearsal, version, 600 / SECONDS, deploy)
    return ended(rehearsal)


def rolled_back(rehearsal: Rehearsal, version: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """How a deployment ends whose canary lasts until something is wrong."""
    begin(rehearsal, version, WATCHED, policy(interval_seconds=3600, **changed))
    return ended(rehearsal)


def asked_once_more(rehearsal: Rehearsal) -> Load:
    """Some requests, one after the other; at least one."""
    caller = Caller(rehearsal.port(), [f"{record}\n".encode() for record in RECORDS])
    return Load(asyncio.run(caller.as_fast_as_answered(1, 0.1)), caller.replies)


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """An endpoint that serves version 1."""
    with running(tmp_path, request_seconds=getattr(request, "param", 30.0)) as rehearsal:
        begin(rehearsal, archive(tmp_path, 1), 600 / SECONDS, policy())
        assert ended(rehearsal)["outcome"] == "deployed"
        yield rehearsal


def test_a_good_version_takes_over_with_no_request_failed_or_dropped(
    served: Rehearsal, tmp_path: Path
) -> None:
    version = archive(tmp_path, 2)
    load, last = under_load(served, lambda: deployed(served, version, policy()))
    assert last["outcome"] == "deployed"
    assert load.failed == []
    assert load.answered_by(1) > 0
    assert load.answered_by(1) + load.answered_by(2) == len(load.replies)
    after = asked_once_more(served)
    assert after.answered_by(2) == len(after.replies) > 0
    status = served.ask("status")
    assert (status["version"], status["previous"]) == (2, 1)
    assert list(status["processes"]) == ["2"]  # those of version 1 have ended


BAD = {
    "crashes": ({"predict": "rows[0][0] < 1000 and os._exit(1)"}, "alarm 5xx"),
    "raises": ({"predict": "assert rows[0][0] >= 1000"}, "alarm 5xx"),
    "answers one record twice": ({"output": "answers = answers * (1 + (answers[0] < 3000))"},
                                 "alarm 5xx"),
    "is slow": ({"predict": "rows[0][0] < 1000 and time.sleep(0.3)"}, "alarm latency"),
    "answers wrongly after a while": (
        {"predict": "model += COUNT[0] > 40"},
        "golden requests: ",
    ),
}  # fmt: skip

NO_REQUESTS = {"requests": 0, "failed": 0}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_version_is_rolled_back_and_fails_nothing_outside_the_canarys_share(
    served: Rehearsal, tmp_path: Path, name: str
) -> None:
    """The canary is one of two instances and gets each second request, so at most half of all.

    Not of those that were answered when the deployment ended: on a busy machine many still wait for
    the old version then, while the new one has failed its own at once.
    """
    what, why = BAD[name]
    limit = 200 if name == "is slow" else MINUTES_LATENCY
    version = archive(tmp_path, 2, **what)
    load, last = under_load(
        served, lambda: rolled_back(served, version, max_latency_ms=limit), SEEN_BY_ALARMS
    )
    assert last["outcome"] == "rolled back"
    assert last["why"].startswith(why)
    blue, green = (last["seen"].get(number, NO_REQUESTS) for number in "12")
    assert blue["failed"] == 0
    assert len(load.failed) == green["failed"]
    assert all(one.status == 500 for one in load.failed)  # answered: none was dropped
    assert green["requests"] <= len(load.replies) // 2
    assert green["requests"] > 0 or not why.startswith("alarm")  # or there was nothing to see
    assert served.ask("status")["version"] == 1
    assert list(served.ask("status")["processes"]) == ["1"]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"predict": "model = 3"}, "golden requests: 100 of 100"),
        ({"predict": "raise ValueError"}, "golden requests: status 500"),
        ({"output": "answers = answers[1:]"}, "golden requests: status 500"),
        ({"predict": "model += len(rows) == 1"}, "golden requests: 1 of 1 answers differ"),
        ({"predict": "model += len(rows) == 2"}, "golden requests: 2 of 2 answers differ"),
        ({"output": "answers[-1] += len(answers) > 9"}, "golden requests: 1 of 100 answers differ"),
        ({"output": "answers[7:8] = [float('nan')]"}, "golden requests: status 500"),
        ({"load": "raise SystemExit(3)"}, "version 2 did not start"),
    ],
    ids=str,
)
def test_a_version_that_is_wrong_from_the_first_gets_no_traffic(
    served: Rehearsal, tmp_path: Path, what: dict[str, str], why: str
) -> None:
    last = deployed(served, archive(tmp_path, 2, **what), policy())
    assert last["why"].startswith(why)
    assert served.ask("status")["version"] == 1
    assert [one["version"] for one in served.ask("status")["versions"]] == [1]


@pytest.mark.parametrize("served", [TIMEOUT], indirect=True)
def test_a_version_that_never_answers_is_timed_out_and_rolled_back(
    served: Rehearsal, tmp_path: Path
) -> None:
    version = archive(tmp_path, 2, predict="rows[0][0] < 1000 and time.sleep(600)")
    load, last = under_load(
        served, lambda: rolled_back(served, version, instances=8), SEEN_BY_ALARMS
    )
    assert last["why"].startswith("alarm 5xx")
    assert {one.status for one in load.failed} == {504}
    green = last["seen"]["2"]
    assert len(load.failed) == green["failed"] == green["requests"] > 0


def test_a_killed_process_is_replaced_and_costs_no_more_than_what_it_had_in_hand(
    served: Rehearsal,
) -> None:
    def kill() -> list[int]:
        before: list[int] = served.ask("status")["processes"]["1"]
        os.kill(before[0], signal.SIGKILL)
        until = time.monotonic() + 120
        while True:
            now: list[int] = served.ask("status")["processes"]["1"]
            if len(now) == 2 and before[0] not in now:
                return before
            assert time.monotonic() < until
            time.sleep(0.02)

    load, _ = under_load(served, kill)
    assert len(load.failed) <= 1
    assert load.answered_by(1) == len(load.replies) - len(load.failed)


def test_a_fleet_that_is_stopped_answers_what_it_has_begun_and_gives_the_rest_back(
    tmp_path: Path,
) -> None:
    may_answer = tmp_path / "may-answer"
    waits = f"while not os.path.exists({str(may_answer)!r}): time.sleep(0.01)"

    async def main() -> list[Answer | BaseException]:
        version = ServedVersion(**archive(tmp_path, 1, predict=waits))
        fleet = Fleet(version, 1, tmp_path / "log", 30)
        await fleet.start()
        request = Request("text/csv", "", b"1,2\n")
        asked = [asyncio.create_task(fleet.send(request)) for _ in range(2)]
        await asyncio.sleep(0)  # the first has its process, the second waits for one
        stopping = asyncio.create_task(fleet.stop())
        await asyncio.sleep(0)
        with pytest.raises(FleetClosedError):
            await fleet.send(request)
        may_answer.touch()
        await stopping
        return await asyncio.gather(*asked, return_exceptions=True)

    first, second = asyncio.run(main())
    assert first == Answer(200, "text/csv", b"1003\n")
    assert isinstance(second, FleetClosedError)


def test_a_linear_rollout_goes_by_equal_steps(served: Rehearsal, tmp_path: Path) -> None:
    begin(
        served, archive(tmp_path, 2), 600 / SECONDS,
        policy(rollout="linear", step_percent=40, interval_seconds=200, bake_seconds=200),
    )  # fmt: skip
    assert ended(served)["outcome"] == "deployed"


def test_the_router_gives_each_step_of_a_linear_rollout_its_share(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given, router = list[tuple[int, float]](), Router(Observed())

    async def watch(self: Deployment, observed: Observed, green: Fleet, seconds: float) -> None:
        given.append((router.share, seconds))

    async def check(self: Golden, fleet: Fleet) -> None: ...

    monkeypatch.setattr(Deployment, "_watch", watch)
    monkeypatch.setattr(Golden, "check", check)
    deploy = policy(
        rollout="linear", step_percent=40, instances=5, interval_seconds=200, bake_seconds=300
    )
    config = deployment_config(deploy, [])
    blue, green = (
        Fleet(ServedVersion(number, "", ""), 1, tmp_path / "log", 30) for number in (1, 2)
    )
    router.blue = blue
    assert asyncio.run(Deployment(2, config, 5, (), Golden(), 10).run(router, green)) is blue
    assert given == [(40, 20), (80, 20), (100, 30)]
    assert router.blue is green


def test_a_deployment_is_broken_off_by_hand_and_every_one_is_kept(
    served: Rehearsal, tmp_path: Path
) -> None:
    begin(served, archive(tmp_path, 2), 1, policy())  # ten minutes a step
    while "%" not in served.ask("status")["phase"]:
        time.sleep(0.02)
    with pytest.raises(DeployError, match="version 2 is being deployed"):
        begin(served, archive(tmp_path, 3), 1, policy())
    served.ask("cancel", who="Al", reason="slow")
    last = ended(served)
    assert (last["why"], last["who"], last["reason"]) == ("by hand", "Al", "slow")
    assert [(one["event"], one["version"], one.get("outcome")) for one in noted(served)] == [
        ("began", 1, None), ("ended", 1, "deployed"),
        ("began", 2, None), ("ended", 2, "rolled back"),
    ]  # fmt: skip


def test_only_who_has_the_token_commands_the_endpoint(served: Rehearsal) -> None:
    import json
    import socket

    file = served.folder / "endpoint.json"
    assert file.stat().st_mode & 0o777 == 0o600
    content = json.loads(file.read_text(encoding="utf-8"))
    for token in ("", "0" * 32, None, 7):
        with socket.create_connection(("127.0.0.1", content["control"]), timeout=10) as control:
            control.sendall(json.dumps({"do": "stop", "token": token}).encode() + b"\n")
            assert control.recv(100) == b""
    assert served.ask("status")["version"] == 1
