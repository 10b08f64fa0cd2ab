"""Golden requests: sent in every way that a model is asked, and the same answer by any of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import pytest

import known_answers
from known_answers import CSV, JSON, GoldenRequest
from ninesteps.local.endpoint.blue_green import Golden, RolledBackError
from ninesteps.local.endpoint.fleet import Answer, Fleet, Request

RECORDS = tuple(f"{number},,{number % 7}.5" for number in range(100))
ANSWERS = tuple(f"1,{number / 100}" for number in range(100))


def test_records_are_sent_together_in_pairs_and_alone_in_every_kind() -> None:
    sent = [one for one in known_answers.requests(RECORDS) if not one.may_be_refused]
    ways = [(one.content_type, one.accept, len(one.positions)) for one in sent]
    for kind in (CSV, JSON):
        assert ways.count((kind, kind, 100)) == 1
        assert ways.count((kind, kind, 1)) == known_answers.ALONE
        assert ways.count((kind, kind, 2)) == known_answers.ALONE / 2
        assert {
            (kind, kind, n) for n in range(3, 100, 1 if kind == CSV else known_answers.FEWER)
        } <= {*ways}
    for count in (1, 2, 100):
        assert {(CSV, JSON, count), (JSON, CSV, count)} <= {*ways}
    assert len(ways) == 185
    assert {one.accept for one in known_answers.requests(RECORDS, [CSV])} == {
        CSV,
        known_answers.ANYTHING,
    }
    features = [json.loads(one.body) for one in sent if one.content_type == JSON]
    assert features[0]["instances"][10] == {"features": [10.0, None, 3.5]}


@pytest.mark.parametrize("count", [1, 2, 3, 19, 20, 21, 57])
def test_of_few_records_each_is_sent_alone(count: int) -> None:
    alone = [one.positions[0] for one in known_answers.requests(RECORDS[:count])
             if len(one.positions) == 1 and one.content_type == one.accept == CSV]  # fmt: skip
    assert len(set(alone)) == min(count, -(-count // -(-count // known_answers.ALONE)))
    assert alone[0] == 0


@pytest.mark.parametrize(
    ("answer", "expected", "is_same"),
    [
        ((1, 0.5000009), (1, 0.5), True),
        ((1, 0.500002), (1, 0.5), False),
        ((0, 0.5), (1, 0.5), False),
        ((1,), (1, 0.5), False),
        ((1, float("nan")), (1, float("nan")), False),
        ((1, float("inf")), (1, float("inf")), False),
        ((1_000_000.5,), (1_000_000,), True),
        ((2_000_001.9,), (2_000_004,), False),
        ((1e-9,), (0.0,), False),
        ((), (), False),
    ],
)
def test_answers_are_the_same_by_label_and_by_size(
    answer: known_answers.Answer, expected: known_answers.Answer, is_same: bool
) -> None:
    assert known_answers.is_same(answer, expected) == is_same


@pytest.mark.parametrize(
    ("kind", "body"),
    [(CSV, b"a,b"), (CSV, b"\xff"), (CSV, b",\n"), (JSON, b"{}"), (JSON, b"[]"), (JSON, b"1,0.5"),
     (JSON, b'{"predictions": [{"score": "x"}]}'), (JSON, b'{"predictions": [{"score": null}]}'),
     (JSON, b'{"predictions": [1]}'), (JSON, b'{"predictions": 7}')],
)  # fmt: skip
def test_an_answer_of_another_form_differs(kind: str, body: bytes) -> None:
    request = GoldenRequest(kind, kind, b"", (0,))
    assert known_answers.difference(request, body, [(1.0, 0.5)]).startswith("1 of 1 answers differ")


@dataclass
class Version:
    """What stands for the processes of a version."""

    score: Callable[[Request, int, int], float]  # of a request, how many records, which one
    without_json: bool = False
    reads_only_what_the_run_sent: bool = False

    async def send(self, request: Request) -> Answer:
        is_json = request.content_type.startswith(JSON)
        if self.without_json and (is_json or request.accept == JSON):
            return Answer(415, "text/plain", b"")
        if self.reads_only_what_the_run_sent and b"\r" in request.body:
            return Answer(400, "text/plain", b"")
        if request.content_type.startswith(CSV):
            records = [int(line.split(b",")[0]) for line in request.body.splitlines()]
        else:
            records = [int(one["features"][0]) for one in json.loads(request.body)["instances"]]
        scores = [self.score(request, len(records), record) for record in records]
        if request.accept == CSV or (request.accept == known_answers.ANYTHING and not is_json):
            body = "".join(f"1,{score}\n" for score in scores)
        else:
            predictions = [{"predicted_label": 1, "score": score} for score in scores]
            body = json.dumps({"predictions": predictions})
        return Answer(200, request.accept, body.encode())


def check(
    version: Version, records: tuple[str, ...] = RECORDS, answers: tuple[str, ...] = ANSWERS
) -> str:
    """Why a version is rolled back; empty if it is not."""
    try:
        asyncio.run(Golden(records, answers).check(cast(Fleet, version)))
    except RolledBackError as error:
        return str(error).removeprefix("golden requests: ")
    return ""


def right(request: Request, count: int, record: int) -> float:
    return record / 100


def test_a_version_that_answers_as_before_passes() -> None:
    assert check(Version(right)) == ""
    assert check(Version(right, without_json=True)) == ""  # it says so itself
    assert check(Version(right, reads_only_what_the_run_sent=True)) == ""


@pytest.mark.parametrize(
    ("score", "why"),
    [
        (lambda r, n, i: i / 100 + (n == 1) / 10, "sent alone, as text/csv"),
        (lambda r, n, i: i / 100 + (n == 2) / 10, "sent 2 at once, as text/csv"),
        (lambda r, n, i: i / 100 + (r.content_type == JSON) / 10, "as application/json"),
        (lambda r, n, i: i / 100 + (n == 1 and r.accept == JSON) / 10, "alone, as application/js"),
        (lambda r, n, i: i / 100 + (r.accept != r.content_type) / 10, "to be answered as"),
        (lambda r, n, i: i / 100 + (n == 43) / 10, "sent 43 at once, as text/csv"),
        (
            lambda r, n, i: i / 100 + (2 < n < 50 and r.accept == JSON) / 10,
            "sent 3 at once, as app",
        ),
        (lambda r, n, i: i / 100 + (n == 1 and r.accept != r.content_type) / 10, "sent alone, as"),
        (lambda r, n, i: i / 100 + (r.body[-1:] not in (b"\n", b"}")) / 10, "as text/csv"),
        (lambda r, n, i: i / 100 + (b"\r\n" in r.body) / 10, "as text/csv"),
        (lambda r, n, i: i / 100 + ("charset" in r.content_type) / 10, "charset=utf-8"),
        (lambda r, n, i: i / 100 + (r.accept == "*/*") / 10, "to be answered as */*"),
        (lambda r, n, i: float("nan") if i == 35 else i / 100, "1 of 100 answers differ"),
    ],
    ids=[
        "alone",
        "in pairs",
        "as JSON",
        "alone as JSON",
        "crosswise",
        "43 at once",
        "a few as JSON",
        "alone crosswise",
        "without a last line end",
        "with the line ends of Windows",
        "with a charset",
        "for any answer",
        "not a number",
    ],
)
def test_a_version_that_is_wrong_in_one_way_is_rolled_back(
    score: Callable[[Request, int, int], float], why: str
) -> None:
    assert why in check(Version(score))


def test_without_golden_requests_no_version_passes() -> None:
    assert check(Version(right), (), ()) == "expected some, got none"


def test_what_was_never_a_number_is_no_right_answer() -> None:
    answers = ("1,nan", *ANSWERS[1:])
    nan = Version(lambda r, n, i: i / 100 if i else float("nan"))
    assert check(nan, answers=answers).startswith("1 of 100 answers differ")
