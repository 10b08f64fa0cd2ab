"""One AWS account for a day: who calls is known, and IAM decides on every call.

Calls of boto3 are answered by moto, and by lessons where it lacks an answer. Each is made by a
principal, a role or whoever types a command, and passes three gates: botocore's validation of the
request, IAM's decision on what the call asks for (`calls.py`, `iam.py`), by the policies that the
stacks have made in moto, and botocore's validation of an answer that a lesson gives. What was asked
for is noted, so that a test can ask again without one of the statements.

What is taught, beside `lessons.py`, `machines.py`, `resources.py`, `executions.py` and
`feature_store.py`:

- The events of EventBridge: a version of a model, an object of S3 and an execution send theirs, and
  a rule's state machines are started under the rule's role. moto sends none of these, and starts no
  state machine.
- A state machine's wait is noted and not waited: executions grow older by it.
- GetCallerIdentity says which role calls.
- DescribeChangeSet leaves out resources whose condition does not hold, DescribeStacks shows lists
  as they were given, and DescribeAlarms looks at the state that is asked for.
- InvokeEndpoint is answered by the model's own archive (`serving.py`), and the state machines' jobs
  run in this process, each under its role.
"""

from __future__ import annotations

import datetime
import functools
import importlib
import io
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from botocore import xform_name
from botocore.client import BaseClient
from moto import mock_aws
from moto.events.models import EventPattern, EventTemplateParser
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.sagemaker.models import sagemaker_backends
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import wait_function

import container
from pretend_account import calls, machines, resources
from pretend_account.executions import Executions
from pretend_account.feature_store import FeatureStore, Group
from pretend_account.iam import Asked, Decision, Identity, decide, may_assume, statements
from pretend_account.lessons import ACCOUNT, Lessons, client_error, validate
from pretend_account.lineage import DESCRIBED, Lineage, of_jobs
from pretend_account.principals import AWS, NOBODY, PRINCIPAL, Principal, acting
from pretend_account.serving import Served

PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Use:
    """Something that a principal asked IAM for, and the call that it was for."""

    principal: str
    call: str
    asked: Asked


