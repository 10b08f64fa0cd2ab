"""Versions taking over from each other under steady load, and not: every request is accounted for.

The load is half of what the machine carried a moment before.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from endpoints import RECORDS, answer, archive, begin, ended, noted, running
from ninesteps.local.endpoint.fleet import Answer, Fleet, FleetClosedError, Request, Version
from ninesteps.local.endpoint.traffic import Caller, Reply
from ninesteps.runs.rehearsal import Rehearsal
from ninesteps.settings.deploy import Deploy

SECONDS = float(os.environ.get("LOAD_SECONDS", "0.6"))
"""How long a step of a rollout lasts here."""

TIMEOUT = max(0.5, SECONDS / 5)
"""Seconds that a model may take where none answers: below a step's, or nobody would have waited."""

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


def under_load(rehearsal: Rehearsal, act: Callable[[], Any]) -> tuple[Load, Any]:
    """Half of the requests that the machine carries, before, while and after something is done."""

    async def main() -> tuple[Load, Any]:
        bodies = [f"{record}\n".encode() for record in RECORDS]
        carried = await Caller(rehearsal.port(), bodies).as_fast_as_answered(4, 0.4)
        caller, stop = Caller(rehearsal.port(), bodies), asyncio.Event()
        traffic = asyncio.create_task(caller.steadily(carried / 2, stop))
        await asyncio.sleep(0.2)
        done = await asyncio.to_thread(act)
        await asyncio.sleep(0.2)
        stop.set()
        await traffic
        print(f"{carried / 2:.0f} requests a second, half of what was carried")  # noqa: T201  # for the log
        return Load(carried / 2, caller.replies), done

    return asyncio.run(main())


def policy(**changed: Any) -> Deploy:
    """A canary of a tenth; a step and the baking last `SECONDS` at a scale of 1 / `SECONDS`."""
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
    assert load.answered_by(1) + load.answered_by(2) == len(load.replies)
    assert load.answered_by(2) > load.per_second * SECONDS / 2
    status = served.ask("status")
    assert (status["version"], status["previous"]) == (2, 1)
    assert list(status["processes"]) == ["2"]  # those of version 1 have ended


BAD = {
    "crashes": ({"predict": "len(rows) == 1 and os._exit(1)"}, "alarm 5xx"),
    "raises": ({"predict": "assert len(rows) > 1"}, "alarm 5xx"),
    "answers one record twice": ({"output": "answers = answers * (3 - min(len(answers), 2))"},
                                 "alarm 5xx"),
    "is slow": ({"predict": "len(rows) == 1 and time.sleep(0.3)"}, "alarm latency"),
    "answers wrongly after a while": (
        {"predict": "model += COUNT[0] > 3"},
        "golden requests: 100 of 100 answers are not what the model predicted",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_version_is_rolled_back_and_fails_nothing_outside_the_canarys_share(
    served: Rehearsal, tmp_path: Path, name: str
) -> None:
    what, why = BAD[name]
    limit = 200 if name == "is slow" else MINUTES_LATENCY
    version = archive(tmp_path, 2, **what)
    load, last = under_load(served, lambda: deployed(served, version, policy(max_latency_ms=limit)))
    assert last["outcome"] == "rolled back"
    assert last["why"].startswith(why)
    blue, green = last["seen"]["1"], last["seen"]["2"]
    assert blue["failed"] == 0
    assert len(load.failed) == green["failed"]
    assert all(one.status == 500 for one in load.failed)  # answered: none was dropped
    assert 0 < green["requests"] <= 0.1 * (blue["requests"] + green["requests"]) + 2
    assert served.ask("status")["version"] == 1
    assert list(served.ask("status")["processes"]) == ["1"]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"predict": "model = 3"}, "golden requests: 100 of 100"),
        ({"predict": "raise ValueError"}, "golden requests: status 500"),
        ({"output": "answers = answers[1:]"}, "golden requests: status 500"),
        ({"load": "raise SystemExit(3)"}, "version 2 does not start"),
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
    version = archive(tmp_path, 2, predict="len(rows) == 1 and time.sleep(60)")
    load, last = under_load(served, lambda: deployed(served, version, policy()))
    assert last["why"].startswith("alarm 5xx")
    assert {one.status for one in load.failed} == {504}
    assert len(load.failed) == last["seen"]["2"]["failed"]


def test_a_killed_process_is_replaced_and_costs_no_more_than_what_it_had_in_hand(
    served: Rehearsal,
) -> None:
    def kill() -> list[int]:
        before: list[int] = served.ask("status")["processes"]["1"]
        os.kill(before[0], signal.SIGKILL)
        until = time.monotonic() + 30
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
    async def main() -> list[Answer | BaseException]:
        version = Version(**archive(tmp_path, 1, predict="time.sleep(0.3)"))
        fleet = Fleet(version, 1, tmp_path / "log", 30)
        await fleet.start()
        request = Request("text/csv", "", b"1,2\n")
        asked = [asyncio.create_task(fleet.send(request)) for _ in range(2)]
        await asyncio.sleep(0.1)
        await fleet.stop()
        with pytest.raises(FleetClosedError):
            await fleet.send(request)
        return await asyncio.gather(*asked, return_exceptions=True)

    first, second = asyncio.run(main())
    assert first == Answer(200, "text/csv", b"1003\n")
    assert isinstance(second, FleetClosedError)


def test_a_linear_rollout_goes_by_equal_steps(served: Rehearsal, tmp_path: Path) -> None:
    begin(
        served, archive(tmp_path, 2), 600 / SECONDS,
        policy(rollout="linear", step_percent=40, interval_seconds=200, bake_seconds=200),
    )  # fmt: skip
    seen = []
    while (status := served.ask("status"))["deploying"]:
        seen += [one["share"] for one in status["versions"] if one["version"] == 2]
        time.sleep(0.01)
    assert list(dict.fromkeys(seen))[-3:] == [40, 80, 100]
    assert ended(served)["outcome"] == "deployed"


def test_a_deployment_is_broken_off_by_hand_and_every_one_is_kept(
    served: Rehearsal, tmp_path: Path
) -> None:
    begin(served, archive(tmp_path, 2), 1, policy())  # ten minutes a step
    while "%" not in served.ask("status")["phase"]:
        time.sleep(0.02)
    with pytest.raises(RuntimeError, match="version 2 is being deployed"):
        begin(served, archive(tmp_path, 3), 1, policy())
    served.ask("cancel")
    assert ended(served)["why"] == "by hand"
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
