"""Shows an A/B test in progress: users of each version, their outcomes, and the evidence."""

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

PAUSE = 0.2  # seconds between updates
LINES_EVERY = 1.0  # simulated days between lines, if the output is not a terminal


class Shown:
    """Shows a test on a terminal, otherwise as a line each day, or as JSON at each look."""

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
        """Leave the last state on the screen."""
        self._live.stop()

    def __call__(self, run: Run) -> None:
        """Show the test's state."""
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
    """The state of a test as data."""
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
    """An e-value, limited to what JSON can express."""
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
        evidence += f" Better also needs {test.rules.min_users:,} users of each version and a week."
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
    """A sentence about how a test ended."""
    decision, version = run.test.decision, run.package.version
    serves = version if run.test.share == 100 else run.before
    return escape(
        f"version {version} against version {run.before}: {decision.outcome}: {decision.why}; "
        f"version {serves} serves"
    )
