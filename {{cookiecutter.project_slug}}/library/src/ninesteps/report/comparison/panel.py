"""The comparison with another version or run, as a panel of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from ninesteps.errors import NineStepsError
from ninesteps.report import drawing as d
from ninesteps.report.comparison.compare import compare
from ninesteps.report.comparison.model import (
    TITLES,
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
from ninesteps.report.comparison.side import Side, Store
from ninesteps.report.comparison.words import shown, that_matter
from ninesteps.report.facts import Source
from ninesteps.report.figure import Figure, Group, Panel, Table
from ninesteps.report.formatting import between, count, number, percent
from ninesteps.report.reading import Reading, sentence

KEY, THIS = "comparison", "this run"

MOST_ROWS = 40
"""The most rows of a table; `pipeline compare` shows the others."""


def comparison_panel(
    reading: Reading, source: Source, reference: Callable[[], Side | None]
) -> Panel | None:
    """The comparison of a run with another, or why there is none; None: nothing to compare with.

    Args:
        source: of the run's own files.
        reference: gives the other side.
    """
    facts, other = reading.facts, reading.facts.reference
    if other is None:
        if facts.no_reference:
            return Panel(KEY, "Compared with another version", "", absent=facts.no_reference)
        return None
    title = f"Compared with {other.name}"
    try:
        side = reference()
    except NineStepsError as error:
        return Panel(KEY, title, "", absent=sentence(str(error)))
    if side is None:
        return None
    own = Subject(THIS, facts.id, None, facts.status, facts.started, facts.started_by)
    compared = compare(side, Side(own, reading, cast(Store, source)))
    same = [TITLES[key].lower() for key, part in compared.parts.items() if part.is_same]
    says = f"{compared.verdict} {sentence(f'{other.name} is {other.why}')}"
    if same:
        says += f" The same in both: {', '.join(same)}."
    return Panel(KEY, title, says, list(_groups(compared)))


def _groups(compared: Comparison) -> Iterator[Group]:
    """A group for each part that differs, or cannot be compared."""
    for key, part in compared.parts.items():
        title = TITLES[key]
        if part.absent:
            yield Group(title, absent=part.absent)
        elif not part.is_same:
            yield _group(title, part, compared)


def _group(title: str, part: Part[Any], compared: Comparison) -> Group:
    """The rows of a part that matter, and how many others differ."""
    is_of_metrics = isinstance(part.rows[0], MetricChange)
    rows = part.rows if is_of_metrics else that_matter(part)
    says, left = part.says, len(part.different) - len(rows[:MOST_ROWS])
    if left > 0:
        little = "" if len(rows) > MOST_ROWS else " only a little"
        rest = count(left, "more row differs", "more rows differ")
        says = f"{says} {rest}{little}.".strip()
    if not rows:
        return Group(title, says)
    head, texts = _head(part.rows[0], compared.first.name)
    table = Table("Side by side", head, [_cells(row) for row in rows[:MOST_ROWS]], texts)
    if isinstance(part.rows[0], GroupChange):
        table, unknown = _without_a_side(table, compared.first.name)
        says = f"{says} {unknown}".strip()
    return Group(title, says, list(_figures(part)) if is_of_metrics else [], [table])


def _without_a_side(table: Table, other: str) -> tuple[Table, str]:
    """The table of groups without the columns of a side that has none, and a sentence about it."""
    for side, name in ((slice(1, 5), other), (slice(5, 9), THIS)):
        if all(set(row[side]) == {"–"} for row in table.rows):
            kept = [n for n in range(9) if n not in range(9)[side]]
            head, *rows = (tuple(row[n] for n in kept) for row in (table.head, *table.rows))
            return Table(table.name, head, rows), sentence(f"{name} has no such groups")
    return table, ""


def _head(row: Any, other: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """A table's head, and the columns that are read, not compared."""
    if isinstance(row, MetricChange):
        names = ("metric", other, "interval", THIS, "interval", "difference", "interval", "reading")
        return names, (0, 7)
    if isinstance(row, GroupChange):
        each = ("rows", "favourable", "interval", "DPPL")
        return ("group", *(f"{n}, {other}" for n in each), *(f"{n}, {THIS}" for n in each)), (0,)
    heads: dict[type, tuple[tuple[str, ...], tuple[int, ...]]] = {
        DriftChange: (("column", "PSI", "KS", "moved"), (0, 3)),
        FeatureChange: (("feature", other, THIS, "weight"), (0, 3)),
        FileChange: (("step", "file", "is"), (0, 1, 2)),
        ReplyChange: (("prompt", "outcome", other, THIS), (0, 1, 2, 3)),
    }
    return heads.get(type(row), (("what", other, THIS), (0, 1, 2)))


