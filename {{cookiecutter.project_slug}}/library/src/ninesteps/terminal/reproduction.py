"""Shows a reproduction: its sources, then each step's artifacts."""

from __future__ import annotations

import textwrap

from rich.markup import escape

from ninesteps.runs.reproducing.result import (
    CHANGED,
    DIFFERS,
    GONE,
    IDENTICAL,
    MISSING,
    REMADE,
    USED,
    WITHIN,
    Artifact,
    Part,
    Reproduction,
    Source,
)
from ninesteps.terminal.console import Console

_CONSOLE = Console(highlight=False, soft_wrap=False)
_COLOURS = {
    IDENTICAL: "green", WITHIN: "yellow", DIFFERS: "red", MISSING: "red",
    USED: "green", REMADE: "green", CHANGED: "red", GONE: "red",
}  # fmt: skip
_WIDTH = 80
_STATE = 18  # width of the column of states


def show(made: Reproduction) -> None:
    """Print a reproduction, fit for 80 columns."""
    _CONSOLE.print()
    _CONSOLE.print(f"[bold]{escape(made.group)} version {made.version}[/], made by run {made.run}")
    if earlier := made.runs[:-1]:
        _wrapped(f"with steps reused from {', '.join(earlier)}", 0)
    _CONSOLE.print("\n[bold]made from[/]")
    for source in _grouped(made.sources):
        _entry(source.name, source.state, source.detail)
    for sentence in made.environment:
        _wrapped(f"different here: {sentence}", 2)
    for part in made.parts:
        _show_part(part)
    counts = ", ".join(f"{n:,} {_said(state, made)}" for state, n in made.counts.items() if n)
    _CONSOLE.print(f"\n[bold]{sum(made.counts.values()):,} artifacts[/]: {counts or 'none'}")
    _CONSOLE.print(_verdict(made), soft_wrap=True)


def _said(state: str, made: Reproduction) -> str:
    if state == DIFFERS and made.counts[state] != 1:
        return "differ"
    return f"within {made.tolerance:g}" if state == WITHIN else state


def _verdict(made: Reproduction) -> str:
    if not made.counts[IDENTICAL] + made.counts[WITHIN] + made.counts[DIFFERS]:
        return "[red]not reproduced[/]: nothing could be made again"
    if made.is_proven:
        exact = not made.counts[WITHIN]
        how = "every artifact is byte-identical" if exact else "every artifact is within tolerance"
        return f"[green]reproduced[/]: {how}"
    if made.counts[DIFFERS]:
        return "[red]not reproduced[/]: artifacts differ"
    return "[yellow]reproduced in part[/]: not every artifact could be made again"


def _grouped(sources: tuple[Source, ...]) -> list[Source]:
    """Sources, with unchanged ones of the same name on one line."""
    grouped: list[Source] = []
    for source in sources:
        alike = [s for s in sources if (s.name, s.state) == (source.name, source.state)]
        if source.state != USED or len(alike) == 1:
            grouped.append(source)
        elif source == alike[0]:
            grouped.append(Source(source.name, source.state, f"{len(alike)} of them"))
    return grouped


def _show_part(part: Part) -> None:
    status = "" if part.status == "Succeeded" else f"  [red]{part.status.lower()}[/]"
    source = f"  [dim]of run {part.source}[/]" if part.source else ""
    _CONSOLE.print(f"\n[bold]{escape(part.name)}[/]{status}{source}")
    if part.reason:
        _wrapped(part.reason, 2)
    for artifact in part.artifacts:
        _entry(artifact.name, artifact.state, _apart(artifact))


def _apart(artifact: Artifact) -> str:
    """How much an artifact differs, and where."""
    if not artifact.numbers:
        return artifact.detail
    many = "1 number" if artifact.numbers == 1 else f"{artifact.numbers:,} numbers"
    return (
        f"{many}, by at most {artifact.absolute:.3g} ({artifact.where.strip()}), relative "
        f"{artifact.relative:.3g}"
    )


def _entry(name: str, state: str, detail: str) -> None:
    """A name and its state on a line, with details below."""
    room = _WIDTH - 2 - _STATE - 1
    lines = textwrap.wrap(name, room, break_on_hyphens=False) or [""]
    for line in lines[:-1]:
        _CONSOLE.print(f"  {escape(line)}")
    _CONSOLE.print(f"  {escape(lines[-1]):<{room}} [{_COLOURS[state]}]{state}[/]")
    if detail:
        _wrapped(detail, 4)


def _wrapped(text: str, indent: int) -> None:
    for line in textwrap.wrap(text, _WIDTH - indent, break_on_hyphens=False):
        _CONSOLE.print(f"{' ' * indent}[dim]{escape(line)}[/]")
