"""Golden requests: records with known answers, sent in every way in which a model can be asked.

They are sent all at once, alone and in any number, as CSV and as JSON, and in the ways in which
clients write these: a version that answers the same record in two ways cannot be trusted. What is
the same answer, and which records are also sent alone, is said here for the evaluation too. The
standard library alone is imported: the job that asks a staging endpoint takes this file with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

CSV, JSON = "text/csv", "application/json"
ANYTHING = "*/*"
"""The content type of a client that takes any answer."""

ALONE = 20
"""How many records, evenly spaced, are also sent alone and in pairs."""

FEWER = 7
"""Of requests that tell little more, such as JSON answered as CSV, every seventh is sent."""

CLOSE = 1e-6
"""By how much a probability may differ from the known one, or a number, relative to its size."""

Answer = tuple[float, ...]
"""Label and probability, or the number that a regression predicts."""


@dataclass(frozen=True)
class GoldenRequest:
    """One request, and the positions of the records that are in it."""

    content_type: str
    accept: str
    body: bytes
    positions: tuple[int, ...]
    may_be_refused: bool = False  # not every script reads what is written so

    @property
    def how(self) -> str:
        """How the records are sent, in words."""
        count = len(self.positions)
        kind = self.content_type
        kinds = kind if kind == self.accept else f"{kind}, to be answered as {self.accept}"
        return f"{'alone' if count == 1 else f'{count} at once'}, as {kinds}"


def spaced(count: int, most: int) -> range:
    """At most `most` of `count` positions, evenly spaced."""
    return range(0, count, max(1, -(-count // most)))


def requests(records: Sequence[str], kinds: Sequence[str] = (CSV, JSON)) -> Iterator[GoldenRequest]:
    """Every way to ask for these records, which are CSV; the most telling requests come first."""
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
    """A request for `count` records that has been answered already."""
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

    A number that is not finite equals none.
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
