"""An execution in an AWS account, as its report is made from it: by Describe calls and S3 reads."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from ninesteps.definition.step_content import StepContent, step_contents
from ninesteps.definition.step_names import numbered, step_name
from ninesteps.infrastructure import account, own_feature_group, serving
from ninesteps.infrastructure.account import FORBIDDEN
from ninesteps.infrastructure.executions import GOES_ON, Executions
from ninesteps.local.verdict import is_failed_gate, of_gate
from ninesteps.registry.account import (
    SAME_MODEL_AS,
    approved,
    archives,
    decisions,
    digest_key,
    recorded_origin,
)
from ninesteps.registry.person import arn_of
from ninesteps.registry.registry import Decision
from ninesteps.report import champion
from ninesteps.report.dictionary import Dictionary
from ninesteps.report.evidence import Absent
from ninesteps.report.facts import (
    EXECUTING,
    FAILED,
    SKIPPED,
    STOPPED,
    SUCCEEDED,
    WAITING,
    Previous,
    RunFacts,
    StepFacts,
)
from ninesteps.report.formatting import duration, moment
from ninesteps.repository.origin import PROTECTED
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings

LOOKED_THROUGH = 5
"""How many earlier executions are searched for different training data."""

MOST_PROFILE = MOST_EVIDENCE = 16_000_000

_STATUSES = {"Starting": EXECUTING, "Executing": EXECUTING, "Stopping": STOPPED,
             "Stopped": STOPPED, "Failed": FAILED, "Succeeded": SUCCEEDED,
             "CompletedWithFailures": FAILED}  # fmt: skip
_LOG_GROUPS = {"Processing": "ProcessingJobs", "Training": "TrainingJobs",
               "Tuning": "TrainingJobs", "Transform": "TransformJobs"}  # fmt: skip


_DESCRIBED = {
    "ProcessingJob": ("describe_processing_job", "ProcessingJobName", False),
    "TrainingJob": ("describe_training_job", "TrainingJobName", False),
    "TransformJob": ("describe_transform_job", "TransformJobName", False),
    "Model": ("describe_model", "ModelName", False),
    "RegisterModel": ("describe_model_package", "ModelPackageName", True),
}
"""By a step's metadata: what is asked of its job, by which field, and whether by its ARN."""


_URI = re.compile(r's3://[^"]+')


