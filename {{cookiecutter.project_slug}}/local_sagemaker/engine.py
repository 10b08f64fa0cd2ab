"""Runs a definition: every step as soon as what it waits for has succeeded, several at a time."""

from __future__ import annotations

import secrets
import shutil
import string
import time
import traceback
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_sagemaker import jobs, tuning
from local_sagemaker.definition import Definition, Step
from local_sagemaker.errors import StateError, StepError
from local_sagemaker.expressions import Compared, Values, evaluate
from local_sagemaker.jobs import Job, Machine
from local_sagemaker.known_fields import EXECUTION_VARIABLES
from local_sagemaker.offline_store import Catalog
from local_sagemaker.processes import Processes
from local_sagemaker.state import State, now
from local_sagemaker.storage import Storage

ACCOUNT = "111122223333"
REGION = "us-east-1"
_ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"

WAITING, EXECUTING, SUCCEEDED = "Waiting", "Executing", "Succeeded"
FAILED, SKIPPED, STOPPED = "Failed", "Skipped", "Stopped"


@dataclass
class StepRun:
    """How one step of an execution stands."""

    step: Step
    status: str = WAITING
    started: float = 0.0  # by the monotonic clock
    seconds: float = 0.0
    reason: str = ""  # why it failed or was skipped
    detail: str = ""  # what it came to: the best trial, the version
    compared: list[Compared] = field(default_factory=list)  # a condition's comparisons
    outcome: bool | None = None  # a condition's
    log: Path | None = None
    answer: dict[str, Any] = field(default_factory=dict)  # what Describe would say of its job


@dataclass
class Execution:
    """One run of a definition."""

    id: str
    folder: Path  # logs and sandboxes
    steps: dict[str, StepRun]
    parameters: dict[str, Any]
    status: str = EXECUTING
    notes: list[str] = field(default_factory=list)  # what this machine did otherwise than AWS


_SAID = {STOPPED: "stopped early, by the median of the others", FAILED: "failed"}

Listener = Callable[[Execution], None]


class Engine:
    """Runs definitions in one folder: `s3/`, `runs/` and the SQLite file lie there."""

    def __init__(self, root: Path, catalog: Catalog, parallel: int) -> None:
        root = root.resolve()  # a job runs in a folder of its own
        self.storage = Storage(root / "s3")
        self.state = State(root / "state.db")
        self._runs = root / "runs"
        self._parallel = parallel
        self._catalog = catalog

    def run(
        self,
        pipeline: str,
        definition: Definition,
        given: dict[str, str],
        listener: Listener = lambda execution: None,
    ) -> Execution:
        """Run a definition to its end, and tell the listener of every change.

        Raises:
            DefinitionError: if a parameter is wrong; nothing has run then.
        """
        parameters = definition.parameter_values(given)
        execution = self._start(pipeline, definition, parameters)
        machine = Machine(self.storage, Processes(self._parallel), self._catalog)
        arn = f"{_ARN}:pipeline/{pipeline}"
        texts = (execution.id, f"{arn}/execution/{execution.id}", pipeline, arn, now(), now())
        variables = dict(zip(EXECUTION_VARIABLES, texts, strict=True))
        values = Values(definition, self.storage, parameters, variables)
        runner = _Runner(execution, values, machine, self.state, listener)
        try:
            runner.run_all(self._parallel)
        finally:
            self.state.end_execution(execution.id, execution.status)
        listener(execution)
        return execution

    def _start(
        self, pipeline: str, definition: Definition, parameters: dict[str, Any]
    ) -> Execution:
        alphabet = string.ascii_lowercase + string.digits
        identifier = "".join(secrets.choice(alphabet) for _ in range(12))
        folder = self._runs / identifier
        (folder / "logs").mkdir(parents=True)
        steps = {name: StepRun(step) for name, step in definition.steps.items()}
        self.state.start_execution(identifier, pipeline, parameters)
        return Execution(identifier, folder, steps, parameters)


