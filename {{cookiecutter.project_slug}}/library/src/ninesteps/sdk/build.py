"""What the steps of one pipeline share: names, URIs, parameters, and how a script becomes a job."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ninesteps import sdk
from ninesteps.definition.metadata import fitting
from ninesteps.profiles import profile as profiles
from ninesteps.profiles.stamps import (
    LIBRARY,
    OVERRIDDEN,
    OVERRIDDEN_SHA256,
    PROFILE,
    PROFILE_SHA256,
)
from ninesteps.sdk import ExecutionVariables, Join, PipelineVariable, Step
from ninesteps.settings import gate as gates
from ninesteps.settings.environment import Environment
from ninesteps.settings.names import stored_feature_name
from ninesteps.settings.settings import Settings
from ninesteps.step_code import images, no_champion, queries
from ninesteps.step_code.bundle import processing_code, training_code
from ninesteps.step_code.by_digest import root_uri
from ninesteps.step_code.own_code import own_code, summary
from ninesteps.version import VERSION

IN = "/opt/ml/processing/input"
OUT = "/opt/ml/processing/output"


@dataclass(frozen=True)
class Build:
    """What the steps of a pipeline share, for one environment."""

    settings: Settings
    environment: Environment
    job: sdk.JobDefaults
    as_of: PipelineVariable
    instance_types: Mapping[str, PipelineVariable]  # by the kind of job: Processing, Training ...
    instance_counts: Mapping[str, PipelineVariable]
    champion: PipelineVariable = None  # its archive; None if the gate does not compare with it

    @staticmethod
    def of(settings: Settings, environment: Environment) -> Build:
        """The parameters of a definition, and what every job has in common."""
        compute = settings.compute
        kinds = ("Processing", "Training", "Transform")
        types = {kind: getattr(compute, f"{kind.lower()}_instance") for kind in kinds}
        types |= {"Evaluation": compute.evaluation_instance} if compute.evaluation_instance else {}
        counts = {kind: getattr(compute, f"{kind.lower()}_count") for kind in kinds}
        job = sdk.JobDefaults(
            session=sdk.session(environment),
            role=environment.role_arn,
            image=sdk.image_uri(images.XGBOOST, environment.region, compute.processing_instance),
            tags=({"Key": "pipeline", "Value": settings.project.pipeline},),
            processing_seconds=compute.processing_hours * 3600,
            training_seconds=compute.training_hours * 3600,
            kms_key=environment.kms_key_arn,
            subnets=environment.subnets,
            security_groups=environment.security_groups,
        )
        return Build(
            settings,
            environment,
            job,
            # No default: each start of an execution sets the moment, so that no cached step is
            # reused for newer data.
            as_of=sdk.ParameterString(name="AsOf"),
            instance_types={
                kind: sdk.ParameterString(name=f"{kind}InstanceType", default_value=value)
                for kind, value in types.items()
            },
            instance_counts={
                kind: sdk.ParameterInteger(name=f"{kind}InstanceCount", default_value=value)
                for kind, value in counts.items()
            },
            champion=sdk.ParameterString(
                name=no_champion.PARAMETER, default_value=no_champion.uri(settings, environment)
            )
            if settings.has_champion
            else None,
        )

    def pipeline(self, steps: Sequence[Step]) -> sdk.Pipeline:
        """The pipeline of these steps; a condition includes the steps of its branches."""
        return sdk.Pipeline(
            name=self.environment.named(self.settings.project.pipeline),
            parameters=[
                self.as_of,
                *self.instance_types.values(),
                *self.instance_counts.values(),
                *filter(None, [self.champion]),
            ],
            steps=list(steps),
            sagemaker_session=self.job.session,
            # The SDK's default would make each execution create an experiment and a trial first:
            # the role may not, and Experiments belongs to Studio Classic.
            pipeline_experiment_config=None,
        )

    # Names and places

    def name(self, text: str) -> str:
        """A step's name: `{P}Transform` -> `ChurnTransform`."""
        project = self.settings.project
        return text.format(P=project.prefix, Metric=self.settings.metric_word)

    @property
    def root(self) -> str:
        """The prefix that everything of this pipeline is under."""
        return root_uri(self.settings, self.environment)

    def execution_uri(self, step: str) -> PipelineVariable:
        """The prefix under which a step of this execution writes."""
        parts = [f"{self.root}/executions", ExecutionVariables.PIPELINE_EXECUTION_ID, step]
        return Join(on="/", values=parts)

    def output_uri(self, step: str, output: str) -> PipelineVariable:
        """The prefix of one output of a step of this execution."""
        return Join(on="/", values=[*self.execution_uri(step).values, output])

    def training_archive(self, script: str) -> str:
        """The S3 URI of a training script's code: by content, the same for every compile."""
        return f"{training_code(self.settings, script).uri(self.root)}/sourcedir.tar.gz"

    def models_uri(self, tune: Step) -> PipelineVariable:
        """The prefix of the outputs of the search's training jobs, each under its name."""
        several = len(self.settings.tuning.algorithms) > 1
        properties = tune.properties
        training_job = (
            properties.TrainingJobDefinitions[0] if several else properties.TrainingJobDefinition
        )
        return training_job.OutputDataConfig.S3OutputPath

    def best_model_uri(self, tune: Step) -> PipelineVariable:
        """The archive of the best training job, from the tuning step's own properties."""
        best = tune.properties.TrainingJobSummaries[0].TrainingJobName
        return Join(on="/", values=[self.models_uri(tune), best, "output/model.tar.gz"])

    # Steps

    def job_of(self, script: str, instance_type: str) -> sdk.JobDefaults:
        """What a job of this script has in common with the others, and the image that runs it."""
        image = images.image_of(self.settings.project.problem, script)
        uri = sdk.image_uri(image, self.environment.region, instance_type)
        return replace(self.job, image=uri)

    def processing_step(
        self,
        name: str,
        script: str,
        arguments: Sequence[PipelineVariable],
        inputs: Sequence[Any],
        outputs: Sequence[str],
        property_files: Sequence[Any] = (),
        kind: str = "Processing",
    ) -> Step:
        """A step that runs one of the repository's scripts, with a folder for each output.

        Args:
            kind: of the job: `instance_types` says what it runs on.
        """
        written = [sdk.s3_output(o, self.output_uri(name, o), f"{OUT}/{o}") for o in outputs]
        request = self.script_request(script, arguments, inputs, written, kind)
        return self.job_step(name, request, property_files)

    def script_request(
        self,
        script: str,
        arguments: Sequence[PipelineVariable],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        kind: str = "Processing",
    ) -> Any:
        """The request of a processing job that runs one of the repository's scripts."""
        code = processing_code(self.settings, script).uri(self.root)
        instance_type = self.instance_types.get(kind, self.instance_types["Processing"])
        return sdk.processing(
            self.job_of(script, instance_type.default_value),
            instance_type=instance_type,
            instance_count=self.instance_counts["Processing"],
            entrypoint=["python3", f"{IN}/code/{script}"],
            arguments=arguments,
            inputs=[sdk.s3_input("code", code, f"{IN}/code"), *inputs],
            outputs=outputs,
        )

    def job_step(
        self,
        name: str,
        request: Any,
        property_files: Sequence[Any] = (),
        depends_on: Sequence[str] = (),
    ) -> Step:
        """A Processing step, with the cache and the retries that every job has."""
        return sdk.ProcessingStep(
            name=name,
            step_args=request,
            depends_on=list(depends_on) or None,
            property_files=list(property_files) or None,
            cache_config=sdk.CACHE,
            retry_policies=sdk.JOB_RETRIES,
        )

    def query_input(self) -> Any:
        """Step 1's query of the offline store."""
        uri = queries.uri(self.settings, self.environment)
        return sdk.s3_input("query", uri, f"{IN}/query")

    def config_step(self, process: Step, create: Step, transform: str) -> Step:
        """A step that writes Clarify's analysis configuration for a transform's predictions."""
        columns = Join(on="/", values=[output(process, "test"), "columns.json"])
        return self.processing_step(
            self.name("{P}ModelConfigFile"),
            "analysis_config.py",
            [
                *("--model-name", create.properties.ModelName),
                *("--instance-type", self.instance_types["Processing"]),
                *("--transform-step", transform),
                *("--local-explanations", _yes_or_no(self.settings.bias.local_explanations)),
            ],
            inputs=[sdk.s3_input("columns", columns, f"{IN}/columns")],
            outputs=("config",),
        )

    def gate_step(self, evaluate: Step, clarify: Step, register: Step) -> Step:
        """A step that registers only if the gate passes; the definition has its numbers."""
        file = evaluate.property_files[0]
        return sdk.ConditionStep(
            name=self.name("Check{Metric}Score{P}Evaluation"),
            depends_on=[evaluate.name, clarify.name],
            conditions=sdk.conditions(self.settings.full_gate, evaluate.name, file),
            if_steps=[register],
            else_steps=[],
        )

    def register_step(
        self,
        serving: Mapping[str, Any],
        content_types: Sequence[str],
        process: Step,
        evaluate: Step,
        config: Step,
        transform: Step,
        clarify: Step,
    ) -> Step:
        """A step that registers a version, with its reports and the URIs of its evidence."""
        evaluation = Join(on="/", values=[output(evaluate, "evaluation"), "evaluation.json"])
        analysis = Join(on="/", values=[output(clarify, "analysis_result"), "analysis.json"])
        request = self.package(
            serving,
            content_types,
            metrics={"model_statistics": evaluation, "bias": analysis, "explainability": analysis},
            metadata={
                # Evidence for which the package has no fields of its own.
                "analysis_config": Join(
                    on="/", values=[output(config, "config"), "analysis_config.json"]
                ),
                "test_split": output(process, "test"),
                "predictions": transform.properties.TransformOutput.S3OutputPath,
            },
        )
        return sdk.ModelStep(
            name=self.name("Register{P}Model"), step_args=request, retry_policies=sdk.CALL_RETRIES
        )

    def package(
        self,
        serving: Mapping[str, Any],
        content_types: Sequence[str],
        metrics: Mapping[str, PipelineVariable],
        metadata: Mapping[str, PipelineVariable],
    ) -> Any:
        """The request that registers a version, with its gate, profile and library."""
        settings = self.settings
        gate = settings.full_gate
        own = {
            "gate": gates.metadata(gate),
            "gate_sha256": gates.digest(gate),
            "as_of": self.as_of,
            "execution": ExecutionVariables.PIPELINE_EXECUTION_ID,
            **stamps(settings),
        }
        return sdk.package(
            self.job,
            serving=serving,
            content_types=content_types,
            group=self.environment.named(settings.model_package_group),
            endpoint_instance=settings.deploy.instance_type,
            transform_instance=settings.compute.transform_instance,
            metrics=metrics,
            metadata={**own, **metadata, **own},  # in this order, and own takes precedence
            description=_describable(f"{settings.project.name}: registered because {gate}"),
        )