@dataclass(frozen=True)
class AccountRun:
    """Reads executions from an account; also a `ninesteps.report.facts.Source` of their files."""

    sagemaker: Any
    s3: Any
    environment: Environment

    @staticmethod
    def of(session: Any, environment: Environment) -> AccountRun:
        """In an environment, by a session of boto3."""
        return AccountRun(session.client("sagemaker"), session.client("s3"), environment)

    def facts(self, settings: Settings, run: str) -> RunFacts:
        """An execution of the pipeline."""
        standing = self.standing(settings, run)
        previous, no_previous = self._previous(settings, standing)
        origin = self.origin(standing)
        return replace(
            standing,
            previous=previous,
            origin=origin,
            protected_on_purpose=origin.get(PROTECTED, settings.model.protected),
            champion=self.champion(settings, standing),
            no_previous=no_previous,
        )

    def standing(self, settings: Settings, run: str) -> RunFacts:
        """The current state of an execution and its jobs, as the service describes them.

        Args:
            run: as `Executions.arn` takes it.
        """
        executions = self.executions(settings)
        pipeline, arn = executions.pipeline, executions.arn(run)
        execution = executions.describe(arn)
        text, definition = self._definition(arn)
        contents = list(step_contents(definition))
        steps = tuple(self._steps(contents, arn, execution["PipelineExecutionStatus"]))
        is_over = execution["PipelineExecutionStatus"] not in GOES_ON
        began, ended = execution["CreationTime"], execution["LastModifiedTime"]
        return RunFacts(
            id=arn.rpartition("/")[2],
            pipeline=pipeline,
            project=settings.project.name,
            where=f"account {self.environment.account}, {self.environment.region}",
            status=execution["PipelineExecutionStatus"],
            started=_moment(began),
            ended=_moment(ended) if is_over else "",
            began=account.moment(began),
            took=duration((ended - began).total_seconds()) if is_over else "",
            reason=execution.get("FailureReason", ""),
            started_by=arn_of(execution.get("CreatedBy", {})),
            parameters={**_defaults(definition), **executions.parameters(arn)},
            definition_sha256=hashlib.sha256(text.encode()).hexdigest(),
            steps=steps,
            positive=" or ".join(settings.data.positives) or "1",
            dictionary=Dictionary.of(settings),
            registered=", ".join(filter(None, map(_registered, steps))),
            changes=tuple(change for step in steps for change in _decided(step)),
            digests=dict(pair for step in steps for pair in _noted(step)),
            versions={"image": ", ".join(sorted(set(_images(steps))))},
        )

    def definition(self, settings: Settings, run: str) -> str:
        """The definition that an execution was started with."""
        return self._definition(self.executions(settings).arn(run))[0]

    def step(self, settings: Settings, run: str, name: str) -> StepFacts:
        """One step of an execution.

        Raises:
            DefinitionError: if the execution has no such step.
        """
        executions = self.executions(settings)
        arn = executions.arn(run)
        status = executions.describe(arn)["PipelineExecutionStatus"]
        steps = {step.name: step for step in step_contents(self._definition(arn)[1])}
        name = step_name(name, numbered({name: step.type for name, step in steps.items()}))
        started = {step["StepName"]: step for step in executions.steps(arn)}
        outcomes = {step: _outcome(found) for step, found in started.items()}
        if name in started:
            return self._step(steps[name], started[name], outcomes[name])
        return _not_started(steps[name], outcomes, status)

    def executions(self, settings: Settings) -> Executions:
        """Those of the pipeline in this environment."""
        pipeline = self.environment.named(settings.project.pipeline)
        return Executions(self.sagemaker, self.environment, pipeline)

    def _definition(self, arn: str) -> tuple[str, dict[str, Any]]:
        """The definition that an execution was started with: its text, and its content."""
        answer = self.sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
        text = str(answer["PipelineDefinition"])
        return text, json.loads(text)

    # Steps

    def _steps(self, contents: list[StepContent], arn: str, status: str) -> Iterator[StepFacts]:
        """The steps as they are numbered: a condition after the steps that it decides on."""
        started = {
            execution_step["StepName"]: execution_step for execution_step in self._listed(arn)
        }
        outcomes = {name: _outcome(execution_step) for name, execution_step in started.items()}
        named = {step.name: step for step in contents}
        for step in map(named.__getitem__, numbered({s.name: s.type for s in contents})):
            if step.name in started:
                yield self._step(step, started[step.name], outcomes[step.name])
            else:
                yield _not_started(step, outcomes, status)

    def _listed(self, arn: str) -> Iterator[dict[str, Any]]:
        return Executions(self.sagemaker, self.environment, "").steps(arn)

    def _step(
        self, step: StepContent, execution_step: dict[str, Any], outcome: bool | None
    ) -> StepFacts:
        status = _STATUSES.get(execution_step["StepStatus"], execution_step["StepStatus"])
        source, run = _source(execution_step)
        began, ended = execution_step.get("StartTime"), execution_step.get("EndTime")
        arns = _arns(execution_step.get("Metadata", {}))
        answer = self._answer(arns)
        return StepFacts(
            name=step.name,
            type=step.type,
            waits_for=tuple(sorted(step.waits_for)),
            arguments=step.arguments,
            status=status,
            said=_said(step.type, outcome, source, status),
            began=account.moment(began) if began else "",
            ended=account.moment(ended) if ended else "",
            took=duration((ended - began).total_seconds()) if began and ended else "",
            taken=f"Reused from execution {run}." if source else "",
            reason=execution_step.get("FailureReason", ""),
            detail=_detail(step, answer),
            outcome=outcome,
            answer=answer,
            job=next(iter(arns.values()), ""),
            source=run,
            log_place=f"in CloudWatch, {group}" if (group := log_group(step.type)) else "",
        )

    def _answer(self, arns: dict[str, str]) -> dict[str, Any]:
        """What the service says of a step's job; nothing where there is none, or none any more."""
        for kind, arn in arns.items():
            with contextlib.suppress(ClientError):  # deleted since, or not to be seen by this role
                return self._described(kind, arn, arn.rpartition("/")[2])
        return {}

    def _described(self, kind: str, arn: str, name: str) -> dict[str, Any]:
        if kind == "TuningJob":
            tuning_job = self.sagemaker.describe_hyper_parameter_tuning_job(
                HyperParameterTuningJobName=name
            )
            return {**tuning_job, "TrainingJobSummaries": list(self._trials(name))}
        if kind not in _DESCRIBED:
            return {}
        operation, field, takes_arn = _DESCRIBED[kind]
        return dict(getattr(self.sagemaker, operation)(**{field: arn if takes_arn else name}))

    def _trials(self, name: str) -> Iterator[dict[str, Any]]:
        """Every training job of a search, in the order that they were begun."""
        operation = "list_training_jobs_for_hyper_parameter_tuning_job"
        pages = self.sagemaker.get_paginator(operation).paginate(
            HyperParameterTuningJobName=name, SortBy="CreationTime", SortOrder="Ascending"
        )
        for page in pages:
            yield from page["TrainingJobSummaries"]

    # Drift

    def _previous(self, settings: Settings, facts: RunFacts) -> tuple[Previous | None, str]:
        """What the training data are compared with; or None, and why there is nothing.

        The version that serves; else the newest approved one before it; else the latest earlier
        execution that succeeded on other training data.
        """
        own = self._profile(facts.steps)
        if own is None:
            return None, "there is no profile of the training data to compare"
        if version := self._version_before(settings, facts):
            if version.profile != own:
                return version, ""
            return None, (
                f"version {version.version}, {version.why}, learnt from the same training data: "
                "there is no drift"
            )
        if run := self._run_before(settings, facts, own):
            return run, ""
        return None, (
            "no training data of a version that serves or is approved are known, and none of the "
            f"last {LOOKED_THROUGH} successful executions of {facts.pipeline} has different "
            "training data: there is nothing to compare with"
        )

    def _version_before(self, settings: Settings, facts: RunFacts) -> Previous | None:
        """The version that serves, or the newest approved one; None if none is known."""
        executions = self.executions(settings)
        group = self.environment.named(settings.model_package_group)
        arn = ""
        with contextlib.suppress(ClientError, ValueError):
            with contextlib.suppress(ValueError):  # a model of no registered version serves
                arn = serving.package_arn(self.sagemaker, executions.pipeline)
            found = serving.compared_with(
                serving.number(arn) if arn else None, approved(self.sagemaker, group),
                facts.version, facts.began,
            )  # fmt: skip
            if found is None:
                return None
            number, why = found
            name = self.environment.sagemaker_arn(f"model-package/{group}/{number}")
            package = self.sagemaker.describe_model_package(ModelPackageName=name)
            run = package.get("CustomerMetadataProperties", {}).get("execution", "")
            profile = self._profile(tuple(self._processing(executions.arn(run)))) if run else None
            if profile is not None:
                made = account.moment(package["CreationTime"])
                return Previous(run, made, profile, number, why)
        return None

    def _run_before(self, settings: Settings, facts: RunFacts, own: bytes) -> Previous | None:
        """The latest earlier execution that succeeded on other training data."""
        looked = 0
        for summary in self.executions(settings).summaries():
            is_earlier = account.moment(summary["StartTime"]) < facts.began
            if not is_earlier or summary["PipelineExecutionStatus"] != "Succeeded":
                continue
            arn = summary["PipelineExecutionArn"]
            profile = self._profile(tuple(self._processing(arn)))
            if profile is not None and profile != own:
                return Previous(
                    arn.rpartition("/")[2], account.moment(summary["StartTime"]), profile
                )
            looked += 1
            if looked == LOOKED_THROUGH:
                break
        return None

    def _processing(self, arn: str) -> Iterator[StepFacts]:
        """The processing steps of an execution, with what their jobs wrote."""
        for execution_step in list(self._listed(arn)):
            if "ProcessingJob" in execution_step.get("Metadata", {}):
                step = StepContent(execution_step["StepName"], "Processing", {})
                yield self._step(step, execution_step, None)

    def _profile(self, steps: tuple[StepFacts, ...]) -> bytes | None:
        for step in steps:
            for output in step.answer.get("ProcessingOutputConfig", {}).get("Outputs", []):
                if output["OutputName"] == "train":
                    with contextlib.suppress(Absent):
                        return self.read(
                            f"{output['S3Output']['S3Uri']}/profile.json", MOST_PROFILE
                        )
        return None

    def origin(self, facts: RunFacts) -> Mapping[str, Any]:
        """Where the execution came from, as the evidence file of its version says it."""
        for step in facts.step("RegisterModel"):
            if step.answer:
                metadata = step.answer.get("CustomerMetadataProperties", {})
                try:
                    return recorded_origin(metadata, lambda uri: self.read(uri, MOST_EVIDENCE))
                except Absent as why:
                    return {"unknown": str(why)}
        return {"unknown": "no version was registered, so there is no evidence file"}

    def champion(self, settings: Settings, facts: RunFacts) -> int | None:
        """The version that the execution was compared with; None: none, or it may not be asked."""
        group = self.environment.named(settings.model_package_group)
        with contextlib.suppress(ClientError):
            return champion.version_of(
                facts, self, lambda: archives(self.sagemaker, self.environment, group)
            )
        return None

    # Files

    def names(self, group: str) -> dict[str, str]:
        """The names that columns are shown under, as the last ingest into a feature group said."""
        with contextlib.suppress(ClientError, KeyError, ValueError, TypeError):
            found = own_feature_group.described(self.sagemaker, group)
            bucket, key = own_feature_group.summary_place(found)
            summary = account.get_object(self.s3, f"s3://{bucket}/{key}", self.environment)
            return dict(json.loads(summary["Body"].read())["names"])
        return {}  # of a store that another team fills, or none that this role may see

    def read(self, uri: str, most: int) -> bytes | None:
        """The object at an S3 URI; None if it is not there, or larger than `most` bytes.

        Raises:
            Absent: if it may not be read.
        """
        try:
            stored_object = account.get_object(self.s3, uri, self.environment)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == FORBIDDEN:
                raise Absent(f"the person who made this page may not read {uri}") from None
            return None
        return (
            bytes(stored_object["Body"].read()) if stored_object["ContentLength"] <= most else None
        )

    def listing(self, uri: str) -> dict[str, str]:
        """The objects below an S3 URI: ETag by the name below it; an encryption key changes it.

        Raises:
            Absent: if it may not be listed.
        """
        bucket, _, prefix = f"{uri.rstrip('/')}/".removeprefix("s3://").partition("/")
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, ExpectedBucketOwner=self.environment.account
        )
        try:
            return {
                item["Key"].removeprefix(prefix): item["ETag"]
                for page in pages
                for item in page.get("Contents", [])
            }
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == FORBIDDEN:
                raise Absent(f"the person who made this page may not list {uri}") from None
            raise

    def log(self, step: StepFacts) -> Iterable[str]:
        """None: logs are CloudWatch's, and stay there."""
        return ()


