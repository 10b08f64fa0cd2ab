"""Writes the page, one self-contained file, with the report of each run in a folder next to it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from explainer.facts import ScenarioFacts
from explainer.opening import opening
from explainer.section import rendered
from explainer.sections import SECTIONS
from ninesteps.plain_text import plain
from ninesteps.report.template import asset, csp_hash

PAGE, REPORTS = "index.html", "reports"

STYLES, SCRIPTS = ("explainer.css", "sections.css"), ("explainer.js", "gate.js")
"""The page's own style sheets and scripts, in addition to the report's style."""


def write(out: Path, facts: Mapping[str, ScenarioFacts]) -> Path:
    """Write the page and the reports to a folder; gives the page's path."""
    reports = out / REPORTS
    reports.mkdir(parents=True, exist_ok=True)
    for name, scenario in facts.items():
        shutil.copyfile(scenario.execution.page, reports / f"{name}.html")
    page = out / PAGE
    page.write_text(html(facts), encoding="utf-8", newline="\n")
    return page


def html(facts: Mapping[str, ScenarioFacts]) -> str:
    """The page, made from these scenarios."""
    style = asset("page.css") + "".join(asset(name, "explainer") for name in STYLES)
    script = "".join(asset(name, "explainer") for name in SCRIPTS)
    page = rendered(
        "page.html.jinja",
        opening=opening(facts),
        sections=[section(facts) for section in SECTIONS],
        style=Markup(style),
        script=Markup(script),
        style_hash=csp_hash(style),
        script_hash=csp_hash(script),
    )
    return plain(page)
