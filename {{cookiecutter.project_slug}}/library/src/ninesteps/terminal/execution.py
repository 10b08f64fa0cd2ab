"""Shows an execution in an account: its steps, the gate, and why it failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape

from ninesteps.errors import AccountError
from ninesteps.infrastructure.executions import GOES_ON
from ninesteps.infrastructure.job_logs import JobLogs
from ninesteps.local.verdict import in_words
from ninesteps.report.account_run import log_group
from ninesteps.report.evidence import Absent
from ninesteps.report.facts import EXECUTING, FAILED, SUCCEEDED, RunFacts, StepFacts
from ninesteps.report.formatting import duration
from ninesteps.report.judgement import read_gate
from ninesteps.terminal.console import Console
from ninesteps.terminal.steps import StepLine, step_table

LAST_LINES = 20
"""Lines shown from the end of a failed step's log."""

_CONSOLE = Console(highlight=False, soft_wrap=False)


@dataclass(frozen=True)
class View:
    """An execution, with what else is shown of it."""

    facts: RunFacts
    environment: str
    address: str  # where a browser shows it; empty where none is known
    logs: JobLogs

    def show(self) -> None:
        """Print it all."""
        facts = self.facts
        _CONSOLE.print(f"execution {facts.id} of {facts.pipeline}: {facts.status}", soft_wrap=True)
        _CONSOLE.print()
        _CONSOLE.print(step_table(map(_line_of, facts.steps), "time"))
        _CONSOLE.print()
        for step in facts.steps:
            if step.status == FAILED:
                self._say_failure(step)
        if facts.reason:
            _line("reason", facts.reason)
        for label, text in self._lines():
            _line(label, text)

    def _lines(self) -> Iterator[tuple[str, str]]:
        facts = self.facts
        yield "started", f"{facts.began} by {facts.started_by or 'somebody unknown'}"
        yield "as of", str(facts.parameters.get("AsOf", "the start"))
        yield "took", facts.took or f"{_since(facts.began)} so far"
        yield from _gate(facts)
        if facts.status not in GOES_ON or facts.registered:
            yield "registered", facts.registered or "nothing"
        if self.address:
            yield "address", self.address
        yield from (("next", command) for command in self._commands())

    def _commands(self) -> Iterator[str]:
        """The commands to type next."""
        facts, env = self.facts, f"--env {self.environment}"
        if facts.status in GOES_ON:
            yield f"pipeline stop {facts.id} {env}"
        for step in facts.steps:
            if step.status == FAILED and step.job and log_group(step.type):
                yield f"pipeline logs {facts.id} {step.name} {env}"
            version = step.answer.get("ModelPackageVersion")
            if version and step.answer.get("ModelApprovalStatus") == "PendingManualApproval":
                yield f"pipeline approve {version} {env}, or pipeline reject {version} {env}"

    def _say_failure(self, step: StepFacts) -> None:
        """Why a step failed, in the service's words, and the end of its log."""
        _CONSOLE.print(f"[red]{step.name} failed[/]")
        _CONSOLE.print(f"  {escape(step.reason or 'the service gives no reason')}", soft_wrap=True)
        for job in failed_jobs(step):
            try:
                self._show_end(log_group(step.type), job)
            except (ClientError, BotoCoreError) as error:
                text = " ".join(str(error).split())
                _CONSOLE.print(f"  its log could not be read: {escape(text)}", soft_wrap=True)

    def _show_end(self, group: str, job: str) -> None:
        streams = self.logs.streams(group, job)
        if not streams:
            _CONSOLE.print(f"  {group} has no log of {job}: it printed nothing", soft_wrap=True)
        for stream in streams:
            _CONSOLE.print(f"  [dim]{group} {stream}[/]", soft_wrap=True)
            for line in self.logs.last(group, stream, LAST_LINES):
                _CONSOLE.print(f"    {escape(line)}", soft_wrap=True)


def as_json(facts: RunFacts, address: str) -> dict[str, Any]:
    """An execution with its steps as data."""
    return {
        "run": facts.id,
        "pipeline": facts.pipeline,
        "status": facts.status,
        "reason": facts.reason,
        "started": facts.began,
        "started_by": facts.started_by,
        "parameters": facts.parameters,
        "registered": facts.registered or None,
        "address": address or None,
        "steps": [
            {
                "name": step.name,
                "type": step.type,
                "status": step.status,
                "started": step.began or None,
                "ended": step.ended or None,
                "detail": step.detail,
                "reason": step.reason,
                "reused_from": step.source or None,
                "outcome": step.outcome,
                "job": step.job or None,
            }
            for step in facts.steps
        ],
    }


