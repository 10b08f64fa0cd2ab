"""Conversations: their checks, the splits' JSON Lines, and which prompts count as the same."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Message = dict[str, str]
"""One turn: its `role` (system, user or assistant) and its `content`."""

MOST_BYTES = 64 * 1024
"""The most bytes of one message in UTF-8."""

MOST_BYTES_OF_ALL = 256 * 1024
"""The most bytes of all messages together: a stored value has at most 350 KB."""

APOSTROPHES = "'\u2019\u02bc\uff07`"


class ConversationError(ValueError):
    """An unusable conversation; the message says what was expected and what was found."""

    def __init__(self, sentence: str, kind: str = "no conversation") -> None:
        super().__init__(sentence)
        self.kind = kind
        """The kind of fault, in a few words."""


@dataclass(frozen=True)
class Conversation:
    """A prompt and its reference reply."""

    id: str
    prompt: tuple[Message, ...]  # system? user (assistant user)*
    reply: str


def checked(messages: object) -> tuple[Message, ...]:
    """The messages of a whole conversation: a system message or none, then user and assistant.

    The last message is the assistant's: the reply. Fields of a message other than role and content
    are dropped. Raises ConversationError.
    """
    read = _in_turn(messages)
    if read[-1]["role"] != "assistant":
        raise ConversationError(
            f"expected the assistant's reply as the last message, got the {read[-1]['role']}'s",
            "no reply",
        )
    return read


def checked_prompt(messages: object) -> tuple[Message, ...]:
    """The messages of a request for a reply: as in `checked`, but the last one is the user's."""
    read = _in_turn(messages)
    if read[-1]["role"] != "user":
        raise ConversationError(
            f"expected the last message to be the user's, got the {read[-1]['role']}'s"
        )
    return read


def parsed(text: str) -> tuple[Message, ...]:
    """The messages of a whole conversation in JSON. Raises ConversationError."""
    return checked(read_json(text))


def written(messages: Iterable[Message]) -> str:
    """Messages as one line of JSON, the same for the same messages."""
    kept = [{"role": message["role"], "content": message["content"]} for message in messages]
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def conversation(name: str, messages: Sequence[Message]) -> Conversation:
    """A whole, checked conversation, divided into prompt and reply."""
    return Conversation(name, tuple(messages[:-1]), messages[-1]["content"])


def read(path: Path) -> list[Conversation]:
    """The conversations of a split's `<name>.jsonl`, in its order. Raises ConversationError."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append(_of_line(line))
        except ConversationError as error:
            raise ConversationError(f"{path.name}, line {number}: {error}") from None
    return found


def write(path: Path, conversations: Iterable[Conversation]) -> None:
    """Write a split's `<name>.jsonl`: one object per line, with id, messages and reply."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for one in conversations:
            content = {"id": one.id, "messages": list(one.prompt), "reply": one.reply}
            file.write(json.dumps(content, ensure_ascii=False) + "\n")


def normalised(prompt: Sequence[Message]) -> str:
    """A prompt's identity: the user's words, one line per message.

    Characters are compared after Unicode's NFKC and case folding; punctuation, white space and
    invisible characters are ignored. So are system messages and the assistant's earlier replies.
    Symbols and emoji count.
    """
    return "\n".join(_folded(m["content"]) for m in prompt if m["role"] == "user")


def _folded(text: str) -> str:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = []
    for character in text:
        category = unicodedata.category(character)
        if character in APOSTROPHES or category == "Cf":
            continue  # "what's" equals "whats"; a joiner between letters is invisible
        kept.append(" " if category[0] in "PZC" else character)
    return " ".join("".join(kept).split())


def _of_line(line: str) -> Conversation:
    content = read_json(line)
    if not isinstance(content, dict) or not isinstance(content.get("id"), str):
        raise ConversationError(f"expected an object with an id, got {_shown(content)}")
    reply = content.get("reply")
    if not isinstance(reply, str) or not reply:
        raise ConversationError(
            f"{content['id']}: expected a string as its reply, got {_shown(reply)}"
        )
    return Conversation(content["id"], checked_prompt(content.get("messages")), reply)


def read_json(text: str, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """Parse untrusted JSON; `parse_constant` as in `json.loads`. Raises ConversationError."""
    try:
        return json.loads(text, parse_constant=parse_constant)
    except json.JSONDecodeError as error:
        raise ConversationError(
            f"expected JSON, got something else at character {error.pos + 1}"
        ) from None
    except RecursionError:
        raise ConversationError("expected JSON, got lists nested too deeply") from None


def _in_turn(messages: object) -> tuple[Message, ...]:
    if not isinstance(messages, list | tuple):
        raise ConversationError(f"expected a list of messages, got {_shown(messages)}")
    if not messages:
        raise ConversationError("expected at least one message, got none", "empty conversation")
    read = tuple(_message(message, number) for number, message in enumerate(messages, start=1))
    first = 1 if read[0]["role"] == "system" else 0
    for number, message in enumerate(read[first:]):
        expected = "assistant" if number % 2 else "user"
        if message["role"] != expected:
            raise ConversationError(
                f"message {first + number + 1}: expected the role {expected!r}, got "
                f"{message['role']!r}",
                "roles out of order",
            )
    total = sum(len(message["content"].encode()) for message in read)
    if total > MOST_BYTES_OF_ALL:
        raise ConversationError(
            f"expected messages of at most {MOST_BYTES_OF_ALL:,} bytes in all, got {total:,}",
            "conversation too large",
        )
    return read


def _message(message: object, number: int) -> Message:
    if not isinstance(message, dict):
        raise ConversationError(
            f"message {number}: expected an object with role and content, got {_shown(message)}"
        )
    role, content = message.get("role"), message.get("content")
    if role not in ("system", "user", "assistant"):
        raise ConversationError(
            f"message {number}: expected the role system, user or assistant, got {_role(role)}"
        )
    if not isinstance(content, str):
        raise ConversationError(f"message {number}: expected a string, got {_shown(content)}")
    if not content.strip():
        raise ConversationError(
            f"message {number}: expected a string, got an empty string", "empty message"
        )
    try:
        size = len(content.encode())
    except UnicodeEncodeError:
        raise ConversationError(
            f"message {number}: expected Unicode text, got half of a surrogate pair"
        ) from None
    if size > MOST_BYTES:
        raise ConversationError(
            f"message {number}: expected at most {MOST_BYTES:,} bytes, got {size:,}",
            "message too large",
        )
    return {"role": str(role), "content": content}


def _role(value: object) -> str:
    short = isinstance(value, str) and value.isidentifier() and len(value) <= 20
    return repr(value) if short else _shown(value)


def _shown(value: object) -> str:
    """The kind of a value, never its text, which may be personal."""
    if value is None:
        return "nothing"
    kinds: dict[type, str] = {bool: "true or false", int: "a number", float: "a number"}
    kinds |= {
        str: "a string" if value else "an empty string",
        list: "a list",
        tuple: "a list",
        dict: "an object",
    }
    return kinds.get(type(value), f"a {type(value).__name__}")
