"""The numpy backend: a small Llama that scores, replies and is fine-tuned, without torch.

On one thread, it is as fast as torch for models with a million parameters, and needs a quarter of
the memory; above about 20 million, it is too slow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import adapter
import safetensors_file
from byte_pairs import BytePairs
from chat_text import Chat, Example, Exchange, Message
from llama_config import LlamaConfig
from llama_network import Adapter, Batch, Network, Run
from llama_replies import replies
from model_backend import (
    MOST_PARAMETERS_BY_NUMPY,
    BackendName,
    LanguageModel,
    Parameters,
    ReplyLoss,
)
from model_files import LanguageModelError
from number_vector import AdamW, Integers, NumberVector

TOKENS_AT_ONCE = 2048
"""Tokens per scoring pass: enough to be fast, few enough for the processor's cache."""

PLACES_AT_ONCE = 16_384
"""Tokens whose keys and values are cached while replies are written."""


class Numpy:
    """The backend."""

    @staticmethod
    def load(folder: Path, context: int | None) -> LanguageModel:
        """Read a model to score and reply with."""
        config, base = read(folder)
        return NumpyLlama(Network(config, base), read_chat(folder, config, context))

    @staticmethod
    def learner(base: Path, parameters: Parameters, seed: int) -> NumpyLearner:
        """The base with a new adapter."""
        return NumpyLearner(base, parameters, seed)


class NumpyLlama:
    """A model that scores and replies."""

    name: BackendName = "numpy"

    def __init__(self, network: Network, chat: Chat) -> None:
        self._network, self._chat = network, chat

    def losses(self, conversations: Sequence[Exchange]) -> list[ReplyLoss]:
        """The model's loss of each conversation's reply, given its prompt."""
        return score(self._network, self._chat.examples(conversations))

    def fits(self, prompt: Sequence[Message], max_tokens: int) -> bool:
        """Whether the last question of a prompt fits as a whole, with room for the reply."""
        return self._chat.fits(prompt, max_tokens)

    def replies(self, prompts: Sequence[Sequence[Message]], max_tokens: int) -> list[str]:
        """The greedy reply to each prompt, of at most `max_tokens` tokens."""
        asked = self._chat.prompts(prompts, max_tokens)
        written = [""] * len(asked)
        for part in _parts([len(prompt) + max_tokens for prompt in asked], PLACES_AT_ONCE):
            now = [asked[index] for index in part]
            for index, reply in zip(
                part, replies(self._network, now, max_tokens, self._chat.ends), strict=True
            ):
                written[index] = self._chat.reply(reply)
        return written


