"""Shows a run: its progress, then its steps, gate, version and files."""

from __future__ import annotations

import contextlib
import json
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence, Sized
from pathlib import Path
from types import TracebackType
from typing import Any

import click
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from ninesteps.feature_store import findings
from ninesteps.feature_store.ingest import Ingested
from ninesteps.local import erasures
from ninesteps.local.execution import (
    EXECUTING,
    FAILED,
    SUCCEEDED,
    WAITING,
    Execution,
    StepRun,
)
from ninesteps.local.expressions import Compared
from ninesteps.local.storage import Storage
from ninesteps.report.local_run import warnings_of
from ninesteps.repository import origin_text
from ninesteps.runs.continuing import next_command
from ninesteps.settings import gate as gates
from ninesteps.settings.settings import Settings
from ninesteps.terminal.console import Console
from ninesteps.terminal.lines import wrapped
from ninesteps.terminal.paths import from_here
from ninesteps.terminal.steps import StepLine, step_table

_CONSOLE = Console(highlight=False, soft_wrap=False)


class Progress:
    """A live table on a terminal, otherwise a line for each change."""

    def __init__(self, settings: Settings, is_live: bool = True) -> None:
        self._settings = settings
        self._is_live = is_live and _CONSOLE.is_terminal
        self._live: Live | None = None
        self._said: dict[str, str] = {}
        self.run = ""
        """The run's id, once it is known."""

    def __enter__(self) -> Progress:
        if self._is_live:
            self._live = Live(console=_CONSOLE, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def working(self, what: str) -> None:
        """Show work before the steps that takes a moment."""
        _CONSOLE.print(f"[dim]{escape(what)} ...[/]", soft_wrap=True)

    def ingested(self, file: Path, ingested: Ingested, as_of: str) -> None:
        """Show what was read, with odd values."""
        _CONSOLE.print(f"[bold]{escape(self._settings.project.name)}[/] as of {as_of}")
        _CONSOLE.print(escape(from_here(file)), soft_wrap=True)
        for what, count in findings.counts(ingested, as_of == ingested.latest).items():
            _CONSOLE.print(f"{count:>9,}  {escape(what)}")
        for sentence in erasures.notices(file, ingested.found):
            click.echo(f"pipeline: notice: {sentence}", err=True)

    def update(self, execution: Execution) -> None:
        """Show the state of the steps."""
        self.run = execution.id
        if self._live:
            self._live.update(_table(execution))
            return
        for name, run in execution.steps.items():
            if run.status != WAITING and self._said.get(name) != run.status:
                self._said[name] = run.status
                _CONSOLE.print(f"{run.state:<10} {name}")

    def notice(self, sentence: str) -> None:
        """Print a notice about something that does not stop the run."""
        click.echo(f"pipeline: notice: {sentence}", err=True)

    def ended(self, execution: Execution, gate: str, local: Path) -> None:
        """Show how the run ended, and the commands for what it registered."""
        summary(execution, self._settings, local, gate)
        for number in execution.versions:
            _line("next", f"pipeline approve {number}, or pipeline reject {number}")


def _table(execution: Execution) -> Table:
    """The steps with their state and seconds."""
    return step_table(map(_step_line, execution.numbered), "seconds")


def _step_line(run: StepRun) -> StepLine:
    is_timed = run.status in (EXECUTING, SUCCEEDED, FAILED)
    has_detail = run.step.type == "Tuning" or run.status == EXECUTING
    return StepLine(
        name=run.step.name,
        type=run.step.type,
        status=run.status,
        state=run.state,
        time=f"{_seconds(run):.1f}" if is_timed else "",
        source=run.source,
        detail=run.detail if has_detail else "",
    )


def _seconds(run: StepRun) -> float:
    """How long a step took, or has been taking."""
    return time.monotonic() - run.started if run.started and not run.seconds else run.seconds


def summary(
    execution: Execution, settings: Settings, local: Path, gate: str = "", came_from: bool = False
) -> None:
    """Show how an execution ended: steps, gate, version, and the paths of its files.

    Args:
        gate: the gate as text, if it is known to be this execution's.
        came_from: also show where it came from: code, library, settings and table.
    """
    _CONSOLE.print()
    _CONSOLE.print(_table(execution))
    _CONSOLE.print()
    for run in execution.steps.values():
        if run.status == FAILED:
            _say_failure(run)
        for line in _gate_lines(run, settings, gate):
            _line(*line)
    content = evaluation(execution, local)
    for line in (
        *champion_lines(champion(execution, settings, local, content)),
        *_evaluation_lines(content),
        *_uncounted_lines(content, settings),
    ):
        _line(*line)
    for line in warning_lines(warnings_of(local, settings, execution)):
        _line(*line)
    for line in (*_version_lines(execution), *_origin_lines(execution, came_from)):
        _line(*line)
    for note in execution.notes:
        _CONSOLE.print(escape(wrapped(note, "note", 11)), soft_wrap=True)
    bucket = settings.environment().bucket_name
    executions = f"s3://{bucket}/{settings.project.pipeline}/executions"
    written = Storage(local / "s3").path(f"{executions}/{execution.id}")
    if written.exists():
        _line("wrote", escape(from_here(written)))
    _line("logs", escape(from_here(execution.logs)))
    if execution.page.exists():
        _line("report", escape(from_here(execution.page)))
    if execution.status not in (SUCCEEDED, EXECUTING):
        _line("next", escape(next_command(execution, settings)))


def _say_failure(run: StepRun) -> None:
    """First the place in the step's own code, then its message, then its log."""
    _CONSOLE.print(f"[red]{run.step.name} failed[/]")
    if frame := run.frame:
        place = f"{frame.file}, line {frame.line}" + (
            f", in {frame.function}" if frame.function else ""
        )
        _CONSOLE.print(f"  {escape(place)}", soft_wrap=True)
        if frame.source:
            _CONSOLE.print(f"    [bold]{escape(frame.source)}[/]", soft_wrap=True)
    _CONSOLE.print(f"  {escape(run.reason)}", soft_wrap=True)
    if run.log:
        _line("log", escape(from_here(run.log)))


def evaluation(execution: Execution, local: Path) -> dict[str, Any]:
    """The evaluation's property file; empty if that step has not succeeded."""
    for run in execution.steps.values():
        for output, path in run.step.property_files.values():
            if content := _written(run, output, path, local):
                return content
    return {}


def _written(run: StepRun, output: str, name: str, local: Path) -> dict[str, Any]:
    """The content of a file in one of a step's outputs; empty if there is none."""
    for written in run.answer.get("ProcessingOutputConfig", {}).get("Outputs", []):
        if written["OutputName"] == output:
            folder = Storage(local / "s3").path(written["S3Output"]["S3Uri"])
            with contextlib.suppress(FileNotFoundError):  # removed since
                content: dict[str, Any] = json.loads((folder / name).read_text("utf-8"))
                return content
    return {}


def warning_label(warnings: Sized) -> str:
    """The heading of the warnings: their number."""
    return "warning" if len(warnings) == 1 else f"{len(warnings)} warnings"


def warning_lines(warnings: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A run's warnings with their number, each with a dash, wrapped."""
    label = warning_label(warnings)
    for sentence in warnings:
        for number, part in enumerate(textwrap.wrap(sentence, 66, break_on_hyphens=False)):
            yield label, f"{'  ' if number else '- '}{escape(part)}"
            label = ""


def _evaluation_lines(content: dict[str, Any]) -> list[tuple[str, str]]:
    """All metrics, not only the gate's: a high recall from flagging everybody shows in the
    others."""
    lines = [("", text) for text in metric_lines(_metrics(content), 68)]
    decision = content.get("decision") or {}
    if decision.get("rule") == "recall":
        bound, target = decision["recall_lower_bound"], decision["recall_target"]
        verdict = "above" if decision["reached"] else "[red]not above[/]"
        text = f"validation recall at least {bound:.4g} (90 % confidence), {verdict} {target:g}"
        lines.append(("threshold", f"{decision['threshold']:.4g}: {text}"))
    return [("metrics", lines[0][1]), *lines[1:]] if lines else []


def champion(
    execution: Execution, settings: Settings, local: Path, content: dict[str, Any]
) -> dict[str, Any]:
    """The champion's part of an evaluation, with its version; empty if there is none."""
    if not (section := content.get(gates.CHAMPION)):
        return {}
    from ninesteps.report.champion import version
    from ninesteps.report.local_run import archives

    own = next(iter(execution.versions), None)
    return {**section, "version": version(content, own, lambda: archives(local, settings))}


def champion_lines(section: dict[str, Any]) -> list[tuple[str, str]]:
    """The champion, and the metrics that the gate compares: both values and the difference."""
    if not section:
        return []
    if says := section.get("says", ""):
        lines = textwrap.wrap(says, 68)
    else:
        from ninesteps.report.champion import name

        lines = [name(section["version"], section)]
        lines += [_against(metric, of) for metric, of in gates.differences(section).items()]
    return [("" if number else "champion", escape(line)) for number, line in enumerate(lines)]


def _against(name: str, found: Mapping[str, Any]) -> str:
    from ninesteps.report.champion import difference

    return f"{name} {found['champion']:.4g}, here {found['challenger']:.4g}: {difference(found)}"


def _metrics(content: dict[str, Any]) -> dict[str, float | None]:
    sections = [content.get(kind, {}) for kind in gates.SECTIONS.values()]
    return {name: m["value"] for values in sections for name, m in values.items()}


def metric_lines(numbers: Mapping[str, float | None], width: int) -> list[str]:
    """Metrics with their values in lines of a given width; no line breaks before a value."""
    values = {name: "-" if value is None else f"{value:.4g}" for name, value in numbers.items()}
    text = ", ".join(f"{name}\0{value}" for name, value in values.items())
    wrapped = textwrap.wrap(text, width, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in wrapped]


def _uncounted_lines(content: dict[str, Any], settings: Settings) -> list[tuple[str, str]]:
    """Facets that get the worst value because none of their groups is large enough."""
    facets = content.get("bias_metrics", {}).get("groups", {})
    uncounted = [key for key, groups in facets.items() if not any(g["counted"] for g in groups)]
    if not uncounted:
        return []
    least = settings.bias.min_group_size
    names = {facet.key: str(facet) for facet in settings.facets}
    text = ", ".join(names.get(key, key) for key in uncounted)
    text += f": no group of {least} rows beside {least} others"
    return [("bias", f"{text}, so the worst value counts")]


def _gate_lines(run: StepRun, settings: Settings, gate: str) -> list[tuple[str, str]]:
    """Each comparison of the gate, with the values and the margin."""
    if run.outcome is None:
        return []
    names = {c.json_path: c.name for c in gates.comparisons(settings.full_gate)}
    verdict = "[green]passes[/]" if run.outcome else "[red]fails[/]"
    lines = [("gate", f"{escape(gate)}  {verdict}" if gate else verdict)]
    return lines + [("", _comparison(c, names)) for c in run.compared]


def _comparison(compared: Compared, names: dict[str, str]) -> str:
    name = escape(names.get(compared.left_name, compared.left_name))
    verdict = "[green]passes[/]" if compared.holds else "[red]fails[/]"
    left, right = compared.left, compared.right
    if not (isinstance(left, int | float) and isinstance(right, int | float)):
        return f"{name} {escape(repr(left))} {compared.sign} {escape(repr(right))}  {verdict}"
    return f"{name} {left:.6g} {compared.sign} {right:g}  {verdict} by {abs(left - right):.4g}"


def _version_lines(execution: Execution) -> list[tuple[str, str]]:
    for run in execution.steps.values():
        if run.step.type == "RegisterModel":
            if run.status != SUCCEEDED:
                return [("registered", f"nothing: {escape(run.reason)}")]
            version, status, *more = run.detail.split(", ")
            return [("registered", f"{version}, {status}"), *(("", text) for text in more)]
    return [("registered", "nothing: this pipeline registers no model")]


def _origin_lines(execution: Execution, came_from: bool) -> list[tuple[str, str]]:
    """Where a run came from; or only a remark that code was not committed."""
    if came_from:
        return [(label, escape(text)) for label, text in origin_text.lines(execution.origin)]
    changes = origin_text.dirty(execution.origin)
    return [("code", escape(changes))] if changes else []


def _line(label: str, text: str) -> None:
    _CONSOLE.print(f"[bold]{label:<11}[/]{text}", soft_wrap=True)
