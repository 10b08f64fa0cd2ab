"""The graph of the steps: a row for each depth, and an arrow from each step to those after it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from markupsafe import Markup, escape

from ninesteps.local.verdict import is_failed_gate
from ninesteps.report import drawing as d
from ninesteps.report.facts import StepFacts

WIDTH, LANE = 340, 18  # at the left is a lane for arrows that pass by a row
NODE, ROW = 58, 86  # a node's height, and from one row to the next

Place = tuple[float, float, float]
"""Where a node is: its left, its top, its width."""

STATE_CLASSES = {
    "Succeeded": "good",
    "Failed": "bad",
    "Killed": "bad",
    "Skipped": "passed",
    "Stopped": "passed",
    "Executing": "going",
    "Waiting": "waiting",
}
MARKS = {"good": "✓", "bad": "✕", "passed": "–", "going": "…", "waiting": "○"}


def state_class(step: StepFacts) -> str:
    """The colour and mark of a step: a gate that the model failed has no tick."""
    if is_failed_gate(step.type, step.outcome):
        return "bad"
    return STATE_CLASSES.get(step.status, "waiting")


def graph(steps: tuple[StepFacts, ...]) -> Markup:
    """An SVG whose nodes link to the steps' parts of the page."""
    where = places(steps)
    nodes = [_node(number, step, *where[step.name]) for number, step in enumerate(steps, 1)]
    height = max(y for _, y, _ in where.values()) + NODE + 4 if where else 0
    return Markup(
        f'<svg class="graph" viewBox="0 0 {WIDTH} {height}" role="group" '
        'aria-label="The steps, each linked to its section">'
        f"{''.join([*arrows(steps, where), *nodes])}</svg>"
    )


def places(steps: tuple[StepFacts, ...]) -> dict[str, Place]:
    """Where each step's node is, by its name: a row for each depth."""
    where: dict[str, Place] = {}
    for depth, row in enumerate(layers(steps)):
        wide = (WIDTH - LANE - 12 * (len(row) - 1)) / len(row)
        for column, step in enumerate(row):
            width = min(wide, 250)
            left = LANE + column * (wide + 12) + (wide - width) / 2
            where[step.name] = (left, 4 + depth * ROW, width)
    return where


def arrows(steps: tuple[StepFacts, ...], where: Mapping[str, Place]) -> list[str]:
    """An arrow from each step to those that wait for it, except where other arrows imply it."""
    return [
        _arrow(where[name], where[step.name])
        for step in steps
        for name in sorted(_nearest(step, steps))
        if name in where
    ]


def layers(steps: tuple[StepFacts, ...]) -> list[list[StepFacts]]:
    """The steps by depth: each below all that it waits for."""
    named = {step.name: step for step in steps}
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            depths[name] = 0  # of a circle, which no definition has
            above = [depth(other) for other in named[name].waits_for if other in named]
            depths[name] = 1 + max(above, default=-1)
        return depths[name]

    rows: dict[int, list[StepFacts]] = {}
    for step in steps:
        rows.setdefault(depth(step.name), []).append(step)
    return [rows[level] for level in sorted(rows)]


def _nearest(step: StepFacts, steps: tuple[StepFacts, ...]) -> set[str]:
    """The steps that a step waits for, without those that these wait for themselves."""
    named = {other.name: other for other in steps}

    def above(name: str) -> set[str]:
        direct = set(named[name].waits_for) & named.keys()
        return direct.union(*(above(other) for other in direct)) if direct else set()

    direct = set(step.waits_for) & named.keys()
    return direct - set().union(*(above(name) for name in direct))


def _arrow(source: Place, target: Place) -> str:
    x1, y1 = source[0] + source[2] / 2, source[1] + NODE
    x2, y2 = target[0] + target[2] / 2, target[1] - 2
    bend = (y2 - y1) / 2
    curve = (
        f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"
    )
    head = f"M{x2 - 4:.0f} {y2 - 6:.0f}L{x2:.0f} {y2:.0f}L{x2 + 4:.0f} {y2 - 6:.0f}"
    if y2 - y1 > ROW:  # past a row between
        x1, y1, x2, y2 = source[0], source[1] + NODE / 2, target[0] - 2, target[1] + NODE / 2
        down = f"H12Q5 {y1:.0f} 5 {y1 + 7:.0f}V{y2 - 7:.0f}Q5 {y2:.0f} 12 {y2:.0f}"
        curve = f"M{x1:.0f} {y1:.0f}{down}H{x2:.0f}"
        head = f"M{x2 - 6:.0f} {y2 - 4:.0f}L{x2:.0f} {y2:.0f}L{x2 - 6:.0f} {y2 + 4:.0f}"
    return f'<path class="edge" d="{curve}"/><path class="edge" d="{head}"/>'


def _node(number: int, step: StepFacts, x: float, y: float, width: float) -> str:
    kind = state_class(step)
    most = int((width - 36) / 8.2)
    lines = _wrapped(step.name, most)
    state = f"{MARKS[kind]} {step.said}{step.took and f' · {step.took}'}"
    top = y + (22 if len(lines) == 1 else 17)
    texts = [d.text(x + 30, top + 14 * i, line, "step") for i, line in enumerate(lines)]
    texts.append(d.text(x + 30, y + NODE - 9, state, f"state {kind}"))
    name = escape(f"Step {number}, {step.name}: {step.said}")
    return (
        f'<a class="node {kind}" href="#step-{number}" data-step="{number}" aria-label="{name}">'
        + d.rect(x, y, width, NODE, "box", ' rx="6"')
        + d.text(x + 16, y + NODE / 2 + 5, number, "number", "middle")
        + "".join(texts)
        + "</a>"
    )


def _wrapped(name: str, most: int) -> list[str]:
    """A name in one line or two, broken where a word of it begins."""
    if len(name) <= most:
        return [name]
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z_-]+|[_-]", name)
    first = ""
    while words and len(first) + len(words[0]) <= most:
        first += words.pop(0)
    rest = name[len(first) :]
    return [first or name[:most], rest if len(rest) <= most else f"{rest[: most - 1]}…"]
