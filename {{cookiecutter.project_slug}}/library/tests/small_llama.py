"""A Llama of a few thousand numbers, drawn by seed, for tests that need a model and no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import safetensors_file
from byte_pairs import CHARACTERS
from llama_config import LlamaConfig

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = (("e", "r"), ("i", "n"), ("\u0120", "a"), ("in", "g"))
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SHAPE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 96,
    "tie_word_embeddings": True,
    "eos_token_id": 2,
}


def tokenizer() -> dict[str, Any]:
    """A `tokenizer.json`: every byte, and four merges."""
    parts = [*CHARACTERS.values(), *("".join(pair) for pair in MERGES)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    return {
        "added_tokens": [
            {"id": index, "content": name, "special": True} for index, name in enumerate(CONTROL)
        ],
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "vocab": {part: index for index, part in enumerate([*CONTROL, *parts])},
            "merges": [list(pair) for pair in MERGES],
        },
    }


def write(folder: Path, seed: int = 1, **changes: object) -> Path:
    """Write a model's folder; `changes` are of its `config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer()
    shape = {**SHAPE, "vocab_size": len(words["model"]["vocab"]), **changes}
    settings = {"eos_token": "<|im_end|>", "chat_template": TEMPLATE}
    for name, content in (
        ("config.json", shape), ("tokenizer.json", words), ("tokenizer_config.json", settings)
    ):  # fmt: skip
        (folder / name).write_text(json.dumps(content), "utf-8")
    random = np.random.default_rng(seed)
    arrays = {
        name: random.normal(1 if len(size) == 1 else 0, 0.3, size).astype(np.float32)
        for name, size in LlamaConfig.read(folder).tensors.items()
    }
    safetensors_file.write_arrays(folder / "model.safetensors", arrays, "F32")
    return folder
