"""One function per step type: it does the work, and returns what Describe would answer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ninesteps.definition.known_fields import PENDING
from ninesteps.errors import ScriptError, StepError
from ninesteps.local import jobs
from ninesteps.local.expressions import evaluate
from ninesteps.local.step_context import Json, StepContext, StepResult

ACCOUNT = "111122223333"
REGION = "us-east-1"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"

JOBS = ("Processing", "Training", "Tuning", "Transform")
"""The step types that run a process, with its own folder and log."""


def processing(context: StepContext) -> StepResult:
    """A processing job."""
    job = context.job
    outputs = jobs.run_processing(job, context.run.step.property_files.values(), context.backend)
    ended = {"ProcessingJobName": job.name, "ProcessingJobStatus": "Completed"}
    return StepResult({**job.request, **ended}, outputs)


def training(context: StepContext) -> StepResult:
    """A training job."""
    job = context.job
    outputs = jobs.run_training(job, job.request["HyperParameters"], context.backend)
    ended = {"TrainingJobName": job.name, "TrainingJobStatus": "Completed"}
    artifacts = {"S3ModelArtifacts": jobs.model_uri(job)}
    return StepResult({**job.request, **ended, "ModelArtifacts": artifacts}, outputs)


def tune(context: StepContext) -> StepResult:
    """A hyperparameter tuning job."""
    from ninesteps.local import tuning_step  # many definitions have no search

    return tuning_step.tune(context)


def prepare_search() -> None:
    """Import what a search needs, which is slow, while earlier steps run."""
    from ninesteps.local import tuning

    with contextlib.suppress(ImportError):  # the search itself reports it
        tuning.load_optuna()


def model(context: StepContext) -> StepResult:
    """A SageMaker Model."""
    request, name = context.job.request, context.job.name
    uri = request["PrimaryContainer"]["ModelDataUrl"]
    context.backend.storage.file(uri)  # fails unless it exists
    context.state.create_model(name, request)
    return StepResult(
        {**request, "ModelName": name, "ModelArn": f"{ARN}:model/{name}"}, rests_on=(uri,)
    )


def transform(context: StepContext) -> StepResult:
    """A batch transform job."""
    job = context.job
    container = context.state.model(job.request["ModelName"])["PrimaryContainer"]
    outputs = jobs.run_transform(job, container, context.backend)
    ended = {"TransformJobName": job.name, "TransformJobStatus": "Completed"}
    return StepResult({**job.request, **ended}, outputs)


def register(context: StepContext) -> StepResult:
    """A version of a model package group."""
    request, run = context.job.request, context.run
    models = [c["ModelDataUrl"] for c in request["InferenceSpecification"]["Containers"]]
    for uri in (*models, *_uris(request.get("ModelMetrics"))):
        context.backend.storage.file(uri)  # fails unless it exists
    digest = context.state.digest(context.backend.storage.file(models[0]))
    group, status = request["ModelPackageGroupName"], request["ModelApprovalStatus"]
    if status != PENDING:
        raise StepError(
            f"ModelApprovalStatus: expected {PENDING!r}, since a person approves, got {status!r}"
        )
    metadata = {**context.notes(), **request.get("CustomerMetadataProperties", {})}
    request = {**request, "CustomerMetadataProperties": metadata}
    version = context.state.register(
        group, status, context.execution, run.step.name, request, digest
    )
    same = context.state.same_model_as(group, version)
    run.detail = f"{group} version {version}, {status}" + (
        f", the same bytes as version {same}" if same else ""
    )
    arn = f"{ARN}:model-package/{group}/{version}"
    return StepResult({**request, "ModelPackageArn": arn, "ModelPackageVersion": version})


def condition(context: StepContext) -> StepResult:
    """The combined outcome of all conditions."""
    run = context.run
    # All are evaluated, even after one has failed: the output lists all of them.
    outcomes = [evaluate(c, context.values, run.compared) for c in run.step.arguments["Conditions"]]
    run.outcome = all(outcomes)
    run.detail = "true" if run.outcome else "false"
    return StepResult({"Outcome": run.detail})


def fail(context: StepContext) -> StepResult:
    """A Fail step."""
    raise ScriptError(str(context.job.request["ErrorMessage"]))


def _uris(content: Any) -> list[str]:
    """Every S3 URI in the metrics of a model package."""
    if isinstance(content, dict):
        own = [content["S3Uri"]] if "S3Uri" in content else []
        return own + [uri for value in content.values() for uri in _uris(value)]
    return []


HANDLERS: dict[str, Callable[[StepContext], StepResult]] = {
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
    """The largest number of instances in a request."""
    resources = [
        request.get("ProcessingResources", {}).get("ClusterConfig", {}),
        request.get("TransformResources", {}),
        request.get("ResourceConfig", {}),
        *(job.get("ResourceConfig", {}) for job in jobs.training_definitions(request)),
    ]
    return max(int(resource.get("InstanceCount", 1)) for resource in resources)
