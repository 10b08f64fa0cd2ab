"""Reads a model's folder for the torch backend; each error is one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import tokenizers
import torch
import transformers

import safetensors_file
from chat_text import Chat
from llama_config import LlamaConfig
from model_files import LanguageModelError, read_object

TOKENIZER = "tokenizer.json"


class FastTokenizer:
    """A `tokenizer.json` of any kind, read by the `tokenizers` package."""

    def __init__(self, folder: Path) -> None:
        read_object(folder / TOKENIZER)
        try:
            self._own = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # the package raises only this type
            raise LanguageModelError(f"{TOKENIZER} is damaged: {_line(error)}") from error
        self._own.no_padding()
        self._own.no_truncation()
        self.control_tokens: Mapping[str, int] = {
            token.content: number
            for number, token in sorted(self._own.get_added_tokens_decoder().items())
            if token.special
        }

    def __len__(self) -> int:
        """The highest token plus one: the number of rows that an embedding needs."""
        return 1 + max(map(int, self._own.get_vocab(with_added_tokens=True).values()))

    def encode(self, text: str) -> list[int]:
        """The tokens of a text; the name of a control token becomes that token, and none is
        added."""
        tokens: list[int] = self._own.encode(text, add_special_tokens=False).ids
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without control tokens."""
        text: str = self._own.decode(list(tokens), skip_special_tokens=True)
        return text


def read_chat(folder: Path, context: int | None) -> Chat:
    """A model's chat, with at most the context that it was made for.

    Raises:
        LanguageModelError: if it is not a Llama, or its tokenizer has too many tokens.
    """
    config = LlamaConfig.read(folder)
    tokenizer = FastTokenizer(folder)
    config.check_vocabulary(len(tokenizer))
    return Chat.read(folder, tokenizer, min(context or config.context, config.context))


def read_model(folder: Path, dtype: torch.dtype, attention: str) -> transformers.LlamaForCausalLM:
    """A model in the host's memory.

    Raises:
        LanguageModelError: if it is not a Llama, or a file is missing, damaged, or of another
        model.
    """
    tensors = safetensors_file.tensors(folder)  # transformers would fill missing ones at random
    LlamaConfig.read(folder).check({name: tensor.shape for name, tensor in tensors.items()})
    try:
        return transformers.LlamaForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation=attention,
            local_files_only=True,
            use_safetensors=True,
        )
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise LanguageModelError(
            f"expected a Llama that transformers can read, got {_line(error)}"
        ) from error


def _line(error: Exception) -> str:
    """The first line of a library's message."""
    return str(error).strip().partition("\n")[0]
