"""The loop that fine-tunes a language model: the same for both backends.

A backend brings a `Learner`. The order of the conversations, the learning rate of every step, what
is printed and which epoch is kept are decided here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chat_text import Example, Exchange
from model_backend import LanguageModel, Learner, Parameters, ReplyLoss
from model_files import LanguageModelError

WARM_UP = 0.1
"""The share of updates in which the learning rate rises to its maximum, before it falls to 0."""


@dataclass(frozen=True)
class EpochLoss:
    """Mean losses per reply token; epoch 0 is the untrained base, which has no `train`.

    `train` is the mean over an epoch's steps, each before its update and with dropout.
    """

    epoch: int
    train: float | None
    validation: float


@dataclass(frozen=True)
class FineTuned:
    """The result of a training."""

    learner: Learner
    losses: tuple[EpochLoss, ...]  # one per epoch, from epoch 0
    tokens: int  # trained on: prompts and replies, in all epochs

    @property
    def kept(self) -> EpochLoss:
        """The epoch with the lowest validation loss, whose adapter is kept."""
        return min(self.losses, key=lambda loss: loss.validation)

    @property
    def model(self) -> LanguageModel:
        """The base with the adapter of the kept epoch."""
        return self.learner.kept_model()

    def save(self, folder: Path) -> None:
        """Write the merged model, its tokenizer, and `adapter/` in peft's format."""
        self.learner.save(folder)


def fine_tune(
    learner: Learner,
    train: Sequence[Exchange],
    validation: Sequence[Exchange],
    parameters: Parameters,
    seed: int,
) -> FineTuned:
    """Train for the given epochs, and keep the one with the lowest validation loss.

    Prints `validation_loss=1.234` after each epoch, and the kept epoch's at the end: the service
    uses the last value of a job.

    Raises:
        LanguageModelError: if there is nothing to train or to validate on.
    """
    if not train or not validation:
        raise LanguageModelError(
            "expected conversations to train and to validate on, "
            f"got {len(train)} and {len(validation)}"
        )
    examples, held_out = learner.chat.examples(train), learner.chat.examples(validation)
    losses = [EpochLoss(0, None, _mean(learner.losses(held_out)))]
    learner.keep()
    _report(losses[-1])
    rates = _learning_rates(len(examples), parameters)
    shuffle = np.random.default_rng(seed)
    for epoch in range(1, parameters.epochs + 1):
        order = shuffle.permutation(len(examples))
        trained = _epoch(learner, [examples[index] for index in order], rates, parameters)
        validated = _mean(learner.losses(held_out)) if math.isfinite(trained) else math.nan
        if not math.isfinite(validated):
            _print(f"epoch={epoch}: the loss is no longer a number, so the training ends here")
            break
        if validated < min(loss.validation for loss in losses):
            learner.keep()
        losses.append(EpochLoss(epoch, trained, validated))
        _report(losses[-1])
    trained_epochs = len(losses) - 1
    result = FineTuned(learner, tuple(losses), trained_epochs * sum(map(len, examples)))
    _print(f"kept epoch={result.kept.epoch} validation_loss={result.kept.validation:.6f}")
    return result


def _epoch(
    learner: Learner, examples: Sequence[Example], rates: Iterator[float], parameters: Parameters
) -> float:
    """One pass over the examples; return the mean loss per reply token, or NaN."""
    total = 0.0
    for update in _parts(examples, parameters.batch_size * parameters.accumulation):
        tokens = sum(len(example.reply) for example in update)
        batches = _parts(update, parameters.batch_size)
        total += sum(learner.accumulate(batch, tokens) for batch in batches)
        if not math.isfinite(total):
            return math.nan
        learner.update(next(rates))
    return total / sum(len(example.reply) for example in examples)


def _parts(examples: Sequence[Example], size: int) -> Iterator[Sequence[Example]]:
    return (examples[start : start + size] for start in range(0, len(examples), size))


def _learning_rates(examples: int, parameters: Parameters) -> Iterator[float]:
    """The learning rate of every update: a linear rise, then half a cosine down to 0.

    Loshchilov and Hutter, arXiv 1608.03983, without restarts.
    """
    an_epoch = math.ceil(examples / (parameters.batch_size * parameters.accumulation))
    updates = an_epoch * parameters.epochs
    rising = math.ceil(WARM_UP * updates)
    for update in range(updates):
        if update < rising:
            share = (update + 1) / rising
        else:
            share = (1 + math.cos(math.pi * (update - rising) / (updates - rising))) / 2
        yield parameters.learning_rate * share


def _mean(losses: Sequence[ReplyLoss]) -> float:
    """Mean loss per reply token."""
    return sum(loss.nll for loss in losses) / sum(loss.tokens for loss in losses)


def _report(loss: EpochLoss) -> None:
    trained = "" if loss.train is None else f" train_loss={loss.train:.6f}"
    _print(f"epoch={loss.epoch}{trained} validation_loss={loss.validation:.6f}")


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # the service reads the log
