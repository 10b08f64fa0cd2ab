"""The endpoint's process: what is the request's fault, what the model's, and what it leaves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from endpoints import archive, begin, ended, running
from ninesteps.errors import DeployError
from ninesteps.local.endpoint import control, fleet, worker
from ninesteps.local.endpoint.connection import Answer, RequestRefused
from ninesteps.local.endpoint.fleet import Fleet, Request, ServedVersion
from ninesteps.local.endpoint.observed import Seen, metric
from ninesteps.local.endpoint.worker import MAX_BODY, MAX_RECORDS, BadRequest
from ninesteps.settings.deploy import Alarm, Deploy

CSV, JSON = "text/csv", "application/json"


def script(answer: Any = "1\n", read: Any = None) -> Any:
    """An archive's script that reads and answers as told."""
    return SimpleNamespace(
        __file__=__file__,
        CONTENT_TYPES=(CSV, JSON),
        input_fn=lambda body, kind: read() if read else np.zeros((body.count(b"\n"), 2)),
        predict_fn=lambda data, model: data,
        output_fn=lambda prediction, accept: answer,
    )


def answered(script: Any, body: bytes = b"1,2\n", kind: str = CSV) -> tuple[str, bytes]:
    return worker._answer(script, None, 2, kind, "", body)


def raising(error: Exception) -> Any:
    def read() -> None:
        raise error

    return read


@pytest.mark.parametrize(
    "error",
    [ValueError("expected x"), OverflowError(), KeyError("features"), RecursionError(),
     MemoryError(), TypeError("a secret"), UnicodeDecodeError("utf-8", b"", 0, 1, "x")],
    ids=repr,
)  # fmt: skip
def test_whatever_a_script_cannot_read_is_the_requests_fault(error: Exception) -> None:
    with pytest.raises(BadRequest) as refused:
        answered(script(read=raising(error)))
    assert refused.value.status == 400
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"," * 600_000, 400, "expected 2 fields in a record, got 600001"),
        (b"," * 600_000 + b"\n1,2\n", 400, "got 600001"),
        (b"1,2\n" * (MAX_RECORDS + 1), 413, "expected at most 100,000 records, got 100,001"),
    ],
)
def test_a_request_is_measured_before_the_script_has_it(
    body: bytes, status: int, said: str
) -> None:
    with pytest.raises(BadRequest, match=said) as refused:
        answered(script(read=raising(AssertionError("the script was asked"))), body)
    assert refused.value.status == status


def test_columns_whose_names_are_no_numbers_make_an_answer_no_infinite_one() -> None:
    said = json.dumps({"predictions": [{"score": 0.5, "unknown": ["nan", "inf rate"]}]})
    assert answered(script((said, JSON)), kind=JSON) == (JSON, said.encode())
    wrong = json.dumps({"predictions": [{"score": float("nan"), "unknown": ["nan"]}]})
    with pytest.raises(RuntimeError, match="expected finite numbers"):
        answered(script((wrong, JSON)), kind=JSON)


UNFIT = {
    "not a number": "nan\n",
    "infinite": "1,-Infinity\n",
    "too large to be finite": "1,1e309\n",
    "too many digits to be finite": "1," + "9" * 400 + "\n",
    "too many digits with an exponent": "1," + "9" * 250 + "e99\n",
    "NaN in capital letters": "1,NAN\n",
    "too large, in JSON": ('{"predictions": [{"score": 1E+0400}]}', JSON),
    "a text that is no number, in JSON": ('{"predictions": [{"score": "NaN"}]}', JSON),
    "not a number, in JSON": ('{"predictions": [{"score": NaN}]}', JSON),
    "no JSON": ("{", JSON),
    "JSON of another shape": ("[1]", JSON),
    "too many answers": "1\n1\n",
    "no answer": "",
    "text that has no bytes": "\ud800\n",
    "a type of two lines": ("1\n", "text/csv\r\nset-cookie: a"),
    "a type that is no text": ("1\n", "t\u00e9xt"),
    "an answer without end": ("1" * (MAX_BODY + 1), CSV),
}


