"""Texts as the metadata of a model package may have them. Standard library alone.

SageMaker's pattern of a value of CustomerMetadataProperties: `[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]`, at
most 256 characters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

MAX_VALUE = 256
"""Characters of a value in a model package's metadata."""


def writable(text: str, longest: int = MAX_VALUE) -> str:
    """A text in the characters and the length that a value may have: a space for any other."""
    characters = (c if _is_writable(c) else " " for c in unicodedata.normalize("NFC", text))
    return " ".join("".join(characters).split())[:longest].strip()


def _is_writable(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNZ" or character in "_.:/=+-@"


def fitting(items: Sequence[str]) -> str:
    """Items as one value: as many as fit, whole, and how many more there are."""
    for shown in range(len(items), -1, -1):
        more = [f"and {len(items) - shown} more"] if shown < len(items) else []
        if len(text := " / ".join([*items[:shown], *more])) <= MAX_VALUE:
            break
    return text