def _said(kind: str, outcome: bool | None, source: str, status: str) -> str:
    """A step's status as a person calls it."""
    if is_failed_gate(kind, outcome) and status == SUCCEEDED:
        return "Gate failed"
    return source if source and status == SUCCEEDED else status


def _not_started(step: StepContent, outcomes: dict[str, bool | None], status: str) -> StepFacts:
    """A step that the service does not list: on a branch not taken, or not begun."""
    reason, state = "", WAITING
    outcome = outcomes.get(step.branch[0]) if step.branch else None
    if step.branch and outcome is not None and outcome is not step.branch[1]:
        state, reason = SKIPPED, of_gate(step.branch[0], outcome)
    elif status not in GOES_ON:
        state, reason = SKIPPED, f"the execution is {status.lower()}"
    return StepFacts(step.name, step.type, tuple(sorted(step.waits_for)), step.arguments,
                     status=state, said=state, reason=reason)  # fmt: skip


def log_group(kind: str) -> str:
    """Where CloudWatch has the logs of a type of step; empty if its steps run no container."""
    group = _LOG_GROUPS.get(kind)
    return f"/aws/sagemaker/{group}" if group else ""


def _arns(metadata: dict[str, Any]) -> dict[str, str]:
    """What a step has started, by its kind."""
    return {kind: job["Arn"] for kind, job in metadata.items() if "Arn" in job}


