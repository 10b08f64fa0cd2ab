"""Rare texts that look like a common one of the same column with one typing mistake."""

from __future__ import annotations

from collections.abc import Mapping

from ninesteps.feature_store.drafting.contents import BLEMISHES

SHORTEST = 3  # characters of a text that may be a mistake: of shorter ones too many are alike


def misspelt(rows_of: Mapping[str, int]) -> dict[str, str]:
    """The common text that each rare one looks like.

    A rare text has at most 1 % of the rows, and the common one at least ten times as many.

    Args:
        rows_of: the rows of each different text.
    """
    most = BLEMISHES * sum(rows_of.values())
    common = sorted((text for text in rows_of if rows_of[text] > most), key=lambda t: -rows_of[t])
    found = {}
    for text, count in rows_of.items():
        if count > most or len(text) < SHORTEST or text.isdigit():
            continue
        near = [one for one in common if rows_of[one] >= 10 * count and _is_one_mistake(text, one)]
        if near:
            found[text] = near[0]
    return found


def _is_one_mistake(text: str, other: str) -> bool:
    """Whether one character is missing, added or another one, or two neighbours are swapped."""
    a, b = text.casefold(), other.casefold()
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    start = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if start is None:
        return True  # one is the beginning of the other
    rest_a, rest_b = a[start:], b[start:]
    if len(a) != len(b):
        return rest_a[1:] == rest_b if len(a) > len(b) else rest_b[1:] == rest_a
    is_swapped = rest_a[:2] == rest_b[:2][::-1] and rest_a[2:] == rest_b[2:]
    return rest_a[1:] == rest_b[1:] or is_swapped
