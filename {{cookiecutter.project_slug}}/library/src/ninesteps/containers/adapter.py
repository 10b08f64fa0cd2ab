"""LoRA's adapter: its first values, and its files in peft's format, the same for both backends."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.float32]]

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""What is adapted: every linear map of a layer."""


def initial(maps: Mapping[str, tuple[int, int]], rank: int, seed: int) -> Arrays:
    """A new adapter: A drawn as peft draws it, B zero, so that the model is the base at first.

    `maps` has the shapes (out, in) of the adapted maps by their names in the model, such as
    `model.layers.0.self_attn.q_proj`. The result has `NAME.lora_A`, (rank, in), and `NAME.lora_B`,
    (out, rank). A is uniform between -1 / sqrt(in) and 1 / sqrt(in): Kaiming's with a = sqrt(5).
    """
    random = np.random.default_rng(seed)
    adapter: Arrays = {}
    for name, (to, of) in maps.items():
        bound = 1 / np.sqrt(of)
        drawn = random.uniform(-bound, bound, (rank, of))
        adapter[f"{name}.lora_A"] = drawn.astype(np.float32)
        adapter[f"{name}.lora_B"] = np.zeros((to, rank), np.float32)
    return adapter