def _cells(row: Any) -> tuple[str, ...]:
    if isinstance(row, MetricChange):
        name = f"{row.name}{' (gate)' if row.is_gated else ''}"
        return (name, number(row.first), _numbers(row.first_interval), number(row.second),
                _numbers(row.second_interval), _signed(row.difference), _numbers(row.interval),
                row.reading)  # fmt: skip
    if isinstance(row, GroupChange):
        sides = (
            (number(row.rows[n]), percent(row.shares[n], 1), between(row.intervals[n], 1),
             _signed(row.dppl[n]))
            for n in range(2)
        )  # fmt: skip
        return (row.name, *(cell for side in sides for cell in side))
    if isinstance(row, DriftChange):
        return (row.name, number(row.psi, 3), number(row.ks, 3), row.reading)
    if isinstance(row, FeatureChange):
        return (row.name, percent(row.first, 1), percent(row.second, 1), row.how)
    if isinstance(row, FileChange | ReplyChange):
        return _texts(row)
    return (row.name, shown(row.name, row.first), shown(row.name, row.second))


def _texts(row: FileChange | ReplyChange) -> tuple[str, ...]:
    if isinstance(row, FileChange):
        return (row.step, row.file, row.how)
    return (row.prompt, row.how, row.first, row.second)


def _numbers(interval: Interval | None) -> str:
    return f"{number(interval[0])} to {number(interval[1])}" if interval else "–"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{'+' if value > 0 else ''}{number(value)}"


def _figures(part: Part[MetricChange]) -> Iterator[Figure]:
    """The differences with their paired intervals, relative to the earlier values."""
    rows = [row for row in part.rows if row.interval and row.first]
    if not rows:
        return
    values = [_relative(row, end) for row in rows for end in (*(row.interval or ()), 0.0)]
    x = d.Scale(min(values), max(values), 150, d.FAR)
    marks = [d.line(x(0), 18, x(0), 26 + 26 * len(rows), "limit"),
             d.text(x(0), 12, "no difference", "tick", "middle")]  # fmt: skip
    for place, row in enumerate(rows):
        y = 38 + 26 * place
        colour = {"better": "good", "worse": "bad"}.get(row.reading, "")
        kind = "whisker orange" if colour == "bad" else "whisker"
        ends = [_relative(row, end) for end in row.interval or ()]
        marks += [
            d.text(d.NEAR, y + 4, row.name, "name strong" if row.is_gated else "name"),
            d.whisker(x, ends, y, kind if colour else f"{kind} faint"),
            d.circle(x(_relative(row, row.difference or 0.0)), y, 4.5,
                     f"value {colour}" if colour else "stopped"),
        ]  # fmt: skip
    says = (
        "Right of the line, this run has the higher value. Filled dots differ beyond chance: blue "
        "is better, orange is worse. Distances are relative to the earlier value."
    )
    svg = d.svg(KEY, 44 + 26 * len(rows), "The difference in each metric", says, marks)
    yield Figure("The difference in each metric", says, svg)


def _relative(row: MetricChange, value: float) -> float:
    return value / abs(row.first or 1.0)
