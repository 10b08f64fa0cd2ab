"""The nine steps as a graph to click through, each with request, script, inputs and outputs."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from explainer.facts import ScenarioFacts
from explainer.roles import GOVERNANCE, PHASES, ROLES, Role
from explainer.section import Section, rendered
from explainer.stored import Stored, stored
from ninesteps.report import drawing as d
from ninesteps.report.facts import StepFacts
from ninesteps.report.formatting import duration
from ninesteps.report.graph import NODE, WIDTH, Place, arrows, places
from ninesteps.report.steps import StepPart, role, step_parts
from ninesteps.step_code.bundle import STEPS

BAND = 34  # above the nodes of a phase, for its name
BETWEEN = 22  # two phases


@dataclass(frozen=True)
class Script:
    """The code that a step runs, as the repository has it."""

    path: str
    text: str
    shown_at: str  # the part of the page that has this text already; empty: none

    @property
    def lines(self) -> int:
        """How long it is."""
        return len(self.text.splitlines())


@dataclass(frozen=True)
class Part:
    """One step, explained."""

    id: str
    role: Role
    part: StepPart
    inputs: list[Stored]
    outputs: list[Stored]
    request: Markup  # JSON
    script: Script | None

    @property
    def took(self) -> str:
        """How long it took: a call to the registry takes milliseconds."""
        took = self.part.step.took
        return "less than 0.1 s" if took == duration(0) else took


@dataclass(frozen=True)
class Walk:
    """The steps of one scenario."""

    name: str
    project: str
    graph: Markup
    parts: list[Part]
    took: str


def section(facts: Mapping[str, ScenarioFacts]) -> Section:
    """The section."""
    seen: dict[tuple[str, str], str] = {}
    walks = [_walk(scenario, seen) for scenario in facts.values()]
    return Section(
        key="steps",
        title="The nine steps",
        lead="Choose a step to see what it does, what SageMaker receives, the script that it runs, "
        "and its inputs and outputs in a real run.",
        html=rendered("sections/steps.html.jinja", walks=walks, phases=PHASES),
        menu="Nine steps",
    )


def _walk(facts: ScenarioFacts, seen: dict[tuple[str, str], str]) -> Walk:
    requests = dict(_requests(facts.definition["Steps"]))
    parts = []
    for part in step_parts(facts.run, facts.files):
        id_ = f"{facts.name}-step-{part.number}"
        parts.append(
            Part(
                id=id_,
                role=ROLES[role(part.step)],
                part=part,
                inputs=[stored(facts, name, value) for name, value in part.inputs],
                outputs=[stored(facts, name, value) for name, value in part.outputs],
                request=_json(requests[part.step.name]),
                script=_script(facts.repository, part.step, id_, seen),
            )
        )
    return Walk(facts.name, facts.settings.project.name, _graph(facts), parts, facts.run.took)


def _requests(steps: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step of a definition by name, including those in a condition's branches."""
    for step in steps:
        yield step["Name"], step
        for branch in ("IfSteps", "ElseSteps"):
            yield from _requests(step["Arguments"].get(branch, []))


def _json(content: dict[str, Any]) -> Markup:
    """JSON for reading, with its keys marked."""
    lines = []
    for line in json.dumps(content, indent=2, ensure_ascii=False).splitlines():
        key = re.match(r'(\s*)("[^"\\]+"): ', line)
        if key is None:
            lines.append(escape(line))
        else:
            rest = line[key.end() :]
            lines.append(Markup("{}<b>{}</b>: {}").format(key[1], key[2], rest))
    return Markup("\n").join(lines)


_NAMES_A_SCRIPT = ("sagemaker_program", "SAGEMAKER_PROGRAM")


def _script(
    repository: Path, step: StepFacts, id_: str, seen: dict[tuple[str, str], str]
) -> Script | None:
    """The repository's script that a step runs; None for a step that runs none."""
    name = _script_name(step)
    if not name:
        return None
    text = (repository / STEPS / name).read_text(encoding="utf-8")
    shown = seen.setdefault((name, text), id_)
    return Script(f"{STEPS}/{name}", text, "" if shown == id_ else shown)


def _script_name(step: StepFacts) -> str:
    words = step.request.get("AppSpecification", {}).get("ContainerEntrypoint", [])
    if words:
        return Path(words[-1]).name
    definitions = step.request.get("TrainingJobDefinitions") or [
        step.request.get("TrainingJobDefinition", {})
    ]
    container = step.request.get("PrimaryContainer", {})
    for values in (
        definitions[0].get("StaticHyperParameters", {}),
        container.get("Environment", {}),
    ):
        for key in _NAMES_A_SCRIPT:
            if key in values:
                return str(values[key])
    return ""


# The picture


def _graph(facts: ScenarioFacts) -> Markup:
    steps = facts.run.steps
    phases = {step.name: ROLES[role(step)].phase for step in steps}
    where = {
        name: (x, y + BAND + (BAND + BETWEEN if phases[name] == GOVERNANCE else 0), width)
        for name, (x, y, width) in places(steps).items()
    }
    bands = [
        _band(number, phase, [where[name] for name in where if phases[name] == phase])
        for number, phase in enumerate(PHASES, 1)
    ]
    nodes = [
        _node(facts.name, number, step, where[step.name]) for number, step in enumerate(steps, 1)
    ]
    height = max(y for _, y, _ in where.values()) + NODE + 14
    boxes, names = zip(*bands, strict=True)
    content = "".join([*boxes, *arrows(steps, where), *_passes(steps, where), *names, *nodes])
    return Markup(
        f'<svg class="graph" viewBox="-8 0 {WIDTH + 16} {height:.0f}" role="group" '
        f'aria-label="The steps of {escape(facts.name)}, each linked to its part">{content}</svg>'
    )


def _band(number: int, name: str, nodes: list[Place]) -> tuple[str, str]:
    top = min(y for _, y, _ in nodes) - BAND
    bottom = max(y for _, y, _ in nodes) + NODE + 10
    box = d.rect(-7, top, WIDTH + 14, bottom - top, "phase", ' rx="10"')
    return box, d.text(8, top + 21, f"Phase {number}: {name}", "phase")


def _passes(steps: tuple[StepFacts, ...], where: Mapping[str, Place]) -> Iterator[str]:
    """The label on the arrow from the gate to the registration."""
    gates = {step.name for step in steps if step.type == "Condition"}
    for step in steps:
        for name in gates & set(step.waits_for):
            x, y, width = where[name]
            middle = (y + NODE + where[step.name][1]) / 2
            yield d.text(x + width / 2 + 10, middle + 3, "if the model passes", "edge-says")


def _node(scenario: str, number: int, step: StepFacts, place: Place) -> str:
    x, y, width = place
    title = ROLES[role(step)].title
    lines = textwrap.wrap(title, int((width - 44) / 7.2))
    top = y + (25 if len(lines) == 1 else 18)
    texts = [d.text(x + 40, top + 15 * i, line, "step") for i, line in enumerate(lines)]
    below = d.text(x + 40, y + NODE - (15 if len(lines) == 1 else 9), step.type, "state")
    return (
        f'<a class="node" href="#{scenario}-step-{number}" data-step="{number}" '
        f'aria-label="{escape(f"Step {number}: {title}, {step.type}")}">'
        + d.rect(x, y, width, NODE, "box", ' rx="8"')
        + d.circle(x + 21, y + NODE / 2, 11, "badge")
        + d.text(x + 21, y + NODE / 2 + 4.5, number, "number", "middle")
        + "".join(texts)
        + below
        + "</a>"
    )
