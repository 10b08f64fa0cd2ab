"""The public lab's concepts and what they become in an HR company, with real column names."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from explainer.facts import ScenarioFacts
from explainer.section import Section, rendered

TABLE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Concept:
    """A concept of the lab, and its counterpart in HR."""

    lab: str
    hr: str
    why: str
    churn: tuple[str, ...] = ()  # columns of churn's table
    attrition: tuple[str, ...] = ()  # ... and of attrition's


def concepts() -> list[Concept]:
    """The table's rows.

    Raises:
        KeyError: if a row lacks a part.
    """
    content = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return [
        Concept(row["lab"], row["hr"], row["why"],
                tuple(row.get("churn", ())), tuple(row.get("attrition", ())))
        for row in content["concept"]
    ]  # fmt: skip


def section(facts: Mapping[str, ScenarioFacts]) -> Section:
    """The section."""
    lead = (
        "The nine steps come from a public lab about the customers of a shop. In an HR company the "
        "steps stay the same, but what a row is and who decides are different."
    )
    html = rendered("sections/mapping.html.jinja", concepts=concepts())
    return Section("mapping", "From the lab to HR", lead, html)
