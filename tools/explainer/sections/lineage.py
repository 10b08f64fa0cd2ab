"""The lineage of a real version, drawn as in its report."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from explainer.facts import ScenarioFacts
from explainer.section import Section
from ninesteps.lineage.local import graph_of_run
from ninesteps.local.state import State
from ninesteps.report.lineage_picture import lineage_part

SHOWN = "churn"


def section(facts: Mapping[str, ScenarioFacts]) -> Section:
    """The section."""
    scenario = facts[SHOWN]
    state = State(scenario.local / "state.db", read_only=True)
    group = scenario.settings.model_package_group
    graph = graph_of_run(scenario.local, group, state, scenario.execution.id)
    lead = (
        f"{scenario.run.registered.partition(',')[0]}, from its table to the registry. Follow the "
        "arrows to see what a version was trained on, or which versions use a table."
    )
    return Section("lineage", "Lineage of a version", lead, Markup(lineage_part(graph)))
