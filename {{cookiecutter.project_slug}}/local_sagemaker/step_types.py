"""One function a step type: it does the work, and gives what Describe would answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_sagemaker import jobs, tuning
from local_sagemaker.errors import StepError
from local_sagemaker.execution import FAILED, STOPPED, StepRun
from local_sagemaker.expressions import Values, evaluate
from local_sagemaker.jobs import Job, Machine
from local_sagemaker.state import State

ACCOUNT = "111122223333"
REGION = "us-east-1"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"

JOBS = ("Processing", "Training", "Tuning", "Transform")
"""The step types that run a process, with a folder and a log of its own."""

Json = dict[str, Any]
_SAID = {STOPPED: "stopped early, by the median of the others", FAILED: "failed"}


@dataclass(frozen=True)
class Work:
    """A step, and all that it is run with."""

    run: StepRun
    execution: str
    values: Values
    machine: Machine
    state: State
    job: Job  # its request has every expression resolved; without a job, its folder is not made
    kept: Path  # what outlasts a run that is killed, until the step is done


@dataclass(frozen=True)
class Done:
    """What a step has come to."""

    answer: Json
    outputs: jobs.Outputs = field(default_factory=list)
    rests_on: tuple[str, ...] = ()  # URIs of others without which it is worth nothing


def processing(work: Work) -> Done:
    """A processing job."""
    job = work.job
    outputs = jobs.run_processing(job, work.run.step.property_files.values(), work.machine)
    ended = {"ProcessingJobName": job.name, "ProcessingJobStatus": "Completed"}
    return Done({**job.request, **ended}, outputs)


def training(work: Work) -> Done:
    """A training job."""
    job = work.job
    outputs = jobs.run_training(job, job.request["HyperParameters"], work.machine)
    ended = {"TrainingJobName": job.name, "TrainingJobStatus": "Completed"}
    artifacts = {"S3ModelArtifacts": jobs.model_uri(job)}
    return Done({**job.request, **ended, "ModelArtifacts": artifacts}, outputs)


def tune(work: Work) -> Done:
    """A hyperparameter tuning job."""
    job, run = work.job, work.run
    job.log = run.log = job.log.with_suffix("")  # a folder: a log a trial
    search = tuning.read_search(job.request)

    def progress(trials: list[tuning.Trial]) -> None:
        ended = [trial for trial in trials if trial.status != "InProgress"]
        best = _best_of_each(ended, search)
        so_far = f", best so far {best}" if best else ""
        run.detail = f"trial {len(ended)} of {search.jobs}{so_far}"

    trials = tuning.run_tuning(search, job, work.kept, work.machine, progress)
    models = tuning.ranked(trials, search.maximize)
    best = _best_of_each(trials, search)
    run.detail = f"best {search.objective} {best} of {len(trials)} trials"
    for status, said in _SAID.items():
        if count := sum(trial.status == status for trial in trials):
            run.notes.append(f"{run.step.name}: {count} of {len(trials)} trials {said}")
    job.peak_bytes = max(trial.job.peak_bytes for trial in trials)
    summaries = [_training_job_summary(trial, search.objective) for trial in models]
    ended = {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobStatus": "Completed",
        "TrainingJobSummaries": summaries,
        "BestTrainingJob": summaries[0],
    }
    outputs = [(trial.archive, jobs.model_uri(trial.job)) for trial in models if trial.archive]
    return Done({**job.request, **ended}, outputs)


def _training_job_summary(trial: tuning.Trial, objective: str) -> Json:
    metric = {"MetricName": objective, "Value": trial.value}
    return {
        "TrainingJobName": trial.job.name,
        **({"TrainingJobDefinitionName": trial.definition} if trial.definition else {}),
        "TrainingJobStatus": trial.status,
        "TunedHyperParameters": trial.tuned,
        "FinalHyperParameterTuningJobObjectiveMetric": metric,
    }


def _best_of_each(trials: list[tuning.Trial], search: tuning.Search) -> str:
    """The best value, `0.91`, or that of each training definition, `xgboost 0.91, lightgbm 0.9`."""
    named: dict[str, float | None] = {}
    for trial in tuning.ranked(trials, search.maximize):
        named.setdefault(trial.definition, trial.value)
    return ", ".join(f"{name} {value:.6g}".strip() for name, value in named.items())


def model(work: Work) -> Done:
    """A SageMaker Model."""
    request, name = work.job.request, work.job.name
    uri = request["PrimaryContainer"]["ModelDataUrl"]
    work.machine.storage.file(uri)  # or an error: it must exist
    work.state.create_model(name, request)
    return Done({**request, "ModelName": name, "ModelArn": f"{ARN}:model/{name}"}, rests_on=(uri,))


def transform(work: Work) -> Done:
    """A batch transform job."""
    job = work.job
    container = work.state.model(job.request["ModelName"])["PrimaryContainer"]
    outputs = jobs.run_transform(job, container, work.machine)
    ended = {"TransformJobName": job.name, "TransformJobStatus": "Completed"}
    return Done({**job.request, **ended}, outputs)


def register(work: Work) -> Done:
    """A version of a model package group."""
    request, run = work.job.request, work.run
    models = [c["ModelDataUrl"] for c in request["InferenceSpecification"]["Containers"]]
    for uri in (*models, *_uris(request.get("ModelMetrics"))):
        work.machine.storage.file(uri)  # or an error: it must exist
    group, status = request["ModelPackageGroupName"], request["ModelApprovalStatus"]
    version = work.state.register(group, status, work.execution, run.step.name, request)
    run.detail = f"{group} version {version}, {status}"
    arn = f"{ARN}:model-package/{group}/{version}"
    return Done({**request, "ModelPackageArn": arn, "ModelPackageVersion": version})


def condition(work: Work) -> Done:
    """The outcome of all conditions together."""
    run = work.run
    # Every one is evaluated, also after a first that fails: the output names them all.
    outcomes = [evaluate(c, work.values, run.compared) for c in run.step.arguments["Conditions"]]
    run.outcome = all(outcomes)
    run.detail = "true" if run.outcome else "false"
    return Done({"Outcome": run.detail})


def fail(work: Work) -> Done:
    """A failure that the definition asks for."""
    raise StepError(str(work.job.request["ErrorMessage"]))


def _uris(content: Any) -> list[str]:
    """Every S3 URI in the metrics of a model package."""
    if isinstance(content, dict):
        own = [content["S3Uri"]] if "S3Uri" in content else []
        return own + [uri for value in content.values() for uri in _uris(value)]
    return []


HANDLERS: dict[str, Callable[[Work], Done]] = {
    "Processing": processing,
    "Training": training,
    "Tuning": tune,
    "Model": model,
    "Transform": transform,
    "RegisterModel": register,
    "Condition": condition,
    "Fail": fail,
}


def instances(request: Json) -> int:
    """The most instances that a request asks for."""
    resources = [
        request.get("ProcessingResources", {}).get("ClusterConfig", {}),
        request.get("TransformResources", {}),
        request.get("ResourceConfig", {}),
        *(one.get("ResourceConfig", {}) for one in tuning.training_definitions(request)),
    ]
    return max(int(found.get("InstanceCount", 1)) for found in resources)
