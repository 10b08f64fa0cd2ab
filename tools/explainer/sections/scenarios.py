"""A card for each scenario: what it predicts, its gate, and the command to render it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from explainer.facts import ScenarioFacts
from explainer.rendering import QUESTIONS, RUNNABLE, SCENARIOS
from explainer.section import Section, rendered
from ninesteps.feature_store.drafting.draft import Decisions, draft
from ninesteps.report.evidence import Absent
from ninesteps.report.formatting import count, number
from ninesteps.report.reading import BROKEN

TEMPLATE = "path/to/cookiecutter-sagemaker-pipelines"
"""As the README writes it."""

ALGORITHMS = {"xgboost": "XGBoost", "lightgbm": "LightGBM", "lora": "LoRA fine-tuning"}

ROLLOUTS = {
    "canary": "canary: a part of the traffic, then all of it",
    "linear": "linear: in equal parts",
    "all_at_once": "all at once",
    "ab_test": "A/B test: kept only if it does better with users",
}


@dataclass(frozen=True)
class Card:
    """A scenario."""

    name: str
    project: str
    predicts: str
    rows: list[tuple[str, str]]
    command: str
    verdict: str  # the result of its run; empty: it was not run
    report: str  # the address of its report; empty: none
    draft: str = ""  # what `pipeline schema` prints
    draft_command: str = ""


def section(facts: Mapping[str, ScenarioFacts]) -> Section:
    """The section: those that were run, and those without a table of their own."""
    cards = [_card(facts[name]) for name in SCENARIOS if name in facts]
    without = [name for name in SCENARIOS if name not in RUNNABLE]
    cards += [_without_table(name, next(iter(facts.values()))) for name in without]
    return Section(
        key="scenarios",
        title="Scenarios to start from",
        lead="Each scenario is a complete repository. You can change its gate, its groups to "
        "compare and its cadence when you render it, or later in one file.",
        html=rendered("sections/scenarios.html.jinja", cards=cards),
        menu="Scenarios",
    )


def _command(name: str) -> str:
    return f"cookiecutter {TEMPLATE} --no-input scenario={name}"


def _predicts(name: str) -> str:
    """What it predicts, from the template's question."""
    text: str = QUESTIONS["__prompts__"]["scenario"][name]
    return text.partition(": ")[2]


def _card(facts: ScenarioFacts) -> Card:
    settings = facts.settings
    table = facts.run.origin["table"]
    rows = [
        ("Sample", f"{count(table['rows'], 'row')}, synthetic"),
        ("Label", settings.data.label or "the reply"),
        ("Algorithm", " and ".join(ALGORITHMS[name] for name in settings.tuning.algorithms)),
        ("Gate", str(settings.full_gate)),
        ("Groups compared", settings.bias.facets),
        ("Retrained", settings.schedule.cadence),
        ("Rollout", ROLLOUTS[settings.deploy.rollout]),
    ]
    return Card(
        name=facts.name,
        project=settings.project.name,
        predicts=_predicts(facts.name),
        rows=rows,
        command=_command(facts.name),
        verdict=_verdict(facts),
        report=f"reports/{facts.name}.html",
    )


def _verdict(facts: ScenarioFacts) -> str:
    try:
        judged = facts.reading.judgement.comparisons
    except (Absent, *BROKEN):
        return ""
    values = ", ".join(f"{one.name} {number(one.value)}" for one in judged)
    outcome = "passed" if facts.run.registered else "failed"
    return f"The sample's model {outcome} the gate in {facts.run.took}: {values}."


def _without_table(name: str, other: ScenarioFacts) -> Card:
    """A scenario for your own table, with settings drafted from another scenario's table."""
    answers = QUESTIONS["_scenarios"][name]
    file, label = other.settings.data.file, other.settings.data.label
    text = draft(other.repository / file, Decisions(label), path=file)
    return Card(
        name=name,
        project=answers["project_name"],
        predicts=_predicts(name),
        rows=[
            ("Sample", "none: bring your own CSV or Parquet file"),
            ("Gate", " or ".join(QUESTIONS["_metric_gates"].values())),
            ("Retrained", answers["retraining_cadence"]),
        ],
        command=_command(name),
        verdict="Two commands draft the settings for your table and run the nine steps on it.",
        report="",
        draft=text,
        draft_command=f"pipeline schema {Path(file).name} --label {label}",
    )