def split_arguments(build: Build) -> list[PipelineVariable]:
    """The arguments of step 1: the moment, the table's columns, and how its rows are split."""
    settings = build.settings
    data, split, stored = settings.data, settings.split, settings.data.stored_name
    arguments: list[PipelineVariable] = [
        *("--as-of", build.as_of),
        *("--record-id", stored(data.record_id)),
        *("--label", stored(data.label)),
        *("--problem", settings.project.problem),
        *("--split-by", split.by),
        *("--salt", split.salt),
        *("--shares", f"{split.train},{split.validation},{split.test}"),
        *("--min-positives", str(split.min_positives)),
        *("--favourable-label", str(settings.bias.favourable_label)),
    ]
    for name in data.conversations:
        arguments += ["--conversation", stored(name)]
    for facet in settings.facets:
        arguments += ["--facet", facet.argument_of(stored(facet.column))]
    if settings.bias.group_variable:
        arguments += ["--group-variable", stored(settings.bias.group_variable)]
    if split.group:
        arguments += ["--group", stored(split.group)]
    if data.number_rows:
        arguments += ["--split-key", "content"]
    if isinstance(settings.bias.threshold, float | int):
        arguments += ["--label-threshold", repr(settings.bias.threshold)]
    for column in settings.model.exclude:
        if column not in data.columns:  # a raw column is not stored as a feature
            arguments += ["--exclude", stored_feature_name(column)]
    for raw in (data.record_id, data.label, *settings.stored_columns):
        if stored(raw) != raw:
            arguments += ["--shown", json.dumps([stored(raw), raw])]
    return arguments


def stamps(settings: Settings) -> dict[str, str]:
    """The profile and library of a version, and the digests of the team's own code.

    Verified at approval and before deployment (`profiles/stamps.py`).
    """
    own = own_code(settings.root)
    files = [f"{name} {digest[:16]}" for name, digest in own.items()]
    return {
        PROFILE: settings.project.profile,
        PROFILE_SHA256: profiles.digest(settings.project.profile),
        LIBRARY: VERSION,
        **({OVERRIDDEN: fitting(files), OVERRIDDEN_SHA256: summary(own)} if own else {}),
    }


def output(step: Step, name: str) -> PipelineVariable:
    """The S3 URI of a step's output, from the step's own properties."""
    return step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


def definition(pipeline: sdk.Pipeline) -> str:
    """The pipeline definition for SageMaker: JSON text, the same bytes each time.

    Fields that the SDK sets to null are left out.
    """
    content = json.loads(pipeline.definition())
    said = {name: value for name, value in content.items() if value is not None}
    return json.dumps(said, indent=2) + "\n"


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def _describable(text: str) -> str:
    """A text without what SageMaker refuses in descriptions, such as joiners in emoji."""
    return "".join(c for c in text if unicodedata.category(c)[0] in "LMZSNP")