@dataclass
class _Runner:
    """Runs the steps of one execution."""

    execution: Execution
    values: Values
    machine: Machine
    state: State
    listener: Listener

    def run_all(self, parallel: int) -> None:
        """Start what can start, until nothing can."""
        running: dict[Future[Any], StepRun] = {}
        with ThreadPoolExecutor(max_workers=parallel) as pool:
            try:
                while True:
                    self._skip()
                    for run in self._ready():
                        self._note(run, EXECUTING)
                        running[pool.submit(self._run_step, run)] = run
                    if not running:
                        break
                    done, _ = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._finish(running.pop(future), future)
                    self.listener(self.execution)
            except BaseException:
                self.execution.status = STOPPED
                self.machine.processes.end_all()
                pool.shutdown(cancel_futures=True)
                for run in self.execution.steps.values():
                    run.status = STOPPED if run.status == EXECUTING else run.status
                raise
        failed = any(run.status == FAILED for run in self.execution.steps.values())
        self.execution.status = FAILED if failed else SUCCEEDED

    def _ready(self) -> list[StepRun]:
        steps = self.execution.steps
        return [
            run
            for run in steps.values()
            if run.status == WAITING
            and all(steps[name].status == SUCCEEDED for name in run.step.waits_for)
        ]

    def _skip(self) -> None:
        """Settle the steps that can no longer run, and say why."""
        steps = self.execution.steps
        changed = True
        while changed:
            changed = False
            for run in steps.values():
                if run.status == WAITING and (why := self._why_not(run.step)):
                    run.reason = why
                    self._note(run, SKIPPED)
                    changed = True

    def _why_not(self, step: Step) -> str:
        steps = self.execution.steps
        if step.branch:
            condition, wanted = step.branch
            outcome = steps[condition].outcome
            if outcome is not None and outcome is not wanted:
                return f"{condition} came out {'true' if outcome else 'false'}"
        for name in sorted(step.waits_for):
            if steps[name].status in (FAILED, SKIPPED):
                return f"{name} {steps[name].status.lower()}"
        return ""

    def _run_step(self, run: StepRun) -> dict[str, Any]:
        run.started = time.monotonic()
        try:
            return _HANDLERS[run.step.type](self, run)
        finally:
            run.seconds = time.monotonic() - run.started

    def _finish(self, run: StepRun, future: Future[Any]) -> None:
        error = future.exception()
        if error is None:
            self.values.properties[run.step.name] = run.answer = future.result()
            shutil.rmtree(self._sandbox(run), ignore_errors=True)  # its outputs are in the storage
            self._note(run, SUCCEEDED)
            return
        if isinstance(error, StepError | StateError | OSError):
            run.reason = str(error)
        else:  # this machine's own fault, or a value of the definition that nothing has checked
            run.reason = f"{type(error).__name__}: {error}"
            run.log = self._log(run).with_suffix(".error.log")
            run.log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        self._note(run, FAILED)

    def _note(self, run: StepRun, status: str) -> None:
        run.status = status
        step, seconds = run.step, round(run.seconds, 3)
        self.state.note_step(self.execution.id, step.name, step.type, status, seconds, run.reason)
        self.listener(self.execution)

    def _job(self, run: StepRun) -> Job:
        """The job of a step: its request with every expression resolved."""
        request = self.values.resolve(run.step.arguments)
        self._note_instances(run.step.name, request)
        name = f"pipelines-{self.execution.id}-{run.step.name}"
        run.log = self._log(run)
        self._sandbox(run).mkdir(parents=True)
        return Job(name, request, self._sandbox(run), run.log)

    def _log(self, run: StepRun) -> Path:
        return self.execution.folder / "logs" / f"{run.step.name}.log"

    def _sandbox(self, run: StepRun) -> Path:
        return self.execution.folder / "sandboxes" / run.step.name

    def _note_instances(self, step: str, request: dict[str, Any]) -> None:
        resources = [
            request.get("ProcessingResources", {}).get("ClusterConfig", {}),
            request.get("TransformResources", {}),
            request.get("ResourceConfig", {}),
            *(one.get("ResourceConfig", {}) for one in tuning.training_definitions(request)),
        ]
        if (count := max(found.get("InstanceCount", 1) for found in resources)) != 1:
            self.execution.notes.append(f"{step} ran on one machine, not on {count} instances")

    # One function a step type: it does the work and gives what Describe would answer.

    def processing(self, run: StepRun) -> dict[str, Any]:
        job = self._job(run)
        jobs.run_processing(job, run.step.property_files.values(), self.machine)
        return {**job.request, "ProcessingJobName": job.name, "ProcessingJobStatus": "Completed"}

    def training(self, run: StepRun) -> dict[str, Any]:
        job = self._job(run)
        jobs.run_training(job, job.request["HyperParameters"], self.machine)
        done = {"TrainingJobName": job.name, "TrainingJobStatus": "Completed"}
        artifacts = {"S3ModelArtifacts": jobs.model_uri(job)}
        return {**job.request, **done, "ModelArtifacts": artifacts}

    def tuning(self, run: StepRun) -> dict[str, Any]:
        job = self._job(run)
        run.log = self._log(run).with_suffix("")  # a folder: a log a trial
        search = tuning.read_search(job.request)

        def progress(trials: list[tuning.Trial]) -> None:
            ended = [trial for trial in trials if trial.status != "InProgress"]
            best = _best_of_each(ended, search)
            so_far = f", best so far {best}" if best else ""
            run.detail = f"trial {len(ended)} of {search.jobs}{so_far}"

        trials = tuning.run_tuning(search, job, run.log, self.machine, progress)
        models = tuning.ranked(trials, search.maximize)
        best = _best_of_each(trials, search)
        run.detail = f"best {search.objective} {best} of {len(trials)} trials"
        for status, said in _SAID.items():
            if count := sum(trial.status == status for trial in trials):
                note = f"{run.step.name}: {count} of {len(trials)} trials {said}"
                self.execution.notes.append(note)
        objective = "FinalHyperParameterTuningJobObjectiveMetric"
        summaries = [
            {
                "TrainingJobName": trial.job.name,
                **({"TrainingJobDefinitionName": trial.definition} if trial.definition else {}),
                "TrainingJobStatus": trial.status,
                "TunedHyperParameters": trial.tuned,
                objective: {"MetricName": search.objective, "Value": trial.value},
            }
            for trial in models
        ]
        return {
            **job.request,
            "HyperParameterTuningJobName": job.name,
            "HyperParameterTuningJobStatus": "Completed",
            "TrainingJobSummaries": summaries,
            "BestTrainingJob": summaries[0],
        }

    def model(self, run: StepRun) -> dict[str, Any]:
        request = self.values.resolve(run.step.arguments)
        self.machine.storage.file(request["PrimaryContainer"]["ModelDataUrl"])
        name = f"pipelines-{self.execution.id}-{run.step.name}"
        self.state.create_model(name, request)
        return {**request, "ModelName": name, "ModelArn": f"{_ARN}:model/{name}"}

    def transform(self, run: StepRun) -> dict[str, Any]:
        job = self._job(run)
        container = self.state.model(job.request["ModelName"])["PrimaryContainer"]
        jobs.run_transform(job, container, self.machine)
        return {**job.request, "TransformJobName": job.name, "TransformJobStatus": "Completed"}

    def register(self, run: StepRun) -> dict[str, Any]:
        request = self.values.resolve(run.step.arguments)
        models = [c["ModelDataUrl"] for c in request["InferenceSpecification"]["Containers"]]
        for uri in (*models, *_uris(request.get("ModelMetrics"))):
            self.machine.storage.file(uri)  # or an error: it must exist
        group, status = request["ModelPackageGroupName"], request["ModelApprovalStatus"]
        version = self.state.register(group, status, self.execution.id, request)
        run.detail = f"{group} version {version}, {status}"
        arn = f"{_ARN}:model-package/{group}/{version}"
        return {**request, "ModelPackageArn": arn, "ModelPackageVersion": version}

    def condition(self, run: StepRun) -> dict[str, Any]:
        conditions = run.step.arguments["Conditions"]
        # Every one is evaluated, also after a first that fails: the output names them all.
        outcomes = [evaluate(c, self.values, run.compared) for c in conditions]
        run.outcome = all(outcomes)
        run.detail = "true" if run.outcome else "false"
        return {"Outcome": run.detail}

    def fail(self, run: StepRun) -> dict[str, Any]:
        raise StepError(str(self.values.resolve(run.step.arguments["ErrorMessage"])))


def _best_of_each(trials: list[tuning.Trial], search: tuning.Search) -> str:
    """The best value, `0.91`, or that of each training definition, `xgboost 0.91, lightgbm 0.9`."""
    named: dict[str, float | None] = {}
    for trial in tuning.ranked(trials, search.maximize):
        named.setdefault(trial.definition, trial.value)
    return ", ".join(f"{name} {value:.6g}".strip() for name, value in named.items())


_HANDLERS: dict[str, Callable[[_Runner, StepRun], dict[str, Any]]] = {
    "Processing": _Runner.processing,
    "Training": _Runner.training,
    "Tuning": _Runner.tuning,
    "Model": _Runner.model,
    "Transform": _Runner.transform,
    "RegisterModel": _Runner.register,
    "Condition": _Runner.condition,
    "Fail": _Runner.fail,
}


def _uris(content: Any) -> list[str]:
    """Every S3 URI in the metrics of a model package."""
    if isinstance(content, dict):
        own = [content["S3Uri"]] if "S3Uri" in content else []
        return own + [uri for value in content.values() for uri in _uris(value)]
    return []
