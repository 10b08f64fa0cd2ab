"""The sections of the page in order, one per module."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from explainer.facts import ScenarioFacts
from explainer.section import Section
from explainer.sections import (
    bias,
    concepts,
    features,
    gate,
    glossary,
    lifecycle,
    lineage,
    mapping,
    package,
    production,
    scenarios,
    steps,
)

SECTIONS: tuple[Callable[[Mapping[str, ScenarioFacts]], Section], ...] = (
    steps.section,
    concepts.section,
    scenarios.section,
    features.section,
    gate.section,
    bias.section,
    package.section,
    lifecycle.section,
    lineage.section,
    production.section,
    mapping.section,
    glossary.section,
)
