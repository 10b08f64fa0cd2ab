"""One function a step type: it does the work, and gives what Describe would answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_sagemaker import jobs
from local_sagemaker.errors import StepError
from local_sagemaker.execution import StepRun
from local_sagemaker.expressions import Values, evaluate
from local_sagemaker.jobs import Job, Machine
from local_sagemaker.state import State

ACCOUNT = "111122223333"
REGION = "us-east-1"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"

JOBS = ("Processing", "Training", "Tuning", "Transform")
"""The step types that run a process, with a folder and a log of its own."""

Json = dict[str, Any]


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
    from local_sagemaker import tuning_step  # many a definition has none

    return tuning_step.tune(work)


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
        *(one.get("ResourceConfig", {}) for one in jobs.training_definitions(request)),
    ]
    return max(int(found.get("InstanceCount", 1)) for found in resources)
