"""Executions of a pipeline: the published definition, run by the local engine for the account.

moto starts executions that run nothing. Here the definition that was published runs as the local
engine runs it, with these differences, so that the account has what SageMaker would leave there:

- What a step reads comes from the bucket, listed and read under the pipeline's role, and what it
  writes goes there under it.
- Each job, model and version is created in moto by its own API, with the request that the step
  has, under that role; so are the jobs' logs. The service then looks at each job, as it does while
  it waits.
- The trials of a search are training jobs that the service creates itself. moto does not list them.
- Athena answers step 1 as in a local run, by this machine's engine over the rows that were read of
  the bucket; each call of the job, Athena's and S3's, is decided on first: `_answered_calls`.

The engine's account and region are those of the documentation: a day is in that account, and in
us-east-1.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from moto.sagemaker.models import sagemaker_backends

from ninesteps.definition.definition import read_definition
from ninesteps.local import job_calls, step_types
from ninesteps.local.athena import Athena
from ninesteps.local.engine import Engine, RunOptions
from ninesteps.local.execution import EXECUTING, FAILED, SUCCEEDED, Execution, StepRun
from ninesteps.local.offline_store import Catalog
from ninesteps.local.step_context import StepContext, StepResult
from ninesteps.local.storage import Storage
from pretend_account import calls
from pretend_account.lessons import ACCOUNT, client_error, identity, validate
from pretend_account.principals import AWS, acting

if TYPE_CHECKING:
    from pretend_account.account import Account

STEPS_AT_ONCE = 2
"""Steps at one time."""

Handler = Callable[[StepContext], StepResult]


@dataclass(frozen=True)
class BucketStorage(Storage):
    """The engine's disk, which has of the bucket what was read of it under a role."""

    account: Account
    role: str

    def file(self, uri: str) -> Path:
        """Read one object."""
        self._fetch(uri)
        return super().file(uri)

    def objects(self, uri: str) -> list[tuple[str, Path]]:
        """Read what lies at a prefix."""
        self._fetch(uri)
        return super().objects(uri)

    def move(self, source: Path, uri: str) -> None:
        """Put an output there."""
        with acting(self.account.role(self.role)):
            if source.is_dir():
                self.account.upload(source, uri)
            elif source.exists():
                self.account.upload_file(source, uri)
        super().move(source, uri)

    def _fetch(self, uri: str) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        with acting(self.account.role(self.role)):
            for found, body in self.account.objects(bucket, key):
                # SageMaker takes every key that begins so: a sibling would come along.
                assert found == key or found.startswith(f"{key.rstrip('/')}/"), (found, key)
                target = self.path(f"s3://{bucket}/{found}")
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    whole = target.with_name(f".{target.name}.{time.monotonic_ns()}")
                    whole.write_bytes(body())
                    whole.replace(target)


@dataclass
class Started:
    """An execution that was started, and how far it is."""

    arn: str
    request: dict[str, Any]
    definition: str
    role: str
    by: dict[str, Any]  # a UserContext
    status: str = EXECUTING
    reason: str = ""
    run: Execution | None = None
    began: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))
    ended: datetime.datetime | None = None
    zero: float = 0.0  # the monotonic clock's when it began
    trials: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by tuning job

    @property
    def id(self) -> str:
        """Its twelve characters."""
        return self.arn.rpartition("/")[2]


