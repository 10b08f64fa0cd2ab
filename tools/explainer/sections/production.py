"""The production patterns as diagrams: what starts a run, who approves, how traffic moves."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from explainer.diagram import Box, arrow, down, label
from explainer.facts import ScenarioFacts
from explainer.section import Section, rendered
from ninesteps.report import drawing as d
from ninesteps.settings import cadence as cadences
from ninesteps.settings import deploy as deploys
from ninesteps.settings.settings import Settings

STRICTEST = ("attrition", "churn")
"""The first of these that was run shows the approval: attrition needs two."""


@dataclass(frozen=True)
class Cadence:
    """When a scenario's pipeline runs."""

    project: str
    word: str
    expression: str
    timezone: str


def section(facts: Mapping[str, ScenarioFacts]) -> Section:
    """The section."""
    strict = next(facts[name] for name in STRICTEST if name in facts)
    first = next(iter(facts.values())).settings
    html = rendered(
        "sections/production.html.jinja",
        starts=_starts(first),
        approval=_approval(strict.settings),
        rollout=_rollout(first),
        cadences=[cadence_of(scenario.settings) for scenario in facts.values()],
        shift=deploys.shift(first.deploy),
        interval=first.schedule.arrival_interval_hours,
        approval_of=strict.settings.project.name,
    )
    lead = (
        "In an AWS account, a schedule or new data starts a run, a person's approval starts the "
        "rollout, and an alarm rolls it back."
    )
    return Section("production", "In production", lead, html)


def cadence_of(settings: Settings) -> Cadence:
    """The cadence of a pipeline, as EventBridge Scheduler gets it."""
    schedule = settings.schedule
    read = cadences.parse(schedule.cadence, schedule.timezone)
    expression = read.expression or "by hand"
    return Cadence(settings.project.name, schedule.cadence, expression, schedule.timezone)


def _starts(settings: Settings) -> Markup:
    """A schedule, or newly arrived rows."""
    schedule = settings.schedule
    clock = Box(3, 8, 164, "EventBridge Scheduler", (f"cadence: {schedule.cadence}",))
    marker = Box(173, 8, 164, "a marker in S3", ("written after new rows",), "store")
    arrival = Box(173, 96, 164, "data_arrival", ("are the rows new?",
                  f"{schedule.arrival_interval_hours} h since the last start?"))  # fmt: skip
    run = Box(75, 206, 190, settings.project.pipeline, ("a run, as of that time",), "good")
    gate = Box(75, 282, 190, "the gate", ("passes: a version waits", "fails: the team is told"))
    marks = [
        down(marker, arrival), down(arrival, run),
        arrow((clock.middle, clock.bottom), (clock.middle, 189), (run.middle - 20, 189),
              (run.middle - 20, run.y - 1)),
        down(run, gate),
        *(box.marks for box in (clock, marker, arrival, run, gate)),
    ]  # fmt: skip
    says = (
        "The schedule starts a run at a fixed time. New rows start one too, unless a run has used "
        "them already or the last start was less than "
        f"{schedule.arrival_interval_hours} hours ago."
    )
    return d.svg("starts", 346, "What starts a run", says, *marks)


def _approval(settings: Settings) -> Markup:
    """The stages between registration and production, as set in `[approval]`."""
    rules = settings.approval
    who = "not by who started the run" if rules.require_second_approver else "by any reviewer"
    boxes = [
        Box(
            60, 8, 220, "a registered version", ("its evidence is recorded, with SHA-256",), "store"
        ),
        Box(60, 80, 220, "approval", (who,), "person"),
        Box(60, 152, 220, "staging", ("a separate endpoint", "answers known requests as expected")),
    ]
    if rules.before_production:
        within = f"by someone else, within {rules.days_to_answer} days"
        boxes.append(Box(60, 239, 220, "second approval", (within,), "person"))
    watched = "blue/green, watched by alarms"
    boxes.append(Box(60, boxes[-1].bottom + 30, 220, "production", (watched,), "good"))
    marks = [down(upper, lower) for upper, lower in itertools.pairwise(boxes)]
    marks += [box.marks for box in boxes]
    says = "A person approves; the version is tried in staging" + (
        "; a second person approves; then it serves." if rules.before_production else "; it serves."
    )
    return d.svg("stages", boxes[-1].bottom + 8, "Approval in stages", says, *marks)


def _rollout(settings: Settings) -> Markup:
    """How the traffic moves from the version before to the new one, step by step."""
    deploy = settings.deploy
    shares = [0.0, *(part / deploy.instances for part in deploys.steps(deploy))]
    waits = [*([deploy.interval_seconds] * (len(shares) - 2)), deploy.bake_seconds]
    marks, x = [], d.Scale(0, 1, 3, 337)
    y = 26.0
    for place, share in enumerate(shares):
        said = "before" if not place else f"step {place}"
        if place == len(shares) - 1:
            said = "all of it"
        marks += [
            d.text(3, y - 6, said, "flow-says"),
            d.rect(3, y, x(1) - x(0), 24, "traffic old"),
            d.rect(x(1 - share), y, x(share) - x(0), 24, "traffic new"),
        ]
        if share < 1:
            marks.append(d.text(12, y + 16, "version before", "flow-name"))
        if share:
            marks.append(d.text(328, y + 16, f"new: {100 * share:.0f} %", "on-new", "end"))
        if place:
            words = f"{waits[place - 1] / 60:g} minutes without an alarm"
            marks.append(label(170, y + 42, words))
            y += 24
        y += 52
    back = Box(40, y - 4, 260, "an alarm at any time", ("rolls back to the version before",), "bad")
    errors, slow = deploy.max_error_percent, deploy.max_latency_ms
    done = f"more than {errors:g} % errors, or slower than {slow:,} ms"
    marks += [back.marks, label(170, back.bottom + 18, done)]
    says = (
        f"The new version gets {', then '.join(f'{100 * share:.0f} %' for share in shares[1:])} of "
        "the traffic. Any alarm moves it back to the version before."
    )
    return d.svg("rollout", back.bottom + 28, "Blue/green rollout", says, *marks)
