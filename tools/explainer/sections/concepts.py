"""The four SageMaker concepts behind the steps, each with an example from the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from explainer.documentation import address
from explainer.facts import ScenarioFacts
from explainer.section import Section, rendered
from explainer.stored import size_text
from ninesteps.lineage.local import graph_of_run
from ninesteps.local.state import State
from ninesteps.report import glossary
from ninesteps.report.formatting import count


@dataclass(frozen=True)
class Concept:
    """One of the four."""

    name: str
    says: str  # what it is: the glossary's sentence
    here: str  # an example from the run
    page: str  # of the documentation


def section(facts: Mapping[str, ScenarioFacts]) -> Section:
    """The section, with the run of the first scenario."""
    first = next(iter(facts.values()))
    terms = {term.name: term for term in glossary.terms()}
    here = {
        "Pipeline": _pipeline(first),
        "Feature store": _feature_store(first),
        "Model registry": _registry(first),
        "Lineage": _lineage(first),
    }
    concepts = [
        Concept(name, terms[name].says, text, address(terms[name].page))
        for name, text in here.items()
    ]
    return Section(
        key="concepts",
        title="Four ideas behind it",
        lead="All four are services of Amazon SageMaker. On your own machine they follow the same "
        "rules, with everything in one folder.",
        html=rendered("sections/concepts.html.jinja", concepts=concepts),
        menu="Concepts",
    )


def _pipeline(facts: ScenarioFacts) -> str:
    size = size_text(len(json.dumps(facts.definition, separators=(",", ":"))))
    return (
        f"The definition of {facts.settings.project.pipeline} is {size} of JSON: "
        f"{count(len(facts.definition['Steps']), 'step')}, and one more that runs if the gate "
        "passes."
    )


def _feature_store(facts: ScenarioFacts) -> str:
    columns = facts.reading.columns["columns"]
    rows = facts.run.origin["table"]["used"]
    return f"This run read {count(rows, 'record')} of {count(len(columns), 'column')} from it."


def _registry(facts: ScenarioFacts) -> str:
    return (
        f"This run registered {facts.run.registered}."
        if facts.run.registered
        else ("This run registered nothing: the model failed the gate.")
    )


def _lineage(facts: ScenarioFacts) -> str:
    kept = State(facts.local / "state.db", read_only=True)
    group = facts.settings.model_package_group
    graph = graph_of_run(facts.local, group, kept, facts.run.id)
    return (
        f"The lineage of this run has {count(len(graph.entities), 'entity', 'entities')}, from "
        "the table to the registered version."
    )
