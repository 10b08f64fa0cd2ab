"""Language models behind one face: whoever trains, scores or serves one asks for it here.

Two backends compute: transformers and peft where torch can be imported, as in the containers of
SageMaker, else numpy, which is fast enough for small models. They read and write the same files.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from chat_text import Exchange, Message

if TYPE_CHECKING:
    from fine_tuning import FineTuned, Learner

BackendName = Literal["torch", "numpy"]

NEEDED_BY_TORCH = ("torch", "transformers", "peft", "tokenizers", "safetensors")

MOST_PARAMETERS_BY_NUMPY = 20_000_000
"""Of a larger model, one epoch would take numpy hours."""


@dataclass(frozen=True)
class ReplyLoss:
    """What a model thinks of a reply: the summed negative log-likelihood of its tokens, in nats.

    The end token is among the tokens; those of the prompt are not.
    """

    nll: float
    tokens: int


@dataclass(frozen=True)
class Parameters:
    """How to fine-tune.

    `max_tokens` is the longest conversation in tokens, prompt and reply together; an update takes
    `batch_size * accumulation` conversations.
    """

    learning_rate: float
    rank: int
    alpha: float
    dropout: float
    epochs: int
    batch_size: int = 16
    accumulation: int = 1
    max_tokens: int = 512


class LanguageModel(Protocol):
    """A model that replies."""

    @property
    def name(self) -> BackendName:
        """Which backend computes."""

    def fits(self, prompt: Sequence[Message], max_tokens: int) -> bool:
        """Whether the last question of a prompt is read whole, and leaves room for the reply."""

    def replies(self, prompts: Sequence[Sequence[Message]], max_tokens: int) -> list[str]:
        """The likeliest reply to each prompt, token by token, of at most `max_tokens` tokens."""

    def losses(self, conversations: Sequence[Exchange]) -> list[ReplyLoss]:
        """What the model thinks of each conversation's reply, given its prompt."""


class Backend(Protocol):
    """A module that computes."""

    @staticmethod
    def load(folder: Path, context: int | None) -> LanguageModel:
        """Read a model; `context` shortens what it takes in at once, in tokens."""

    @staticmethod
    def learner(base: Path, parameters: Parameters, seed: int) -> Learner:
        """The base with a new adapter; `seed` is that of the adapter and of dropout."""


def load(
    folder: Path, *, context: int | None = None, backend: BackendName | None = None
) -> LanguageModel:
    """Read a model's folder: `config.json`, `model.safetensors`, `tokenizer.json` and its settings.

    Without a `context`, prompt and reply may be as long as the model was made for.

    Raises:
        LanguageModelError: if it is missing, damaged, of another kind, or too large for numpy.
    """
    return _backend(backend).load(folder, context)


def train(
    base: Path,
    train: Sequence[Exchange],
    validation: Sequence[Exchange],
    parameters: Parameters,
    seed: int,
    *,
    backend: BackendName | None = None,
) -> FineTuned:
    """Fine-tune a base model by LoRA (Hu et al., arXiv 2106.09685) on the replies alone.

    The same inputs give the same model on the same machine. If no epoch is better than the base,
    the base is what came of it.

    Raises:
        LanguageModelError: if the base cannot be used, or there is nothing to train on.
    """
    from fine_tuning import fine_tune

    learner = _backend(backend).learner(base, parameters, seed)
    return fine_tune(learner, train, validation, parameters, seed)


def available(installed: Mapping[str, bool] | None = None) -> BackendName:
    """torch where all that it needs can be imported, else numpy."""
    if installed is None:
        installed = {name: importlib.util.find_spec(name) is not None for name in NEEDED_BY_TORCH}
    return "torch" if all(installed[name] for name in NEEDED_BY_TORCH) else "numpy"


def _backend(name: BackendName | None) -> Backend:
    """Only the backend that is asked for is imported."""
    name = name or available()
    backend: Backend
    if name == "torch":
        import torch_backend

        backend = torch_backend.Torch
    elif name == "numpy":
        import numpy_llama

        backend = numpy_llama.Numpy
    else:
        raise ValueError(f"expected torch or numpy, got {name!r}")
    return backend
