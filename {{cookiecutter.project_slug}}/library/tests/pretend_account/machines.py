"""The state machines in moto's interpreter, in an account that behaves as AWS's does.

What moto (5.2) lacks or has otherwise, and what stands in for it here; nothing else is replaced:

- `createProcessingJob.sync` is not supported: `ProcessingJobs` creates the job in moto, runs what a
  test gives as its container, and succeeds or fails as Step Functions does.
- What SageMaker's API lacks: `lessons.py`. ListPipelineExecutions neither sorts nor ends,
  StartPipelineExecution starts twice with one token, and CreatedBy is empty: methods of `Account`.
- Requests are sent unchecked: every one passes botocore's validation first.
- Errors are called `sagemaker.sagemakerException`: `SageMaker.SageMakerException`, as AWS does.
- JSONata needs a Java machine: jsonata-python evaluates it, and JSONPath the variables of JSONPath.
- A choice that compares with a variable takes the two for each other: they are put right.
- A text of Assign keeps its escapes: it is read as the JSON that it is.
- A pause before a retry is slept: here it is noted. A Wait state lasts what the stack's texts say.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
import sys
import threading
import time
import typing
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from jsonata import Jsonata
from moto import mock_aws
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.query_language import QueryLanguageMode
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string.string_expression import (
    StringVariableSample,
)
from moto.stepfunctions.parser.asl.component.state.choice.comparison.comparison_func import (
    ComparisonFuncStringVariableSample,
    ComparisonFuncValue,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_aws_sdk,
    state_task_service_sfn,
    state_task_service_sns,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import (
    ResourceCondition,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (  # noqa: E501
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.parse import preprocessor
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.asl.utils.json_path import extract_json

from ninesteps.infrastructure import template
from pretend_account.lessons import ACCOUNT, Lessons, client_error, identity, iso

ROOT = Path(__file__).resolve().parents[3]

REGION, NAME = "eu-west-1", "pets-prod"
GROUP, BUCKET = NAME, f"{NAME}-{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:{NAME}"
MACHINES = {
    name: f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}"
    for name in ("data_arrival", "record_evidence", "approved", "rollout", "start", "ab_test")
}
STARTS = {"approved": ("ab_test", "rollout"), "rollout": ("ab_test",), "data_arrival": ("start",)}
"""The machines that a machine starts; that of an A/B test is made where there are any."""
PATIENCE_SECONDS = 20
SERVICES = {"applicationautoscaling": "application-autoscaling"}
"""What boto3 calls a service that a task calls otherwise, where moto does not know it."""

Container = Callable[["Job"], None]

ACTS_UNDER: ContextVar[str] = ContextVar("ACTS_UNDER", default="")
"""The ARN of the role that the machine acts under whose task this thread runs."""


@functools.cache
def _client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


class JobFailed(Exception):
    """A container ended with another status than 0; its text is what it left as a message."""


class Host(typing.Protocol):
    """An account, as the interpreter uses it."""

    pauses: list[float]  # before retries, in seconds

    def send(self, service: str, operation: str, request: dict[str, Any]) -> Any:
        """Answer one request of a machine's task, which acts under `ACTS_UNDER`."""

    def run_job(self, request: dict[str, Any]) -> None:
        """Run a Processing job that was created, to its end.

        Raises:
            JobFailed: if it fails.
        """


@dataclass(frozen=True)
class Job:
    """A Processing job, as its container sees it."""

    account: Account
    request: dict[str, Any]

    @property
    def script(self) -> str:
        """The file that it runs."""
        return str(self.request["AppSpecification"]["ContainerEntrypoint"][-1]).rpartition("/")[2]

    @property
    def arguments(self) -> list[str]:
        """What it is called with."""
        return list(self.request["AppSpecification"]["ContainerArguments"])

    def put(self, file: str, content: object) -> None:
        """Leave an output, as SageMaker uploads it when the job has ended."""
        (output,) = self.request["ProcessingOutputConfig"]["Outputs"]
        prefix = output["S3Output"]["S3Uri"].removeprefix(f"s3://{BUCKET}/")
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.account.s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{file}", Body=body)