def _source(execution_step: dict[str, Any]) -> tuple[str, str]:
    """How a step came by the result of another execution, and that one's id; empty if it did not.

    `CacheHitResult` is of a step that had run before with the same arguments,
    `SelectiveExecutionResult` of one that was not selected.
    """
    for field, said in (("CacheHitResult", "Cached"), ("SelectiveExecutionResult", "Reused")):
        if arn := execution_step.get(field, {}).get("SourcePipelineExecutionArn", ""):
            return said, arn.rpartition("/")[2]
    return "", ""


def _defaults(definition: dict[str, Any]) -> dict[str, Any]:
    """The parameters that have a default."""
    specs = definition.get("Parameters", [])
    return {spec["Name"]: spec["DefaultValue"] for spec in specs if "DefaultValue" in spec}


def _outcome(execution_step: dict[str, Any]) -> bool | None:
    value = execution_step.get("Metadata", {}).get("Condition", {}).get("Outcome")
    return {"True": True, "False": False}.get(str(value).capitalize())


def _detail(step: StepContent, answer: dict[str, Any]) -> str:
    if step.type == "RegisterModel" and answer:
        return f"{_version(answer)}, {answer['ModelApprovalStatus']}"
    if best := answer.get("BestTrainingJob"):
        metric = best["FinalHyperParameterTuningJobObjectiveMetric"]
        count = len(answer["TrainingJobSummaries"])
        return f"best {metric['MetricName']} {metric['Value']:.6g} of {count} trials"
    return ""


