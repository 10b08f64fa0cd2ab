"""The parts of a panel: figures with a sentence that explains them, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True)
class Table:
    """Rows of texts under a head; the first column names the row."""

    name: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    texts: tuple[int, ...] = (0,)  # columns of text, which are aligned left


@dataclass(frozen=True)
class Figure:
    """A picture, what it shows in a sentence, and its numbers."""

    title: str
    says: str
    svg: Markup
    table: Table | None = None
    keys: tuple[tuple[str, str], ...] = ()  # the legend: (kind of mark, words)


@dataclass(frozen=True)
class Group:
    """Figures that belong together, under a heading of their own."""

    title: str
    says: str = ""
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)  # folded
    absent: str = ""  # why there is nothing


@dataclass(frozen=True)
class Panel:
    """A part of the page."""

    key: str
    title: str
    says: str
    groups: list[Group] = field(default_factory=list)
    absent: str = ""  # why there is nothing
    html: Markup | None = None  # of a team's own
    fault: str = ""  # why a team's own could not be made: who made the page is told