def passes(job: Job) -> None:
    """A container that finds everything as it should be."""
    job.put("verdict.json", {"passed": True, "reason": "as recorded"})


def records(job: Job) -> None:
    """A container that records one digest."""
    noted = {"evaluation_sha256": "0a", "evaluation_version_id": "v1"}
    job.put("recorded.json", {"metadata": noted, "notice": " Look twice."})
    job.put("evidence.json", {})
    job.put("golden.json", [])


@dataclass(kw_only=True)
class Account(Lessons):
    """One account with the stack's resources, and what happened in it."""

    region: str = REGION
    substitutions: dict[str, str]
    containers: dict[str, Container] = field(
        default_factory=lambda: {
            "record_evidence.py": records,
            "verify_evidence.py": passes,
            "golden_requests.py": passes,
        }
    )
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    before: dict[str, Callable[[dict[str, Any]], None]] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)  # error codes, by operation
    pauses: list[float] = field(default_factory=list)
    created_by: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    started: dict[str, str] = field(default_factory=dict)  # when, by execution
    machines: set[str] = field(default_factory=set)

    def client(self, service: str) -> Any:
        """boto3's, made once."""
        return _client(service)

    @property
    def s3(self) -> Any:
        return self.client("s3")

    @property
    def sagemaker(self) -> Any:
        return self.client("sagemaker")

    def caller(self) -> str:
        return f"{NAME}-rollout/machine"

    # What a test looks at

    def called(self, operation: str) -> list[dict[str, Any]]:
        """The requests of one operation, in order."""
        return [request for name, request in self.calls if name == operation]

    def told(self) -> list[str]:
        """The subjects of what was told."""
        return [request["Subject"] for request in self.called("publish")]

    def metadata(self, version: int) -> dict[str, str]:
        """A version's metadata."""
        return dict(self.describe_package(version)["CustomerMetadataProperties"])

    def describe_package(self, version: int) -> dict[str, Any]:
        return dict(self.sagemaker.describe_model_package(ModelPackageName=package(version)))

    def endpoints(self) -> dict[str, str]:
        """The endpoints that there are, with their configs."""
        names = [e["EndpointName"] for e in self.sagemaker.list_endpoints()["Endpoints"]]
        return {
            n: self.sagemaker.describe_endpoint(EndpointName=n)["EndpointConfigName"] for n in names
        }

    # What a test does

    def register(self, status: str = "PendingManualApproval", **metadata: str) -> int:
        """A new version; its evidence is named, and is not there."""
        source = {"ContentType": "application/json", "S3Uri": f"s3://{BUCKET}/evidence.json"}
        created = self.sagemaker.create_model_package(
            ModelPackageGroupName=GROUP,
            ModelApprovalStatus=status,
            InferenceSpecification={
                "Containers": [{"Image": "image", "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            ModelMetrics={
                "ModelQuality": {"Statistics": source},
                "Bias": {"Report": source},
            },
            CustomerMetadataProperties={
                "execution": "abc",
                "analysis_config": source["S3Uri"],
                **metadata,
            },
        )
        return int(created["ModelPackageArn"].rpartition("/")[2])

    def decide(self, version: int, status: str, who: str = "Approver/ada", **metadata: str) -> None:
        """What an approver does."""
        self.modified_by[package(version)] = identity(who)
        kept = self.metadata(version)
        self.sagemaker.update_model_package(
            ModelPackageArn=package(version), ModelApprovalStatus=status,
            CustomerMetadataProperties={**kept, **metadata},
        )  # fmt: skip

    def make(self, machine: str) -> None:
        """Make a machine, if it is not there: reading one takes moto a while."""
        if machine not in self.machines:
            self.machines.add(machine)
            self.client("stepfunctions").create_state_machine(
                name=machine, definition=filled(machine, self.substitutions), roleArn=ROLE
            )

    def start(self, machine: str, content: object, name: str | None = None) -> str:
        """Start a machine; gives the execution."""
        for one in (*STARTS.get(machine, ()), machine):
            if one != "ab_test" or self.substitutions["AbTests"] == "true":
                self.make(one)
        started = self.client("stepfunctions").start_execution(
            stateMachineArn=MACHINES[machine], input=json.dumps(content),
            name=name or str(uuid.uuid4()),
        )  # fmt: skip
        return str(started["executionArn"])

    def end(self, execution: str) -> SimpleNamespace:
        """Wait for an execution; gives its status, error, cause and the states that it entered."""
        stepfunctions = self.client("stepfunctions")
        until = time.monotonic() + PATIENCE_SECONDS
        while (found := stepfunctions.describe_execution(executionArn=execution))[
            "status"
        ] == "RUNNING":
            assert time.monotonic() < until, self.states(execution)
            time.sleep(0.02)
        return SimpleNamespace(status=found["status"], error=found.get("error"),
                               cause=found.get("cause"), states=self.states(execution))  # fmt: skip

    def run(self, machine: str, content: object, name: str | None = None) -> SimpleNamespace:
        """Start a machine and wait for its end."""
        return self.end(self.start(machine, content, name))

    def states(self, execution: str) -> list[str]:
        history = self.client("stepfunctions").get_execution_history(executionArn=execution)
        return [e["stateEnteredEventDetails"]["name"] for e in history["events"]
                if "stateEnteredEventDetails" in e]  # fmt: skip

    def executions(self, machine: str) -> list[dict[str, Any]]:
        self.make(machine)
        found = self.client("stepfunctions").list_executions(stateMachineArn=MACHINES[machine])
        return list(found["executions"])

    # What stands in for what moto lacks

    def send(self, service: str, operation: str, request: dict[str, Any]) -> Any:
        """One request of a machine: validated, noted, failed where a test wants it, answered."""
        client = self.client(service)
        api = client.meta.service_model.operation_model(
            client.meta.method_to_api_mapping[operation]
        )
        request = {member(api.input_shape, key): value for key, value in request.items()}
        report = ParamValidator().validate(request, api.input_shape)
        assert not report.has_errors(), f"{operation}: {report.generate_report()}"
        self.calls.append((operation, request))
        if hook := self.before.get(operation):
            hook(request)
        if codes := self.faults.get(operation):
            raise client_error(codes.pop(0), operation)
        own = getattr(self, operation, None)
        return as_json(own(**request) if own else getattr(client, operation)(**request))

    def run_job(self, request: dict[str, Any]) -> None:
        job = Job(self, request)
        self.containers[job.script](job)

    def describe_pipeline_execution(self, PipelineExecutionArn: str) -> dict[str, Any]:
        if not self.created_by:
            raise client_error("ResourceNotFound", "DescribePipelineExecution")
        return {"PipelineExecutionArn": PipelineExecutionArn, "CreatedBy": self.created_by}

    def list_pipeline_executions(self, PipelineName: str, MaxResults: int, **_: Any) -> Any:
        found = self.sagemaker.list_pipeline_executions(PipelineName=PipelineName)
        newest = found["PipelineExecutionSummaries"][::-1][:MaxResults]
        shown = self.statuses.get(PipelineName)
        for one in newest:
            one["StartTime"] = self.started.get(one["PipelineExecutionArn"], iso(one["StartTime"]))
            one["PipelineExecutionStatus"] = shown.pop(0) if shown else "Succeeded"
        return {"PipelineExecutionSummaries": newest}

    def start_pipeline_execution(self, ClientRequestToken: str, **request: Any) -> Any:
        if ClientRequestToken not in self.tokens:
            self.tokens[ClientRequestToken] = self.sagemaker.start_pipeline_execution(**request)
        return self.tokens[ClientRequestToken]


class ProcessingJobs(StateTaskServiceCallback):
    """`createProcessingJob.sync`."""

    account: typing.ClassVar[Host]  # a machine that was read once runs in other accounts too

    def __init__(self) -> None:
        # Task tokens too, since without them moto ends a task that it has no callback for.
        super().__init__({ResourceCondition.Sync, ResourceCondition.WaitForTaskToken})

    def _get_supported_parameters(self) -> set[str]:
        model = _client("sagemaker").meta.service_model
        return set(model.operation_model("CreateProcessingJob").input_shape.members)

    def _eval_service_task(self, env: Any, resource_runtime_part: Any, normalised_parameters: Any,
                           state_credentials: Any) -> None:  # fmt: skip
        assert self.resource.api_action == "createProcessingJob"
        answer = self.account.send("sagemaker", "create_processing_job", normalised_parameters)
        env.stack.append({"ProcessingJobArn": answer["ProcessingJobArn"]})

    def _from_error(self, env: Any, ex: Exception) -> Any:
        if not isinstance(ex, ClientError):
            return super()._from_error(env=env, ex=ex)
        return self._failure(env, "SageMaker.AmazonSageMakerException", str(ex))

    def _build_sync_resolver(
        self,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: Any,
        state_credentials: Any,
    ) -> Any:
        env.stack.pop()

        def resolve() -> dict[str, Any]:
            said = {"ProcessingJobName": normalised_parameters["ProcessingJobName"]}
            try:
                self.account.run_job(normalised_parameters)
            except JobFailed as failed:
                cause = {**said, "ProcessingJobStatus": "Failed", "ExitMessage": str(failed)}
                event = self._failure(env, "States.TaskFailed", json.dumps(cause))
                raise FailureEventException(event) from None
            return {**said, "ProcessingJobStatus": "Completed"}

        return resolve

    def _failure(self, env: Any, error: str, cause: str) -> FailureEvent:
        name = (StatesErrorName(typ=StatesErrorNameType.StatesTaskFailed)
                if error == "States.TaskFailed" else CustomErrorName(error))  # fmt: skip
        details = TaskFailedEventDetails(
            error=error, cause=cause, resource=self._get_sfn_resource(),
            resourceType=self._get_sfn_resource_type(),
        )  # fmt: skip
        return FailureEvent(env=env, error_name=name, event_type=HistoryEventType.TaskFailed,
                            event_details=EventDetails(taskFailedEventDetails=details))  # fmt: skip


@contextmanager
def account(substitutions: dict[str, str]) -> Iterator[Account]:
    """An account with the stack in it, the placeholders of its machines filled."""
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        found = Account(substitutions=substitutions)
        found.s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        found.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        found.client("sns").create_topic(Name=NAME)
        found.sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
        found.sagemaker.create_pipeline(PipelineName=NAME, PipelineDefinition="{}", RoleArn=ROLE)
        with interpreter(found):
            yield found


@contextmanager
def interpreter(account: Host) -> Iterator[None]:
    """Let moto's interpreter run the machines of an account as Step Functions does."""
    factory = state_task_factory.state_task_service_for
    ProcessingJobs.account = account

    def client_for(service: str, **_: Any) -> Any:
        return _Client(account, SERVICES.get(service, service))

    def service_for(service_name: str) -> Any:
        return ProcessingJobs() if service_name == "sagemaker" else factory(service_name)

    clock = SimpleNamespace(sleep=account.pauses.append)
    names = {"sagemaker": "SageMaker", "s3": "S3", "cloudwatch": "CloudWatch", "sns": "Sns"}
    replaced: list[tuple[Any, str, Any]] = [
        (state_task_service_aws_sdk, "boto_client_for", client_for),
        (state_task_service_sfn, "boto_client_for", client_for),
        (state_task_service_sns, "boto_client_for", client_for),
        (state_task_factory, "state_task_service_for", service_for),
        (retrier_decl, "time", clock),
        (state_task_service.StateTaskService, "_eval_execution", _under_its_role),
        (StringVariableSample, "_eval_body", _variable),
        (ComparisonFuncStringVariableSample, "_eval_body", _compared),
        (json_path, "parse", _parsed_path),
        (AmazonStateLanguageParser, "parse", staticmethod(_parsed_machine)),
        *(
            (module, "eval_jsonata_expression", _jsonata)
            for module in _that_have("eval_jsonata_expression")
        ),
    ]
    with ExitStack() as stack:
        text_of = staticmethod(
            lambda parser_rule_context: json.loads(parser_rule_context.getText())
        )
        stack.enter_context(
            mock.patch.object(preprocessor.Preprocessor, "_inner_string_of", text_of)
        )
        for module, name, own in replaced:
            stack.enter_context(mock.patch.object(module, name, own))
        stack.enter_context(mock.patch.dict(state_task_service_aws_sdk._SERVICE_ERROR_NAMES, names))
        yield


def _under_its_role(task: Any, env: Any) -> None:
    token = ACTS_UNDER.set(env.aws_execution_details.role_arn)
    try:
        _EVALUATED(task, env)
    finally:
        ACTS_UNDER.reset(token)


_EVALUATED = state_task_service.StateTaskService._eval_execution


def _that_have(name: str) -> list[Any]:
    """The modules of moto's interpreter that have taken a function by its name."""
    return [module for path, module in sys.modules.items()
            if path.startswith("moto.stepfunctions") and hasattr(module, name)]  # fmt: skip


def _jsonata(expression: str) -> Any:
    return Jsonata(expression).evaluate(None)


def _variable(sample: Any, env: Any) -> None:
    """`$name.path` in JSONPath, which moto gives to JSONata with every variable there is."""
    if sample.query_language_mode == QueryLanguageMode.JSONata:
        _SAMPLED(sample, env)
    else:
        env.stack.append(
            extract_json(
                "$." + sample.expression[1:],
                env.variable_store._outer_scope | env.variable_store._inner_scope,
            )
        )


_SAMPLED = StringVariableSample._eval_body
_PARSE, _PARSING = json_path.parse, threading.Lock()


@functools.cache  # what takes most of the time is done once
def _parsed_path(path: str) -> Any:
    with _PARSING:  # its parser is not for several threads, which two machines at once are
        return _PARSE(path)


_parsed_machine = functools.cache(AmazonStateLanguageParser.parse)


def _compared(comparison: Any, env: Any) -> None:
    """`NumericLessThanPath: $other` and its like, whose two sides moto takes for each other."""
    comparison.string_variable_sample.eval(env=env)
    other, variable = env.stack.pop(), env.stack.pop()
    env.stack += [other, variable]
    ComparisonFuncValue._eval_body(comparison, env)
    del env.stack[-2]


@dataclass(frozen=True)
class _Client:
    account: Host
    service: str

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            return self.account.send(self.service, operation, request)

        return call


def filled(machine: str, substitutions: dict[str, str]) -> str:
    """A machine's file with its placeholders filled, as CloudFormation does it: as text."""
    text = ((ROOT / template.FOLDER) / f"{machine}.asl.json").read_text(encoding="utf-8")
    return re.sub(r"\$\{(\w+)\}", lambda found: substitutions[found[1]], text)


def package(version: int) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/{GROUP}/{version}"


def member(shape: Any, key: str) -> str:
    """A member's name as boto3 has it: States takes `StateMachineArn` for `stateMachineArn`."""
    return next((name for name in shape.members if name.lower() == key.lower()), key)


def as_json(answer: Any) -> Any:
    """An answer as Step Functions has it: times and bodies as texts."""
    if isinstance(answer, dict):
        return {key: as_json(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [as_json(value) for value in answer]
    if isinstance(answer, datetime.datetime):
        return iso(answer)
    return answer.read().decode() if hasattr(answer, "read") else answer