class NumpyLearner:
    """A base with a trainable adapter."""

    def __init__(self, base: Path, parameters: Parameters, seed: int) -> None:
        self._folder, self._settings = base, parameters
        self._config, self._base = read(base)
        self.chat = read_chat(base, self._config, parameters.max_tokens)
        first = adapter.initial(self._config.maps, parameters.rank, seed)
        shapes = {name: matrix.shape for name, matrix in first.items()}
        self._adapter = NumberVector(shapes)
        self._adapter.fill(first)
        self._scale = parameters.alpha / parameters.rank
        self._network = Network(self._config, self._base, Adapter(self._adapter, self._scale))
        self._run = Run(NumberVector(shapes), parameters.dropout, np.random.default_rng(seed))
        self._optimizer = AdamW(len(self._adapter.values))
        self._kept: adapter.Arrays = {}

    @property
    def parameters(self) -> int:
        """The number of the base's parameters."""
        return self._config.parameters

    @property
    def trained_parameters(self) -> int:
        """The number of the adapter's parameters."""
        return len(self._adapter.values)

    def accumulate(self, examples: Sequence[Example], tokens: int) -> float:
        """Add the gradients of the examples' summed loss divided by `tokens`; return that sum."""
        with np.errstate(over="ignore", invalid="ignore"):  # the training loop stops if it diverges
            return self._network.learn(*batch(examples), 1 / tokens, self._run)

    def update(self, learning_rate: float) -> None:
        """One step of AdamW along the added gradients, which are then reset to 0."""
        with np.errstate(over="ignore", invalid="ignore"):
            gradients = self._run.gradients.values
            self._optimizer.step(self._adapter.values, gradients, learning_rate)
        gradients[...] = 0

    def losses(self, examples: Sequence[Example]) -> list[ReplyLoss]:
        """The loss of each example with the current adapter, without dropout."""
        with np.errstate(over="ignore", invalid="ignore"):
            return score(
                self._merged({name: self._adapter[name] for name in self._adapter}), examples
            )

    def keep(self) -> None:
        """Save a copy of the current adapter, replacing the last one."""
        self._kept = {name: self._adapter[name].copy() for name in self._adapter}

    def kept_model(self) -> LanguageModel:
        """The base with the saved adapter."""
        return NumpyLlama(self._merged(self._kept), self.chat)

    def save(self, folder: Path) -> None:
        """Write the base merged with the saved adapter, and `adapter/` in peft's format."""
        adapter.save(self._folder, self._kept, self._settings, folder)

    def _merged(self, matrices: adapter.Arrays) -> Network:
        """The base with the adapter merged into its maps, which needs less computation."""
        base = NumberVector(self._config.tensors)
        base.values[...] = self._base.values
        for name in self._config.maps:
            base[f"{name}.weight"][...] += adapter.change(matrices, name, self._scale)
        return Network(self._config, base)


def read(folder: Path) -> tuple[LlamaConfig, NumberVector]:
    """A model's shape and numbers.

    Raises:
        LanguageModelError: if it is too large for numpy, not a Llama, damaged or incomplete.
    """
    config = LlamaConfig.read(folder)
    if config.parameters > MOST_PARAMETERS_BY_NUMPY:
        raise LanguageModelError(
            f"a model of {config.parameters / 1e6:,.0f} million parameters needs torch and "
            "transformers here: without them, expected at most "
            f"{MOST_PARAMETERS_BY_NUMPY / 1e6:.0f} million "
            "(install torch, transformers, peft, tokenizers and safetensors)"
        )
    stored = safetensors_file.tensors(folder)
    numbers = NumberVector(config.tensors)
    config.check({name: tensor.shape for name, tensor in stored.items()})
    for name in config.tensors:
        numbers[name][...] = stored[name].read()
    return config, numbers


def read_chat(folder: Path, config: LlamaConfig, context: int | None) -> Chat:
    """A model's chat, with at most the context that it was made for.

    Raises:
        LanguageModelError: if its tokenizer is of another kind, or does not fit the model.
    """
    tokenizer = BytePairs.read(folder)
    config.check_vocabulary(len(tokenizer))
    return Chat.read(folder, tokenizer, min(context or config.context, config.context))


def batch(examples: Sequence[Example]) -> tuple[Batch, Integers]:
    """Examples as one batch, with the next tokens to predict."""
    texts = [[*example.prompt, *example.reply[:-1]] for example in examples]
    targets = np.concatenate([np.asarray(example.reply, np.intp) for example in examples])
    return Batch.of(texts, [len(example.prompt) - 1 for example in examples]), targets


def score(network: Network, examples: Sequence[Example]) -> list[ReplyLoss]:
    """The loss of each example."""
    losses = [ReplyLoss(0.0, 0)] * len(examples)
    for part in _parts([len(example) for example in examples], TOKENS_AT_ONCE):
        now = [examples[index] for index in part]
        found = network.losses(*batch(now))
        ends = np.cumsum([len(example.reply) for example in now])
        for index, own in zip(part, np.split(found, ends[:-1]), strict=True):
            losses[index] = ReplyLoss(float(own.sum(dtype=np.float64)), len(own))
    return losses


def _parts(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Indices in parts of similar lengths, each with at most `most` places including padding."""
    part: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: (lengths[index], index)):
        if part and (len(part) + 1) * lengths[index] > most:
            yield part
            part = []
        part.append(index)
    if part:
        yield part
