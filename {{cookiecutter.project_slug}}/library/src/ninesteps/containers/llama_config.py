"""The shape of a Llama from its `config.json`: its tensors and rotary positions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_files import LanguageModelError, read_object

FILE, ADAPTER = "config.json", "adapter_config.json"
KIND, ARCHITECTURE = "llama", "LlamaForCausalLM"

EMBEDDING, NORM, HEAD = "model.embed_tokens", "model.norm", "lm_head"
ATTENTION_NORM, MLP_NORM = "input_layernorm", "post_attention_layernorm"
QUERY_KEY_VALUE = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
OUTPUT = "self_attn.o_proj"
GATE_UP, DOWN = ("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj"


@dataclass(frozen=True)
class LlamaConfig:
    """A Llama's sizes (Touvron et al., arXiv 2302.13971, with grouped queries and tied embeddings).

    `frequencies` has the rotation in radians per position, for each pair of a head's numbers.
    """

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_heads: int  # shared by several heads
    head_size: int
    context: int  # tokens at once
    epsilon: float
    ties_embeddings: bool
    frequencies: NDArray[np.float64]  # (head_size / 2,)

    @staticmethod
    def read(folder: Path) -> LlamaConfig:
        """The shape of a folder's model.

        Raises:
            LanguageModelError: if it is not a Llama, or has unsupported options.
        """
        if not (folder / FILE).is_file() and (folder / ADAPTER).is_file():
            raise LanguageModelError(
                f"expected a base model, got an adapter ({ADAPTER}): merge it into its base first"
            )
        content = read_object(folder / FILE)
        try:
            return _read(content)
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            if isinstance(error, LanguageModelError):
                raise
            raise LanguageModelError(f"{FILE} is damaged: {error!r}") from error

    @property
    def maps(self) -> dict[str, tuple[int, int]]:
        """The linear maps of the layers, which an adapter adapts, with their shapes (out, in)."""
        queries, keys = self.heads * self.head_size, self.key_heads * self.head_size
        shapes = {
            "self_attn.q_proj": (queries, self.hidden),
            "self_attn.k_proj": (keys, self.hidden),
            "self_attn.v_proj": (keys, self.hidden),
            "self_attn.o_proj": (self.hidden, queries),
            "mlp.gate_proj": (self.intermediate, self.hidden),
            "mlp.up_proj": (self.intermediate, self.hidden),
            "mlp.down_proj": (self.hidden, self.intermediate),
        }
        return {
            f"{layer_name(layer)}.{name}": shape
            for layer in range(self.layers)
            for name, shape in shapes.items()
        }

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """All tensors by their names in the file, with shapes, layer by layer."""
        shapes: dict[str, tuple[int, ...]] = {EMBEDDING: (self.vocabulary, self.hidden)}
        shapes |= self.maps
        for layer in range(self.layers):
            for norm in (ATTENTION_NORM, MLP_NORM):
                shapes[f"{layer_name(layer)}.{norm}"] = (self.hidden,)
        shapes[NORM] = (self.hidden,)
        if not self.ties_embeddings:
            shapes[HEAD] = (self.vocabulary, self.hidden)
        return {f"{name}.weight": shape for name, shape in shapes.items()}

    def check(self, found: Mapping[str, tuple[int, ...]]) -> None:
        """Check that a file's tensors are those of this model.

        Raises:
            LanguageModelError: for the first one that is missing or has another shape.
        """
        for name, shape in self.tensors.items():
            if found.get(name) != shape:
                raise LanguageModelError(
                    f"expected weights {name} of shape {shape}, got {found.get(name, 'none')}"
                )

    def check_vocabulary(self, tokens: int) -> None:
        """Check that a tokenizer with this many tokens fits.

        Raises:
            LanguageModelError: if it has more tokens than the embedding.
        """
        if tokens > self.vocabulary:
            raise LanguageModelError(
                f"expected a tokenizer of at most {self.vocabulary} tokens, as many as the model's "
                f"embedding has, got one of {tokens}"
            )

    @property
    def parameters(self) -> int:
        """How many numbers it has."""
        return sum(math.prod(shape) for shape in self.tensors.values())


def layer_name(layer: int) -> str:
    """The name of a layer in the file."""
    return f"model.layers.{layer}"


def _read(content: Mapping[str, Any]) -> LlamaConfig:
    """The model that a `config.json` describes, if it is supported."""
    architectures = content.get("architectures") or [ARCHITECTURE]
    kind = content.get("model_type")
    if kind != KIND or architectures != [ARCHITECTURE]:
        got = kind if kind != KIND else ", ".join(map(str, architectures))
        raise LanguageModelError(f"expected a base model that is a Llama, got {got} in {FILE}")
    for option in ("attention_bias", "mlp_bias"):
        if content.get(option):
            raise LanguageModelError(f"expected a Llama without `{option}`, got one with it")
    if content.get("hidden_act", "silu") != "silu":
        raise LanguageModelError(f"expected `hidden_act` silu, got {content['hidden_act']}")
    hidden, heads = _size(content, "hidden_size"), _size(content, "num_attention_heads")
    head_size = _size(content, "head_dim", hidden // heads)
    config = LlamaConfig(
        vocabulary=_size(content, "vocab_size"),
        hidden=hidden,
        intermediate=_size(content, "intermediate_size"),
        layers=_size(content, "num_hidden_layers"),
        heads=heads,
        key_heads=_size(content, "num_key_value_heads", heads),
        head_size=head_size,
        context=_size(content, "max_position_embeddings", 2048),
        epsilon=float(content.get("rms_norm_eps", 1e-6)),
        ties_embeddings=bool(content.get("tie_word_embeddings", False)),
        frequencies=_frequencies(content, head_size),
    )
    if config.heads % config.key_heads:
        raise LanguageModelError(
            f"expected {config.heads} heads to share key heads evenly, got {config.key_heads}"
        )
    return config


def _size(content: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = content.get(name)
    value = default if value is None else value
    if type(value) is not int or value < 1:
        raise LanguageModelError(
            f"expected a whole number above 0 as {name} in {FILE}, got {value}"
        )
    return value


def _frequencies(content: Mapping[str, Any], head_size: int) -> NDArray[np.float64]:
    """The rotation of each pair of numbers per position (Su et al., arXiv 2104.09864).

    transformers 5 writes `rope_parameters`; earlier versions wrote `rope_theta` and `rope_scaling`.
    """
    rope = content.get("rope_parameters") or content.get("rope_scaling") or {}
    theta = float(rope.get("rope_theta") or content.get("rope_theta") or 10_000)
    kind = rope.get("rope_type", rope.get("type", "default"))
    plain: NDArray[np.float64] = theta ** (-np.arange(0, head_size, 2) / head_size)
    if kind == "default":
        return plain
    if kind == "linear":
        return plain / float(rope["factor"])
    if kind == "llama3":
        return _stretched(plain, rope)
    raise LanguageModelError(
        f"expected rotary positions that are default, linear or llama3 in {FILE}, got {kind}"
    )


def _stretched(plain: NDArray[np.float64], rope: Mapping[str, Any]) -> NDArray[np.float64]:
    """Llama 3.1's frequencies: long waves are stretched by `factor`, short ones are not."""
    turns = plain * float(rope["original_max_position_embeddings"]) / (2 * np.pi)
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    kept: NDArray[np.float64] = np.clip((turns - low) / (high - low), 0, 1)
    return plain * (kept + (1 - kept) / float(rope["factor"]))
