"""Which replies refuse to answer. Standard library alone: the library looks at replies, too."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def refuses(reply: str, refusals: Iterable[str]) -> bool:
    """Whether a reply begins as one of some refusals does; case and spaces make no difference."""
    return _folded(reply).startswith(tuple(map(_folded, refusals)))


def _folded(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return " ".join(text.split())
