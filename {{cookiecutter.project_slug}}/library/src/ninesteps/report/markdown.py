"""The summary of a report in Markdown, for the file next to the page and for pull requests."""

from __future__ import annotations

from collections.abc import Sequence

from ninesteps.feature_store import findings
from ninesteps.report.decision import Decision
from ninesteps.report.evidence import Absent
from ninesteps.report.figure import Panel
from ninesteps.report.formatting import as_markdown, between, listed, moment, number, percent
from ninesteps.report.judgement import Judgement
from ninesteps.report.reading import BROKEN, Reading
from ninesteps.report.verdict import Verdict

MOST_DRIFTS = 5


def summary(
    reading: Reading,
    verdict: Verdict,
    decision: Decision,
    judgement: Judgement | None,
    panels: list[Panel],
) -> str:
    """The decision, the gate, metrics, bias by facet, drift, and what is missing."""
    facts = reading.facts
    lines = [
        f"## {as_markdown(facts.project)}: {as_markdown(verdict.title.lower())}",
        "",
        as_markdown(verdict.says),
        "",
        *(
            f"- **{as_markdown(p.title)}.** {as_markdown(f'{p.says} {p.means}'.strip())}"
            for p in decision.points
        ),
        *([""] if decision.points else []),
        f"Run `{facts.id}`, {as_markdown(facts.started)}, as of "
        f"{as_markdown(moment(str(facts.parameters.get('AsOf', ''))))}.",
    ]
    for part in (
        _gate(judgement),
        _guarded(_metrics, reading),
        _guarded(_bias, reading),
        _guarded(_data, reading),
        _guarded(_drift, reading),
    ):
        lines += ["", *part] if part else []
    absent = [panel.title for panel in panels if panel.absent]
    if absent:
        lines += ["", f"Missing: {as_markdown(listed(absent))}. The page says why."]
    lines += ["", "The full report is `report.html`, next to this summary.", ""]
    return "\n".join(lines)


def _guarded(part: object, reading: Reading) -> list[str]:
    try:
        lines: list[str] = part(reading)  # type: ignore[operator]
    except (Absent, *BROKEN):
        return []
    return lines


def _gate(judgement: Judgement | None) -> list[str]:
    if judgement is None:
        return []
    rows = [
        (
            judged.name,
            number(judged.value, 6),
            judged.asked,
            f"{'✓ passes' if judged.holds else '✕ fails'} by {number(judged.distance, 4)}",
        )
        for judged in judgement.comparisons
    ]
    return [
        f"### The gate: `{judgement.gate}`",
        "",
        *_table(("metric", "value", "expected", "verdict"), rows),
    ]


def _metrics(reading: Reading) -> list[str]:
    values = reading.metrics
    return [
        "### Metrics",
        "",
        *_table(tuple(values), [tuple(number(value) for value in values.values())]),
    ]


def _bias(reading: Reading) -> list[str]:
    content, names = reading.bias, reading.facet_names
    rows = []
    for facet, groups in content.get("groups", {}).items():
        for group in groups:
            predicted = group.get("predicted") or {}
            rows.append(
                (
                    names[facet],
                    group["value"],
                    number(group["rows"]),
                    percent(predicted.get("share"), 1),
                    between(predicted.get("interval"), 1),
                    number(group["dppl"], 3),
                    "yes" if group["counted"] else "no",
                )
            )
    if not rows:
        return []
    head = ("facet", "group", "rows", "predicted favourable", "interval", "DPPL", "counted")
    title = f"### Share of each group that is {as_markdown(reading.favourable)}"
    return [title, "", *_table(head, rows)]


def _data(reading: Reading) -> list[str]:
    table = reading.facts.table
    lines = [findings.of_table(table, reading.is_of_the_newest)] if table else []
    lines += reading.remarks
    return ["### Data", "", *(f"- {as_markdown(line)}" for line in lines)] if lines else []


def _drift(reading: Reading) -> list[str]:
    drifts, previous = reading.drifts, reading.facts.previous
    rows = [
        (
            drift.name,
            number(round(drift.psi, 4), 3),
            number(drift.ks and round(drift.ks, 4), 3),
            drift.reading,
        )
        for drift in drifts[:MOST_DRIFTS]
    ]
    since = f" since {as_markdown(previous.name_and_why)}" if previous else ""
    return [
        f"### Drift of the training data{since}",
        "",
        *_table(("column", "PSI", "KS", "moved"), rows),
    ]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return [f"| {' | '.join(as_markdown(cell) for cell in line)} |" for line in lines]
