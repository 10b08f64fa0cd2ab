"""Instance hours of an execution and of a year of a pipeline, and their cost if prices are known.

Hours are those that an execution's jobs took, those given with `--minutes`, or the most that the
definition allows each job. Prices are the team's own (`settings/prices.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from ninesteps.errors import SettingsError
from ninesteps.infrastructure.executions import LOOKED_THROUGH, Executions
from ninesteps.infrastructure.instances import (
    ENDPOINT,
    PROCESSING,
    TRAINING,
    TRANSFORM,
    Jobs,
    jobs,
)
from ninesteps.report.facts import RunFacts, StepFacts
from ninesteps.settings.prices import Prices
from ninesteps.settings.settings import Settings

HOURS_A_YEAR = 365 * 24


@dataclass(frozen=True)
class Use:
    """The hours of one instance type, for one use."""

    use: str
    instance_type: str
    hours: float

    def price(self, prices: Prices | None) -> float | None:
        """What an hour costs; None if unknown."""
        kind = self.use.removesuffix(" job")
        return getattr(prices, kind).get(self.instance_type) if prices else None


@dataclass(frozen=True)
class Cost:
    """The counted hours, and where they come from."""

    basis: str  # a sentence: where the hours of an execution come from
    execution: tuple[Use, ...]
    executions_a_year: int
    endpoint: Use  # of a year

    @property
    def year(self) -> tuple[Use, ...]:
        """The hours of a year: the scheduled executions, and the endpoint."""
        return (
            *(Use(u.use, u.instance_type, u.hours * self.executions_a_year)
              for u in self.execution),
            self.endpoint,
        )  # fmt: skip

    def missing(self, prices: Prices) -> list[str]:
        """The missing prices: the key of each in the file."""
        return [
            f'[{use.use.removesuffix(" job")}] "{use.instance_type}"'
            for use in (*self.execution, self.endpoint)
            if use.price(prices) is None
        ]


def money(uses: Sequence[Use], prices: Prices | None) -> float | None:
    """What hours cost; None if a price is missing."""
    costs = [None if (price := use.price(prices)) is None else use.hours * price for use in uses]
    return None if None in costs else sum(cost for cost in costs if cost is not None)


def cost(settings: Settings, basis: str, execution: Sequence[Use], now: datetime) -> Cost:
    """The hours of an execution, with those of a year."""
    served = settings.deploy.instances * HOURS_A_YEAR
    return Cost(
        basis,
        tuple(execution),
        settings.cadence.in_a_year(now),
        Use(ENDPOINT, settings.deploy.instance_type, float(served)),
    )


def of_definition(definition: Mapping[str, Any], minutes: float | None) -> tuple[str, list[Use]]:
    """The hours of a definition's jobs: as expected, or the most that it allows."""
    started = jobs(definition)
    if minutes is not None:
        hours = [(job, minutes / 60) for job in started]
        return f"every job is counted with {minutes:g} minutes, from --minutes", _uses(hours)
    longest = max((job.max_seconds for job in started), default=0)
    if not longest:
        raise SettingsError("expected --minutes, because no job of the definition has a time limit")
    hours = [(job, (job.max_seconds or longest) / 3600) for job in started]
    unlimited = [job.step for job in started if not job.max_seconds]
    as_long = f"; {', '.join(unlimited)} has no limit: {longest / 60:g}" if unlimited else ""
    sentence = f"at most: every job is counted with its time limit in the definition{as_long}"
    return sentence, _uses(hours)


def _uses(hours: Sequence[tuple[Jobs, float]]) -> list[Use]:
    return _added(
        Use(job.use, job.instance_type, job.jobs * job.instances * each) for job, each in hours
    )


def _added(uses: Iterator[Use]) -> list[Use]:
    """One for each use and type."""
    totals: dict[tuple[str, str], float] = {}
    for use in uses:
        kind = use.use, use.instance_type
        totals[kind] = totals.get(kind, 0.0) + use.hours
    return [Use(*kind, hours) for kind, hours in totals.items()]


def typical(executions: Executions) -> str:
    """The ARN of the latest successful execution, preferably one that reused nothing; or None.

    A step whose result was reused took no time, which does not predict the next execution.
    """
    latest = ""
    for summary in islice(executions.summaries(), LOOKED_THROUGH):
        if summary["PipelineExecutionStatus"] != "Succeeded":
            continue
        arn = str(summary["PipelineExecutionArn"])
        latest = latest or arn
        reused = ("CacheHitResult", "SelectiveExecutionResult")
        if not any(field in step for step in executions.steps(arn) for field in reused):
            return arn
    return latest


def of_execution(facts: RunFacts) -> tuple[str, list[Use]]:
    """The hours that an execution's jobs took."""
    uses = _added(use for step in facts.steps for use in _took(step))
    reused = [step.name for step in facts.steps if step.source]
    nothing = f"; {', '.join(reused)} reused a result and took no time" if reused else ""
    return f"times of the jobs of execution {facts.id} of {facts.began}{nothing}", uses


def _took(step: StepFacts) -> Iterator[Use]:
    """The instance hours of one step's jobs, from their Describe answers."""
    answer = step.answer
    if step.source:
        return
    if step.type == "Processing" and answer:
        cluster = answer["ProcessingResources"]["ClusterConfig"]
        yield from _use(PROCESSING, cluster, answer, "Processing")
    elif step.type == "Transform" and answer:
        yield from _use(TRANSFORM, answer["TransformResources"], answer, "Transform")
    elif step.type == "Tuning" and answer:
        definitions = [answer.get("TrainingJobDefinition", {}),
                       *answer.get("TrainingJobDefinitions", [])]  # fmt: skip
        clusters = {d.get("DefinitionName", ""): d["ResourceConfig"] for d in definitions if d}
        for trial in answer["TrainingJobSummaries"]:
            name = trial.get("TrainingJobDefinitionName", "")
            cluster = clusters.get(name) or next(iter(clusters.values()), None)
            if cluster:
                yield from _use(TRAINING, cluster, trial, "Training")


def _use(
    use: str, cluster: Mapping[str, Any], answer: Mapping[str, Any], name: str
) -> Iterator[Use]:
    began, ended = answer.get(f"{name}StartTime"), answer.get(f"{name}EndTime")
    if began and ended:  # a job that never began took no time
        hours = (ended - began).total_seconds() / 3600
        yield Use(use, cluster["InstanceType"], hours * cluster["InstanceCount"])