class Executions:
    """The answers about executions, and what runs them; a part of `Account`."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.started: dict[str, Started] = {}
        self.tokens: dict[str, str] = {}

    # What the API answers

    def start(self, ClientRequestToken: str = "", **request: Any) -> dict[str, Any]:
        """StartPipelineExecution."""
        assert "SelectiveExecutionConfig" not in request, "no lesson runs selected steps"
        if ClientRequestToken in self.tokens:
            return {"PipelineExecutionArn": self.tokens[ClientRequestToken]}
        sagemaker = self.account.sagemaker
        described = sagemaker.describe_pipeline(PipelineName=request["PipelineName"])
        made = sagemaker.start_pipeline_execution(
            ClientRequestToken=ClientRequestToken or "0" * 32, **request
        )
        arn = self.tokens[ClientRequestToken] = str(made["PipelineExecutionArn"])
        self.started[arn] = Started(
            arn, request, described["PipelineDefinition"], described["RoleArn"],
            identity(self.account.caller()),
        )  # fmt: skip
        self._tell(self.started[arn], "")
        return {"PipelineExecutionArn": arn}

    def describe(self, PipelineExecutionArn: str) -> dict[str, Any]:
        """DescribePipelineExecution."""
        one = self._one(PipelineExecutionArn)
        asked = {key: one.request[f"PipelineExecution{key}"]
                 for key in ("Description", "DisplayName")
                 if f"PipelineExecution{key}" in one.request}  # fmt: skip
        return {
            "PipelineArn": one.arn.partition("/execution")[0], "PipelineExecutionArn": one.arn,
            "PipelineExecutionDisplayName": f"execution-{one.began:%s}",
            "PipelineExecutionStatus": one.status,
            **{f"PipelineExecution{key}": text for key, text in asked.items()},
            **({"FailureReason": one.reason} if one.reason else {}),
            "CreationTime": one.began, "LastModifiedTime": one.ended or one.began,
            "CreatedBy": one.by, "LastModifiedBy": one.by,
        }  # fmt: skip

    def summaries(self, PipelineName: str, **request: Any) -> dict[str, Any]:
        """ListPipelineExecutions: the newest first."""
        own = [one for one in self.started.values() if one.request["PipelineName"] == PipelineName]
        if PipelineName not in sagemaker_backends[ACCOUNT][self.account.region].pipelines:
            raise client_error("ResourceNotFound", "ListPipelineExecutions",
                               f"Pipeline '{PipelineName}' does not exist.")  # fmt: skip
        newest = own[::-1][: request.get("MaxResults", len(own))]
        return {"PipelineExecutionSummaries": [
            {"PipelineExecutionArn": one.arn, "StartTime": one.began,
             "PipelineExecutionStatus": one.status,
             **{key: one.request[key] for key in ("PipelineExecutionDescription",)
                if key in one.request},
             "PipelineExecutionDisplayName": f"execution-{one.began:%s}"}
            for one in newest
        ]}  # fmt: skip

    def parameters(self, PipelineExecutionArn: str, **_: Any) -> dict[str, Any]:
        """ListPipelineParametersForExecution."""
        given = self._one(PipelineExecutionArn).request.get("PipelineParameters", [])
        return {"PipelineParameters": given}

    def steps(self, PipelineExecutionArn: str, **_: Any) -> dict[str, Any]:
        """ListPipelineExecutionSteps: those that were begun."""
        one = self._one(PipelineExecutionArn)
        begun = [run for run in one.run.steps.values() if run.started] if one.run else []
        return {"PipelineExecutionSteps": [self._step(one, run) for run in begun]}

    def trials(self, HyperParameterTuningJobName: str, **_: Any) -> dict[str, Any]:
        """ListTrainingJobsForHyperParameterTuningJob."""
        name = HyperParameterTuningJobName.lower()
        (found,) = (one.trials[name] for one in self.started.values() if name in one.trials)
        return {"TrainingJobSummaries": found}

    def stop(self, PipelineExecutionArn: str, **_: Any) -> dict[str, Any]:
        """StopPipelineExecution, of one that has not run yet."""
        one = self._one(PipelineExecutionArn)
        assert one.run is None, "an execution runs at once or not at all here"
        self._end(one, "Stopped")
        return {"PipelineExecutionArn": one.arn}

    def _one(self, arn: str) -> Started:
        if arn not in self.started:
            raise client_error("ResourceNotFound", "DescribePipelineExecution",
                               f"Pipeline execution with ARN '{arn}' does not exist.")  # fmt: skip
        return self.started[arn]

    def _step(self, one: Started, run: StepRun) -> dict[str, Any]:
        began = one.began + datetime.timedelta(seconds=run.started - one.zero)
        ended = began + datetime.timedelta(seconds=run.seconds)
        kind, name = _JOBS.get(run.step.type, ("", ""))
        metadata: dict[str, Any] = {}
        if run.step.type == "Condition":
            metadata = {"Condition": {"Outcome": "True" if run.outcome else "False"}}
        elif run.answer and kind:
            job = f"{_ARNS[run.step.type]}/{run.answer[name]}"
            metadata = {kind: {"Arn": self.account.place.arn("sagemaker", job)}}
        elif run.answer:
            metadata = {"RegisterModel": {"Arn": run.answer["ModelPackageArn"]}}
        return {
            "StepName": run.step.name, "StartTime": began, "StepStatus": run.status,
            **({"EndTime": ended} if run.status in (SUCCEEDED, FAILED) else {}),
            **({"FailureReason": run.reason} if run.status == FAILED else {}),
            "Metadata": metadata, "AttemptCount": 1,
        }  # fmt: skip

    def best(self, tuning_job: str) -> dict[str, Any]:
        """What DescribeHyperParameterTuningJob says of a search that has ended."""
        for one in self.started.values():
            if trials := one.trials.get(tuning_job.lower()):
                return {"BestTrainingJob": trials[0], "HyperParameterTuningJobStatus": "Completed"}
        return {}

    # What runs them

    def age(self, seconds: float) -> None:
        """Time has gone by."""
        for one in self.started.values():
            one.began -= datetime.timedelta(seconds=seconds)
            one.ended = one.ended and one.ended - datetime.timedelta(seconds=seconds)

    def waiting(self) -> list[Started]:
        """Those that were started and have not run."""
        return [one for one in self.started.values() if one.status == EXECUTING]

    def run(self, one: Started, catalog: Catalog) -> None:
        """Run an execution to its end."""
        definition = read_definition(one.definition)
        given = {p["Name"]: p["Value"] for p in one.request.get("PipelineParameters", [])}
        folder = self.account.folder / "executions" / one.id
        engine = Engine(folder, catalog, STEPS_AT_ONCE)
        engine.storage = BucketStorage(folder / "s3", self.account, one.role)
        parameters = definition.parameter_values(given)
        execution = engine._execution(one.id, definition, parameters)
        one.run, one.zero = execution, time.monotonic()
        pipeline = one.request["PipelineName"]
        engine.state.start_execution(one.id, pipeline, parameters, definition.text, [], {}, "")
        self.account.taken_on(one.role, "sagemaker.amazonaws.com")
        with (
            _handled(lambda kind, handler: self._handler(one, kind, handler)),
            self._answered_calls(one.role),
        ):
            options = RunOptions(cache=False)
            engine._run(pipeline, definition, execution, catalog, lambda _: None, options)
        failed = [run for run in execution.steps.values() if run.status == FAILED]
        for run in failed:
            one.reason = f"Step {run.step.name} failed: {run.reason}"
        self._end(one, execution.status)

    def _end(self, one: Started, status: str) -> None:
        before, one.status = one.status, status
        one.ended = datetime.datetime.now(datetime.UTC)
        self._tell(one, before)

    def _tell(self, one: Started, before: str) -> None:
        """As "SageMaker pipeline execution state change" of the developer guide has it."""
        self.account.event(
            "aws.sagemaker", "SageMaker Model Building Pipeline Execution Status Change",
            {
                "pipelineArn": one.arn.partition("/execution")[0],
                "pipelineExecutionArn": one.arn,
                "pipelineExecutionDisplayName": one.id,
                "currentPipelineExecutionStatus": one.status,
                **({"previousPipelineExecutionStatus": before} if before else {}),
                "executionStartTime": one.began.isoformat(),
            },
            one.arn,
        )  # fmt: skip

    def _handler(self, one: Started, kind: str, handler: Handler) -> Handler:
        """What makes a step's job in moto too."""

        def handle(context: StepContext) -> StepResult:
            account, request, name = self.account, context.job.request, context.job.name
            with acting(account.role(one.role)):
                if kind == "RegisterModel":
                    made = account.sagemaker.create_model_package(**request)["ModelPackageArn"]
                    result = handler(context)
                    result.answer["ModelPackageArn"] = made
                    self._look("model_package", "ModelPackageName", made)
                    return result
                if kind not in _JOBS:
                    return handler(context)
                self._create(kind, name, request)
                for image, network in _containers(request):
                    group, keys = f"/aws/sagemaker/{_LOGS[kind]}", calls.keys_of_disks(request)
                    asked = calls.of_container(account.place, image, group, network, keys)
                    account.ask(f"a job of {context.run.step.name}", asked)
                try:
                    result = handler(context)
                finally:
                    self._log(kind, context)
                if kind == "Tuning":
                    self._train(one, name, request, result)
                self._look(_CREATED[kind], _JOBS[kind][1], name)
                return result

        return handle

    @contextmanager
    def _answered_calls(self, role: str) -> Iterator[None]:
        """The calls that a job makes of Athena and S3 are made under the role."""
        account, call, handler = self.account, Athena.call, job_calls._Handler

        def ask(name: str, request: dict[str, Any]) -> None:
            with acting(account.role(role)):
                account.ask(name, calls.asked(account.place, name, request))

        def asked(athena: Athena, operation: str, request: dict[str, Any]) -> dict[str, Any]:
            model = account.client("athena").meta.service_model.operation_model(operation)
            validate(f"athena:{operation}", request, model.input_shape)
            ask(f"athena:{operation}", request)
            return call(athena, operation, request)

        def listed(of: Any, bucket: str, given: dict[str, str]) -> None:
            ask("s3:ListObjectsV2", {"Bucket": bucket, "Prefix": given.get("prefix", "")})
            _LISTED(of, bucket, given)

        def read(of: Any, file: Path, key: str) -> None:
            bucket = file.relative_to(of.storage.root).parts[0]
            ask("s3:GetObject", {"Bucket": bucket, "Key": key})
            _READ(of, file, key)

        with (
            mock.patch.object(Athena, "call", asked),
            mock.patch.object(handler, "_list", listed),
            mock.patch.object(handler, "_object", read),
        ):
            yield

    def _create(self, kind: str, name: str, request: dict[str, Any]) -> None:
        getattr(self.account.sagemaker, f"create_{_CREATED[kind]}")(
            **{_JOBS[kind][1]: name, **request}
        )

    def _look(self, what: str, key: str, name: str) -> None:
        """The service sees how a job stands."""
        getattr(self.account.sagemaker, f"describe_{what}")(**{key: name})

    def _train(self, one: Started, name: str, request: dict[str, Any], result: StepResult) -> None:
        """The trials, as training jobs that the service makes, and lists under the role."""
        now = datetime.datetime.now(datetime.UTC)
        one.trials[name.lower()] = [
            {
                **{key: value for key, value in trial.items() if key != "FailureReason"},
                "TrainingJobArn":
                    self.account.place.arn("sagemaker", f"training-job/{trial['TrainingJobName']}"),
                "CreationTime": now, "ObjectiveStatus": "Succeeded",
            }
            for trial in result.answer["TrainingJobSummaries"]
        ]  # fmt: skip
        list_trials = self.account.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job
        listed = list_trials(HyperParameterTuningJobName=name, MaxResults=1)
        best = listed["TrainingJobSummaries"][0]["TrainingJobName"]
        definition = request.get("TrainingJobDefinition") or request["TrainingJobDefinitions"][0]
        keys = ("AlgorithmSpecification", "OutputDataConfig", "ResourceConfig", "RoleArn",
                "StoppingCondition", "InputDataConfig")  # fmt: skip
        job = {key: definition[key] for key in keys if key in definition}
        job["AlgorithmSpecification"] = {
            key: value for key, value in job["AlgorithmSpecification"].items()
            if key in ("TrainingImage", "TrainingInputMode")
        }  # fmt: skip
        with acting(AWS):
            for trial in result.answer["TrainingJobSummaries"]:
                self.account.sagemaker.create_training_job(
                    TrainingJobName=trial["TrainingJobName"], **job
                )
        self.account.sagemaker.describe_training_job(TrainingJobName=best)

    def _log(self, kind: str, context: StepContext) -> None:
        """What a job has printed, in its group's stream."""
        if kind not in _LOGS:
            return
        path, group = context.job.log, f"/aws/sagemaker/{_LOGS[kind]}"
        files = sorted(path.rglob("*.log")) if path.is_dir() else [path]
        with acting(AWS):
            logs = self.account.client("logs")
            groups = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
            if group not in [one["logGroupName"] for one in groups]:
                logs.create_log_group(logGroupName=group)
            for file in files:
                trial = f"-{file.stem}" if path.is_dir() else ""
                stream = f"{context.job.name}{trial}/algo-1-1"
                logs.create_log_stream(logGroupName=group, logStreamName=stream)
                lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
                moment = int(time.time() * 1000)
                events = [{"timestamp": moment, "message": line} for line in lines if line]
                if events:
                    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


