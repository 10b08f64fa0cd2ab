"""`pipeline ab-plan`: how many users an A/B test needs, and how likely it decides in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ninesteps.runs.ab_simulation import simulate_blocks
from ninesteps.settings.settings import Settings

if TYPE_CHECKING:  # as in feature_store/leaks.py
    import ab_decision
else:
    from ninesteps.containers import ab_decision

BLOCKS_A_DAY = 16
"""How many looks at the evidence are simulated; the test itself looks after every outcome."""

RUNS = 500
SEED = 20
WEEK = 7


@dataclass(frozen=True)
class Plan:
    """What to expect from a test with a true difference."""

    difference: float  # of the challenger's rate from main's
    better: dict[int, float]  # days of users -> the chance that it ends as better within them
    worse: dict[int, float]  # ... as worse
    users: float | None  # the median of the tests that end as better; None if few do
    days: float | None  # until these end, including the wait for the last outcomes


def rules_of(settings: Settings) -> ab_decision.Rules:
    """The rules of `[ab]` and `[deploy]` that decide a test."""
    return ab_decision.Rules.from_json(settings.ab_rules)


def plan(
    rules: ab_decision.Rules, users_a_day: int, rate: float, differences: Sequence[float]
) -> list[Plan]:
    """What to expect for each true difference, from simulated tests.

    Args:
        rate: of main, between 0 and 1.
        differences: of the challenger's rate from it.
    """
    return [_plan(rules, users_a_day, rate, difference) for difference in differences]


def marks(rules: ab_decision.Rules) -> list[int]:
    """The days of users in a plan: a week, two weeks, and all that `max_days` allows."""
    last = _last_day(rules)
    return sorted({*(day for day in (WEEK, 2 * WEEK) if day <= last), last})


def _last_day(rules: ab_decision.Rules) -> int:
    """The last day whose users count; after it the test only waits for their outcomes."""
    return int(rules.max_days - rules.window_hours / 24)


def _plan(rules: ab_decision.Rules, users_a_day: int, rate: float, difference: float) -> Plan:
    wait, days = rules.window_hours / 24, _last_day(rules)
    number = min(users_a_day, BLOCKS_A_DAY) * days
    reached = np.linspace(0, users_a_day * days, number + 1).round().astype(np.int64)
    grows_at = rules.first_users + users_a_day * wait  # whose outcomes are waited for meanwhile
    w = np.where(reached[:-1] < grows_at, rules.first_share, rules.share) / 100
    ends = simulate_blocks(
        rules, (rate, rate + difference), w, np.diff(reached), RUNS, SEED,
        week=WEEK * users_a_day - 1,
    )  # fmt: skip
    within = {day: day * users_a_day for day in marks(rules)}
    is_better = ends.is_better_within(days * users_a_day)
    half = float(np.median(ends.better[is_better])) if is_better.mean() >= 0.5 else None
    return Plan(
        difference,
        {day: float(ends.is_better_within(users).mean()) for day, users in within.items()},
        {day: float(ends.is_worse_within(users).mean()) for day, users in within.items()},
        half,
        half / users_a_day + wait if half else None,
    )


def as_json(
    rules: ab_decision.Rules, users_a_day: int, rate: float, plans: Sequence[Plan]
) -> dict[str, Any]:
    """The plans as data."""
    return {
        "users_a_day": users_a_day,
        "rate": rate,
        "first_share": rules.first_share,
        "share": rules.share,
        "alpha": rules.alpha,
        "margin": rules.margin,
        "window_hours": rules.window_hours,
        "max_days": rules.max_days,
        "simulated_tests": RUNS,
        "plans": [
            {
                "difference": one.difference,
                "better_within_days": {str(day): value for day, value in one.better.items()},
                "worse_within_days": {str(day): value for day, value in one.worse.items()},
                "median_users": one.users,
                "median_days": one.days,
            }
            for one in plans
        ],
    }
