"""Checks the base of a language model for faults that its training would find hours later.

It reads `config.json`, the tokenizer and the header of the weights, in milliseconds. A base in S3
cannot be read here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ninesteps.errors import SettingsError
from ninesteps.settings.settings import Settings
from ninesteps.step_code import base_model, suite
from ninesteps.step_code.bundle import CONTAINERS

if TYPE_CHECKING:
    from chat_text import Chat


def check_base(settings: Settings) -> None:
    """Check that the base can be fine-tuned, and that the prompts of must_refuse fit into it.

    Raises:
        SettingsError: if it is not a Llama, its files do not fit together, or a prompt is too long.
    """
    if not base_model.paths(settings):
        return  # no base, or in S3; compiling reports a missing folder
    base_model.uri(settings, settings.environment())
    with _modules_of_steps():
        from model_files import LanguageModelError

        try:
            chat = _chat(settings.root / settings.model.base, settings.model.max_tokens)
        except LanguageModelError as error:
            raise SettingsError(f"{settings.model.base}: {error}", "model", "base") from None
        if chat:
            _check_lengths(settings, chat)


@contextmanager
def _modules_of_steps() -> Iterator[None]:
    """Makes the steps' modules importable, and unloads them: `--debug` imports a step's own."""
    known, places = set(sys.modules), [*sys.path]
    sys.path.append(str(CONTAINERS))
    try:
        yield
    finally:
        sys.path[:] = places
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).parent == CONTAINERS:
                del sys.modules[name]


def _chat(folder: Path, max_tokens: int) -> Chat | None:
    """How the base reads a conversation; None if only `tokenizers` can read its tokenizer.

    Raises:
        LanguageModelError: if it is not a Llama, or its files do not fit together.
    """
    import safetensors_file
    from byte_pairs import BytePairs
    from chat_text import Chat
    from llama_config import LlamaConfig
    from model_files import LanguageModelError

    config = LlamaConfig.read(folder)
    config.check({name: one.shape for name, one in safetensors_file.tensors(folder).items()})
    try:
        tokenizer = BytePairs.read(folder)
    except LanguageModelError:
        return None
    config.check_vocabulary(len(tokenizer))
    return Chat.read(folder, tokenizer, min(max_tokens, config.context))


def _check_lengths(settings: Settings, chat: Chat) -> None:
    reply = settings.model.max_reply_tokens
    if reply >= chat.context:
        raise SettingsError(
            f"expected fewer than the {chat.context} tokens of the base's context, got {reply}",
            "model", "max_reply_tokens",
        )  # fmt: skip
    for prompt in suite.prompts(settings):
        if not chat.fits([{"role": "user", "content": prompt}], reply):
            raise SettingsError(
                f"{settings.judge.must_refuse}: expected prompts that fit into "
                f"{chat.context - reply} of {chat.context} tokens, leaving max_reply_tokens for "
                f"the reply, got a longer one: {prompt[:40]!r}", "judge", "must_refuse",
            )  # fmt: skip