@dataclass(kw_only=True)
class Account(Lessons):
    """The account while a day goes on."""

    folder: Path  # for what its containers have on their disks
    pauses: list[float] = field(default_factory=list)
    uses: dict[Use, Decision] = field(default_factory=dict)  # each once, in order
    signed_in: Principal = NOBODY  # at the terminal
    told: list[dict[str, Any]] = field(default_factory=list)  # what was published to topics
    events: list[dict[str, Any]] = field(default_factory=list)  # that no rule has seen yet
    running: list[str] = field(default_factory=list)  # executions of state machines
    served: dict[str, Served] = field(default_factory=dict)  # by endpoint
    known: dict[str, Identity] = field(default_factory=dict)  # by role

    @functools.cached_property
    def store(self) -> FeatureStore:
        """Its feature groups, and Athena's answers."""
        return FeatureStore(self.region, creation=["Created"])

    @functools.cached_property
    def executions(self) -> Executions:
        """The pipeline's."""
        return Executions(self)

    @property
    def lineage(self) -> Lineage:
        """What SageMaker has recorded of its jobs and packages."""
        requests = dict(self.requests)
        for one in self.executions.started.values():
            for name, trials in one.trials.items():
                search = self.requests[f"hyper_parameter_tuning_job/{name}"]
                definition = search["TrainingJobDefinition"]
                for trial in trials:
                    job = trial["TrainingJobName"]
                    requests[f"training_job/{job}"] = {**definition, "TrainingJobName": job}
        found = sagemaker_backends[ACCOUNT][self.region].model_packages
        packages = {arn: self.describe_model_package(arn) for arn in found}
        return of_jobs(self.place.arn("sagemaker", "")[:-1], requests, packages)

    def run_executions(self) -> None:
        """Time goes by: rows land, the executions that were started run, and events arrive."""
        self.store.land()
        catalog = {}
        for group in self.store.groups.values():
            table = group.request["OfflineStoreConfig"]["DataCatalogConfig"]
            catalog[table["Database"], table["TableName"]] = group.place
        for one in self.executions.waiting():
            self.executions.run(one, catalog)
        self.deliver()

    def fire(self, schedule: str) -> None:
        """A schedule's moment comes."""
        with acting(AWS):
            found = self.client("scheduler").get_schedule(Name=schedule)
        assert found["State"] == "ENABLED", f"{schedule} is {found['State']}"
        target = found["Target"]
        assert target["Arn"].endswith(":aws-sdk:sagemaker:startPipelineExecution")
        request = json.loads(target["Input"].replace("<aws.scheduler.scheduled-time>", now()))
        with acting(self.taken_on(target["RoleArn"], "scheduler.amazonaws.com")):
            self.sagemaker.start_pipeline_execution(**request)

    @property
    def key(self) -> str:
        """The ARN of the key that a stack has made."""
        with acting(AWS):
            (key,) = self.client("kms").list_keys()["Keys"]
        return str(key["KeyArn"])

    # Who

    def role(self, role: str, session: str = "service") -> Principal:
        """A role by its name or ARN, with the policies that it has in the account now."""
        name = role.rpartition("/")[2]
        return Principal(name, session, lambda: self.identity(name))

    def identity(self, role: str) -> Identity:
        """What a role's own policies say."""
        if role not in self.known:
            found = self._role(role)
            assert not found.managed_policies, f"{role}: managed policies are not read"
            assert not found.permissions_boundary, f"{role}: its boundary is not read"
            documents = [json.loads(_text(document)) for document in found.policies.values()]
            self.known[role] = Identity(statements(*documents))
        return self.known[role]

    def _role(self, name: str) -> Any:
        return iam_backends[ACCOUNT]["aws"].get_role(name)

    def roles(self) -> dict[str, Identity]:
        """Every role that the stacks have made."""
        names = [role.name for role in iam_backends[ACCOUNT]["aws"].roles.values()]
        return {name: self.identity(name) for name in names}

    def taken_on(self, role: str, service: str) -> Principal:
        """A role that a service takes on, such as that of a job.

        Raises:
            ClientError: if the role does not trust the service.
        """
        trust = json.loads(_text(self._role(role.rpartition("/")[2]).assume_role_policy_document))
        if not may_assume(trust, {"Service": service}, {"aws:SourceAccount": ACCOUNT}):
            raise client_error("AccessDeniedException", "AssumeRole", f"{role}: {service}")
        return self.role(role)

    def caller(self) -> str:
        return CALLER.get().caller

    # What a call passes

    @functools.cached_property
    def place(self) -> calls.Place:
        return calls.Place(
            "aws",
            self.region,
            ACCOUNT,
            self._key_of_bucket,
            self._key_of_topic,
            self._version,
            self._place_of_table,
        )

    def ask(self, call: str, asked: Iterable[Asked]) -> None:
        """Ask IAM for the principal of this thread.

        Raises:
            ClientError: as AWS does, for the first thing that is denied.
        """
        principal = PRINCIPAL.get() or self.signed_in
        for one in asked if principal.policies else ():
            use = Use(principal.name, call, one)
            if use not in self.uses:
                self.uses[use] = decide(principal.policies(), one)
            decision = self.uses[use]
            if not decision.allowed:
                who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{principal.caller}"
                raise client_error(
                    "AccessDeniedException", call.partition(":")[2],
                    f"User: {who} is not authorized to perform: {one.action} on resource: "
                    f"{one.resource} because {decision.reason}",
                )  # fmt: skip

    def answer(self, client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
        """A call of boto3."""
        principal = PRINCIPAL.get() or self.signed_in
        if principal is AWS:
            return _CALL(client, operation, request)
        model = client.meta.service_model
        call, api = f"{model.signing_name}:{operation}", model.operation_model(operation)
        tokens = {name: str(uuid.uuid4()) for name in api.idempotent_members}  # as botocore does
        request = {**tokens, **request}
        validate(call, request, api.input_shape)
        with acting(AWS):
            asked = calls.asked(self.place, call, request)
        self.ask(call, asked)
        token = CALLER.set(principal)
        try:
            with acting(AWS):
                if lesson := LESSONS.get(call):
                    answer = dict(lesson(self)(**request))
                    answer = {k: v for k, v in answer.items() if k != "ResponseMetadata"}
                    validate(f"the answer to {call}", answer, api.output_shape)
                else:
                    answer = _CALL(client, operation, request)
                self._then(call, request, answer)
        finally:
            CALLER.reset(token)
        return answer

    def _then(self, call: str, request: dict[str, Any], answer: dict[str, Any]) -> None:
        """What a call leads to, besides its answer."""
        described = _DESCRIBED.get(call.partition(":")[2].replace("Create", "Describe"))
        if described and call.startswith("sagemaker:Create"):
            kind, name = described
            self.requests[f"{kind}/{request[name].lower()}"] = request
        if call == "cloudformation:ExecuteChangeSet":
            resources.outputs(ACCOUNT, self.region)
            self.known.clear()
        elif call == "s3:PutObject":
            self._object_created(request, answer)
        elif call in ("sagemaker:CreateModelPackage", "sagemaker:UpdateModelPackage"):
            arn = answer["ModelPackageArn"]
            self._package_changed(arn, request if call.endswith("UpdateModelPackage") else {})
        elif call == "sagemaker:CreateEndpoint" or call == "sagemaker:UpdateEndpoint":
            self._serve(request["EndpointName"], request["EndpointConfigName"])
        elif call == "sagemaker:DeleteEndpoint":
            self.served.pop(request["EndpointName"]).close()
        elif call == "sns:Publish":
            self.told.append(request)
        elif call in ("sagemaker:CreateFeatureGroup", "sagemaker:PutRecord"):
            self._keep_rows(call, self.store.groups[request["FeatureGroupName"]])

    def client(self, service: str) -> Any:
        """boto3's, in the account's region."""
        return boto3.client(service, region_name=self.region)

    @property
    def sagemaker(self) -> Any:
        return self.client("sagemaker")

    def _key_of_bucket(self, bucket: str) -> str:
        rules = (s3_backends[ACCOUNT]["aws"].buckets[bucket].encryption or {}).get("Rule", {})
        rule = rules[0] if isinstance(rules, list) else rules
        return str(rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID", ""))

    def _key_of_topic(self, topic: str) -> str:
        with acting(AWS):
            found = self.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
        return str(found.get("KmsMasterKeyId", ""))

    def _version(self, group: str) -> int:
        packages = sagemaker_backends[ACCOUNT][self.region].model_packages.values()
        return 1 + len([one for one in packages if one.model_package_group_name == group])

    def describe_job(self, kind: str, field: str, name: str) -> dict[str, Any]:
        return {**super().describe_job(kind, field, name), **self.executions.best(name)}

    # Lessons of other services than SageMaker's API

    def describe_change_set(self, ChangeSetName: str, **request: Any) -> dict[str, Any]:
        """Without the resources whose condition does not hold, which moto lists too."""
        cloudformation = self.client("cloudformation")
        answer = cloudformation.describe_change_set(ChangeSetName=ChangeSetName, **request)
        absent = resources.absent(ACCOUNT, self.region, ChangeSetName)
        kept = [one for one in answer["Changes"]
                if one["ResourceChange"]["LogicalResourceId"] not in absent]  # fmt: skip
        return {**answer, "Changes": kept}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        """With the parameters that are lists as they were given, which moto shows as nothing."""
        answer = self.client("cloudformation").describe_stacks(StackName=StackName)
        for stack in answer["Stacks"]:
            given = resources.parameters(ACCOUNT, self.region, stack["StackId"])
            for one in stack.get("Parameters", []):
                one["ParameterValue"] = given.get(one["ParameterKey"], one["ParameterValue"])
        return dict(answer)

    def describe_alarms(self, **request: Any) -> dict[str, Any]:
        """With the state that was asked for, which moto does not look at beside names."""
        answer = self.client("cloudwatch").describe_alarms(**request)
        state = request.get("StateValue")
        alarms = [one for one in answer["MetricAlarms"] if state in (None, one["StateValue"])]
        return {"MetricAlarms": alarms}

    def get_caller_identity(self) -> dict[str, Any]:
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.caller()}"
        return {"UserId": f"AROAEXAMPLE:{self.caller()}", "Account": ACCOUNT, "Arn": arn}

    def invoke_endpoint(
        self, EndpointName: str, Body: bytes | str, ContentType: str, Accept: str = "text/csv"
    ) -> dict[str, Any]:
        body = Body.encode() if isinstance(Body, str) else Body
        answer = self.served[EndpointName].ask(body, ContentType, Accept)
        if answer.status != 200:
            raise client_error("ModelError", "InvokeEndpoint", answer.body.decode())
        return {"Body": io.BytesIO(answer.body), "ContentType": answer.content_type}

    # State machines, as `machines.interpreter` asks for them

    def send(self, service: str, operation: str, request: dict[str, Any]) -> Any:
        """A machine's call, under its role."""
        client = self.client(service)
        shape = client.meta.service_model.operation_model(
            client.meta.method_to_api_mapping[operation]
        ).input_shape
        request = {machines.member(shape, key): value for key, value in request.items()}
        role = self.taken_on(machines.ACTS_UNDER.get(), "states.amazonaws.com")
        with acting(role):
            answer = dict(getattr(client, operation)(**request))
        answer.pop("ResponseMetadata", None)
        if "executionArn" in answer:
            self.running.append(answer["executionArn"])
        return machines.as_json(answer)

    def run_job(self, request: dict[str, Any]) -> None:
        """A Processing job of a machine: its own script, in this process, under the job's role.

        It has the variables that SageMaker sets, and no others of AWS.
        """
        name, machine = request["ProcessingJobName"], machines.ACTS_UNDER.get()
        with acting(self.taken_on(machine, "states.amazonaws.com")):
            self.ask("createProcessingJob.sync", calls.of_sync(self.place, name))
        network = request.get("NetworkConfig", {}).get("VpcConfig", {})
        image = request["AppSpecification"]["ImageUri"]
        base = self.folder / name
        script = request["AppSpecification"]["ContainerEntrypoint"][-1].rpartition("/")[2]
        with acting(self.taken_on(request["RoleArn"], "sagemaker.amazonaws.com")):
            log = "/aws/sagemaker/ProcessingJobs"
            keys = calls.keys_of_disks(request)
            self.ask("a job", calls.of_container(self.place, image, log, network, keys))
            for one in request["ProcessingInputs"]:
                self.download(one["S3Input"]["S3Uri"], _in(base, one["S3Input"]["LocalPath"]))
            with self._in_container(base):
                try:
                    module = importlib.import_module(script.removesuffix(".py"))
                    module.main(request["AppSpecification"]["ContainerArguments"])
                except Exception as error:
                    raise machines.JobFailed(f"{type(error).__name__}: {error}") from error
            for one in request["ProcessingOutputConfig"]["Outputs"]:
                target = one["S3Output"]
                self.upload(_in(base, target["LocalPath"]), target["S3Uri"])

    @contextmanager
    def _in_container(self, base: Path) -> Iterator[None]:
        with (
            mock.patch.object(container, "BASE", base),
            mock.patch.dict(os.environ, {"AWS_REGION": self.region}),
        ):
            os.environ.pop("AWS_DEFAULT_REGION", None)
            yield

    def objects(self, bucket: str, prefix: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """The objects whose keys begin with a prefix, as SageMaker finds them: listed, then read.

        Each with its key and what reads it.
        """
        s3 = self.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for key in [item["Key"] for page in pages for item in page.get("Contents", [])]:
            yield key, lambda key=key: s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def download(self, uri: str, folder: Path) -> None:
        """Bring what lies at a prefix to a job's folder."""
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        for key, read in self.objects(bucket, prefix):
            name = key.removeprefix(prefix).lstrip("/") or prefix.rpartition("/")[2]
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(read())

    def upload(self, folder: Path, uri: str) -> None:
        """Take what a job has left to its place."""
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            self.upload_file(file, f"{uri}/{file.relative_to(folder).as_posix()}")

    def upload_file(self, file: Path, uri: str) -> None:
        """Put one object."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=file.read_bytes())

    def _made(self, kind: str, properties: Mapping[str, Any]) -> None:
        """A state machine that logs sees to its log's delivery under its own role."""
        if kind == "AWS::StepFunctions::StateMachine":
            role = self.taken_on(properties["RoleArn"], "states.amazonaws.com")
            with acting(role):
                self.ask("CreateStateMachine", calls.of_machine(self.place))

    def _keep_rows(self, call: str, group: Group) -> None:
        """What the Feature Store does for a group under the group's own role."""
        store = group.request["OfflineStoreConfig"]
        with acting(self.taken_on(group.request["RoleArn"], "sagemaker.amazonaws.com")):
            if call == "sagemaker:CreateFeatureGroup":
                self.ask("a feature group's table", calls.of_table(self.place, store))
            else:
                self.ask("rows that land", calls.of_rows(self.place, store, group.place))

    def _place_of_table(self, database: str, table: str) -> str:
        """The S3 URI of a table's rows."""
        for group in self.store.groups.values():
            catalog = group.request["OfflineStoreConfig"]["DataCatalogConfig"]
            if (catalog["Database"], catalog["TableName"]) == (database, table):
                return group.place
        raise AssertionError(f"there is no table {database}.{table}")

    # Endpoints

    def _serve(self, endpoint: str, config: str) -> None:
        """Start an endpoint's container: it fetches its archive under the model's role."""
        described = self.sagemaker.describe_endpoint_config(EndpointConfigName=config)
        (variant,) = described["ProductionVariants"]
        model = self.sagemaker.describe_model(ModelName=variant["ModelName"])
        own = self._container(model)
        role = self.taken_on(model["ExecutionRoleArn"], "sagemaker.amazonaws.com")
        folder = self.folder / f"{endpoint}-{uuid.uuid4().hex[:8]}"
        with acting(role):
            log = f"/aws/sagemaker/Endpoints/{endpoint}"
            network = model.get("VpcConfig", {})
            keys = calls.keys_of_disks(described)
            self.ask("an endpoint",
                     calls.of_container(self.place, own["Image"], log, network, keys))  # fmt: skip
            self.download(own["ModelDataUrl"], folder)
            if (capture := described.get("DataCaptureConfig", {})).get("EnableCapture"):
                self.ask("an endpoint", calls.of_capture(self.place, capture["DestinationS3Uri"]))
        if endpoint in self.served:
            self.served.pop(endpoint).close()
        archive = folder / own["ModelDataUrl"].rpartition("/")[2]
        self.served[endpoint] = Served(archive, folder / "model", own["Environment"])

    def _container(self, model: dict[str, Any]) -> dict[str, Any]:
        """Image, archive and variables of a model, which may be those of a version."""
        (own,) = model.get("Containers") or [model["PrimaryContainer"]]
        if "ModelPackageName" not in own:
            return dict(own)
        package = self.describe_model_package(ModelPackageName=own["ModelPackageName"])
        (registered,) = package["InferenceSpecification"]["Containers"]
        variables = {**registered.get("Environment", {}), **own.get("Environment", {})}
        return {**registered, **own, "Environment": variables}

    # Events

    def event(self, source: str, kind: str, detail: dict[str, Any], *of: str) -> None:
        self.events.append({
            "version": "0", "id": str(uuid.uuid4()), "detail-type": kind, "source": source,
            "account": ACCOUNT, "time": now(), "region": self.region, "resources": [*of],
            "detail": detail,
        })  # fmt: skip

    def _object_created(self, request: dict[str, Any], answer: dict[str, Any]) -> None:
        """As "EventBridge event message structure" of the S3 User Guide has it."""
        detail = {
            "version": "0", "bucket": {"name": request["Bucket"]},
            "object": {"key": request["Key"], "etag": answer["ETag"].strip('"'),
                       "version-id": answer.get("VersionId", "")},
            "reason": "PutObject",
        }  # fmt: skip
        self.event("aws.s3", "Object Created", detail, f"arn:aws:s3:::{request['Bucket']}")

    def _package_changed(self, arn: str, update: dict[str, Any]) -> None:
        """As "SageMaker Model Package State Change" has it, which does not say what was changed."""
        found = self.describe_model_package(ModelPackageName=arn)
        detail = {
            "ModelPackageGroupName": found["ModelPackageGroupName"],
            "ModelPackageVersion": found["ModelPackageVersion"], "ModelPackageArn": arn,
            "ModelPackageStatus": "Completed",
            "ModelApprovalStatus": found["ModelApprovalStatus"],
        }  # fmt: skip
        self.event("aws.sagemaker", "SageMaker Model Package State Change", detail, arn)

    def deliver(self) -> None:
        """Show the rules what has happened, and wait for the machines that they start."""
        while self.events or self.running:
            while self.running:
                self._wait(self.running.pop(0))
            if self.events:
                self._show(self.events.pop(0))

    def _show(self, event: dict[str, Any]) -> None:
        with acting(AWS):
            events = self.client("events")
            rules = events.list_rules()["Rules"]
            seen_by = [rule for rule in rules if _sees(rule, event)]
            targets = [
                target
                for rule in seen_by
                for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            ]
        for target in targets:
            self._start(target, event)

    def _start(self, target: dict[str, Any], event: dict[str, Any]) -> None:
        service = target["Arn"].split(":")[2]
        if service == "sns":  # by the topic's own policy, which names EventBridge
            how = target.get("InputTransformer", {})
            text = EventTemplateParser.parse(
                how.get("InputTemplate"),
                how.get("InputPathsMap", {}),
                {**event, "ingestion-time": event["time"]},
            )
            self.told.append({"TopicArn": target["Arn"], "Message": str(text)})
            return
        assert service == "states", f"no lesson says how EventBridge starts {target['Arn']}"
        with acting(self.taken_on(target["RoleArn"], "events.amazonaws.com")):
            started = self.client("stepfunctions").start_execution(
                stateMachineArn=target["Arn"], input=json.dumps(event), name=event["id"]
            )
        self.running.append(started["executionArn"])

    def _wait(self, execution: str) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        with acting(AWS):
            states = self.client("stepfunctions")
            while states.describe_execution(executionArn=execution)["status"] == "RUNNING":
                assert time.monotonic() < until, execution
                time.sleep(0.05)

    def machine_runs(self) -> dict[str, list[tuple[str, str]]]:
        """The executions of each state machine, the oldest first: status and cause."""
        found: dict[str, list[tuple[str, str]]] = {}
        with acting(AWS):
            states = self.client("stepfunctions")
            for machine in states.list_state_machines()["stateMachines"]:
                runs = states.list_executions(stateMachineArn=machine["stateMachineArn"])
                described = [states.describe_execution(executionArn=run["executionArn"])
                             for run in reversed(runs["executions"])]  # fmt: skip
                found[machine["name"]] = [(run["status"], run.get("cause", ""))
                                          for run in described]  # fmt: skip
        return found


CALLER: ContextVar[Principal] = ContextVar("CALLER", default=NOBODY)
"""Who made the call that is being answered."""

_OF_THE_STORE = (
    "athena:GetQueryExecution", "athena:GetQueryResults", "athena:StartQueryExecution",
    "sagemaker:BatchGetRecord", "sagemaker:CreateFeatureGroup", "sagemaker:DeleteRecord",
    "sagemaker:DescribeFeatureGroup", "sagemaker:GetRecord", "sagemaker:PutRecord",
    "sagemaker:UpdateFeatureGroup",
)  # fmt: skip

_DESCRIBED = {
    "DescribeHyperParameterTuningJob":
        ("hyper_parameter_tuning_job", "HyperParameterTuningJobName"),
    "DescribeModel": ("model", "ModelName"),
    "DescribeProcessingJob": ("processing_job", "ProcessingJobName"),
    "DescribeTransformJob": ("transform_job", "TransformJobName"),
}  # fmt: skip

Lesson = Callable[[Account], Callable[..., Mapping[str, Any]]]


def _of_the_store(method: str) -> Lesson:
    return lambda account: getattr(account.store, method)


def _described(kind: str, field: str) -> Lesson:
    return lambda account: lambda **request: account.describe_job(kind, field, request[field])


LESSONS: dict[str, Lesson] = {
    **{call: _of_the_store(xform_name(call.partition(":")[2])) for call in _OF_THE_STORE},
    **{f"sagemaker:{operation}": _described(*names) for operation, names in _DESCRIBED.items()},
    "cloudformation:DescribeChangeSet": lambda account: account.describe_change_set,
    "cloudformation:DescribeStacks": lambda account: account.describe_stacks,
    "monitoring:DescribeAlarms": lambda account: account.describe_alarms,
    "sagemaker:CreateEndpoint": lambda account: account.create_endpoint,
    "sagemaker:CreateEndpointConfig": lambda account: account.create_endpoint_config,
    "sagemaker:CreateModel": lambda account: account.create_model,
    **{
        f"sagemaker:{call}": lambda account: account.lineage.describe
        for call, *_ in DESCRIBED.values()
    },
    "sagemaker:DescribeEndpoint": lambda account: account.describe_endpoint,
    "sagemaker:DescribeModelPackage": lambda account: account.describe_model_package,
    "sagemaker:DescribePipelineExecution": lambda account: account.executions.describe,
    "sagemaker:InvokeEndpoint": lambda account: account.invoke_endpoint,
    "sagemaker:ListArtifacts": lambda account: account.lineage.list_artifacts,
    "sagemaker:ListPipelineExecutions": lambda account: account.executions.summaries,
    "sagemaker:ListPipelineExecutionSteps": lambda account: account.executions.steps,
    "sagemaker:ListPipelineParametersForExecution": lambda account: account.executions.parameters,
    "sagemaker:ListTrainingJobsForHyperParameterTuningJob":
        lambda account: account.executions.trials,
    "sagemaker:QueryLineage": lambda account: account.lineage.query_lineage,
    "sagemaker:StartPipelineExecution": lambda account: account.executions.start,
    "sagemaker:StopPipelineExecution": lambda account: account.executions.stop,
    "sagemaker:UpdateEndpoint": lambda account: account.update_endpoint,
    "sagemaker:UpdateModelPackage": lambda account: account.update_model_package,
    "sts:GetCallerIdentity": lambda account: account.get_caller_identity,
}  # fmt: skip
"""The calls that a method answers, and not moto alone."""

_CALL = BaseClient._make_api_call


def _sees(rule: dict[str, Any], event: dict[str, Any]) -> bool:
    pattern = rule["EventPattern"]
    is_seen = EventPattern(pattern, json.loads(pattern)).matches_event(event)
    return bool(is_seen) and rule["State"] == "ENABLED"


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _in(base: Path, path: str) -> Path:
    return base / path.removeprefix("/opt/ml/")


def now() -> str:
    """This moment, as an event has it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def account(region: str, folder: Path) -> Iterator[Account]:
    """An account in which nothing is yet.

    Args:
        folder: for the disks of its containers.
    """
    with ExitStack() as stack:
        stack.enter_context(mock_aws(config={"stepfunctions": {"execute_state_machine": True}}))
        own = Account(region=region, folder=folder)

        def call(client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
            return own.answer(client, operation, request)

        def waited(_: Any, env: Any, wait_seconds: float) -> None:
            own.pauses.append(wait_seconds)
            own.executions.age(wait_seconds)

        stack.enter_context(mock.patch.object(BaseClient, "_make_api_call", call))
        stack.enter_context(mock.patch.object(wait_function.WaitFunction, "_wait_interval", waited))
        stack.enter_context(machines.interpreter(own))
        stack.enter_context(resources.made(own._made))
        try:
            yield own
        finally:
            for served in own.served.values():
                served.close()
