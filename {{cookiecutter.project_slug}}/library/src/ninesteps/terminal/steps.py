"""The table of a run's steps, here or in an account, for 80 columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

COLOURS = {
    "Waiting": "dim",
    "Executing": "cyan",
    "Succeeded": "green",
    "Failed": "red",
    "Skipped": "yellow",
    "Stopped": "yellow",
    "Killed": "red",
}
"""Labels and colours by a step's status."""


@dataclass(frozen=True)
class StepLine:
    """One step as the table shows it."""

    name: str
    type: str
    status: str
    state: str  # the status in plain words
    time: str  # how long it took or has been running
    source: str = ""  # the run whose result it reuses
    detail: str = ""  # the result, shown below it


def _colour(step: StepLine) -> str:
    return "red" if step.state == "Gate failed" else COLOURS.get(step.status, "default")


def step_table(steps: Iterable[StepLine], time: str) -> Table:
    """The table of the steps, numbered.

    Args:
        time: the heading of their times.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", justify="right", style="dim")
    table.add_column("step", overflow="fold")
    table.add_column("type")
    table.add_column("state")
    table.add_column(time, justify="right")
    for number, step in enumerate(steps, start=1):
        took = f"[dim]from {escape(step.source)}[/]" if step.source else step.time
        state = f"[{_colour(step)}]{step.state}[/]"
        table.add_row(str(number), step.name, step.type, state, took)
        if step.detail:
            table.add_row("", f"[dim]{escape(step.detail)}[/]")
    return table