def failed_jobs(step: StepFacts) -> Sequence[str]:
    """The names of a failed step's jobs; for a search, of its failed trials first."""
    if step.type == "Tuning":
        failed = [t for t in _trials(step) if t["TrainingJobStatus"] == "Failed"]
        return [trial["TrainingJobName"] for trial in failed[:1]]
    return [_job_name(step)] if step.job and log_group(step.type) else []


def _job_name(step: StepFacts) -> str:
    """The name of a step's job as in its log streams; the ARN has it in lower case."""
    return str(step.answer.get(f"{step.type}JobName") or step.job.rpartition("/")[2])


def log_lines(logs: JobLogs, step: StepFacts, trial: int | None) -> Iterator[str]:
    """A step's log; for a search, how each trial ended, or the log of one.

    Raises:
        AccountError: if there is no such log.
    """
    group = log_group(step.type)
    if not group:
        raise AccountError(f"{step.name} has no log: a {step.type} step runs no container")
    if step.source:
        raise AccountError(f"{step.name} has no log here: its result is execution {step.source}'s")
    if not step.job:
        why = "no job of it was started" if step.status == FAILED else "it has not run"
        raise AccountError(f"{step.name} has no log: {why} ({step.said.lower()})")
    if step.type == "Tuning":
        trials = _trials(step)
        if trial is None:
            yield from (_trial_line(number, t) for number, t in enumerate(trials, start=1))
            return
        if trial > len(trials):
            raise AccountError(f"{step.name} has no trial {trial}: it has {len(trials)}")
        job = trials[trial - 1]["TrainingJobName"]
    else:
        job = _job_name(step)
    streams = logs.streams(group, job)
    if not streams:
        raise AccountError(f"{group} has no log of {job}: it has printed nothing yet")
    for stream in streams:
        if len(streams) > 1:
            yield f"{stream}:"
        yield from logs.lines(group, stream)


def table(summaries: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A line for each execution: id, how it ended, when it was started, and by whom."""
    for one in summaries:
        ended = in_words(one["verdict"], one["version"])
        yield f"{one['run']}  {ended:<21}  {one['started']}  {one['description']}".rstrip()


def changes(before: RunFacts | None, now: RunFacts) -> Iterator[str]:
    """A line for each step whose state has changed."""
    known = {step.name: step.said for step in before.steps} if before else {}
    for step in now.steps:
        if step.said != known.get(step.name, "Waiting"):
            yield f"{step.said:<10} {step.name}"


def _line_of(step: StepFacts) -> StepLine:
    running = _since(step.began) if step.status == EXECUTING and step.began else ""
    return StepLine(
        name=step.name,
        type=step.type,
        status=step.status,
        state=step.said,
        time=step.took or running,
        source=step.source if step.status == SUCCEEDED else "",
        detail=step.detail if step.type == "Tuning" else "",
    )


def _gate(facts: RunFacts) -> Iterator[tuple[str, str]]:
    """The gate in the execution's definition, and its result."""
    try:
        outcome, gate = read_gate(facts)
    except Absent:
        return
    if outcome is not None:
        yield "gate", f"{gate}  {'passes' if outcome else 'fails'}"


def _trials(step: StepFacts) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = step.answer.get("TrainingJobSummaries", [])
    return trials


def _trial_line(number: int, trial: dict[str, Any]) -> str:
    metric = trial.get("FinalHyperParameterTuningJobObjectiveMetric")
    came_to = f"{metric['MetricName']} {metric['Value']:.6g}" if metric else ""
    said = trial.get("FailureReason", "") or came_to
    name, status = trial["TrainingJobName"], trial["TrainingJobStatus"]
    return f"{number:03d}  {status:<10}  {name}  {said}".rstrip()


def _since(moment: str) -> str:
    """How long ago a moment was, such as `3 min 20 s`."""
    return duration((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())


def _line(label: str, text: str) -> None:
    _CONSOLE.print(f"[bold]{label:<11}[/]{escape(text)}", soft_wrap=True)
