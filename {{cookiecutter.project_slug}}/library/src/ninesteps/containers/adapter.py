"""LoRA's adapter: its initial values, and its files in peft's format, the same for both backends.

Hu et al., arXiv 2106.09685: alpha / rank * B A is added to each map W, (out, in).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import safetensors_file
from container import write_json
from llama_config import LlamaConfig
from model_backend import Parameters
from model_files import LanguageModelError, read_object

Arrays = dict[str, NDArray[np.float32]]

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The adapted maps: every linear map of a layer."""

FOLDER, SETTINGS, WEIGHTS = "adapter", "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."

COPIED = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "chat_template.jinja", "special_tokens_map.json",
)  # fmt: skip
"""The base's files that are copied to its fine-tuned model."""


def initial(maps: Mapping[str, tuple[int, int]], rank: int, seed: int) -> Arrays:
    """A new adapter: A drawn as peft draws it, B zero, so that the model is the base at first.

    `maps` has the shapes (out, in) of the adapted maps by their names in the model, such as
    `model.layers.0.self_attn.q_proj`. The result has `NAME.lora_A`, (rank, in), and `NAME.lora_B`,
    (out, rank). A is uniform between -1 / sqrt(in) and 1 / sqrt(in): Kaiming's with a = sqrt(5).
    """
    random = np.random.default_rng(seed)
    adapter: Arrays = {}
    for name, (_, of) in maps.items():
        bound = 1 / np.sqrt(of)
        adapter[f"{name}.lora_A"] = random.uniform(-bound, bound, (rank, of)).astype(np.float32)
    for name, (to, _) in maps.items():
        adapter[f"{name}.lora_B"] = np.zeros((to, rank), np.float32)
    return adapter


def change(adapter: Arrays, name: str, scale: float) -> NDArray[np.float32]:
    """What an adapter adds to a map, (out, in)."""
    return np.float32(scale) * (adapter[f"{name}.lora_B"] @ adapter[f"{name}.lora_A"])


def save(base: Path, adapter: Arrays, parameters: Parameters, folder: Path) -> None:
    """Write the base with the adapter merged in, its tokenizer, and `adapter/` in peft's format.

    Numbers are stored as the base stores them; one tensor at a time is in memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    tensors = safetensors_file.tensors(base)
    scale = parameters.alpha / parameters.rank

    def merged(name: str) -> NDArray[np.float32]:
        numbers, adapted = tensors[name].read(), name.removesuffix(".weight")
        is_adapted = f"{adapted}.lora_A" in adapter
        return numbers + change(adapter, adapted, scale) if is_adapted else numbers

    kinds = {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}
    safetensors_file.write(folder / safetensors_file.WEIGHTS, kinds, merged)
    _save_alone(adapter, parameters, folder / FOLDER)


def _save_alone(adapter: Arrays, parameters: Parameters, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    named = {f"{PREFIX}{name}.weight": numbers for name, numbers in adapter.items()}
    safetensors_file.write_arrays(folder / WEIGHTS, named, "F32")
    alpha = parameters.alpha
    write_json(
        folder / SETTINGS,
        {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": None,
            "r": parameters.rank,
            "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
            "lora_dropout": parameters.dropout,
            "target_modules": list(MODULES),
            "bias": "none",
            "inference_mode": True,
        },
    )


def read(folder: Path, base: LlamaConfig) -> tuple[Arrays, float]:
    """An adapter out of its folder, and its scale, alpha / rank.

    Raises:
        LanguageModelError: if it is damaged, has unsupported options, or is for another base.
    """
    settings = read_object(folder / SETTINGS)
    for option in ("use_rslora", "use_dora", "rank_pattern", "alpha_pattern", "modules_to_save"):
        if settings.get(option):
            raise LanguageModelError(f"expected an adapter without `{option}`, got one with it")
    rank, alpha = settings.get("r"), settings.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise LanguageModelError(
            f"expected `r` and `lora_alpha` in {SETTINGS}, got {rank}, {alpha}"
        )
    adapter: Arrays = {}
    for name, tensor in safetensors_file.tensors_of(folder / WEIGHTS).items():
        adapted, _, matrix = name.removeprefix(PREFIX).removesuffix(".weight").rpartition(".")
        to, of = base.maps.get(adapted, (0, 0))
        expected = {"lora_A": (rank, of), "lora_B": (to, rank)}.get(matrix)
        if tensor.shape != expected:
            raise LanguageModelError(
                f"expected an adapter of rank {rank} for this base, got one for another: "
                f"{name} of shape {tensor.shape}"
            )
        adapter[f"{adapted}.{matrix}"] = tensor.read()
    return adapter, alpha / rank
