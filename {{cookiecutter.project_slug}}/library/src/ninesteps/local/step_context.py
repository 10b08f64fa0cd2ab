"""What a step needs to run, and its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ninesteps.local import jobs
from ninesteps.local.execution import StepRun
from ninesteps.local.expressions import Values
from ninesteps.local.jobs import Job, LocalBackend
from ninesteps.local.state import State

Json = dict[str, Any]


@dataclass(frozen=True)
class StepContext:
    """A step with everything it needs to run."""

    run: StepRun
    execution: str
    values: Values
    backend: LocalBackend
    state: State
    job: Job  # its request has every expression resolved; without a job, its folder is not made
    notes: Callable[[], Mapping[str, str]]  # gives what is noted with a version
    kept: Path  # what outlasts a run that is killed, until the step is done


@dataclass(frozen=True)
class StepResult:
    """The result of a step."""

    answer: Json
    outputs: jobs.Outputs = field(default_factory=list)
    rests_on: tuple[str, ...] = ()  # URIs of other objects that it depends on
