"""A Llama's layers in numpy, forward and backward, on tokens of many texts at once.

Every forward function returns its result and a backward function, which turns the gradient with
respect to the result into that of the input, and adds the gradients of trained values on the way.

The tokens of all texts are in one list, (tokens, numbers). Only attention, where they interact,
pads them to (texts, longest, numbers). Everything is float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llama_config import (
    ATTENTION_NORM,
    DOWN,
    EMBEDDING,
    GATE_UP,
    HEAD,
    MLP_NORM,
    NORM,
    OUTPUT,
    QUERY_KEY_VALUE,
    LlamaConfig,
    layer_name,
)
from number_vector import Floats, Integers, NumberVector

Backward = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Rows:
    """The text and position of each token in a list: (texts, longest) places."""

    text: Integers
    place: Integers
    shape: tuple[int, int]

    @staticmethod
    def of(lengths: Sequence[int]) -> Rows:
        """Texts of these lengths, one after another."""
        text = np.repeat(np.arange(len(lengths)), lengths)
        place = np.concatenate([np.arange(length) for length in lengths])
        return Rows(text, place, (len(lengths), max(lengths)))

    def padded(self, flat: Floats) -> Floats:
        """(tokens, ...) to (texts, longest, ...), padded with zeros."""
        if len(flat) == self.shape[0] * self.shape[1]:
            return flat.reshape(*self.shape, *flat.shape[1:])
        filled = np.zeros((*self.shape, *flat.shape[1:]), np.float32)
        filled[self.text, self.place] = flat
        return filled

    def flat(self, padded: Floats) -> Floats:
        """(texts, longest, ...) to (tokens, ...)."""
        if len(self.text) == self.shape[0] * self.shape[1]:
            return padded.reshape(-1, *padded.shape[2:])
        return padded[self.text, self.place]


@dataclass(frozen=True)
class Batch:
    """Texts as tokens, and the tokens after which the model predicts the next one."""

    tokens: Integers  # of all texts, one after another
    rows: Rows
    asked: Integers  # in the list of tokens
    asked_rows: Rows

    @staticmethod
    def of(texts: Sequence[Sequence[int]], first_asked: Sequence[int]) -> Batch:
        """Texts, each with predictions from its `first_asked`-th token on."""
        rows = Rows.of([len(text) for text in texts])
        asked = np.flatnonzero(rows.place >= np.asarray(first_asked)[rows.text])
        counts = [len(text) - first for text, first in zip(texts, first_asked, strict=True)]
        tokens = np.concatenate([np.asarray(text, np.intp) for text in texts])
        return Batch(tokens, rows, asked, Rows.of(counts))

    @cached_property
    def hidden_from_all(self) -> Floats:
        """The mask added to scores so that no token sees a later one: (longest, longest)."""
        return _hidden(np.arange(self.rows.shape[1])[:, None], self.rows.shape[1])

    @cached_property
    def hidden_from_asked(self) -> Floats:
        """The same for tokens with predictions: (texts, 1, 1, most asked, longest)."""
        places = self.asked_rows.padded(self.rows.place[self.asked].astype(np.float32))
        return _hidden(places[:, None, None, :, None], self.rows.shape[1])


def _hidden(places: NDArray[Any], longest: int) -> Floats:
    return np.where(np.arange(longest) <= places, 0, -np.inf).astype(np.float32)


@dataclass
class Run:
    """The options of a training pass: it adds gradients, and drops some of LoRA's input."""

    gradients: NumberVector
    dropout: float = 0.0
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def mask(self, shape: tuple[int, ...]) -> Floats:
        """The dropout factors: 0, or the compensation for the zeros, in steps of 1/256."""
        dropped = round(self.dropout * 256)
        drawn = np.frombuffer(self.random.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
        return (drawn >= dropped) * np.float32(256 / (256 - dropped))


@dataclass(frozen=True)
class Adapter:
    """LoRA's matrices by the names of the maps that they are added to."""

    values: NumberVector  # NAME.lora_A, (rank, in), and NAME.lora_B, (out, rank)
    scale: float  # alpha / rank


class Linear:
    """Several linear maps of the same input, combined.

    With an adapter, weights and B matrices are side by side, (out, in + ranks), and so are the
    input and its product with A: one product computes both.
    """

    def __init__(self, names: Sequence[str], base: NumberVector, adapter: Adapter | None) -> None:
        self.weights = [f"{name}.weight" for name in names]
        self.weight = base.stacked(self.weights)
        self._adapter = adapter
        if adapter:
            self._downs = [f"{name}.lora_A" for name in names]
            self._down = adapter.values.stacked(self._downs)
            out, self._in = self.weight.shape
            self._wide = np.zeros((out, self._in + len(self._down)), np.float32)
            self._wide[:, : self._in] = self.weight
            ends = np.cumsum([0, *(len(base[name]) for name in self.weights)])
            rank = len(self._down) // len(names)
            self._ups = {
                f"{name}.lora_B": (slice(*span), slice(index * rank, (index + 1) * rank))
                for index, (name, span) in enumerate(zip(names, pairwise(ends), strict=True))
            }

    def __call__(self, x: Floats, run: Run | None) -> tuple[Floats, Backward]:
        """(tokens, in) to (tokens, out)."""
        if self._adapter is None:
            return x @ self.weight.T, lambda dy: self._back(x, dy, run)
        if run is None:
            raise ValueError("expected a run that trains the adapter, got none")
        return self._adapted(x, self._adapter, run)

    def _back(self, x: Floats, dy: Floats, run: Run | None) -> Floats:
        if run and self.weights[0] in run.gradients:
            run.gradients.stacked(self.weights)[...] += dy.T @ x
        return dy @ self.weight

    def _adapted(self, x: Floats, adapter: Adapter, run: Run) -> tuple[Floats, Backward]:
        """The same with the adapter, some of whose input is dropped."""
        scale, low = np.float32(adapter.scale), self._wide[:, self._in :]
        for up, place in self._ups.items():
            np.multiply(adapter.values[up], scale, out=low[place])
        mask = run.mask(x.shape) if run.dropout else None
        dropped = x if mask is None else x * mask
        both = np.empty((len(x), self._wide.shape[1]), np.float32)
        both[:, : self._in] = x
        np.matmul(dropped, self._down.T, out=both[:, self._in :])

        def backward(dy: Floats) -> Floats:
            dups = dy.T @ both[:, self._in :]
            for up, place in self._ups.items():
                run.gradients[up][...] += scale * dups[place]
            dboth = dy @ self._wide
            dlow = dboth[:, self._in :]
            run.gradients.stacked(self._downs)[...] += dlow.T @ dropped
            dx = dlow @ self._down
            if mask is not None:
                dx *= mask
            dx += dboth[:, : self._in]
            return dx

        return both @ self._wide.T, backward


class Norm:
    """Root mean square normalization (Zhang and Sennrich, arXiv 1910.07467)."""

    def __init__(self, name: str, base: NumberVector, epsilon: float) -> None:
        self._name = f"{name}.weight"
        self._weight, self._epsilon = base[self._name], np.float32(epsilon)

    def __call__(self, x: Floats, run: Run | None) -> tuple[Floats, Backward]:
        """(tokens, numbers), each token by itself."""
        scale = 1 / np.sqrt(_mean_product(x, x) + self._epsilon)
        normal = x * scale
        y = normal * self._weight

        def backward(dy: Floats) -> Floats:
            if run and self._name in run.gradients:
                run.gradients[self._name][...] += np.einsum("ti,ti->i", dy, normal)
            dnormal = dy * self._weight
            dnormal -= normal * _mean_product(dnormal, normal)
            dnormal *= scale
            return dnormal

        return y, backward


def _mean_product(a: Floats, b: Floats) -> Floats:
    """(tokens, 1): the mean of the products of two lists' numbers."""
    total: Floats = np.einsum("ti,ti->t", a, b)
    return total[:, None] / np.float32(a.shape[1])


class Mlp:
    """SwiGLU (Shazeer, arXiv 2002.05202)."""

    def __init__(self, layer: str, base: NumberVector, adapter: Adapter | None) -> None:
        self._gate_up = Linear([f"{layer}.{name}" for name in GATE_UP], base, adapter)
        self._down = Linear([f"{layer}.{DOWN}"], base, adapter)

    def __call__(self, x: Floats, run: Run | None) -> tuple[Floats, Backward]:
        """(tokens, hidden), each token by itself."""
        both, back_both = self._gate_up(x, run)
        gate, up = np.split(both, 2, axis=1)
        sigmoid = np.negative(gate)
        np.exp(sigmoid, out=sigmoid)
        sigmoid += 1
        np.reciprocal(sigmoid, out=sigmoid)
        silu = gate * sigmoid
        y, back_down = self._down(silu * up, run)

        def backward(dy: Floats) -> Floats:
            dproduct = back_down(dy)
            dboth = np.empty_like(both)
            dgate, dup = np.split(dboth, 2, axis=1)
            np.multiply(dproduct, silu, out=dup)
            np.multiply(dproduct, up, out=dgate)
            slope = 1 - sigmoid
            slope *= silu
            slope += sigmoid
            dgate *= slope
            return back_both(dboth)

        return y, backward


class Attention:
    """Causal attention with grouped queries (Ainslie et al., arXiv 2305.13245)."""

    def __init__(
        self, layer: str, config: LlamaConfig, base: NumberVector, adapter: Adapter | None
    ) -> None:
        names = [f"{layer}.{name}" for name in QUERY_KEY_VALUE]
        self.project = Linear(names, base, adapter)
        self.out = Linear([f"{layer}.{OUTPUT}"], base, adapter)
        self._config = config
        self.groups = config.heads // config.key_heads
        self.scale = np.float32(config.head_size**-0.5)

    def split(self, projected: Floats, turn: Turn) -> tuple[Floats, Floats, Floats]:
        """Queries, keys and values, (tokens, heads, head size), rotated by position."""
        c = self._config
        heads = projected.reshape(len(projected), -1, c.head_size)
        turned = turn(heads[:, : c.heads + c.key_heads])
        return turned[:, : c.heads], turned[:, c.heads :], heads[:, c.heads + c.key_heads :]

    def __call__(
        self, x: Floats, batch: Batch, turn: Turn, run: Run | None, *, only_asked: bool
    ) -> tuple[Floats, Backward, tuple[Floats, Floats]]:
        """(tokens, hidden) to the same for all or the asked tokens; and the keys and values.

        Keys and values are (texts, key heads, longest, head size).
        """
        projected, back_project = self.project(x, run)
        query, key, value = self.split(projected, turn)
        rows, hidden = batch.rows, batch.hidden_from_all
        if only_asked:
            query, rows, hidden = query[batch.asked], batch.asked_rows, batch.hidden_from_asked
        q, k, v = self._grouped(query, rows), *(self._by_head(n, batch) for n in (key, value))
        shares = self._shares(q, k, hidden)
        y, back_out = self.out(self._ungrouped(shares @ v, rows), run)

        def backward(dy: Floats) -> Floats:
            dmixed = self._grouped(back_out(dy).reshape(query.shape), rows)
            dshares = dmixed @ v.swapaxes(-1, -2)
            dv = shares.swapaxes(-1, -2) @ dmixed
            dshares -= np.einsum("...k,...k->...", dshares, shares)[..., None]
            dshares *= shares
            dshares *= self.scale
            dq = self._ungrouped(dshares @ k, rows).reshape(query.shape)
            dk = dshares.swapaxes(-1, -2) @ q
            return back_project(self._joined(dq, dk, dv, batch, turn, only_asked))

        return y, backward, (k, v)

    def _shares(self, q: Floats, k: Floats, hidden: Floats) -> Floats:
        """The attention weights: (..., queries, keys)."""
        scores = q @ k.swapaxes(-1, -2)
        scores *= self.scale
        by_head = scores.reshape(*scores.shape[:2], self.groups, -1, scores.shape[-1])
        by_head += hidden
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        return scores

    def _joined(
        self, dq: Floats, dk: Floats, dv: Floats, batch: Batch, turn: Turn, only_asked: bool
    ) -> Floats:
        """The gradient with respect to the projections, (tokens, out)."""
        c = self._config
        turned = np.zeros((len(batch.tokens), c.heads + c.key_heads, c.head_size), np.float32)
        turned[batch.asked if only_asked else slice(None), : c.heads] = dq
        turned[:, c.heads :] = batch.rows.flat(dk.swapaxes(1, 2))
        values = batch.rows.flat(dv.swapaxes(1, 2))
        joined = np.concatenate([turn.back(turned), values], axis=1)
        return joined.reshape(len(batch.tokens), -1)

    def _by_head(self, flat: Floats, batch: Batch) -> Floats:
        """(tokens, key heads, size) to (texts, key heads, longest, size)."""
        return np.ascontiguousarray(batch.rows.padded(flat).swapaxes(1, 2))

    def _grouped(self, flat: Floats, rows: Rows) -> Floats:
        """(tokens, heads, size) to (texts, key heads, heads that share it * longest, size)."""
        texts, longest = rows.shape
        c = self._config
        padded = rows.padded(flat).reshape(texts, longest, c.key_heads, self.groups, c.head_size)
        return padded.transpose(0, 2, 3, 1, 4).reshape(texts, c.key_heads, -1, c.head_size)

    def _ungrouped(self, grouped: Floats, rows: Rows) -> Floats:
        """The reverse, to (tokens, heads * size)."""
        texts, longest = rows.shape
        c = self._config
        split = grouped.reshape(texts, c.key_heads, self.groups, longest, c.head_size)
        padded = split.transpose(0, 3, 1, 2, 4).reshape(texts, longest, c.heads * c.head_size)
        return rows.flat(padded)


class Turn:
    """Rotates the pairs of a head's numbers by position (Su et al., arXiv 2104.09864)."""

    def __init__(self, config: LlamaConfig, places: Integers) -> None:
        angles = places[:, None, None] * config.frequencies
        cosine, sine = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        wide = (1, config.heads + config.key_heads, 1)  # as wide as the rotated array: faster
        self._cosine = np.tile(np.concatenate([cosine, cosine], axis=-1), wide)
        self._sine = np.tile(np.concatenate([-sine, sine], axis=-1), wide)

    def __call__(self, heads: Floats) -> Floats:
        """(tokens, heads of queries and keys, head size); a pair is the n-th of either half."""
        turned = _swapped(heads)
        turned *= self._sine
        turned += heads * self._cosine
        return turned

    def back(self, heads: Floats) -> Floats:
        """The inverse rotation, which is also the gradient."""
        turned = _swapped(heads)
        turned *= self._sine
        return np.subtract(heads * self._cosine, turned, out=turned)


def _swapped(heads: Floats) -> Floats:
    """A copy with the halves of each head swapped."""
    half = heads.shape[-1] // 2
    swapped = np.empty(heads.shape, np.float32)
    swapped[..., :half], swapped[..., half:] = heads[..., half:], heads[..., :half]
    return swapped


class Layer:
    """Attention, then SwiGLU, each on the normalised input and added to it."""

    def __init__(
        self, number: int, config: LlamaConfig, base: NumberVector, adapter: Adapter | None
    ) -> None:
        name = layer_name(number)
        self.attention_norm = Norm(f"{name}.{ATTENTION_NORM}", base, config.epsilon)
        self.attention = Attention(name, config, base, adapter)
        self.mlp_norm = Norm(f"{name}.{MLP_NORM}", base, config.epsilon)
        self.mlp = Mlp(name, base, adapter)

    def __call__(
        self, x: Floats, batch: Batch, turn: Turn, run: Run | None, *, only_asked: bool
    ) -> tuple[Floats, Backward, tuple[Floats, Floats]]:
        """(tokens, hidden) to the same for all or the asked tokens; and the keys and values."""
        normal, back_norm = self.attention_norm(x, run)
        mixed, back_mixed, cache = self.attention(normal, batch, turn, run, only_asked=only_asked)
        between = mixed + (x[batch.asked] if only_asked else x)
        normal, back_mlp_norm = self.mlp_norm(between, run)
        y, back_mlp = self.mlp(normal, run)
        y += between

        def backward(dy: Floats) -> Floats:
            dbetween = back_mlp_norm(back_mlp(dy))
            dbetween += dy
            dx = back_norm(back_mixed(dbetween))
            dx[batch.asked if only_asked else slice(None)] += dbetween
            return dx

        return y, backward, cache


class Network:
    """A Llama."""

    def __init__(
        self, config: LlamaConfig, base: NumberVector, adapter: Adapter | None = None
    ) -> None:
        self.config = config
        self.embedding = base[f"{EMBEDDING}.weight"]
        self._head_name = EMBEDDING if config.ties_embeddings else HEAD
        self.head = base[f"{self._head_name}.weight"]
        self.layers = [Layer(n, config, base, adapter) for n in range(config.layers)]
        self.norm = Norm(NORM, base, config.epsilon)

    def hidden(
        self, batch: Batch, run: Run | None = None
    ) -> tuple[Floats, Backward, list[tuple[Floats, Floats]]]:
        """The head's input, (asked, hidden); and every layer's keys and values."""
        x = self.embedding[batch.tokens]
        turn = Turn(self.config, batch.rows.place)
        backs, caches = [], []
        everything = len(batch.asked) == len(batch.tokens)
        for layer in self.layers:
            only_asked = layer is self.layers[-1] and not everything
            x, back, cache = layer(x, batch, turn, run, only_asked=only_asked)
            caches.append(cache)
            if run:
                backs.append(back)
        y, back_norm = self.norm(x, run)

        def backward(dy: Floats) -> Floats:
            dx = back_norm(dy)
            while backs:
                dx = backs.pop()(dx)
            name = f"{EMBEDDING}.weight"
            if run and name in run.gradients:
                _add_rows(run.gradients[name], batch.tokens, dx)
            return dx

        return y, backward, caches

    def losses(self, batch: Batch, targets: Integers) -> Floats:
        """The negative log-likelihood of the next tokens, (asked,)."""
        hidden, *_ = self.hidden(batch)
        return self._negative_log_likelihood(hidden, targets)[0]

    def learn(self, batch: Batch, targets: Integers, share: float, run: Run) -> float:
        """Add the gradients of the summed loss times `share`; return that sum."""
        hidden, backward, _ = self.hidden(batch, run)
        losses, logits = self._negative_log_likelihood(hidden, targets)
        logits[np.arange(len(targets)), targets] -= 1
        logits *= np.float32(share)
        name = f"{self._head_name}.weight"
        if name in run.gradients:
            run.gradients[name][...] += logits.T @ hidden
        backward(logits @ self.head)
        return float(losses.sum(dtype=np.float64))

    def _negative_log_likelihood(self, hidden: Floats, targets: Integers) -> tuple[Floats, Floats]:
        """The loss of each target, (asked,); and the probability of every token, (asked,
        vocabulary)."""
        logits = hidden @ self.head.T
        logits -= logits.max(axis=1, keepdims=True)
        chosen = logits[np.arange(len(targets)), targets]
        np.exp(logits, out=logits)
        total = logits.sum(axis=1, keepdims=True)
        logits /= total
        return np.log(total[:, 0]) - chosen, logits


def _add_rows(target: Floats, rows: Integers, values: Floats) -> None:
    """Add each row of values to one row of the target; rows may repeat."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    target[ordered[starts]] += np.add.reduceat(values[order], starts, axis=0)