_LISTED, _READ = job_calls._Handler._list, job_calls._Handler._object

_JOBS = {
    "Model": ("Model", "ModelName"),
    "Processing": ("ProcessingJob", "ProcessingJobName"),
    "Transform": ("TransformJob", "TransformJobName"),
    "Tuning": ("TuningJob", "HyperParameterTuningJobName"),
}
"""By type of step: its key in a step's metadata, and the member with the job's name."""

_CREATED = {
    "Model": "model", "Processing": "processing_job", "Transform": "transform_job",
    "Tuning": "hyper_parameter_tuning_job",
}  # fmt: skip
_ARNS = {kind: name.replace("_", "-") for kind, name in _CREATED.items()}
_LOGS = {"Processing": "ProcessingJobs", "Transform": "TransformJobs", "Tuning": "TrainingJobs"}
"""The log groups of jobs, below /aws/sagemaker."""


def _containers(request: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The image of each container that a request starts, with its network."""
    if "AppSpecification" in request:
        network = request.get("NetworkConfig", {}).get("VpcConfig", {})
        yield request["AppSpecification"]["ImageUri"], network
    for definition in (
        *request.get("TrainingJobDefinitions", ()),
        *([request["TrainingJobDefinition"]] if "TrainingJobDefinition" in request else ()),
    ):
        image = definition["AlgorithmSpecification"]["TrainingImage"]
        yield image, definition.get("VpcConfig", {})


@contextmanager
def _handled(made: Callable[[str, Handler], Handler]) -> Iterator[None]:
    own = {kind: made(kind, handler) for kind, handler in step_types.HANDLERS.items()}
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(step_types.HANDLERS, own))
        yield
