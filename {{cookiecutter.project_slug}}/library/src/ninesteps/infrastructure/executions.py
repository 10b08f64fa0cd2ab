"""Starts, finds, lists and stops executions of a published pipeline in an account."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from ninesteps.definition.parameters import parameter_values, read_parameters
from ninesteps.definition.selection import needed_of_others, selected_steps
from ninesteps.errors import AccountError
from ninesteps.infrastructure import serving
from ninesteps.infrastructure.publish import NOT_THERE
from ninesteps.local.verdict import of_run
from ninesteps.settings.environment import Environment
from ninesteps.step_code.no_champion import PARAMETER

LOOKED_THROUGH = 20
"""How many of the latest executions may be the source of a selective one."""

GOES_ON = ("Executing", "Stopping")
"""The statuses of an execution that is in progress."""

_IDENTIFIER = re.compile(r"[a-z0-9]{12}")
"""An execution's id, as the service makes them."""

_MAX_DESCRIPTION = 3072


@dataclass(frozen=True)
class Source:
    """The earlier execution whose outputs the selected steps of another one read."""

    arn: str
    steps: tuple[str, ...]  # those whose outputs are read
    parameters: dict[str, str]  # what it was started with

    @property
    def id(self) -> str:
        """Its id."""
        return self.arn.rpartition("/")[2]


