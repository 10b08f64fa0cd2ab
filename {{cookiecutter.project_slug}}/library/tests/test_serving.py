"""Requests to the endpoint's address: what is none gets the right status and one sentence."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

import inference
from decision import DecisionThreshold
from endpoints import ROOT, archive, begin, ended, running
from ninesteps.local.endpoint.worker import MAX_BODY
from ninesteps.runs.rehearsal import Rehearsal
from ninesteps.settings.deploy import Deploy
from ninesteps.step_code.bundle import closure, folders
from test_inference import records, write_model

INSIDE = ("Traceback", "File ", str(ROOT), "/tmp", ".py", "Error", "Exception")  # noqa: S108
IMPATIENCE = 0.25  # seconds that a request may take to arrive at an impatient endpoint
PATIENCE = 60.0  # ... at any other, and that a client here waits for the end of an answer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """An endpoint whose clients may be as slow as a busy machine makes them."""
    with serving(tmp_path_factory.mktemp("endpoint"), PATIENCE) as rehearsal:
        yield rehearsal


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """An endpoint that does not wait long for a request."""
    with serving(tmp_path_factory.mktemp("impatient"), IMPATIENCE) as rehearsal:
        yield rehearsal


@contextmanager
def serving(folder: Path, receive_seconds: float) -> Iterator[Rehearsal]:
    """An endpoint with a real archive: a model of two features, with the scripts of this one."""
    unpacked = folder / "model"
    unpacked.mkdir()
    model = write_model(unpacked, "binary", DecisionThreshold("f1", 0.4))
    record = "0.5,0.25"
    data = inference.input_fn(f"{record}\n", "text/csv")
    answer = inference.output_fn(inference.predict_fn(data, model), "text/csv")[0].strip()
    for name, file in closure("inference.py", folders(ROOT)).items():
        shutil.copyfile(file, unpacked / "code" / name)
    with running(folder, receive_seconds=receive_seconds) as rehearsal:
        rehearsal.ask(
            "deploy", config=CONFIG, instances=2, alarms=[], time_scale=1000,
            version={"number": 1, "archive": str(unpacked), "program": "inference.py"},
            golden={"records": [record], "answers": [answer]},
        )  # fmt: skip
        assert ended(rehearsal)["outcome"] == "deployed"
        yield rehearsal


CONFIG = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
        "TerminationWaitInSeconds": 0,
        "MaximumExecutionTimeoutInSeconds": 600,
    }
}


@pytest.fixture(scope="module")
def model(served: Rehearsal) -> inference.Model:
    """The model that is served."""
    return inference.model_fn(str(served.local.parent / "model"))


def raw(rehearsal: Rehearsal, *parts: bytes, pause: float = 0.0) -> bytes:
    """What the server says to bytes until it closes, which it must: a client waits without end."""
    said = b""
    address = ("127.0.0.1", rehearsal.port())
    with (
        suppress(ConnectionError),  # it closed while more was sent
        socket.create_connection(address, timeout=PATIENCE) as client,
    ):
        for part in parts:
            client.sendall(part)
            time.sleep(pause)
        while data := client.recv(65536):
            said += data
    return said


def ask(
    rehearsal: Rehearsal, body: bytes, path: str = "/invocations", method: str = "POST",
    **headers: str,
) -> tuple[int, str, str]:  # fmt: skip
    """Status, content type and body of the answer to one request."""
    head = {"content_length": str(len(body)), "connection": "close", **headers}
    lines = [f"{method} {path} HTTP/1.1", "host: x"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in head.items()]
    said = raw(rehearsal, "\r\n".join([*lines, "", ""]).encode() + body).decode()
    first, _, content = said.partition("\r\n\r\n")
    kinds = [line[14:] for line in first.split("\r\n") if line.startswith("content-type: ")]
    return int(first.split()[1]), kinds[0], content


def is_well(rehearsal: Rehearsal) -> bool:
    return ask(rehearsal, b"0.5,0.25\n", content_type="text/csv")[0] == 200


def goes_on(rehearsal: Rehearsal) -> bool:
    """Whether an impatient endpoint answers; a busy machine may send requests too slowly."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(IndexError):  # no answer
            if is_well(rehearsal):
                return True
    return False


