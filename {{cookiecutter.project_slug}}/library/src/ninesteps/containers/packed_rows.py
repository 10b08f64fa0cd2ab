"""Packs examples into rows of tokens, so that a pass over a model computes little padding.

A row has several examples, one after another. Each counts its positions from 0, and attention stays
within it, so that the result is the same as for each example alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chat_text import Example

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Examples as a model's input: arrays of shape (rows, columns).

    `reply_at` are the places, counted along the rows, whose hidden state predicts a reply's token;
    `targets` are these tokens, and `of` the numbers of their examples.
    """

    tokens: Integers
    positions: Integers
    segments: Integers  # which example a place belongs to, counted per row; -1: padding
    reply_at: Integers
    targets: Integers
    of: Integers

    @property
    def is_one_each(self) -> bool:
        """Whether every row has only one example: then causal attention is enough."""
        return bool((self.segments <= 0).all())

    @property
    def longest(self) -> int:
        """The length of the longest segment."""
        return int(np.diff(self.bounds).max())

    @property
    def bounds(self) -> NDArray[np.int32]:
        """Where each segment begins along the rows, and the end; padding is a segment, too."""
        segments = self.segments + np.arange(len(self.segments))[:, None] * (self.tokens.size + 1)
        flat = segments.reshape(-1)
        starts = np.flatnonzero(np.diff(flat, prepend=flat[0] - 1))
        return np.append(starts, flat.size).astype(np.int32)


def fed(example: Example) -> int:
    """How many tokens of an example a model reads; the last is only predicted."""
    return len(example) - 1


def packed(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Which examples share a row, by first fit, the longest first; numbers of examples, row by row.

    For large numbers, it needs at most 22 % more rows than the optimum (Johnson, 1973). An example
    longer than the capacity has its own row.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda n: (-lengths[n], n)):
        length = lengths[number]
        place = next((row for row, left in enumerate(room) if left >= length), None)
        if place is None:
            rows.append([number])
            room.append(capacity - length)
        else:
            rows[place].append(number)
            room[place] -= length
    return rows


def passes(
    examples: Sequence[Example], capacity: int, budget: int, multiple: int = 1
) -> Iterator[Rows]:
    """All examples, in as few passes as the budget of tokens allows, the longest rows first.

    With a capacity of 0, each example has its own row.
    """
    lengths = [fed(example) for example in examples]
    rows = packed(lengths, capacity)
    widths = [sum(lengths[number] for number in row) for row in rows]
    order = sorted(range(len(rows)), key=lambda row: (-widths[row], row))
    start = 0
    while start < len(order):
        columns = -(-widths[order[start]] // multiple) * multiple  # rounded up
        count = max(1, budget // columns)
        chosen = [rows[row] for row in order[start : start + count]]
        yield laid(examples, chosen, columns)
        start += count


def laid(examples: Sequence[Example], rows: Sequence[Sequence[int]], columns: int) -> Rows:
    """Rows of given examples, padded to so many columns."""
    shape = (len(rows), columns)
    tokens, positions = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    segments = np.full(shape, -1, np.int64)
    reply_at, targets, of = [], [], []
    for index, row in enumerate(rows):
        start = 0
        for segment, number in enumerate(row):
            example = examples[number]
            end = start + fed(example)
            tokens[index, start:end] = (example.prompt + example.reply)[:-1]
            positions[index, start:end] = np.arange(end - start)
            segments[index, start:end] = segment
            reply_at.append(np.arange(end - len(example.reply), end) + index * columns)
            targets.append(np.array(example.reply, np.int64))
            of.append(np.full(len(example.reply), number, np.int64))
            start = end
    return Rows(tokens, positions, segments, *map(np.concatenate, (reply_at, targets, of)))
