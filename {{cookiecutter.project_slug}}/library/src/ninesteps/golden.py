"""Golden requests: records whose answers are known, sent in every way that a model is asked.

All at once, alone and in any number, as CSV and as JSON, and as other clients write them: a version
that answers one record in two ways is none to rest on. The job that asks a staging endpoint takes
this file with it, so it stands on the standard library alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

CSV, JSON = "text/csv", "application/json"
ANYTHING = "*/*"
"""As the kind of an answer."""

ALONE = 20
"""So many records, evenly spaced, are also sent alone, and two by two."""

FEWER = 7
"""Of what is sent in the one kind, each so many-th is also sent in the other."""

CLOSE = 1e-6
"""How far a probability, or a number by its size, may lie from the known one."""

Answer = tuple[float, ...]
"""Label and probability, or the number that a regression estimates."""


@dataclass(frozen=True)
class GoldenRequest:
    """One request, and which of the records are in it."""

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
    """At most so many positions of `count`, evenly spaced."""
    return range(0, count, max(1, -(-count // most)))


def requests(records: Sequence[str], kinds: Sequence[str] = (CSV, JSON)) -> Iterator[GoldenRequest]:
    """Every way to ask for records of CSV; those that show most come first."""
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
            yield from _written_otherwise(_request(records, positions, kind, kind))


def _written_otherwise(request: GoldenRequest) -> Iterator[GoldenRequest]:
    """What clients send for the same records."""
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


def whole(count: int) -> GoldenRequest:
    """A request that has been answered already, for so many records."""
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
    """The fields of a record: none is a missing value."""
    return [None if field in ("", "nan", "NaN") else float(field) for field in record.split(",")]


def read_answers(body: bytes, kind: str) -> list[Answer]:
    """The answers in a response.

    Raises:
        ValueError: if it has another form.
    """
    if kind != JSON:
        return [tuple(map(float, line.split(","))) for line in body.decode().splitlines()]
    try:
        predictions = json.loads(body)["predictions"]
        names = ("predicted_label", "score")
        return [tuple(float(one[name]) for name in names if name in one) for one in predictions]
    except (KeyError, TypeError):
        raise ValueError("expected predictions of JSON") from None


def is_same(answer: Answer, expected: Answer) -> bool:
    """Labels exactly, probabilities to 1e-6; a regression's one number to 1e-6 of its size.

    What is not finite is the same as nothing.
    """
    if len(answer) != len(expected) or not answer or not all(map(math.isfinite, answer)):
        return False
    size, least = (CLOSE, 0.0) if len(expected) == 1 else (0.0, CLOSE)
    return answer[:-1] == expected[:-1] and math.isclose(
        answer[-1], expected[-1], rel_tol=size, abs_tol=least
    )


def difference(request: GoldenRequest, body: bytes, known: Sequence[Answer]) -> str:
    """How a response differs from the known answers of all records; empty if it does not."""
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
