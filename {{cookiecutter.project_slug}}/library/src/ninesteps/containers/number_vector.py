"""Named arrays in one vector, so that an optimizer updates all of them at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.intp]


class NumberVector:
    """Arrays by name, in the order given; each is a view of the vector."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = dict(shapes)
        ends = list(accumulate(math.prod(shape) for shape in self.shapes.values()))
        self._spans = dict(zip(self.shapes, zip([0, *ends], ends, strict=False), strict=True))
        self.values: Floats = np.zeros(ends[-1] if ends else 0, np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def __getitem__(self, name: str) -> Floats:
        start, end = self._spans[name]
        return self.values[start:end].reshape(self.shapes[name])

    def stacked(self, names: Sequence[str]) -> Floats:
        """Adjacent matrices as one matrix with the rows of all."""
        start, end = self._spans[names[0]][0], self._spans[names[-1]][1]
        columns = self.shapes[names[0]][-1]
        if end - start != sum(math.prod(self.shapes[name]) for name in names):
            raise ValueError(f"expected adjacent arrays, got {names}")
        return self.values[start:end].reshape(-1, columns)

    def fill(self, arrays: Mapping[str, Floats]) -> None:
        """Copy arrays in, by name."""
        for name in self.shapes:
            self[name][...] = arrays[name]


class AdamW:
    """AdamW (Loshchilov and Hutter, arXiv 1711.05101), with torch's defaults."""

    def __init__(self, size: int, *, decay: float = 0.0) -> None:
        self._mean, self._square = np.zeros((2, size), np.float32)
        self._decay, self._steps = decay, 0

    def step(
        self,
        values: Floats,
        gradients: Floats,
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        """Update the values in place."""
        self._steps += 1
        for moments, beta, latest in (
            (self._mean, betas[0], gradients),
            (self._square, betas[1], np.square(gradients)),
        ):
            np.multiply(moments, np.float32(beta), out=moments)
            np.add(moments, np.float32(1 - beta) * latest, out=moments)
        mean_share, square_share = (1 - beta**self._steps for beta in betas)
        spread = np.sqrt(self._square) * np.float32(1 / math.sqrt(square_share))
        spread += np.float32(1e-8)
        if self._decay:
            values *= np.float32(1 - learning_rate * self._decay)
        values -= np.float32(learning_rate / mean_share) * self._mean / spread
