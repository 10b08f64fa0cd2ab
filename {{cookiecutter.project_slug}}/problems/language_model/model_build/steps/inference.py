"""Serves the language model: the functions that Hugging Face's server calls, in its archive.

`reply_requests` defines requests and answers. The server passes its `context` to functions with one
more argument, and they may return only text or bytes.
https://github.com/aws/sagemaker-huggingface-inference-toolkit, `handler_service.py`
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import language_model
import reply_requests
from container import read_json
from conversations import Message
from model_backend import LanguageModel
from model_files import LanguageModelError
from reply_requests import CONTENT_TYPES, FAILED, TOO_LARGE, Answer, Asked, Refused, Request

__all__ = ["CONTENT_TYPES", "input_fn", "model_fn", "output_fn", "predict_fn"]

DESCRIPTION_FILE = "code/model.json"


@dataclass(frozen=True)
class Model:
    """A model with the limits of what it reads and writes."""

    replying: LanguageModel
    context: int  # tokens of prompt and reply together
    max_reply_tokens: int


def model_fn(model_dir: str, context: Any = None) -> Model:
    """Load the model from the unpacked archive."""
    folder = Path(model_dir)
    hyperparameters = read_json(folder / DESCRIPTION_FILE)["hyperparameters"]
    context = int(hyperparameters["max_tokens"])
    replying = language_model.load(folder, context=context)
    return Model(replying, context, int(hyperparameters["max_reply_tokens"]))


def input_fn(body: bytes | str, content_type: str, context: Any = None) -> Request:
    """Read a request; its faults become part of the answer, not errors."""
    return reply_requests.read(body, content_type)


def predict_fn(request: Request, model: Model, context: Any = None) -> Answer:
    """Reply to each conversation; if the model fails, have the server answer 500.

    Without a `context`, as in a transform on this machine, the error is raised.
    """
    try:
        return Answer(replies(request.asked, model), request.form)
    except Exception:
        if context is None:
            raise
        traceback.print_exc()
        context.set_response_status(code=FAILED, phrase="Internal Server Error", idx=0)
        failed = Refused("the model failed; its log says why", FAILED)
        return Answer((failed,) * len(request.asked), request.form)


def replies(asked: Sequence[Asked | Refused], model: Model) -> tuple[str | Refused, ...]:
    """The replies in order; those with the same length limit are made together."""
    said = [_allowed(one, model) for one in asked]
    lengths = {one.max_tokens for one in said if isinstance(one, Asked)}
    outcome: dict[int, str | Refused] = {n: o for n, o in enumerate(said) if isinstance(o, Refused)}
    for most in sorted(lengths):
        alike = {n: one.messages for n, one in enumerate(said)
                 if isinstance(one, Asked) and one.max_tokens == most}  # fmt: skip
        outcome |= zip(alike, _replies(model.replying, [*alike.values()], most), strict=True)
    return tuple(outcome[n] for n in range(len(said)))


def _allowed(one: Asked | Refused, model: Model) -> Asked | Refused:
    """A request with its length limit, or a refusal.

    The model reads the end of a long conversation; the last question must fit as a whole.
    """
    if isinstance(one, Refused):
        return one
    most = one.max_tokens or model.max_reply_tokens
    if most > model.max_reply_tokens:
        return Refused(f"expected max_tokens of at most {model.max_reply_tokens}, got {most}")
    if not model.replying.fits(one.messages, most):
        room = f"{model.context - most} of {model.context} tokens"
        return Refused(f"expected a last message that fits into {room}", TOO_LARGE)
    return Asked(one.messages, most)


def _replies(
    replying: LanguageModel, prompts: Sequence[Sequence[Message]], most: int
) -> list[str | Refused]:
    """Replies to conversations; one that the chat template cannot write does not affect the
    others."""
    try:
        return [*replying.replies(prompts, most)]
    except LanguageModelError as error:
        if len(prompts) == 1:
            return [Refused(str(error))]
    return [said for prompt in prompts for said in _replies(replying, [prompt], most)]


def output_fn(answer: Answer, accept: str, context: Any = None) -> str:
    """Write the answer."""
    return reply_requests.write(answer, accept)
