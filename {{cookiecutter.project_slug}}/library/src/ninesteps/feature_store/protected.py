"""Recognises usually protected attributes by a column's name and values (`protected.toml`).

It prefers to miss a column rather than to report a wrong one: `message`, `stage` and `race_time`
are not reported. It does not see renamed columns, or those that `features.py` computes under
another name. Standard library only.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("protected.toml")

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_]+")
_PLAIN = str.maketrans("łŁøØß", "lLoOs")  # letters that Unicode does not decompose


@dataclass(frozen=True)
class Kind:
    """A kind of protected attribute."""

    key: str
    name: str  # as used in a sentence
    sources: tuple[str, ...]  # the laws that protect it
    strong: tuple[str, ...]  # terms that match anywhere in a name
    weak: tuple[str, ...] = ()  # terms that also mean other things
    exact: tuple[str, ...] = ()  # terms that match only with their accents
    values: tuple[tuple[str, ...], ...] = ()  # that identify it without the name
    letters: tuple[tuple[str, ...], ...] = ()  # single letters that do
    letters_beside: tuple[str, ...] = ()
    numbers: tuple[float, float] | None = None  # the range of a weak name's numbers
    texts: bool = False  # whether a weak name with many numbers means something else
    proxy: bool = False  # whether it is only a proxy for another attribute

    @property
    def why(self) -> str:
        """The attribute with its sources: `sex or gender (Directive 2006/54/EC, ...)`."""
        return f"{self.name} ({', '.join(self.sources)})"


@cache
def kinds() -> Mapping[str, Kind]:
    """All kinds, by key."""
    listed = tomllib.loads(FILE.read_text(encoding="utf-8"))["kind"]
    made = (Kind(**{key: _tuples(value) for key, value in kind.items()}) for kind in listed)
    return {kind.key: kind for kind in made}


def kind_of(
    name: str,
    values: Collection[str] = (),
    numbers: tuple[float, float] | None = None,
) -> Kind | None:
    """The protected attribute in a column; None if there seems to be none.

    Args:
        name: in the table.
        values: its distinct values, if they are few and known.
        numbers: its smallest and largest number, if it has many.
    """
    words = _words(name)
    for kind in kinds().values():
        is_named = name.casefold() in kind.exact or _is_named(name, words, kind.strong)
        if is_named or _is_weakly_named(words, kind, numbers):
            return kind
    return _by_values({value.strip().casefold() for value in values})


def _is_named(name: str, words: tuple[str, ...], terms: tuple[str, ...]) -> bool:
    """Whether a name contains one of the terms, as separate words or as one word."""
    return any(
        term in name if not term.isascii() and not _is_latin(term) else _has(words, _words(term))
        for term in terms
    )


def _has(words: tuple[str, ...], term: tuple[str, ...]) -> bool:
    """Whether words contain a term, whose parts may be written as one word or several."""
    joined = "".join(term)
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            if "".join(words[start:end]) == joined:
                return True
    return False


def _is_weakly_named(
    words: tuple[str, ...], kind: Kind, numbers: tuple[float, float] | None
) -> bool:
    """Whether a name is exactly a weak term, and its numbers do not contradict it."""
    rest = tuple(word for word in words if word not in _beside())
    if not any("".join(rest) == "".join(_words(term)) for term in kind.weak):
        return False
    if numbers is None:
        return True
    if kind.numbers is not None:
        return kind.numbers[0] <= numbers[0] and numbers[1] <= kind.numbers[1]
    return not kind.texts


def _by_values(values: set[str]) -> Kind | None:
    """The attribute that a column's values identify, if it has two or more and no others."""
    if len(values) < 2:
        return None
    for kind in kinds().values():
        for known in kind.values:
            if {*known[:2]} <= values <= {*known}:
                return kind
        for pair in kind.letters:
            if set(pair) <= values <= {*pair, *kind.letters_beside}:
                return kind
    return None


@cache
def _words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case, without accents, digits and punctuation."""
    apart = unicodedata.normalize("NFKD", name.translate(_PLAIN))
    plain = "".join(sign for sign in apart if not unicodedata.combining(sign))
    return tuple(word.casefold() for word in _WORD.findall(plain))


@cache
def _beside() -> frozenset[str]:
    return frozenset(tomllib.loads(FILE.read_text(encoding="utf-8"))["beside"])


def _is_latin(text: str) -> bool:
    return all("LATIN" in unicodedata.name(sign, "") for sign in text if sign.isalpha())


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
