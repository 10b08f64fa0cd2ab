"""Golden requests: records with known answers, sent in every supported form.

They are sent together, alone and in groups, as CSV and as JSON, in the variants that clients write:
a version that gives the same record different answers cannot be trusted. The evaluation also uses
this module to decide which answers are equal, and which records are sent alone. It uses only the
standard library, since the job that tests a staging endpoint includes this file.

A language model gets conversations. Its replies are the same only if numbers are added in the same
order. In batches of another size they may not be, and a reply may continue with another word: so a
few replies may differ.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
ANYTHING = "*/*"
"""The content type of a client that accepts any answer."""

ALONE = 20
"""How many evenly spaced records are also sent alone and in pairs."""

FEWER = 7
"""Only every seventh of the less informative requests is sent, such as JSON answered as CSV."""

CLOSE = 1e-6
"""The tolerance of a probability, and the relative tolerance of a number."""

AT_ONCE = 100
"""The most conversations in one JSON request, as in `reply_requests`."""

MAY_DIFFER = 20
"""One reply may differ from the known one, plus one in every twenty requested."""

Answer = tuple[float, ...]
"""Label and probability, or the number that a regression predicts."""


@dataclass(frozen=True)
class GoldenRequest:
    """One request, with the positions of its records."""

    content_type: str
    accept: str
    body: bytes
    positions: tuple[int, ...]
    may_be_refused: bool = False  # not every script supports this form

    @property
    def how(self) -> str:
        """A description of how the records are sent."""
        count = len(self.positions)
        kind = self.content_type
        kinds = kind if kind == self.accept else f"{kind}, to be answered as {self.accept}"
        return f"{'alone' if count == 1 else f'{count} at once'}, as {kinds}"


Compare = Callable[[GoldenRequest, bytes], str]
"""How a response differs from the known answers; empty if it does not."""


def golden(
    records: Sequence[str], answers: Sequence[str], kinds: Sequence[str] = (CSV, JSON)
) -> tuple[Iterator[GoldenRequest], Compare]:
    """Golden requests, with the comparison of their responses.

    Args:
        records: CSV of records, or JSON of conversations, each a list of messages.
        answers: CSV of answers, or replies.
        kinds: the content types that the model's script supports; CSV for tabular models.
    """
    if CSV not in kinds:
        return requests_for_replies(records), KnownReplies(answers).difference
    known = [read_answers(answer.encode(), CSV)[0] for answer in answers]
    return requests(records, kinds), lambda request, body: difference(request, body, known)


def spaced(count: int, most: int) -> range:
    """At most `most` of `count` positions, evenly spaced."""
    return range(0, count, max(1, -(-count // most)))


def requests(records: Sequence[str], kinds: Sequence[str] = (CSV, JSON)) -> Iterator[GoldenRequest]:
    """All requests for these CSV records, the most informative first."""
    some = [*spaced(len(records), ALONE)]
    pairs = list(zip(some[::2], some[1::2], strict=False))
    everything = tuple(range(len(records)))
    alone = [(position,) for position in some]
    for kind in kinds:
        for positions in (everything, *alone, *pairs):
            yield _request(records, positions, kind, kind)
        for size in range(3, len(records), 1 if kind == CSV else FEWER):
            yield _request(records, everything[-size:], kind, kind)
    if len(kinds) > 1:
        for kind, accept in ((CSV, JSON), (JSON, CSV)):
            for positions in (everything, *alone[::FEWER], *pairs[::FEWER]):
                yield _request(records, positions, kind, accept)
    for kind in kinds:
        for positions in (alone[0], everything):
            yield from _variants(_request(records, positions, kind, kind))


def _variants(request: GoldenRequest) -> Iterator[GoldenRequest]:
    """The same request as other clients write it: line ends, spaces, content types."""
    kind, body = request.content_type, request.body
    if kind == CSV:
        bodies = (body.rstrip(b"\n"), body.replace(b"\n", b"\r\n"))
    else:
        bodies = (json.dumps(json.loads(body), separators=(",", ":")).encode(),
                  json.dumps(json.loads(body), indent=2).encode())  # fmt: skip
    for written in bodies:
        yield replace(request, body=written, may_be_refused=True)
    yield replace(request, content_type=f"{kind}; charset=utf-8", may_be_refused=True)
    yield replace(request, accept=ANYTHING, may_be_refused=True)


def answered(count: int) -> GoldenRequest:
    """A request for `count` records with an earlier response."""
    return GoldenRequest(CSV, CSV, b"", tuple(range(count)))


def _request(
    records: Sequence[str], positions: tuple[int, ...], kind: str, accept: str
) -> GoldenRequest:
    chosen = [records[position] for position in positions]
    if kind == CSV:
        body = "".join(f"{record}\n" for record in chosen)
    else:
        body = json.dumps({"instances": [{"features": features(record)} for record in chosen]})
    return GoldenRequest(kind, accept, body.encode(), positions)


def features(record: str) -> list[float | None]:
    """The fields of a record; a missing value is None."""
    return [None if field in ("", "nan", "NaN") else float(field) for field in record.split(",")]


def read_answers(body: bytes, kind: str) -> list[Answer]:
    """The answers in a response.

    Raises:
        ValueError: if the response has another form.
    """
    if kind != JSON:
        return [tuple(map(float, line.split(","))) for line in body.decode().splitlines()]
    try:
        predictions = json.loads(body)["predictions"]
        names = ("predicted_label", "score")
        return [
            tuple(float(answer[name]) for name in names if name in answer) for answer in predictions
        ]
    except (KeyError, TypeError):
        raise ValueError("expected predictions as JSON") from None


def is_same(answer: Answer, expected: Answer) -> bool:
    """Equal labels, and probabilities within 1e-6; a regression's number within 1e-6 of its size.

    A non-finite number equals nothing.
    """
    if len(answer) != len(expected) or not answer or not all(map(math.isfinite, answer)):
        return False
    size, least = (CLOSE, 0.0) if len(expected) == 1 else (0.0, CLOSE)
    return answer[:-1] == expected[:-1] and math.isclose(
        answer[-1], expected[-1], rel_tol=size, abs_tol=least
    )


def difference(request: GoldenRequest, body: bytes, known: Sequence[Answer]) -> str:
    """How a response differs from the known answers to all records; empty if it does not."""
    expected = [known[position] for position in request.positions]
    kind = request.accept
    if kind == ANYTHING:
        kind = JSON if body.startswith(b"{") else CSV
    try:
        answers = read_answers(body, kind)
    except ValueError:
        answers = []
    different = [
        number
        for number, right in enumerate(expected)
        if number >= len(answers) or not is_same(answers[number], right)
    ]
    count = len(different) + max(0, len(answers) - len(expected))
    if not count:
        return ""
    return (
        f"{count} of {len(expected)} answers differ from what the model predicted when it was "
        f"registered, sent {request.how}"
    )


# Replies


def asking_for_reply(conversation: str) -> bytes:
    """A conversation, the JSON of its messages, as a request."""
    return json.dumps({"messages": json.loads(conversation)}).encode()


def requests_for_replies(conversations: Sequence[str]) -> Iterator[GoldenRequest]:
    """All requests for replies to these conversations, the most informative first."""
    everything = tuple(range(len(conversations)))
    lines = "".join(f"{conversation}\n" for conversation in conversations)
    yield GoldenRequest(JSON_LINES, JSON_LINES, lines.encode(), everything)
    alone = [_alone(conversations, position) for position in spaced(len(conversations), ALONE)]
    yield from alone
    instances = [{"messages": json.loads(conversation)} for conversation in conversations[:AT_ONCE]]
    body = json.dumps({"instances": instances}).encode()
    yield GoldenRequest(JSON, JSON, body, everything[:AT_ONCE])
    yield replace(alone[0], content_type=f"{JSON}; charset=utf-8")
    yield replace(alone[0], accept=ANYTHING)


def _alone(conversations: Sequence[str], position: int) -> GoldenRequest:
    body = asking_for_reply(conversations[position])
    return GoldenRequest(JSON, JSON, body, (position,))


@dataclass
class KnownReplies:
    """Known replies, and how many received replies differ from them."""

    replies: Sequence[str]
    asked: int = 0
    differing: int = 0

    def difference(self, request: GoldenRequest, body: bytes) -> str:
        """The fault of a response, or of all so far; empty if there is none."""
        how = f"sent {request.how}"
        try:
            given = read_replies(body)
        except ValueError as error:
            return f"{error}, {how}"
        expected = [self.replies[position] for position in request.positions]
        if len(given) != len(expected):
            return f"expected {len(expected)} replies, got {len(given)}, {how}"
        self.asked += len(expected)
        self.differing += sum(a != b for a, b in zip(given, expected, strict=True))
        if self.differing <= 1 + self.asked // MAY_DIFFER:
            return ""
        return (
            f"{self.differing} of {self.asked} replies differ from those of the model when it was "
            f"registered, the last ones {how}"
        )


def known_replies(
    split: bytes, transformed: bytes, evaluated: bytes
) -> tuple[list[str], list[str]]:
    """The conversations of a split as JSON, and the replies that the batch transform got.

    Args:
        split: `test.jsonl`.
        transformed: `test.jsonl.out`: id and `SageMakerOutput`.
        evaluated: `answers.jsonl`: id and reply, of those conversations that were judged.

    Raises:
        ValueError: if a reply is missing, or too many differ from the evaluation's.
    """
    conversations = {str(line["id"]): json.dumps(line["messages"]) for line in _lines(split)}
    said = {str(line["id"]): line["SageMakerOutput"] for line in _lines(transformed)}
    if said.keys() != conversations.keys():
        raise ValueError(f"expected {len(conversations)} replies of the transform, got {len(said)}")
    replies = {key: str(one["reply"]) for key, one in said.items() if "reply" in one}
    judged = {str(line["id"]): line.get("reply") for line in _lines(evaluated)}
    if not judged:
        raise ValueError("expected replies of the evaluation, got none")
    differing = sum(replies.get(key, "") != reply for key, reply in judged.items())
    if differing > 1 + len(judged) // MAY_DIFFER:
        raise ValueError(
            f"{differing} of {len(judged)} replies of the transform differ from the evaluation's"
        )
    return [conversations[key] for key in replies], [*replies.values()]


def _lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode().split("\n") if line.strip()]


def read_replies(body: bytes) -> list[str]:
    """The replies in a response: JSON, or JSON Lines.

    Raises:
        ValueError: if one is not a reply.
    """
    try:
        values: list[Any] = [json.loads(line) for line in body.decode().split("\n") if line.strip()]
    except ValueError:
        raise ValueError("expected JSON") from None
    if len(values) == 1 and isinstance(values[0], dict) and "predictions" in values[0]:
        values = list(values[0]["predictions"])
    replies = [value.get("reply") if isinstance(value, dict) else None for value in values]
    if not all(isinstance(reply, str) for reply in replies):
        faults = [str(v["error"]) for v in values if isinstance(v, dict) and "error" in v]
        raise ValueError(f"expected replies, got {faults[0] if faults else 'something else'}")
    return [str(reply) for reply in replies]
