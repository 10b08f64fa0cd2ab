"""Fine-tunes a Llama with torch: peft's LoRA, by the loop of `fine_tuning`.

On a GPU, numbers are bfloat16 with float32 copies of the trained ones, examples share rows, and
layers are compiled if a training is long enough. On a CPU, everything is float32, with the same
results as numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import peft
import torch
import transformers

import adapter
import torch_attention
from chat_text import Chat, Example
from model_backend import LanguageModel, Parameters, ReplyLoss
from packed_rows import Integers, fed
from torch_files import read_chat, read_model
from torch_llama import TorchLlama, moved
from torch_passes import Passes
from torch_processes import Processes

COMPILED_FROM = 5e15
"""Floating-point operations after which layers are compiled: at least a minute of training, as long
as compiling takes. They are counted, not timed, so that the same inputs give the same model."""


class TorchLearner:
    """A base with a trainable adapter."""

    def __init__(self, base: Path, parameters: Parameters, seed: int, processes: Processes) -> None:
        self._base, self._settings, self._processes = base, parameters, processes
        self.chat: Chat = read_chat(base, parameters.max_tokens)
        device = processes.device
        attention = torch_attention.fused(device)
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self._model = moved(read_model(base, dtype, attention or "sdpa"), device)
        self.parameters: int = self._model.num_parameters()
        self._adapted = _adapted(self._model, parameters, seed)
        self._masters = {n: own.detach().float().clone() for n, own in self._adapted.items()}
        self._optimizer = torch.optim.AdamW(
            self._masters.values(),
            betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
        )  # fmt: skip
        self._kept: adapter.Arrays = {}
        self._passes = Passes(self._model, attention, trains=True)
        self._operations = 0.0
        torch.manual_seed(seed + processes.rank)  # for dropout

    @property
    def trained_parameters(self) -> int:
        """The number of the adapter's parameters."""
        return sum(own.numel() for own in self._adapted.values())

    def accumulate(self, examples: Sequence[Example], tokens: int) -> float:
        """Add the gradients of the examples' summed loss divided by `tokens`; return that sum."""
        self._model.train()
        self._compile_if_it_pays(examples)
        total = torch.zeros((), dtype=torch.float64, device=self._model.device)

        def learn(losses: torch.Tensor, _: Integers) -> None:
            (losses.sum() / tokens).backward()
            self._collect()
            total.add_(losses.detach().double().sum())

        self._passes.run(self._processes.share(examples), learn)
        self._processes.add(total)
        return float(total)

    def update(self, learning_rate: float) -> None:
        """One step of AdamW along the added gradients, which are then reset to 0."""
        masters = self._masters.values()
        together = torch.cat([_gradient(master).reshape(-1) for master in masters])
        self._processes.add(together)
        for master, part in zip(masters, together.split([m.numel() for m in masters]), strict=True):
            master.grad = part.reshape(master.shape)
        self._optimizer.param_groups[0]["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad()
        with torch.no_grad():
            for name, own in self._adapted.items():
                own.copy_(self._masters[name])

    def losses(self, examples: Sequence[Example]) -> list[ReplyLoss]:
        """The loss of each example with the current adapter, without dropout."""
        self._model.eval()
        share = self._processes.share(range(len(examples)))
        found = self._passes.reply_losses([examples[number] for number in share])
        totals = torch.zeros(len(examples), dtype=torch.float64)
        totals[list(share)] = torch.tensor([loss.nll for loss in found], dtype=torch.float64)
        totals = totals.to(self._model.device)
        self._processes.add(totals)
        return [
            ReplyLoss(total, len(example.reply))
            for total, example in zip(totals.tolist(), examples, strict=True)
        ]

    def keep(self) -> None:
        """Save a copy of the current adapter, replacing the last one."""
        self._kept = {name: own.cpu().numpy().copy() for name, own in self._masters.items()}

    def kept_model(self) -> LanguageModel:
        """The base with the saved adapter."""
        scale = self._settings.alpha / self._settings.rank
        adapted = sorted({name.rpartition(".")[0] for name in self._kept})
        changes = ((name, adapter.change(self._kept, name, scale)) for name in adapted)
        return TorchLlama(self._base, self._settings.max_tokens, self._processes.device, changes)

    def save(self, folder: Path) -> None:
        """Write the base merged with the saved adapter, and `adapter/` in peft's format."""
        if self._processes.is_first:
            adapter.save(self._base, self._kept, self._settings, folder)

    def compile(self) -> None:
        """Compile the layers, which are alike, at the next pass."""
        for layer in self._model.model.layers:
            layer.compile()

    def _collect(self) -> None:
        """Add the last pass's gradients to those of the float32 copies."""
        for name, own in self._adapted.items():
            if own.grad is not None:
                gradient = own.grad.float()
                master = self._masters[name]
                master.grad = gradient if master.grad is None else master.grad.add_(gradient)
                own.grad = None

    def _compile_if_it_pays(self, examples: Sequence[Example]) -> None:
        """Compile the layers once enough has been computed."""
        if self._model.device.type != "cuda" or self._operations > COMPILED_FROM:
            return
        self._operations += 4.0 * self.parameters * sum(map(fed, examples))
        if self._operations > COMPILED_FROM:
            self.compile()


def _adapted(
    model: transformers.LlamaForCausalLM, parameters: Parameters, seed: int
) -> dict[str, torch.nn.Parameter]:
    """Add an adapter to a model; return its matrices with the names of `adapter.initial`."""
    settings = peft.LoraConfig(
        r=parameters.rank,
        lora_alpha=parameters.alpha,
        lora_dropout=parameters.dropout,
        target_modules=list(adapter.MODULES),
    )
    peft.inject_adapter_in_model(settings, model)
    maps = {
        name: (layer.out_features, layer.in_features)
        for name, layer in model.named_modules()
        if isinstance(layer, peft.tuners.lora.LoraLayer)
    }
    adapted = {}
    for name, values in adapter.initial(maps, parameters.rank, seed).items():
        own = model.get_parameter(f"{name}.default.weight")
        own.data = torch.from_numpy(values).to(own.device, model.dtype)
        adapted[name] = own
    return adapted


def _gradient(master: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(master) if master.grad is None else master.grad
