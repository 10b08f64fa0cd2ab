"""Writes replies token by token, always the most likely next one, many at a time.

Keys and values of earlier tokens are kept, so that a step computes one token of each reply.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llama_network import Batch, Layer, Network, Turn
from number_vector import Floats, Integers


@dataclass
class Cache:
    """A layer's keys and values of the tokens so far, (texts, key heads, places, head size)."""

    keys: Floats
    values: Floats

    @staticmethod
    def of(keys: Floats, values: Floats, more: int) -> Cache:
        """The cache of prompts, with room for more tokens."""
        room = ((0, 0), (0, 0), (0, more), (0, 0))
        return Cache(np.pad(keys, room), np.pad(values, room))

    def only(self, texts: Integers) -> Cache:
        """The cache of some of the texts."""
        return Cache(self.keys[texts], self.values[texts])


def replies(
    network: Network, prompts: Sequence[Sequence[int]], most: int, ends: Collection[int]
) -> list[list[int]]:
    """A reply of at most `most` tokens to each prompt, including an end token, if it has one."""
    batch = Batch.of(prompts, [len(prompt) - 1 for prompt in prompts])
    hidden, _, prefilled = network.hidden(batch)
    caches = [Cache.of(keys, values, most) for keys, values in prefilled]
    places = np.array([len(prompt) for prompt in prompts])
    open_ones = np.arange(len(prompts))  # which prompt each row is a reply to
    written: list[list[int]] = [[] for _ in prompts]
    while True:
        chosen = np.argmax(hidden @ network.head.T, axis=1)
        for row, token in zip(open_ones, chosen, strict=True):
            written[row].append(int(token))
        going_on = np.flatnonzero(~np.isin(chosen, list(ends)))
        if len(going_on) == 0 or len(written[open_ones[going_on[0]]]) == most:
            return written
        if len(going_on) < len(open_ones):
            caches = [cache.only(going_on) for cache in caches]
            places, open_ones, chosen = places[going_on], open_ones[going_on], chosen[going_on]
        hidden = _step(network, chosen, places, caches)
        places = places + 1


def _step(network: Network, tokens: Integers, places: Integers, caches: list[Cache]) -> Floats:
    """The head's input, (texts, hidden), after one more token of each text."""
    x, turn = network.embedding[tokens], Turn(network.config, places)
    longest = int(places.max()) + 1
    unseen = np.arange(longest) > places[:, None, None, None]  # places of longer texts
    for layer, cache in zip(network.layers, caches, strict=True):
        x = x + _attention(layer, layer.attention_norm(x, None)[0], turn, cache, places, unseen)
        x = x + layer.mlp(layer.mlp_norm(x, None)[0], None)[0]
    return network.norm(x, None)[0]


def _attention(
    layer: Layer, x: Floats, turn: Turn, cache: Cache, places: Integers, unseen: NDArray[np.bool_]
) -> Floats:
    """The output of a layer's attention, (texts, hidden); the token's key and value are cached."""
    attention, texts = layer.attention, np.arange(len(x))
    query, key, value = attention.split(attention.project(x, None)[0], turn)
    cache.keys[texts, :, places], cache.values[texts, :, places] = key, value
    keys, values = (each[:, :, : unseen.shape[-1]] for each in (cache.keys, cache.values))
    grouped = query.reshape(len(x), keys.shape[1], attention.groups, -1)
    scores = grouped @ keys.swapaxes(-1, -2)
    scores *= attention.scale
    np.copyto(scores, -np.inf, where=unseen)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return attention.out((scores @ values).reshape(len(x), -1), None)[0]