def _registered(step: StepFacts) -> str:
    if step.type != "RegisterModel" or not step.answer:
        return ""
    same = step.answer.get("CustomerMetadataProperties", {}).get(SAME_MODEL_AS)
    return _version(step.answer) + (f" (the same bytes as version {same})" if same else "")


def _version(answer: dict[str, Any]) -> str:
    return f"{answer['ModelPackageGroupName']} version {answer['ModelPackageVersion']}"


def _decided(step: StepFacts) -> tuple[Decision, ...]:
    """The decision on the version that a step registered, from its metadata."""
    is_registered = step.type == "RegisterModel" and bool(step.answer)
    return tuple(decisions(step.answer)) if is_registered else ()


def _noted(step: StepFacts) -> Iterator[tuple[str, str]]:
    """What the account's state machine noted of a version's evidence: S3 URI, SHA-256."""
    metadata = step.answer.get("CustomerMetadataProperties", {})
    for uri in _URI.findall(json.dumps(step.answer.get("ModelMetrics", {}))):
        if digest := metadata.get(digest_key(uri)):
            yield uri, digest


def _images(steps: tuple[StepFacts, ...]) -> Iterator[str]:
    for step in steps:
        if uri := step.request.get("AppSpecification", {}).get("ImageUri"):
            yield str(uri)


def _moment(when: datetime) -> str:
    return moment(account.moment(when))
