"""Shows an A/B test as it goes on: who gets how many users, their outcomes, and the evidence."""

from __future__ import annotations

import json
import math
import time
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ninesteps.runs.ab_test import Run
from ninesteps.terminal.console import Console

PAUSE = 0.2  # seconds between pictures
LINES_EVERY = 1.0  # day of the users' time between lines, where the output is no terminal


class Shown:
    """A test on the terminal; a line each day where there is none, or each look as JSON."""

    def __init__(self, as_json: bool) -> None:
        self._console, self._as_json = Console(highlight=False), as_json
        self._live = Live(console=self._console, auto_refresh=False)
        self._last, self._day = 0.0, -1

    def __enter__(self) -> Shown:
        """Begin to show."""
        if self._console.is_terminal and not self._as_json:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the last picture."""
        self._live.stop()

    def __call__(self, run: Run) -> None:
        """Show how it stands."""
        days = run.test.days
        if self._as_json:
            print(json.dumps(as_json(run)), flush=True)  # noqa: T201  # an event a line
        elif self._console.is_terminal:
            if time.monotonic() - self._last >= PAUSE or run.test.has_ended:
                self._last = time.monotonic()
                self._live.update(table(run), refresh=True)
        elif days >= (self._day + 1) * LINES_EVERY or run.test.has_ended:
            self._day = int(days / LINES_EVERY)
            self._console.print(_line(run), soft_wrap=True)


def as_json(run: Run) -> dict[str, Any]:
    """How a test stands, for a program to read."""
    test = run.test
    return {
        "version": run.package.version,
        "before": run.before,
        "days": round(run.test.days, 3),
        "share": test.share,
        "users": test.bets.users,
        "good": test.bets.resolved,
        "pending": test.pending,
        "requests": test.replies,
        "e_better": _e(test.e_better),
        "e_worse": _e(test.e_worse),
        "outcome": test.decision.outcome,
        "why": test.decision.why,
    }


def _e(logarithm: float) -> float:
    """An e-value, of those that JSON can have."""
    return float(f"{math.exp(min(logarithm, 700.0)):.6g}")


def table(run: Run) -> Group:
    """A row for each version, and the evidence below."""
    test = run.test
    title = (
        f"day {run.test.days:.1f} of the users' time: {test.share} % of them are the challenger's"
    )
    needed = math.exp(test.threshold)
    evidence = (
        f"better {_e(test.e_better):,.3g}, worse {_e(test.e_worse):,.3g} to 1; "
        f"decided at {needed:g}. {test.pending:,} users wait for their outcome."
    )
    if test.e_better >= test.threshold and not test.has_ended:
        evidence += (
            f" Better takes {test.rules.min_users:,} users of each version and a week of them too."
        )
    shown = Table()
    for name in ("version", "requests", "users", run.rehearsal.settings.ab.outcome, "errors"):
        shown.add_column(name, justify="right")
    for arm, version in enumerate((run.before, run.package.version)):
        users, good = test.bets.users[arm], test.bets.resolved[arm]
        rate = f"{good / users:.1%}" if users else "-"
        errors = sum(test.rates[name].faults[arm] for name in ("errors", "client errors"))
        shown.add_row(str(version), f"{test.replies[arm]:,}", f"{users:,}", rate, f"{errors:,}")
    return Group(Text(title), shown, Text(evidence, style="dim"))


def _line(run: Run) -> str:
    test = run.test
    rates = ", ".join(
        f"{name} {good / users:.1%} of {users:,}" if users else f"{name} none yet"
        for name, good, users in zip(
            ("main", "challenger"), test.bets.resolved, test.bets.users, strict=True
        )
    )
    return (
        f"day {run.test.days:.1f}: share {test.share} %; {rates}; better "
        f"{_e(test.e_better):,.3g}, worse {_e(test.e_worse):,.3g} to 1"
    )


def sentence(run: Run) -> str:
    """How a test ended, as a person is told."""
    decision, version = run.test.decision, run.package.version
    serves = version if run.test.share == 100 else run.before
    return escape(
        f"version {version} against version {run.before}: {decision.outcome}: {decision.why}; "
        f"version {serves} serves"
    )
