"""The sections of the page, in their order: each module makes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from explainer.facts import ScenarioFacts
from explainer.section import Section
from explainer.sections import concepts, glossary, scenarios, steps

SECTIONS: tuple[Callable[[Mapping[str, ScenarioFacts]], Section], ...] = (
    steps.section,
    concepts.section,
    scenarios.section,
    glossary.section,
)
