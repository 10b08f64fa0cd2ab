"""The life cycle of a version, found by trying every action on a registry."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from explainer.diagram import Box, arrow, down, label
from explainer.facts import ScenarioFacts
from explainer.section import Section, rendered
from ninesteps.errors import RegistryError
from ninesteps.registry import access
from ninesteps.registry.registry import APPROVED, PENDING, PRODUCTION, REJECTED, Approvals
from ninesteps.report import drawing as d

SHOWN = ("attrition", "churn")

REVIEWER, LEAD = "A reviewer", "A second reviewer"
WHY = "for the life cycle"

Action = Callable[[Approvals, int], object]

ACTIONS: dict[str, Action] = {
    "approve": lambda rules, n: rules.approve(n, REVIEWER, WHY),
    "approve --for production": lambda rules, n: rules.approve(n, LEAD, WHY, PRODUCTION),
    "reject": lambda rules, n: rules.reject(n, REVIEWER, WHY),
    "deploy to staging": lambda rules, n: rules.may_deploy(n, to_production=False),
    "deploy": lambda rules, n: rules.may_deploy(n),
}
"""The actions on a version."""

STATES: dict[str, tuple[str, ...]] = {
    "waits for approval": (),
    "approved": ("approve",),
    "approved for production": ("approve", "approve --for production"),
    "rejected": ("reject",),
    "withdrawn": ("approve", "reject"),
}
"""The actions that lead from registration to each state."""


@dataclass(frozen=True)
class Tried:
    """An action in a state, and the registry's answer."""

    state: str
    action: str
    refusal: str  # empty: it was allowed

    @property
    def is_done(self) -> bool:
        """Whether the registry allowed it."""
        return not self.refusal


def section(facts: Mapping[str, ScenarioFacts]) -> Section:
    """The section."""
    scenario = next(facts[name] for name in SHOWN if name in facts)
    tried = transitions(scenario)
    html = rendered(
        "sections/lifecycle.html.jinja",
        picture=_picture(tried),
        states=list(STATES),
        actions=list(ACTIONS),
        tried={(one.state, one.action): one for one in tried},
        statuses={"waits for approval": PENDING, "approved": APPROVED,
                  "approved for production": f"{APPROVED}, stage {PRODUCTION}",
                  "rejected": REJECTED, "withdrawn": REJECTED},
    )  # fmt: skip
    lead = (
        "A model that passes the gate waits for a person. Every decision is recorded with who, "
        "when and why, and with the SHA-256 of the files it is based on. A rejection is final."
    )
    return Section("life-cycle", "The life cycle of a version", lead, html, menu="Life cycle")


def transitions(scenario: ScenarioFacts) -> list[Tried]:
    """Every action in every state, tried on copies of the run's registry with a second approval.

    Raises:
        RegistryError: if a state can no longer be reached by the actions in `STATES`.
    """
    return [_try(scenario, state, action) for state in STATES for action in ACTIONS]


def _try(scenario: ScenarioFacts, state: str, action: str) -> Tried:
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "local"
        local.mkdir()
        shutil.copyfile(scenario.local / "state.db", local / "state.db")
        (local / "s3").symlink_to(scenario.local / "s3", target_is_directory=True)
        rules = replace(
            access.on_this_machine(local, scenario.settings),
            require_second_approver=False, before_production=True,
        )  # fmt: skip
        (number, *_) = rules.registry.numbers()
        for step in STATES[state]:
            ACTIONS[step](rules, number)
        try:
            ACTIONS[action](rules, number)
        except RegistryError as refused:
            return Tried(state, action, re.sub(r" at \d{4}-\S+Z", "", str(refused)))
    return Tried(state, action, "")


_Way = tuple[str, str, list[tuple[float, float]], tuple[float, float, str, str], str]
"""State and action, the arrow's points, its words with their place and anchor, and its kind."""


def _picture(tried: list[Tried]) -> Markup:
    """The states, with an arrow for each action that the registry allows."""
    done = {(one.state, one.action) for one in tried if one.is_done}
    run = Box(82, 6, 176, "a run passes the gate", (), "store")
    pending = Box(60, 70, 220, PENDING, ("waits for a person",))
    approved = Box(3, 176, 180, APPROVED, ("may be deployed to staging",), "good")
    production = Box(3, 282, 180, f"{APPROVED} for production", ("may serve",), "good")
    rejected = Box(222, 229, 115, REJECTED, ("final",), "bad")
    marks: list[str] = [down(run, pending)]
    ways: list[_Way] = [
        ("waits for approval", "approve",
         [(93, pending.bottom), (93, approved.y - 1)], (99, 148, "approve", "start"), "good"),
        ("waits for approval", "reject",
         [(262, pending.bottom), (262, rejected.y - 1)], (268, 148, "reject", "start"), "bad"),
        ("approved", "approve --for production",
         [(93, approved.bottom), (93, production.y - 1)],
         (99, 250, "a second person", "start"), "good"),
        ("approved", "reject",
         [(approved.right, 190), (245, 190), (245, rejected.y - 1)],
         (239, 208, "withdraw", "end"), "bad"),
        ("approved for production", "reject",
         [(production.right, 303), (262, 303), (262, rejected.bottom + 1)],
         (268, 297, "withdraw", "start"), "bad"),
    ]  # fmt: skip
    for state, action, points, (x, y, words, anchor), kind in ways:
        if (state, action) in done:
            marks += [arrow(*points, kind=kind), label(x, y, words, anchor)]
    marks += [box.marks for box in (run, pending, approved, production, rejected)]
    says = (
        "A registered version waits until a person approves or rejects it. An approved version can "
        "be withdrawn. A rejected one cannot be approved again."
    )
    return d.svg("life-cycle-picture", 336, "The life cycle of a version", says, *marks)
