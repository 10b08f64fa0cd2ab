"""The glossary of documentation and reports."""

from __future__ import annotations

from collections.abc import Mapping

from explainer.documentation import address
from explainer.facts import ScenarioFacts
from explainer.section import Section, rendered
from ninesteps.report.glossary import terms


def section(facts: Mapping[str, ScenarioFacts]) -> Section:
    """The section."""
    return Section(
        key="glossary",
        title="Glossary",
        lead="What the words on this page mean, a sentence each. The documentation and every "
        "report have the same sentences.",
        html=rendered("sections/glossary.html.jinja", terms=terms(), address=address),
    )