def test_csv_is_answered_as_the_model_predicts(served: Rehearsal, model: inference.Model) -> None:
    data = records(50, seed=9)
    body = "".join(",".join(map(repr, row)) + "\n" for row in data.tolist())
    expected, kind = inference.output_fn(inference.predict_fn(data, model), "text/csv")
    assert ask(served, body.encode(), content_type="text/csv") == (200, kind, expected)


def test_json_is_answered_with_the_same_predictions(
    served: Rehearsal, model: inference.Model
) -> None:
    data = records(50, seed=9)
    body = json.dumps({"instances": [{"features": row} for row in data.tolist()]}).encode()
    status, kind, said = ask(served, body, content_type="application/json")
    found = json.loads(said)["predictions"]
    expected = inference.predict_fn(data, model)
    assert (status, kind) == (200, "application/json")
    assert [one["predicted_label"] for one in found] == expected.labels.tolist()
    np.testing.assert_allclose([one["score"] for one in found], expected.probabilities)


def test_the_answer_has_the_type_that_is_accepted(served: Rehearsal) -> None:
    both = {"content_type": "text/csv; charset=utf-8", "accept": "application/json"}
    assert ask(served, b"1,2\n", **both)[1] == "application/json"


def test_a_ping_says_that_a_version_is_served(served: Rehearsal) -> None:
    assert ask(served, b"", "/ping", "GET")[0] == 200


