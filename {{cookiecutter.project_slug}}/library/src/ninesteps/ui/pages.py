"""The pages as HTML: the index, a run, a version, and a message if there is nothing to show."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import jinja2
from markupsafe import Markup

from ninesteps.plain_text import plain
from ninesteps.registry.registry import APPROVED, PENDING, REJECTED
from ninesteps.report import formatting
from ninesteps.report.formatting import number
from ninesteps.report.graph import MARKS
from ninesteps.report.template import asset, csp_hash, template
from ninesteps.report.verdict import KINDS
from ninesteps.settings import gate as gates
from ninesteps.ui import charts
from ninesteps.ui.machine import Machine, VersionLine

PACKAGE = "ninesteps.ui"
A_PAGE = 50
"""How many runs or versions are on one page."""

MOST_METRICS = 12

STATUSES = {PENDING: ("passed", "pending"), APPROVED: ("good", "approved"),
            REJECTED: ("bad", "rejected")}  # fmt: skip

Item = TypeVar("Item")


@dataclass(frozen=True)
class Part:
    """The rows of one page of a list."""

    lines: Sequence[Any]
    at: int  # the page, from 1
    pages: int
    total: int


def style() -> str:
    """The pages' style sheet: the report's style and their own."""
    return _style()


@functools.cache
def _style() -> str:
    return asset("page.css") + asset("ui.css", PACKAGE)


@functools.cache
def _template(name: str) -> jinja2.Template:
    return template(name, PACKAGE)


def index(machine: Machine, runs_page: int = 1, versions_page: int = 1) -> str:
    """Versions, their metrics, and runs."""
    runs, versions = machine.runs(), machine.versions()
    part = _part(versions, versions_page)
    part = replace(part, lines=machine.measured(part.lines))
    newest = machine.measured(versions[: charts.MOST_VERSIONS])
    limits = list(gates.comparisons(machine.settings.full_gate))
    figures = [
        charts.over_versions(name, newest[::-1], [c for c in limits if c.name == name])
        for name in metric_names(newest, [c.name for c in limits])
    ]
    return _page(
        "index.html.jinja", machine, "Runs and versions",
        runs=_part(runs, runs_page), versions=part, figures=figures,
        serving=next((v.number for v in versions if v.serves), None),
        gate_names=list(dict.fromkeys(c.name for c in limits)),
        pending=sum(v.status == PENDING for v in versions), number=number,
        most_versions=charts.MOST_VERSIONS,
    )  # fmt: skip


def run(machine: Machine, identifier: str) -> str:
    """A run that is known."""
    line = next(one for one in machine.runs() if one.id == identifier)
    execution = machine.execution(identifier)
    times = machine.times(execution)
    return _page(
        "run.html.jinja", machine, f"Run {identifier}",
        line=line, figure=charts.timeline(times) if times else None, execution=execution,
    )  # fmt: skip


def version(machine: Machine, identifier: int) -> str:
    """A version.

    Raises:
        RegistryError: if there is none of that number.
    """
    found, metrics, erased = machine.version(identifier)
    return _page(
        "version.html.jinja", machine, f"Version {identifier}",
        version=found, metrics={name: number(value, 5) for name, value in metrics.items()},
        erased=erased, serves=machine.serving == identifier,
        gate=gates.written(found.metadata.get("gate", "")),
        has_report=machine.report(found.execution) is not None,
        lineage=Markup(machine.lineage(found.execution)),
    )  # fmt: skip


def message(machine: Machine, title: str, says: str) -> str:
    """A page with a single message, for example that a page does not exist."""
    return _page("message.html.jinja", machine, title, says=says)


def metric_names(versions: Sequence[VersionLine], of_gate: Sequence[str]) -> list[str]:
    """The metrics that are drawn: the gate's first, then the newest version's others."""
    known = {name for version in versions for name in version.metrics}
    others = [name for version in versions[:1] for name in version.metrics]
    names = dict.fromkeys(name for name in (*of_gate, *others) if name in known)
    return list(names)[:MOST_METRICS]


def _part(items: Sequence[Item], page: int) -> Part:
    pages = max(-(-len(items) // A_PAGE), 1)
    at = min(max(page, 1), pages)
    return Part(items[(at - 1) * A_PAGE : at * A_PAGE], at, pages, len(items))


def _page(name: str, machine: Machine, title: str, **content: Any) -> str:
    html = _template(name).render(
        project=machine.settings.project.name, title=title, style=Markup(style()),
        style_hash=csp_hash(style()), marks=MARKS, kinds=KINDS, statuses=STATUSES,
        formatting=formatting, **content,
    )  # fmt: skip
    return plain(html)
