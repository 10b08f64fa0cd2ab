"""Runs examples through a Llama in as few passes as its memory allows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from transformers import LlamaForCausalLM

import torch_attention
from chat_text import Example
from model_backend import ReplyLoss
from model_files import LanguageModelError
from packed_rows import Integers, Rows, fed, passes
from torch_reply_loss import reply_losses

MOST_TOKENS, TOKENS_ON_CPU = 32_768, 4_096
"""In one pass: more of them make it no faster."""

USED = 0.8
"""The share of the free memory that a pass may take by the estimate."""

MUCH_PADDING = 0.25
"""Where more than this share of the places would be padding, examples share rows."""

MULTIPLE = 64
"""Rows of a GPU are padded to a multiple of so many tokens, which its kernels like."""


class NoRoomError(Exception):
    """There was no memory for what was computed."""


class Passes:
    """A model, and how many tokens it takes at once.

    `attention` is the name of the fused attention that the model was loaded with, if any.
    """

    def __init__(self, model: LlamaForCausalLM, attention: str | None, *, trains: bool) -> None:
        self._model, self._attention = model, attention
        self._recomputes = not trains  # what is not trained keeps no activations
        self._budget = self._fitting()

    def run(
        self, examples: Sequence[Example], use: Callable[[torch.Tensor, Integers], None]
    ) -> None:
        """Give the losses of reply tokens to `use`, pass by pass, with their examples' numbers.

        Where the memory is not enough, passes get smaller, and at last activations are computed
        twice. A pass that failed is done again from its beginning, without its gradients.

        Raises:
            LanguageModelError: if one example alone does not fit.
        """
        waiting = np.arange(len(examples))
        while len(waiting):
            chosen = [examples[number] for number in waiting]
            done: list[Integers] = []
            try:
                for rows in self._planned(chosen):
                    with memory():
                        use(self._losses(rows), waiting[rows.of])
                    done.append(rows.of)
            except NoRoomError:
                self._model.zero_grad(set_to_none=True)
                self._take_less(max(map(fed, chosen)))
            waiting = np.delete(waiting, np.concatenate([[], *done]).astype(np.int64))

    def reply_losses(self, examples: Sequence[Example]) -> list[ReplyLoss]:
        """The summed loss of each example's reply."""
        totals = np.zeros(len(examples))

        def add(losses: torch.Tensor, numbers: Integers) -> None:
            np.add.at(totals, numbers, losses.double().cpu().numpy())

        with torch.no_grad():
            self.run(examples, add)
        return [
            ReplyLoss(float(total), len(example.reply))
            for total, example in zip(totals, examples, strict=True)
        ]

    def _planned(self, examples: Sequence[Example]) -> Iterator[Rows]:
        if self._model.device.type != "cuda":
            return passes(examples, 0, self._budget)
        if self._attention:
            return passes(examples, self._budget, self._budget, MULTIPLE)
        lengths = [fed(example) for example in examples]
        padding = 1 - sum(lengths) / (len(lengths) * max(lengths))
        capacity = max(lengths) if padding > MUCH_PADDING else 0
        return passes(examples, capacity, self._budget, MULTIPLE)

    def _losses(self, rows: Rows) -> torch.Tensor:
        """The losses of all reply tokens in some rows, in their order."""
        device = self._model.device
        tokens, positions = (
            torch.from_numpy(numbers).to(device, non_blocking=True)
            for numbers in (rows.tokens, rows.positions)
        )
        more: dict[str, object] = {}
        if self._attention:
            tokens, positions = tokens.reshape(1, -1), positions.reshape(1, -1)
            more = {"bounds": torch.from_numpy(rows.bounds).to(device), "longest": rows.longest}
        elif not rows.is_one_each:
            mask = torch_attention.block_mask(torch.from_numpy(rows.segments).to(device))
            more = {"attention_mask": mask}
        states = self._model.model(
            input_ids=tokens, position_ids=positions, use_cache=False, **more
        ).last_hidden_state
        return reply_losses(
            states.reshape(-1, states.shape[-1]),
            self._model.lm_head.weight,
            torch.from_numpy(rows.reply_at).to(device),
            torch.from_numpy(rows.targets).to(device),
        )

    def _fitting(self) -> int:
        """How many tokens fit at once, by an estimate of what a layer keeps of each.

        It is 1.15 MB a token for a model of 135 million parameters and 4.2 MB for one of 1.5
        billion, where 1.2 and 4.3 MB were measured.
        """
        if self._model.device.type != "cuda":
            return TOKENS_ON_CPU
        config = self._model.config
        a_layer = 20 * config.hidden_size + 5 * config.intermediate_size
        layers = config.num_hidden_layers
        numbers = layers * config.hidden_size + a_layer if self._recomputes else layers * a_layer
        free, _ = torch.cuda.mem_get_info(self._model.device)
        fitting = USED * free / (numbers * self._model.dtype.itemsize)
        return max(MULTIPLE, min(MOST_TOKENS, int(fitting)))

    def _take_less(self, longest: int) -> None:
        """Halve the passes, or else keep fewer activations."""
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()
        if self._budget > longest:
            self._budget //= 2
        elif not self._recomputes:
            self._recomputes = True
            with warnings.catch_warnings(action="ignore", category=FutureWarning):  # its new name
                # is not in the containers' versions
                self._model.gradient_checkpointing_enable({"use_reentrant": False})
            self._budget = self._fitting()
        else:
            raise LanguageModelError(
                f"expected memory for one conversation of {longest} tokens, got too little: "
                "lower max_tokens, or take a machine with more"
            )


@contextmanager
def memory() -> Iterator[None]:
    """Raises NoRoomError for what torch raises where the memory is not enough."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise NoRoomError from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # torch has no error of its own for a CPU
            raise
        raise NoRoomError from error
