"""The glossary that the documentation and the reports also use."""

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
        lead="The terms on this page, each explained in a sentence. The documentation and the "
        "reports use the same sentences.",
        html=rendered("sections/glossary.html.jinja", terms=terms(), address=address),
    )
