"""The top of the page: input and output, how long a run takes, and who the project is for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from explainer.documentation import address
from explainer.facts import ScenarioFacts
from explainer.rendering import ROOT, TEMPLATE
from explainer.roles import PHASES
from explainer.section import rendered
from ninesteps.report.formatting import count
from ninesteps.repository.root import SETTINGS

AUDIENCE = (
    "Data scientists with a table, platform teams with many pipelines, and reviewers who have to "
    "answer for a model"
)


@dataclass(frozen=True)
class Box:
    """Input, pipeline or output."""

    title: str
    main: str
    more: str


def opening(facts: Mapping[str, ScenarioFacts]) -> Markup:
    """The top of the page, with the run of the first scenario."""
    first = next(iter(facts.values()))
    return rendered(
        "opening.html.jinja",
        boxes=[_input(first), _pipeline(first), _output(first)],
        project=first.settings.project.name,
        rows=[
            ("Takes", _takes(facts)),
            ("For", AUDIENCE),
            ("You need", f"Python {pythons()}, pip and git. No AWS account, no Docker."),
        ],
        start=address("start.md"),
        documentation=address("index.md"),
    )


def _input(facts: ScenarioFacts) -> Box:
    table = facts.run.origin["table"]
    lines = len((facts.repository / SETTINGS).read_text(encoding="utf-8").splitlines())
    return Box(
        "Input",
        f"A table: {Path(table['path']).name}, {count(table['rows'], 'row')}",
        f"and {SETTINGS}, {count(lines, 'line')}: the settings that a team edits",
    )


def _pipeline(facts: ScenarioFacts) -> Box:
    return Box(
        "Pipeline",
        f"{count(len(facts.run.steps), 'step')} in {count(len(PHASES), 'phase')}",
        f"with a gate: {facts.settings.full_gate}",
    )


def _output(facts: ScenarioFacts) -> Box:
    if not facts.run.registered:
        return Box("Output", "No version: the model failed the gate", "and a report that says why")
    return Box(
        "Output",
        f"A model in the registry: {facts.run.registered}",
        "waiting for a person's approval, with a report and its lineage",
    )


def _takes(facts: Mapping[str, ScenarioFacts]) -> str:
    """How long the steps took, as measured in the runs."""

    def seconds(scenario: ScenarioFacts) -> float:
        return sum(run.seconds for run in scenario.execution.steps.values())

    ends = [pick(facts.values(), key=seconds) for pick in (min, max)]
    said = [f"{one.run.took} ({one.settings.project.name})" for one in ends]
    return f"{' to '.join(dict.fromkeys(said))}, measured on the sample data for this page"


def pythons() -> str:
    """The versions that the template is tested with: `3.11 to 3.13`."""
    content = tomllib.loads((TEMPLATE / "pyproject.toml").read_text(encoding="utf-8"))
    least = content["project"]["requires-python"].removeprefix(">=")
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    (tested,) = re.findall(r"python: \[(.*)\]", workflow)
    versions = re.findall(r'"([\d.]+)"', tested)
    if versions[0] != least:
        raise ValueError(f"expected tests with Python {least} first, got {versions[0]}")
    return f"{least} to {versions[-1]}"
