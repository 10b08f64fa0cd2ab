"""Shows a comparison in 80 columns: first which is better, then every aspect."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rich.markup import escape

from ninesteps.report.comparison.model import (
    TITLES,
    Change,
    Comparison,
    DriftChange,
    FeatureChange,
    FileChange,
    GroupChange,
    Interval,
    MetricChange,
    Part,
    ReplyChange,
    Subject,
)
from ninesteps.report.comparison.words import shown, that_matter
from ninesteps.report.formatting import count
from ninesteps.terminal.console import Console

WIDTH = 80
NAME, VALUE = 22, 29
"""Widths of the columns of names and of values, with two spaces after each."""

MOST_ROWS = 12
"""Rows shown of a part; the others are counted."""

_CONSOLE = Console(highlight=False)


def show(comparison: Comparison) -> None:
    """Show a comparison."""
    for line in lines(comparison):
        _CONSOLE.print(line, soft_wrap=True)


def lines(comparison: Comparison) -> Iterator[str]:
    """The lines, as markup of rich."""
    first, second = comparison.first, comparison.second
    yield f"[bold]{_columns('', first.name, second.name)}[/]"
    for name, values in _subjects(first, second):
        yield from _values(name, *values)
    yield ""
    yield from _wrapped(comparison.verdict, "bold")
    is_a_line = False
    for key, part in comparison.parts.items():
        title = TITLES[key]
        if not (is_a_line and part.is_same):
            yield ""
        yield from _part(title, part, comparison)
        is_a_line = part.is_same


def _subjects(first: Subject, second: Subject) -> Iterator[tuple[str, tuple[str, str]]]:
    yield "run", (first.run, second.run)
    yield "status", (_status(first), _status(second))
    yield "started", (first.started, second.started)
    yield "by", (first.by or "unknown", second.by or "unknown")


def _status(subject: Subject) -> str:
    return f"{subject.status}{', serves' if subject.serves else ''}"


def _part(title: str, part: Part[Any], comparison: Comparison) -> Iterator[str]:
    if part.absent:
        yield f"[bold]{title}[/]"
        yield from _wrapped(part.absent, "yellow")
        return
    if part.is_same:
        yield f"[bold]{title:<{NAME}}[/]the same"
        return
    yield f"[bold]{title}[/]"
    if part.says:
        yield from _wrapped(part.says, "dim")
    if isinstance(part.rows[0], FileChange):
        yield from _files(part.different)
        return
    rows = part.rows if isinstance(part.rows[0], MetricChange) else that_matter(part)
    if rows:
        yield from _head(rows[0], comparison)
    for row in rows[:MOST_ROWS]:
        yield from _row(row)
    if any(isinstance(row, MetricChange) and row.is_gated for row in rows):
        yield "[dim]* the gate reads it; below each value is its 95 % interval[/]"
    if (more := len(part.different) - len(rows[:MOST_ROWS])) > 0:
        yield f"[dim]{more} others differ{'' if len(rows) > MOST_ROWS else ' by little'}: --json[/]"


def _head(row: Any, comparison: Comparison) -> Iterator[str]:
    names = comparison.first.name, comparison.second.name
    if isinstance(row, MetricChange):
        yield f"[dim]{_metric('', *names, 'difference')}[/]"
    elif isinstance(row, DriftChange):
        yield f"[dim]{'':<{NAME}}{'PSI':>8}  {'KS':>8}  moved[/]"
    elif isinstance(row, ReplyChange):
        yield f"[dim]{_columns('', *names)}[/]"
    elif isinstance(row, FeatureChange):
        yield f"[dim]{'':<{NAME}}{names[0]:>16}  {names[1]:>16}[/]"
    elif isinstance(row, GroupChange):
        yield f"[dim]{_columns('', *names)}[/]"


def _row(row: Any) -> Iterator[str]:
    if isinstance(row, MetricChange):
        yield from _metric_lines(row)
    elif isinstance(row, GroupChange):
        yield from _group_lines(row)
    elif isinstance(row, DriftChange):
        ks = "-" if row.ks is None else f"{row.ks:.3f}"
        yield f"{escape(_cut(row.name, NAME - 1)):<{NAME}}{row.psi:>8.3f}  {ks:>8}  {row.reading}"
    elif isinstance(row, FeatureChange):
        yield (
            f"{escape(_cut(row.name, NAME - 1)):<{NAME}}{_percent(row.first):>16}  "
            f"{_percent(row.second):>16}  {row.how}"
        )
    elif isinstance(row, ReplyChange):
        yield from _values(f"{row.prompt} ({row.how})", row.first, row.second)
    elif isinstance(row, Change):
        yield from _values(row.name, shown(row.name, row.first), shown(row.name, row.second))


def _metric_lines(row: MetricChange) -> Iterator[str]:
    difference = _number(row.difference, "+")
    colour = {"better": "green", "worse": "red"}.get(row.reading, "default")
    first, second = (_number(value) for value in (row.first, row.second))
    name = f"{row.name}{' *' if row.is_gated else ''}"
    yield f"{escape(_metric(name, first, second, difference))}  [{colour}]{row.reading}[/]"
    intervals = [_between(row.first_interval), _between(row.second_interval),
                 _between(row.interval, "+")]  # fmt: skip
    if any(intervals):
        yield f"[dim]{_metric('', *intervals)}[/]"


def _group_lines(row: GroupChange) -> Iterator[str]:
    sides = []
    for place in range(2):
        rows, share, dppl = row.rows[place], row.shares[place], row.dppl[place]
        if rows is None:
            sides.append("no such group")
        elif share is None:
            sides.append(f"{count(rows, 'row')}: too few")
        else:
            note = "" if row.counted[place] else ", not counted"
            sides.append(f"{_percent(share)} of {rows:,}, DPPL {_signed(dppl)}{note}")
    yield from _values(row.name, *sides)
    if any(row.intervals):
        intervals = (_between_percent(interval) for interval in row.intervals)
        yield f"[dim]{_columns('', *intervals)}[/]"


def _files(rows: Sequence[FileChange]) -> Iterator[str]:
    """A line or two for each step: how many files are the same or differ."""
    for step in dict.fromkeys(row.step for row in rows):
        parts = []
        for how in ("changed", "added", "removed"):
            if files := [row.file for row in rows if (row.step, row.how) == (step, how)]:
                parts.append(f"{how} {', '.join(files)}")
        yield escape(step)
        yield from _wrapped("; ".join(parts), "", indent="  ")


def _values(name: str, first: str, second: str) -> Iterator[str]:
    """A named value of both sides, wrapped."""
    widths = (NAME - 2, VALUE - 2, WIDTH - NAME - VALUE)
    cells = [_cell(text, width) for text, width in zip((name, first, second), widths, strict=True)]
    for place in range(max(map(len, cells))):
        yield escape(_columns(*(cell[place] if place < len(cell) else "" for cell in cells)))


def _cell(text: str, width: int) -> list[str]:
    """The lines of a text; a word longer than the rest of a line begins a new line."""
    lines = textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
    return [line[at : at + width] for line in lines or [""]
            for at in range(0, len(line) or 1, width)]  # fmt: skip


def _columns(name: str, first: str, second: str) -> str:
    return f"{name:<{NAME}}{first:<{VALUE}}{second}".rstrip()


def _metric(name: str, first: str, second: str, difference: str) -> str:
    return f"{_cut(name, 19):<19}{first:>17}  {second:>17}  {difference}".rstrip()


def _wrapped(text: str, style: str, indent: str = "") -> Iterator[str]:
    for line in textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent,
                              break_on_hyphens=False):  # fmt: skip
        yield f"[{style}]{escape(line)}[/]" if style else escape(line)


def _number(value: float | None, sign: str = "") -> str:
    """Four decimals for numbers about 1, none for large ones."""
    if value is None:
        return "-"
    decimals = max(0, 4 - len(f"{abs(value):.0f}") + (abs(value) < 10))
    return f"{value:{sign},.{decimals}f}"


def _between(interval: Interval | None, sign: str = "") -> str:
    return f"{_number(interval[0], sign)} to {_number(interval[1], sign)}" if interval else ""


def _between_percent(interval: Interval | None) -> str:
    return f"{100 * interval[0]:.1f} to {_percent(interval[1])}" if interval else ""


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
