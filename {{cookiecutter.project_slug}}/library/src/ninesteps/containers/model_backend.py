"""What a backend of language models is: what it takes, what it gives, and what both are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from chat_text import Chat, Example, Exchange, Message

BackendName = Literal["torch", "numpy"]

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


class Learner(Protocol):
    """A base model with an adapter that learns.

    The adapter begins as `adapter.initial` says, so that both backends start from the same one.
    """

    @property
    def chat(self) -> Chat:
        """How the base reads conversations, with `Parameters.max_tokens` as its context."""

    @property
    def parameters(self) -> int:
        """How many numbers the base has."""

    @property
    def trained_parameters(self) -> int:
        """How many numbers the adapter has."""

    def accumulate(self, examples: Sequence[Example], tokens: int) -> float:
        """Add the gradients of the examples' summed loss divided by `tokens`; give that sum.

        With dropout, and in as few passes as fit; the sum is in nats.
        """

    def update(self, learning_rate: float) -> None:
        """One step of AdamW along the added gradients, which are 0 then."""

    def losses(self, examples: Sequence[Example]) -> list[ReplyLoss]:
        """The loss of each example, without dropout, by the adapter as it is."""

    def keep(self) -> None:
        """Remember the adapter as it is, in place of what was remembered."""

    def kept_model(self) -> LanguageModel:
        """The base with the remembered adapter."""

    def save(self, folder: Path) -> None:
        """Write the base with the remembered adapter merged in, and `adapter/` in peft's format."""


class Backend(Protocol):
    """What computes: one of torch, one of numpy."""

    @staticmethod
    def load(folder: Path, context: int | None) -> LanguageModel:
        """Read a model; `context` shortens what it takes in at once, in tokens."""

    @staticmethod
    def learner(base: Path, parameters: Parameters, seed: int) -> Learner:
        """The base with a new adapter; `seed` is that of the adapter and of dropout."""
