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
"""The most tokens in one pass: more do not make it faster."""

USED = 0.8
"""The share of the free memory that a pass may use, as estimated."""

MUCH_PADDING = 0.25
"""If more than this share of the places would be padding, examples share rows."""

MULTIPLE = 64
"""On a GPU, rows are padded to a multiple of this, which suits its kernels."""


class NoRoomError(Exception):
    """The memory was insufficient for a computation."""


class Passes:
    """A model with its number of tokens per pass.

    `attention` is the name of the fused attention that the model was loaded with, if any.
    """

    def __init__(self, model: LlamaForCausalLM, attention: str | None, *, trains: bool) -> None:
        self._model, self._attention = model, attention
        self._recomputes = not trains  # without training, activations are not kept
        self._budget = self._fitting()

    def run(
        self, examples: Sequence[Example], use: Callable[[torch.Tensor, Integers], None]
    ) -> None:
        """Call `use` with the losses of reply tokens, pass by pass, and their examples' numbers.

        If memory is insufficient, passes get smaller, and finally activations are computed twice. A
        failed pass is repeated from its beginning, without its gradients.

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
        """How many tokens fit at once, by an estimate of the memory per token and layer.

        It is 1.15 MB per token for a model with 135 million parameters and 4.2 MB for one with 1.5
        billion; 1.2 and 4.3 MB were measured.
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
        """Halve the passes, or keep fewer activations."""
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
                "lower max_tokens, or use a machine with more"
            )


@contextmanager
def memory() -> Iterator[None]:
    """Turn torch's out-of-memory errors into NoRoomError."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise NoRoomError from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # torch has no specific error for a CPU
            raise
        raise NoRoomError from error
