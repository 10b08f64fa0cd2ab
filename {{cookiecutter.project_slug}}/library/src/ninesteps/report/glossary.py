"""The terms of documentation and report, each explained in a sentence, from `glossary.toml`."""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

FILE = Path(__file__).resolve().parent / "glossary.toml"

_UNREAD = re.compile(r"<(style|script|pre|svg|title)\b.*?</\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_CELL = re.compile(r"(?P<start><t[hd]\b[^>]*>)(?P<text>[^<>]+)(?P<end></t[hd]>)")
_OF_FACET = re.compile(r"\[[^\]]*\]$")


@dataclass(frozen=True)
class Term:
    """A term and its meaning."""

    name: str
    says: str  # one sentence
    page: str  # of the documentation, with its heading: gate.md#metrics
    long: str = ""  # what an abbreviation stands for
    words: tuple[str, ...] = ()  # how a text writes it; empty: by its name
    alone: bool = False  # found only where a table cell contains nothing else

    @property
    def key(self) -> str:
        """Its anchor, of letters, digits and hyphens."""
        return f"term-{re.sub(r'[^a-z0-9]+', '-', self.name.lower()).strip('-')}"

    def is_in(self, text: str, cells: Iterable[str]) -> bool:
        """Whether a text, or one of these table cells, uses it."""
        if any(self.is_cell(cell) for cell in cells):
            return True
        return not self.alone and bool(self._pattern.search(text))

    def is_cell(self, cell: str) -> bool:
        """Whether a table cell contains this term and nothing else."""
        return bool(self._pattern.fullmatch(_OF_FACET.sub("[", cell.strip())))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        either = "|".join(map(_as_written, self.words or (self.name,)))
        # A page's marks (local_page.py) are names between private-use characters, not its words.
        return re.compile(rf"(?<![\w\ue000])(?:{either})(?![\w\ue001])")


@cache
def terms() -> tuple[Term, ...]:
    """All terms, sorted by name."""
    entries = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        Term(name, **{**entry, "words": tuple(entry.get("words", ()))})
        for name, entry in sorted(entries.items(), key=lambda item: item[0].lower())
    )


def used(page: str) -> list[Term]:
    """The terms that an HTML page uses in its text, not counting logs, pictures and scripts."""
    read = _UNREAD.sub(" ", page)
    cells = {html.unescape(match["text"]) for match in _CELL.finditer(read)}
    text = " ".join(html.unescape(_TAG.sub(" ", read)).split())
    return [term for term in terms() if term.is_in(text, cells)]


def linked(page: str, explained: Iterable[Term]) -> str:
    """The HTML page, with a link from the first table cell that is a term to its explanation."""
    waiting = list(explained)

    def link(match: re.Match[str]) -> str:
        said = html.unescape(match["text"])
        term = next((term for term in waiting if term.is_cell(said)), None)
        if term is None:
            return match[0]
        waiting.remove(term)
        return (
            f'{match["start"]}<a class="term" href="#{term.key}">{match["text"]}</a>{match["end"]}'
        )

    return _CELL.sub(link, page)


def _as_written(word: str) -> str:
    """A pattern for a word, in any case and also in the plural, unless it is an abbreviation."""
    if word[1:] != word[1:].lower():
        return re.escape(word)
    plural = "s?" if word[-1:].isalpha() else ""
    return f"(?i:{re.escape(word)}{plural})"
