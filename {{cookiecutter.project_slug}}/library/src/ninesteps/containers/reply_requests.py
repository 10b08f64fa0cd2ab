"""Requests for replies, as JSON or as JSON Lines with one conversation per line, and their answers.

`{"messages": [{"role": "user", "content": "How many days off?"}], "max_tokens": 60}` is answered by
`{"reply": "25 days.", "status": 200}`, a conversation that cannot be answered by `{"error": "one
sentence", "status": 400}`. `{"instances": [...]}` has several conversations and gets
`{"predictions": [...]}`. On a line, a conversation may also be just its list of messages, as sent
by a batch transform with the input filter `$.messages`.

An invalid request is answered with HTTP status 200, and its own status is in the answer. Hugging
Face's server answers 400 to any exception of the script, and for a model that cannot be loaded. So
alarms have to count 4xx too, and a client's mistake must not trigger them.
https://github.com/aws/sagemaker-huggingface-inference-toolkit, `handler_service.py`
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from conversations import ConversationError, Message, checked_prompt, read_json

JSON, JSON_LINES = "application/json", "application/jsonlines"
CONTENT_TYPES = (JSON, JSON_LINES)
"""The content types of requests and answers."""

ANYTHING = ("", "*/*", "application/*")
"""The accepted types of a client that accepts any answer."""

MOST_INSTANCES = 100
"""The most conversations in a JSON request, since each may take seconds; lines have no limit."""

OK, BAD, NOT_ACCEPTABLE, TOO_LARGE, UNKNOWN_TYPE, FAILED = 200, 400, 406, 413, 415, 500
FIELDS = ("messages", "max_tokens")


@dataclass(frozen=True)
class Asked:
    """A conversation with a requested reply."""

    messages: tuple[Message, ...]
    max_tokens: int = 0  # the most tokens of the reply; 0: the model's limit


@dataclass(frozen=True)
class Refused:
    """Why a conversation is not answered."""

    sentence: str
    status: int = BAD


@dataclass(frozen=True)
class Request:
    """The requested replies, in the order of the answers."""

    asked: tuple[Asked | Refused, ...]
    form: str  # the answer's form: ONE, SEVERAL or LINES


@dataclass(frozen=True)
class Answer:
    """The answer to a request."""

    replies: tuple[str | Refused, ...]
    form: str


ONE, SEVERAL, LINES = "one", "several", "lines"


def read(body: bytes | str, content_type: str | None) -> Request:
    """Read a request; its faults are part of the result."""
    kind = plain(content_type)
    if kind not in CONTENT_TYPES:
        expected = " or ".join(CONTENT_TYPES)
        shown = f"{kind[:50]!a}" if kind else "none"
        return _refusal(f"expected a request of type {expected}, got {shown}", UNKNOWN_TYPE)
    try:
        text = body if isinstance(body, str) else bytes(body).decode()
    except UnicodeDecodeError:
        return _refusal("expected UTF-8, got other bytes")
    if kind == JSON_LINES:
        lines = [line for line in text.split("\n") if line.strip()]
        return Request(tuple(map(_of_text, lines)), LINES)
    try:
        content = read_json(text, _no_number)
    except ConversationError as error:
        return _refusal(str(error))
    if isinstance(content, dict) and "instances" in content:
        return _several(content)
    return Request((_of_value(content),), ONE)


def write(answer: Answer, accept: str | None) -> str:
    """The text of an answer."""
    accepted = {plain(kind) for kind in (accept or "").split(",")}
    if not accepted & {*ANYTHING, *CONTENT_TYPES}:
        expected, got = " or ".join(CONTENT_TYPES), (accept or "")[:50]
        sentence = f"expected {expected} as the answer's type, got {got!a}"
        answer = Answer((Refused(sentence, NOT_ACCEPTABLE),) * len(answer.replies), answer.form)
    contents = [_content(reply) for reply in answer.replies]
    if answer.form == LINES:
        return "".join(f"{_text(content)}\n" for content in contents)
    return _text({"predictions": contents} if answer.form == SEVERAL else contents[0])


def plain(content_type: str | None) -> str:
    """A content type without its parameters."""
    return (content_type or "").partition(";")[0].strip().lower()


def _content(reply: str | Refused) -> dict[str, Any]:
    if isinstance(reply, str):
        return {"reply": reply, "status": OK}
    return {"error": reply.sentence, "status": reply.status}


def _text(content: object) -> str:
    return json.dumps(content, ensure_ascii=False)


def _refusal(sentence: str, status: int = BAD) -> Request:
    return Request((Refused(sentence, status),), ONE)


def _several(content: dict[str, Any]) -> Request:
    instances = content["instances"]
    if len(content) > 1:
        return _refusal(f"expected only instances, got {_names(content, ('instances',))} too")
    if not isinstance(instances, list) or not instances:
        return _refusal("expected a list of conversations as instances, got none")
    if len(instances) > MOST_INSTANCES:
        sentence = f"expected at most {MOST_INSTANCES} instances, got {len(instances):,}"
        return _refusal(sentence, TOO_LARGE)
    return Request(tuple(map(_of_value, instances)), SEVERAL)


def _of_text(line: str) -> Asked | Refused:
    try:
        return _of_value(read_json(line, _no_number))
    except ConversationError as error:
        return Refused(str(error))


def _of_value(value: object) -> Asked | Refused:
    """One conversation: an object with its messages, or only these."""
    content = {"messages": value} if isinstance(value, list) else value
    if not isinstance(content, dict) or "messages" not in content:
        got = "an object without them" if isinstance(content, dict) else "something else"
        return Refused(f"expected an object with messages, got {got}")
    if unknown := _names(content, FIELDS):
        return Refused(f"expected messages and max_tokens, got {unknown} too")
    most = content.get("max_tokens", 0)
    is_number = isinstance(most, int) and not isinstance(most, bool)
    if "max_tokens" in content and not (is_number and most > 0):
        expected = "expected a whole number of 1 or more as max_tokens"
        return Refused(f"{expected}, got {json.dumps(most)[:30]}")
    try:
        return Asked(checked_prompt(content["messages"]), most)
    except ConversationError as error:
        return Refused(str(error))


def _names(content: Iterable[str], known: Sequence[str]) -> str:
    """The unknown fields, as named in a message."""
    return ", ".join(f"{name[:30]!a}" for name in content if name not in known)[:200]


def _no_number(name: str) -> None:
    raise ConversationError(f"expected JSON, got {name}, which is not a JSON number")
