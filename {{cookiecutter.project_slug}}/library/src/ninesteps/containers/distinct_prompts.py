"""The distinct prompts of a split: people ask the same question repeatedly, in similar words.

Counting every repetition would overstate the certainty of an evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conversations import Conversation, normalised
from judge import Judge


@dataclass(frozen=True)
class DistinctPrompts:
    """The conversations of a split, n rows, by their m distinct prompts."""

    conversations: Sequence[Conversation]  # n
    of_row: NDArray[np.intp]  # (n,): the number of each row's prompt
    rows: Sequence[Sequence[int]]  # m: the rows of each prompt
    references: Sequence[tuple[str, ...]]  # m: the reference replies to each prompt

    @staticmethod
    def of(conversations: Sequence[Conversation]) -> DistinctPrompts:
        """Group conversations by normalised prompt, in order of first occurrence."""
        rows: dict[str, list[int]] = {}
        for row, conversation in enumerate(conversations):
            rows.setdefault(normalised(conversation.prompt), []).append(row)
        of_row: NDArray[np.intp] = np.empty(len(conversations), dtype=np.intp)
        for number, own in enumerate(rows.values()):
            of_row[own] = number
        references = [tuple(dict.fromkeys(conversations[row].reply for row in own))
                      for own in rows.values()]  # fmt: skip
        return DistinctPrompts(conversations, of_row, [*rows.values()], references)

    def __len__(self) -> int:
        return len(self.rows)

    def firsts(self) -> list[int]:
        """The first row of each prompt, (m,)."""
        return [own[0] for own in self.rows]

    def sums(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sums of the rows' numbers, (n,), by prompt, (m,)."""
        sums = np.bincount(self.of_row, numbers, minlength=len(self)).astype(np.float64)
        return sums

    def good(self, replies: Sequence[str], judge: Judge) -> NDArray[np.float64]:
        """The predicted outcome of each row, (n,): 1 if its reply is good, else 0.

        Args:
            replies: one per row.
        """
        pairs = list(zip(replies, self.of_row.tolist(), strict=True))
        verdicts = {pair: judge.is_good(pair[0], self.references[pair[1]]) for pair in {*pairs}}
        return np.array([float(verdicts[pair]) for pair in pairs])
