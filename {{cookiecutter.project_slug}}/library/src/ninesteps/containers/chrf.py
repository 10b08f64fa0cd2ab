"""chrF: the similarity of a reply to a reference, by their common character n-grams.

Popovic (2015), chrF: character n-gram F-score for automatic MT evaluation, W15-3049 of the ACL
Anthology. It gives the same numbers as sacrebleu's `CHRF(char_order=6, word_order=0, beta=1)`, as
fractions of 1. With the customary beta of 2, recall counts more than precision, which rewards mere
length. It uses only the standard library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

ORDER = 6
"""The longest n-grams, in characters without spaces."""

NAME = "chrF, beta 1, n-grams of 1 to 6 characters"


def chrf(reply: str, reference: str) -> float:
    """The chrF of a reply with one reference, in [0, 1]; at 1 they differ only in spaces.

    Precision and recall are means over the orders for which both texts have n-grams, so that short
    texts can reach 1.
    """
    precisions, recalls = [], []
    for own, expected in zip(_ngrams(reply), _ngrams(reference), strict=True):
        if not own or not expected:
            continue
        shared = sum((own & expected).values())
        precisions.append(shared / own.total())
        recalls.append(shared / expected.total())
    orders = len(precisions)
    precision, recall = (sum(them) / orders if orders else 0.0 for them in (precisions, recalls))
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def best_chrf(reply: str, references: Iterable[str]) -> float:
    """The chrF with the most similar reference; 0 without references."""
    return max((chrf(reply, reference) for reference in references), default=0.0)


@lru_cache(maxsize=4096)
def _ngrams(text: str) -> Sequence[Counter[str]]:
    """How often each n-gram occurs, by order from 1."""
    line = "".join(text.split())
    return tuple(
        Counter(line[start : start + n] for start in range(len(line) - n + 1))
        for n in range(1, ORDER + 1)
    )
