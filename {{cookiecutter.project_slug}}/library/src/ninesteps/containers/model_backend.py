"""The interface of a backend for language models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from chat_text import Chat, Example, Exchange, Message

BackendName = Literal["torch", "numpy"]

MOST_PARAMETERS_BY_NUMPY = 20_000_000
"""The largest model for numpy: an epoch of a larger one would take hours."""


@dataclass(frozen=True)
class ReplyLoss:
    """A model's loss of a reply: the summed negative log-likelihood of its tokens, in nats.

    The end token is among the tokens; those of the prompt are not.
    """

    nll: float
    tokens: int


@dataclass(frozen=True)
class Parameters:
    """The hyperparameters of fine-tuning.

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
        """The backend's name."""

    def fits(self, prompt: Sequence[Message], max_tokens: int) -> bool:
        """Whether the last question of a prompt fits as a whole, with room for the reply."""

    def replies(self, prompts: Sequence[Sequence[Message]], max_tokens: int) -> list[str]:
        """The greedy reply to each prompt, of at most `max_tokens` tokens."""

    def losses(self, conversations: Sequence[Exchange]) -> list[ReplyLoss]:
        """The model's loss of each conversation's reply, given its prompt."""


class Learner(Protocol):
    """A base model with a trainable adapter.

    The adapter starts with `adapter.initial`, the same for both backends.
    """

    @property
    def chat(self) -> Chat:
        """The base's chat, with `Parameters.max_tokens` as its context."""

    @property
    def parameters(self) -> int:
        """The number of the base's parameters."""

    @property
    def trained_parameters(self) -> int:
        """The number of the adapter's parameters."""

    def accumulate(self, examples: Sequence[Example], tokens: int) -> float:
        """Add the gradients of the examples' summed loss divided by `tokens`; return that sum.

        It uses dropout, and as few passes as memory allows; the sum is in nats.
        """

    def update(self, learning_rate: float) -> None:
        """One step of AdamW along the added gradients, which are then reset to 0."""

    def losses(self, examples: Sequence[Example]) -> list[ReplyLoss]:
        """The loss of each example with the current adapter, without dropout."""

    def keep(self) -> None:
        """Save a copy of the current adapter, replacing the last one."""

    def kept_model(self) -> LanguageModel:
        """The base with the saved adapter."""

    def save(self, folder: Path) -> None:
        """Write the base merged with the saved adapter, and `adapter/` in peft's format."""


class Backend(Protocol):
    """A backend: torch's or numpy's."""

    @staticmethod
    def load(folder: Path, context: int | None) -> LanguageModel:
        """Read a model; `context` limits its context, in tokens."""

    @staticmethod
    def learner(base: Path, parameters: Parameters, seed: int) -> Learner:
        """The base with a new adapter; `seed` is for the adapter and for dropout."""
