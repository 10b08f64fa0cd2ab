"""Shows how many users and days an A/B test needs to decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from ninesteps.runs.ab_plan import RUNS, Plan, marks
from ninesteps.terminal.console import Console

if TYPE_CHECKING:  # as in feature_store/leaks.py
    import ab_decision
else:
    from ninesteps.containers import ab_decision


def show(rules: ab_decision.Rules, users_a_day: int, rate: float, plans: Sequence[Plan]) -> None:
    """Show a line for each true difference."""
    console = Console(highlight=False)
    wait = rules.window_hours / 24
    console.print(
        f"{users_a_day:,} users a day, {rate:g} of them with a good outcome; the new version gets "
        f"{rules.first_share} % of them until {rules.first_users:,} are counted, then "
        f"{rules.share} %."
    )
    days = marks(rules)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("difference", justify="right")
    for day in days:
        table.add_column(f"{day} days", justify="right")
    for name in ("worse", "users", "ends on day"):
        table.add_column(name, justify="right")
    for one in plans:
        table.add_row(
            f"{one.difference:+.3g}" if one.difference else "none",
            *(f"{one.better[day]:.0%}" for day in days), f"{one.worse[days[-1]]:.0%}",
            "-" if one.users is None else f"{one.users:,.0f}",
            "-" if one.days is None else f"{one.days:.1f}",
        )  # fmt: skip
    console.print(table)
    console.print(
        f"[dim]Shares of {RUNS} simulated tests: those that find the new version better within "
        f"the given days, or worse within {days[-1]} days. Users and end day: when half of the "
        f"tests find it better, plus {wait:g} days for the last outcome; '-': fewer than half "
        "do.[/]"
    )
