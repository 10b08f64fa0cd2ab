"""The report of a run: a page in one self-contained file, and its summary in Markdown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from ninesteps.plain_text import plain
from ninesteps.report import formatting, glossary
from ninesteps.report.comparison.panel import comparison_panel
from ninesteps.report.comparison.side import Side
from ninesteps.report.decision import decision
from ninesteps.report.evidence import Absent, collect
from ninesteps.report.facts import FAILED, SUCCEEDED, RunFacts, Source
from ninesteps.report.graph import MARKS, graph, state_class
from ninesteps.report.judgement import Judgement
from ninesteps.report.markdown import summary
from ninesteps.report.own_panels import own_panels
from ninesteps.report.panels import panels
from ninesteps.report.reading import BROKEN, Reading
from ninesteps.report.run_warnings import MALFORMED
from ninesteps.report.steps import step_parts
from ninesteps.report.template import asset, csp_hash, template
from ninesteps.report.verdict import Verdict

TERMS = "\ue002"
"""The place of the terms in a page: they are known only when the rest is written."""


@dataclass(frozen=True)
class Report:
    """A run's page and its summary."""

    html: str
    markdown: str
    faults: tuple[str, ...] = ()  # why a team's own panels could not be made


def build(
    facts: RunFacts,
    source: Source,
    reference: Callable[[], Side | None] = lambda: None,
    root: Path | None = None,
) -> Report:
    """The page of a run and its Markdown summary, from the files that the run left.

    Args:
        reference: gives the run that this one is compared with; None: there is none.
        root: the repository, for its own panels; None: the page has none.
    """
    evidence = collect(facts, source)
    reading = Reading(facts, evidence)
    judgement = _judgement(reading)
    outcome = verdict(facts, judgement, _uncounted(reading))
    panel_list = panels(reading)
    compared = comparison_panel(reading, source, reference)
    if compared:
        panel_list.insert(1, compared)
    decided = decision(reading, judgement, compared, _remarks(reading))
    own = own_panels(root, reading, source) if root else []
    panel_list[-1:-1] = own  # before the evidence
    style, script = asset("page.css"), asset("page.js")
    html = template("page.html.jinja").render(
        facts=facts,
        verdict=outcome,
        decision=decided,
        panels=panel_list,
        graph=graph(facts.steps),
        parts=step_parts(facts, source),
        state_class=state_class,
        marks=MARKS,
        formatting=formatting,
        style=Markup(style),
        script=Markup(script),
        style_hash=csp_hash(style),
        script_hash=csp_hash(script),
        terms=Markup(TERMS),
    )
    text = summary(reading, outcome, decided, judgement, panel_list)
    faults = tuple(one.fault for one in own if one.fault)
    return Report(plain(_explained(html)), plain(text), faults)


def _explained(html: str) -> str:
    """The page with its terms explained, and with links to them from table cells."""
    used = glossary.used(html)
    terms = template("terms.html.jinja").render(terms=used)
    return glossary.linked(html, used).replace(TERMS, terms, 1)


def verdict(facts: RunFacts, judgement: Judgement | None, uncounted: str = "") -> Verdict:
    """How a run ended, in a sentence or two.

    Args:
        uncounted: a sentence on facets without a group that counts.
    """
    failed = [step for step in facts.steps if step.status == FAILED]
    if failed:
        reasons = " ".join(
            _full_stop(f"{step.name}: {formatting.shortened(step.reason, 300)}") for step in failed
        )
        return Verdict("bad", "The run failed", f"{reasons} Nothing was registered.")
    if facts.status != SUCCEEDED:
        return Verdict(
            "passed", f"The run is {facts.status.lower()}", "Its results so far are below."
        )
    if facts.registered:
        gate = f" It passes the gate: {judgement.gate}." if judgement else ""
        return Verdict("good", "The model was registered",
                       f"It is {facts.registered}.{gate} {_decided(facts)}")  # fmt: skip
    if judgement and judgement.outcome is False:
        fails = [judged for judged in judgement.comparisons if not judged.holds]
        why = (
            f" {uncounted}"
            if uncounted and any(judged.comparison.is_bias for judged in fails)
            else ""
        )
        failed_comparisons = "; ".join(
            f"{judged.name}: expected {judged.expected}, got {formatting.number(judged.value)}"
            for judged in fails
        )
        return Verdict(
            "bad",
            "The model failed the gate",
            f"{failed_comparisons}.{why} The run completed, and nothing was registered.",
        )
    return Verdict("passed", "Nothing was registered", "No step of this run registered a model.")


def _full_stop(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _decided(facts: RunFacts) -> str:
    if not facts.changes:
        return "It needs a person's approval before it is used."
    last = facts.changes[-1]
    of = f" for {last.stage}" if last.stage else ""
    return f"{last.who} set it to {last.after}{of} on {formatting.moment(last.at)}."


def _judgement(reading: Reading) -> Judgement | None:
    try:
        return reading.judgement
    except (Absent, *BROKEN):
        return None


def _uncounted(reading: Reading) -> str:
    try:
        return reading.uncounted
    except (Absent, *BROKEN):
        return ""


def _remarks(reading: Reading) -> list[str]:
    try:
        return reading.remarks
    except (Absent, *BROKEN):
        return [MALFORMED]
