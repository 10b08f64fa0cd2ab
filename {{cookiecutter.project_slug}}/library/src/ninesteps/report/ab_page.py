"""The page of an A/B test: the evidence over time, rates, shares, guardrails, and why it ended.

All of it is computed from the events file, by the module that also decides the test.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ninesteps.plain_text import plain
from ninesteps.report import ab_charts as charts
from ninesteps.report.ab_charts import Point
from ninesteps.report.figure import Figure, Table
from ninesteps.report.template import asset, csp_hash, template

if TYPE_CHECKING:  # as in feature_store/leaks.py
    import ab_decision
    import ab_events
else:
    from ninesteps.containers import ab_decision, ab_events

POINTS = 200
"""Moments that the pictures are drawn with."""

KINDS = {
    ab_decision.BETTER: "good",
    ab_decision.WORSE: "bad",
    ab_decision.INVALID: "bad",
    ab_decision.GUARDRAIL: "bad",
}
MARKS = {"good": "✓", "bad": "✗", "passed": "○"}


@dataclass(frozen=True)
class AbPage:
    """What the page shows."""

    title: str
    kind: str  # good, bad or passed
    why: str
    facts: list[tuple[str, str]]
    figures: list[Figure]
    tables: list[Table]


def build(events: Iterable[ab_events.Event], about: dict[str, Any]) -> str:
    """The page of a test, self-contained.

    Args:
        about: the test's `version`, `before`, `rules`, `outcome`, and texts to show beside them as
            `facts`, each with its name.
    """
    test = ab_decision.ABTest(ab_decision.Rules.from_json(about["rules"]))
    points = _points(test, list(events))
    style = asset("page.css")
    html = template("ab_page.html.jinja").render(
        page=_page(test, points, about), marks=MARKS, style=Markup(style),  # ours
        style_hash=csp_hash(style),
    )  # fmt: skip
    return plain(html)


def of_folder(folder: Path) -> str:
    """The page of a test that was run here, from its folder."""
    about = json.loads((folder / "test.json").read_text(encoding="utf-8"))
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    simulated = (
        f"{about['users']:,} users a day, seed {about['seed']}, true rates {about['rates'][0]:g} "
        f"and {about['rates'][1]:g}"
    )
    return build(ab_events.read_lines(lines), {**about, "facts": {"Simulated": simulated}})


def _points(test: ab_decision.ABTest, events: list[ab_events.Event]) -> list[Point]:
    """How the test stood at some moments, from its beginning to its end."""
    every = max(1, len(events) // POINTS)
    points, arrived, of, share = [_point(test, 0.0)], 0, 0, test.share
    for number, event in enumerate(events, start=1):
        test.add(event)
        if event.kind == "reply":
            if event.share != share:
                arrived, of, share = 0, 0, event.share
            arrived, of = arrived + event.arm, of + 1
        if number % every == 0 or test.has_ended or number == len(events):
            points.append(_point(test, 100 * arrived / of if of else 0.0))
        if test.has_ended:
            break
    return points


def _point(test: ab_decision.ABTest, arrived: float) -> Point:
    users, good = test.bets.users, test.bets.resolved
    first, second = (
        (good[arm] / users[arm] if users[arm] else 0.5,
         ab_decision.rate_interval(good[arm], users[arm])) for arm in (0, 1)
    )  # fmt: skip
    return Point(
        test.days,
        (users[0], users[1]), (first[0], second[0]), (first[1], second[1]),
        test.e_better, test.e_worse, test.share, arrived,
    )  # fmt: skip


def _page(test: ab_decision.ABTest, points: list[Point], about: dict[str, Any]) -> AbPage:
    version, before, rules = about["version"], about["before"], test.rules
    outcome = test.decision.outcome
    users = test.bets.users
    difference, low, high = test.bets.difference()
    facts = [
        ("Challenger", f"version {version}"),
        ("Main", f"version {before}"),
        ("Lasted", f"{points[-1].day:.1f} days"),
        ("Users counted", f"{users[0]:,} and {users[1]:,}"),
        ("Difference", f"{100 * difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"),
        ("Outcome", f"{about['outcome']}, within {rules.window_hours:g} hours"),
        *about.get("facts", {}).items(),
    ]
    figures = [
        charts.evidence(points, test.threshold),
        charts.rates(points, about["outcome"]),
        charts.shares(points),
    ]
    title, kind = _title(outcome, version, before, test.share)
    return AbPage(title, kind, _sentence(test), facts, figures, [_guardrails(test), _rules(rules)])


def _title(outcome: str, version: int, before: int, share: int) -> tuple[str, str]:
    if outcome == ab_decision.CONTINUE:
        return f"Version {version} is being tested against version {before}", "passed"
    takes = f"version {version} takes over" if share == 100 else f"version {before} stays"
    said = {
        ab_decision.BETTER: "Better", ab_decision.WORSE: "Worse", ab_decision.INVALID: "Invalid",
        ab_decision.GUARDRAIL: "Stopped by a guardrail",
        ab_decision.INCONCLUSIVE: "Inconclusive",
    }[outcome]  # fmt: skip
    return f"{said}: {takes}", KINDS.get(outcome, "passed")


def _sentence(test: ab_decision.ABTest) -> str:
    why = test.decision.why
    return f"{why[:1].upper()}{why[1:]}."


def _guardrails(test: ab_decision.ABTest) -> Table:
    """What each guardrail has seen; it ends a test at 1,000 to 1."""
    rows = []
    for name, rate in test.faults().items():
        shown = [f"{f:,} of {r:,}" for f, r in zip(rate.faults, rate.replies, strict=True)]
        rows.append((name, *shown, charts.odds(ab_decision.log_mean(rate.stakes))))
    leaks = (f"{f:,} of {r:,}" for f, r in zip(test.leaks, test.replies, strict=True))
    rows.append(("leaks", *leaks, "at the first"))
    head = ("Guardrail", "Main", "Challenger", "Evidence, to 1")
    return Table(f"Guardrails, each ends it at {1 / ab_decision.GUARDRAIL_ALPHA:,.0f} to 1", head,
                 rows)  # fmt: skip


def _rules(rules: ab_decision.Rules) -> Table:
    named = vars(rules).items()
    return Table(
        "Rules", ("Rule", "Value"),
        [(name, f"{value:g}" if isinstance(value, float) else str(value))
         for name, value in named],
    )  # fmt: skip