@pytest.mark.parametrize("name", UNFIT)
def test_an_answer_that_cannot_be_sent_is_the_models_fault(name: str) -> None:
    with pytest.raises(Exception) as failed:  # it is answered with 500
        answered(script(UNFIT[name]))
    assert not isinstance(failed.value, BadRequest)


def test_an_answer_may_have_words() -> None:
    assert answered(script("inn,0.5\n")) == (CSV, b"inn,0.5\n")
    assert answered(script("financial,1e-300\n")) == (CSV, b"financial,1e-300\n")


def test_records_whose_answers_are_too_long_together_are_too_many() -> None:
    many = 10_000
    with pytest.raises(BadRequest) as refused:
        answered(script(("1" * 700 + "\n") * many), b"1,2\n" * many)
    assert refused.value.status == 413


ALARMS = {
    name: Alarm(name, name, statistic, 1.0, 60, 1)
    for name, statistic in (("Invocation5XXErrors", "Average"), ("ModelLatency", "p99"))
}


def seen(status: int, seconds: float = 0.001, is_large: bool = False) -> Seen:
    return Seen(0.0, 2, status, seconds, is_large)


def test_what_clients_do_wrong_says_nothing_of_a_version() -> None:
    refused = [seen(status, 50.0) for status in (400, 406, 413, 415)]
    for alarm in ALARMS.values():
        assert metric(alarm, refused) is None
    assert metric(ALARMS["ModelLatency"], [seen(200), *refused]) == 1000
    assert metric(ALARMS["Invocation5XXErrors"], [seen(500), seen(200), *refused]) == 0.5


def test_a_large_request_counts_in_failures_and_not_in_latency() -> None:
    requests = [seen(200), seen(200, 50.0, is_large=True)]
    assert metric(ALARMS["ModelLatency"], requests) == 1000
    assert metric(ALARMS["Invocation5XXErrors"], [seen(200), seen(500, is_large=True)]) == 0.5