@dataclass(frozen=True)
class Executions:
    """The executions of one pipeline; `sagemaker` is boto3's client of its region."""

    sagemaker: Any
    environment: Environment
    pipeline: str  # its name in the account

    @cached_property
    def definition(self) -> dict[str, Any]:
        """The published definition.

        Raises:
            AccountError: if there is none.
        """
        with self._published():
            answer = self.sagemaker.describe_pipeline(PipelineName=self.pipeline)
        content: dict[str, Any] = json.loads(answer["PipelineDefinition"])
        return content

    def summaries(self) -> Iterator[dict[str, Any]]:
        """Every execution, the newest first.

        Raises:
            AccountError: if the pipeline is not published.
        """
        pages = self.sagemaker.get_paginator("list_pipeline_executions").paginate(
            PipelineName=self.pipeline, SortBy="CreationTime", SortOrder="Descending"
        )
        with self._published():
            for page in pages:
                yield from page["PipelineExecutionSummaries"]

    def arn(self, run: str) -> str:
        """The ARN of an execution: by its ARN, its id, the beginning of one, or as `last`.

        An id is not looked up: the service refuses one that does not exist.

        Raises:
            AccountError: if there is none, or more than one.
        """
        own = self.environment.sagemaker_arn(f"pipeline/{self.pipeline}/execution/")
        if run.startswith("arn:"):
            if not run.startswith(own):
                raise AccountError(f"expected an execution of {self.pipeline}, got {run}")
            return run
        if _IDENTIFIER.fullmatch(run):
            return f"{own}{run}"
        arns = (str(summary["PipelineExecutionArn"]) for summary in self.summaries())
        if run == "last":
            for arn in arns:
                return arn
            region = self.environment.region
            raise AccountError(f"{self.pipeline} has no execution in {region}")
        matches = [arn for arn in arns if run and arn.removeprefix(own).startswith(run)]
        if len(matches) != 1:
            what = (
                f"{len(matches)} executions begin with {run!r}" if matches
                else f"there is no execution {run!r}"
            )  # fmt: skip
            where = f"`pipeline runs --env {self.environment.name}`"
            raise AccountError(f"{what}; {where} lists them")
        return matches[0]

    def steps(self, arn: str) -> Iterator[dict[str, Any]]:
        """The steps of an execution that have begun or were reused from another one."""
        pages = self.sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=arn
        )
        for page in pages:
            yield from page["PipelineExecutionSteps"]

    def verdict(self, arn: str, status: str) -> tuple[str, int | None]:
        """How an execution ended, as in `local/verdict.py`, and the version it registered."""
        passes, version = None, None
        for step in self.steps(arn):
            metadata = step.get("Metadata", {})
            if outcome := metadata.get("Condition", {}).get("Outcome"):
                passes = outcome == "True"
            if package := metadata.get("RegisterModel", {}).get("Arn"):
                version = serving.number(package)
        return of_run(status, passes, version is not None), version

    def parameters(self, arn: str) -> dict[str, str]:
        """What an execution was started with."""
        pages = self.sagemaker.get_paginator("list_pipeline_parameters_for_execution").paginate(
            PipelineExecutionArn=arn
        )
        return {
            parameter["Name"]: parameter["Value"]
            for page in pages
            for parameter in page["PipelineParameters"]
        }

    def named_steps(self, asked: Sequence[str]) -> tuple[str, ...]:
        """The names of steps, each asked for by its number, its name or the beginning of its name.

        Raises:
            DefinitionError: if there is no such step, or more than one.
        """
        return selected_steps(self.definition, asked) if asked else ()

    def source(self, selected: Sequence[str]) -> Source | None:
        """The latest execution with the outputs that selected steps read; None if they read none.

        Raises:
            DefinitionError: if the service would not run these steps alone.
            AccountError: if no execution has it.
        """
        needed = tuple(needed_of_others(self.definition, selected))
        if not needed:
            return None
        for _, summary in zip(range(LOOKED_THROUGH), self.summaries(), strict=False):
            # "either Failed or Success": API reference, SelectiveExecutionConfig
            if summary["PipelineExecutionStatus"] not in ("Failed", "Succeeded"):
                continue
            arn = str(summary["PipelineExecutionArn"])
            done = {s["StepName"] for s in self.steps(arn) if s["StepStatus"] == "Succeeded"}
            if done.issuperset(needed):
                return Source(arn, needed, self.parameters(arn))
        raise AccountError(
            f"expected an execution in which {', '.join(needed)} succeeded, since the selected "
            f"steps read what they wrote, got none among the last {LOOKED_THROUGH} of "
            f"{self.pipeline}"
        )

    def champion(self) -> dict[str, str]:
        """The parameter for the archive of the version that the endpoint serves.

        Empty if the published gate does not use it or there is no endpoint: then the definition's
        default applies, an empty archive.

        Raises:
            AccountError: if what serves is not a registered version.
        """
        names = [parameter["Name"] for parameter in self.definition.get("Parameters", [])]
        if PARAMETER not in names:
            return {}
        try:
            package = serving.package(self.sagemaker, self.pipeline)
        except ValueError as error:
            raise AccountError(f"{error}; --set {PARAMETER}=s3://... names its archive") from None
        return {PARAMETER: serving.archive(package)} if package else {}

    def start(
        self,
        given: Mapping[str, str],
        description: str,
        selected: Sequence[str] = (),
        source: Source | None = None,
    ) -> str:
        """Start an execution; gives its ARN.

        Args:
            given: values of the pipeline's parameters; those of a source apply where none is given.
            description: who started it, and at which commit.
            selected: the only steps to run; empty: all steps.
            source: the result of `source` for these steps.

        Raises:
            DefinitionError: for a parameter that the pipeline does not have, or a wrong value.
        """
        values = {**(source.parameters if source else {}), **given}
        parameter_values(read_parameters(self.definition.get("Parameters", [])), values)
        selective: dict[str, Any] = {"SelectedSteps": [{"StepName": name} for name in selected]}
        if source:
            selective["SourcePipelineExecutionArn"] = source.arn
        with self._published():
            answer = self.sagemaker.start_pipeline_execution(
                PipelineName=self.pipeline,
                PipelineParameters=[
                    {"Name": name, "Value": value} for name, value in values.items()
                ],
                PipelineExecutionDescription=description[:_MAX_DESCRIPTION],
                # a request that is sent again after a lost answer starts no second execution
                ClientRequestToken=uuid.uuid4().hex,
                **({"SelectiveExecutionConfig": selective} if selected else {}),
            )
        return str(answer["PipelineExecutionArn"])

    def stop(self, arn: str) -> str:
        """Stop an execution; give the status that it had.

        Raises:
            AccountError: if it has ended.
        """
        status = str(self.describe(arn)["PipelineExecutionStatus"])
        if status not in GOES_ON:
            raise AccountError(
                f"there is nothing to stop: execution {arn.rpartition('/')[2]} is {status}"
            )
        self.sagemaker.stop_pipeline_execution(
            PipelineExecutionArn=arn, ClientRequestToken=uuid.uuid4().hex
        )
        return status

    def describe(self, arn: str) -> dict[str, Any]:
        """The service's description of an execution.

        Raises:
            AccountError: if there is none.
        """
        try:
            return dict(self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn))
        except ClientError as error:
            if error.response["Error"]["Code"] not in NOT_THERE:
                raise
            raise AccountError(
                f"{self.pipeline} has no execution {arn.rpartition('/')[2]!r} in "
                f"{self.environment.region}; `pipeline runs --env {self.environment.name}` lists "
                "them"
            ) from None

    @contextmanager
    def _published(self) -> Iterator[None]:
        """Say what to do if the pipeline does not exist."""
        try:
            yield
        except ClientError as error:
            code, message = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
            # a ValidationException may be about anything: about the pipeline if it names it
            if code not in NOT_THERE or self.pipeline not in message:
                raise
            name = self.environment.name
            raise AccountError(
                f"there is no pipeline {self.pipeline} in {self.environment.region} of account "
                f"{self.environment.account}; `pipeline publish --env {name}` creates it"
            ) from None
