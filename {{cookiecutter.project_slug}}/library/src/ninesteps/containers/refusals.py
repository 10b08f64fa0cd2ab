"""Finds replies that refuse to answer. Standard library only: the library uses it too."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def refuses(reply: str, refusals: Iterable[str]) -> bool:
    """Whether a reply begins like one of the refusals; case and spaces are ignored."""
    return _folded(reply).startswith(tuple(map(_folded, refusals)))


def _folded(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return " ".join(text.split())