CSV = {"content_type": "text/csv"}
JSON = {"content_type": "application/json"}
REFUSED = {
    "no content type": (b"1,2\n", {}, 415),
    "another content type": (b"1,2\n", {"content_type": "text/html"}, 415),
    "a content type without end": (b"1,2\n", {"content_type": "x" * 5000}, 415),
    "a compressed body": (b"1,2\n", {**CSV, "content_encoding": "gzip"}, 415),
    "another type of answer": (b"1,2\n", {**CSV, "accept": "image/png"}, 406),
    "one column": (b"1\n", CSV, 400),
    "three columns": (b"1,2,3\n", CSV, 400),
    "rows of different lengths": (b"1,2\n1\n", CSV, 400),
    "words": (b"one,two\n", CSV, 400),
    "a header": (b"age,income\n1,2\n", CSV, 400),
    "no body": (b"", CSV, 400),
    "no text": (b"\xff\xfe\x00", CSV, 400),
    "line ends alone": (b"\n\n\n", CSV, 400),
    "no JSON": (b"{", JSON, 400),
    "another JSON": (b'{"instances": [1, 2]}', JSON, 400),
    "JSON of no record": (b'{"instances": []}', JSON, 400),
    "JSON of words": (b'{"instances": [{"features": ["a", "b"]}]}', JSON, 400),
    "JSON of three columns": (b'{"instances": [{"features": [1, 2, 3]}]}', JSON, 400),
    "JSON without end": (b'{"instances": ' + b"[" * 100_000, JSON, 400),
    "commas alone": (b"," * MAX_BODY, CSV, 400),
    "commas in a later line": (b"1,2\n" + b"," * (MAX_BODY - 4), CSV, 400),
    "more records than are answered at once": (b"1,2\n" * 100_001, CSV, 413),
    "a byte order mark alone": (b"\xef\xbb\xbf", CSV, 400),
    "NUL bytes": (b"1\0,2\n", CSV, 400),
    "a whole number of 400 digits": (b'{"instances": [{"features": [1' + b"0" * 400 + b", 2]}]}",
                                     JSON, 400),
    "an infinite number": (b'{"instances": [{"features": [1e400, 2]}]}', JSON, 400),
    "a key that stands twice": (b'{"instances": [{"features": [1, 2], "features": [1, 2]}]}', JSON,
                                400),
    "a number without end": (b'{"instances": [{"features": [1' + b"0" * 9000 + b", 2]}]}", JSON,
                             400),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_the_model_cannot_read_is_refused_in_a_sentence(
    served: Rehearsal, name: str
) -> None:
    body, headers, expected = REFUSED[name]
    status, kind, said = ask(served, body, **headers)
    assert (status, kind) == (expected, "text/plain")
    assert said.endswith("\n")
    assert said.count("\n") == 1
    assert len(said) < 400
    assert not [word for word in INSIDE if word in said]
    assert is_well(served)


def test_another_route_or_method_is_refused(served: Rehearsal) -> None:
    assert ask(served, b"", "/", "GET")[0] == 404
    assert ask(served, b"", "/invocations/../secret", "GET")[0] == 404
    assert ask(served, b"", "/invocations", "GET")[0] == 405
    delete = b"DELETE /invocations HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    said = raw(served, delete)
    assert b"allow: POST" in said
    assert said.endswith(b"method: expected POST, got DELETE\n")


@pytest.mark.parametrize("is_said", [True, False], ids=["its length said", "in chunks"])
def test_a_body_above_the_limit_is_refused_and_not_kept(served: Rehearsal, is_said: bool) -> None:
    head = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
    if is_said:
        said = raw(served, head + f"content-length: {MAX_BODY + 1}\r\n\r\n".encode())
    else:
        chunk = b"%x\r\n%s\r\n" % (1 << 20, b"1" * (1 << 20))
        said = raw(served, head + b"transfer-encoding: chunked\r\n\r\n", *[chunk] * 7)
    assert said.split()[1:2] in ([b"413"], [])  # none: it closed while more was being sent
    assert said or not is_said
    assert is_well(served)


def test_a_body_at_the_limit_is_taken(served: Rehearsal) -> None:
    body = (b"1," + b"0" * 1020 + b"2\n") * (MAX_BODY // 1024)
    assert len(body) == MAX_BODY
    assert ask(served, body, content_type="text/csv")[0] == 200


def test_a_body_that_does_not_come_is_told_so(impatient: Rehearsal) -> None:
    head = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1,"
    assert raw(impatient, head).split()[1] == b"408"


@pytest.mark.parametrize(
    "parts",
    [
        [b""],
        [b"POST /invoc"],
        [b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n", b"GET /pi"],
        [b"GET /ping HTTP/1.1\r\n", *[b"a: b\r\n"] * 1000],
    ],
    ids=["nothing", "half a line", "half a second request", "a header at a time"],
)
def test_a_head_that_does_not_come_is_not_waited_for(
    impatient: Rehearsal, parts: list[bytes]
) -> None:
    began = time.monotonic()
    raw(impatient, *parts, pause=0.1)
    assert time.monotonic() - began < PATIENCE  # closed, also to who would send a head for longer
    assert goes_on(impatient)


def test_a_connection_is_used_again(served: Rehearsal) -> None:
    ping = b"GET /ping HTTP/1.1\r\nhost: x\r\n%s\r\n"
    pings = [ping % b"", ping % b"", ping % b"connection: close\r\n"]
    assert raw(served, *pings, pause=0.2).count(b"HTTP/1.1 200") == 3


def test_whatever_is_sent_the_server_goes_on(impatient: Rehearsal) -> None:
    """Requests with some bytes put in, taken out or changed: a status, or the end."""
    source = random.Random(7)
    whole = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n" \
            b"connection: close\r\ncontent-length: 8\r\n\r\n0.5,0.25"  # fmt: skip
    for _ in range(int(os.environ.get("REQUESTS_TRIED", "40"))):
        sent = bytearray(whole)
        for _ in range(source.randint(1, 6)):
            place = source.randrange(len(sent))
            sent[place : place + source.randint(0, 2)] = source.randbytes(source.randint(0, 3))
        said = raw(impatient, bytes(sent))
        if said:
            assert int(said.split()[1]) in (200, 400, 404, 405, 406, 408, 413, 415, 431), sent
        assert not [word for word in INSIDE if word.encode() in said], sent
    assert goes_on(impatient)


def test_a_canary_has_the_share_of_whole_instances_of_any_requests_in_a_row(tmp_path: Path) -> None:
    deploy = Deploy(
        step_percent=10, instances=3, interval_seconds=3600, bake_seconds=0, max_latency_ms=60_000
    )
    with running(tmp_path) as rehearsal:
        for number in (1, 2):
            begin(rehearsal, archive(tmp_path, number), 1, deploy)
            while number == 1 and rehearsal.ask("status")["deploying"]:
                time.sleep(0.02)
        while rehearsal.ask("status")["versions"][-1]["share"] != 33:
            time.sleep(0.02)
        said = [ask(rehearsal, b"1,2\n", content_type="text/csv")[2][0] for _ in range(99)]
        assert said.count("2") == 33
        assert all(said[n : n + 3].count("2") == 1 for n in range(97))  # and spread over them