def test_large_requests_leave_a_process_to_small_ones(tmp_path: Path) -> None:
    may_answer = tmp_path / "may-answer"
    waits = (
        f"""while len(rows) > 1000 and not os.path.exists({str(may_answer)!r}): time.sleep(0.01)"""
    )
    large = Request(CSV, "", b"1,2\n" * (fleet.LARGE // 4 + 1))

    async def main() -> tuple[Answer, list[Answer]]:
        serving = Fleet(ServedVersion(**archive(tmp_path, 1, predict=waits)), 2, tmp_path / "l", 60)
        await serving.start()
        asked = [asyncio.create_task(serving.send(large)) for _ in range(3)]
        await asyncio.sleep(0)
        small = await serving.send(Request(CSV, "", b"1,2\n"))
        may_answer.touch()
        answers = await asyncio.gather(*asked)
        await serving.stop()
        return small, answers

    small, answers = asyncio.run(main())
    assert small.body == b"1003\n"
    assert [answer.status for answer in answers] == [200] * 3


def test_a_request_that_waits_for_others_says_nothing_of_the_version(tmp_path: Path) -> None:
    may_answer, asked = tmp_path / "may-answer", tmp_path / "asked"
    waits = (
        f"open({str(asked)!r}, 'a').write('x')\n"
        f"    while not os.path.exists({str(may_answer)!r}): time.sleep(0.01)"
    )
    request = Request(CSV, "", b"1,2\n")

    async def main() -> tuple[Answer, Answer]:
        serving = Fleet(ServedVersion(**archive(tmp_path, 1, predict=waits)), 1, tmp_path / "l", 60)
        await serving.start()
        first = asyncio.create_task(serving.send(request))
        gone = asyncio.create_task(serving.send(Request(CSV, "", b"1,2\n", lambda: False)))
        while not asked.exists():
            await asyncio.sleep(0.01)
        serving._request_seconds = 0.01
        with pytest.raises(RequestRefused) as refused:
            await serving.send(request)
        may_answer.touch()
        answer = await first
        with pytest.raises(RequestRefused):
            await gone
        await serving.stop()
        return answer, refused.value.answer

    answer, refusal = asyncio.run(main())
    assert (answer.status, refusal.status) == (200, 503)
    assert asked.read_text() == "x"


def test_a_model_has_its_time_however_long_a_request_has_waited(tmp_path: Path) -> None:
    deadlines = []

    async def main() -> None:
        serving = Fleet(ServedVersion(**archive(tmp_path, 1)), 1, tmp_path / "l", 60)
        await serving.start()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(1) as limit:  # what is left of the time to wait
            await serving._ask(await serving._free(), Request(CSV, "", b"1,2\n"), limit)
            deadlines.append((limit.when() or 0) - loop.time())
        await serving.stop()

    asyncio.run(main())
    assert deadlines[0] > 30


def test_a_version_without_a_process_fails_what_waits_for_one(tmp_path: Path) -> None:
    async def main() -> Answer:
        serving = Fleet(ServedVersion(**archive(tmp_path, 1)), 1, tmp_path / "l", 60)
        await serving.start()
        for process in serving._workers:
            process.kill()
        serving._request_seconds = 0.0
        answer = await serving.send(Request(CSV, "", b"1,2\n"))
        await serving.stop()
        return answer

    assert asyncio.run(main()).status == 504


def test_a_process_has_no_more_variables_than_a_step_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    names = tmp_path / "names"
    load = f"open({str(names)!r}, 'w').write(' '.join(os.environ))"
    with running(tmp_path) as rehearsal:
        begin(rehearsal, archive(tmp_path, 1, load=load), 1000, Deploy())
        assert ended(rehearsal)["outcome"] == "deployed"
    found = set(names.read_text().split())
    assert "PATH" in found
    assert not {"AWS_SECRET_ACCESS_KEY", "PYTEST_CURRENT_TEST"} & found


def test_a_log_is_no_longer_than_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "MAX_LOG", 1000)
    log = fleet._Log(tmp_path / "version-1.log")
    for number in range(100):
        log.write(b"%099d\n" % number)
    kept = [tmp_path / "version-1.log.1", tmp_path / "version-1.log"]
    assert sorted(kept, reverse=True) == sorted(tmp_path.iterdir(), reverse=True)
    text = b"".join(file.read_bytes() for file in kept)
    assert len(text) <= 2200
    assert text.endswith(b"%099d\n" % 99)


STARTS = """
    import subprocess, sys
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    pids = [subprocess.Popen(sleep, start_new_session=new).pid for new in (False, True)]
    open({pids!r}, "a").write("".join("%d\\n" % pid for pid in pids))
"""


def is_running(pid: int) -> bool:
    """Whether a process is there, and no zombie: nobody may wait for one whose parent has ended."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def all_end(pids: list[int]) -> bool:
    until = time.monotonic() + 60
    while (alive := any(map(is_running, pids))) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are found in /proc")
@pytest.mark.parametrize("how", ["stopped", "killed", "killed while it answers", "its process"])
def test_what_a_script_starts_ends_with_the_endpoint(tmp_path: Path, how: str) -> None:
    file, begun = tmp_path / "pids", tmp_path / "begun"
    load = STARTS.format(pids=str(file)).strip()
    waits = f"rows[0][0] == -1 and (open({str(begun)!r}, 'w'), time.sleep(600))"
    with suppress(DeployError), running(tmp_path) as rehearsal:  # or it was killed
        begin(rehearsal, archive(tmp_path, 1, load=load, predict=waits), 1000, Deploy())
        assert ended(rehearsal)["outcome"] == "deployed"
        processes = rehearsal.ask("status")["processes"]["1"]
        started = [*processes, *(int(pid) for pid in file.read_text().split())]
        assert all(map(is_running, started))
        if how == "its process":
            for process in processes:
                os.kill(process, signal.SIGKILL)
            assert all_end(started)
        elif how != "stopped":
            if "answers" in how:
                with _ask_and_go(rehearsal.port()):
                    while not begun.exists():
                        time.sleep(0.02)
            os.kill(control.address(rehearsal.folder)["pid"], signal.SIGKILL)
    assert all_end(started)


def _ask_and_go(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.sendall(
        b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
        b"content-length: 5\r\n\r\n-1,2\n"
    )
    return client
