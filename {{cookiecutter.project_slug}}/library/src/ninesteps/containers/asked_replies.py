"""Gets replies from an archive's `inference.py`, as a transform and an endpoint would."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations import Conversation, Message, read, written
from dataset import GROUPS, DataError
from reply_requests import JSON_LINES, OK, TOO_LARGE
from served_model import ServedModel

AT_ONCE = 64
"""The number of prompts in a request; the model divides them into batches itself."""


def ask_unseen(
    models: Mapping[str, ServedModel], folder: Path, more: Sequence[Sequence[Message]]
) -> tuple[list[Conversation], dict[str, list[str]]]:
    """The test split's conversations, and each model's replies to their prompts, then to more.

    Meanwhile the split's files are removed, so that a model can neither read nor change the
    references.
    """
    test = read(folder / "test.jsonl")
    names = ("test.jsonl", "test.csv", "columns.json", GROUPS, "findings.json")
    files = {path: path.read_bytes() for name in names if (path := folder / name).is_file()}
    prompts = [*(one.prompt for one in test), *more]
    for file in files:
        file.unlink()
    try:
        replies = {key: ask(model, prompts) for key, model in models.items()}
    finally:
        for file, content in files.items():
            file.write_bytes(content)
    return test, replies


def ask(model: ServedModel, prompts: Sequence[Sequence[Message]]) -> list[str]:
    """An archive's replies to prompts, each requested once.

    Raises:
        DataError: if it fails to answer one.
    """
    texts = [written(prompt) for prompt in prompts]
    different = [*dict.fromkeys(texts)]
    parts = [different[n : n + AT_ONCE] for n in range(0, len(different), AT_ONCE)]
    answers = model.ask(["".join(f'{{"messages":{text}}}\n' for text in part) for part in parts],
                        JSON_LINES)  # fmt: skip
    replies: dict[str, str] = {}
    for part, answer in zip(parts, answers, strict=True):
        replies |= zip(part, read_replies(answer, len(part)), strict=True)
    return [replies[text] for text in texts]


def read_replies(text: str, count: int) -> list[str]:
    """The replies in an answer to this many prompts, one per line.

    Raises:
        DataError: if their number is wrong, or one is not a reply.
    """
    found = [*_replies(line for line in text.split("\n") if line.strip())]
    if len(found) != count:
        raise _wrong(f"{count} replies", f"{len(found)}")
    return found


def _replies(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        try:
            answer: Any = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            raise _wrong("one JSON object per line", repr(line[:50])) from None
        yield reply_of(answer)


def reply_of(answer: Any) -> str:
    """The reply in an answer; empty, which resembles no reference, for a question that is too long.

    Raises:
        DataError: if it is an error, or has another form.
    """
    if not isinstance(answer, dict):
        raise _wrong("an object with a reply", repr(answer)[:50])
    status = answer.get("status", OK)
    if status == TOO_LARGE:
        return ""
    if status != OK:
        raise _wrong("a reply", f"status {status}: {answer.get('error', 'no reason')}")
    if not isinstance(answer.get("reply"), str):
        raise _wrong("an object with a reply", f"one with {', '.join(answer) or 'nothing'}")
    return str(answer["reply"])


def _wrong(expected: str, got: str) -> DataError:
    return DataError(f"inference.py of the model's archive: expected {expected}, got {got}")
