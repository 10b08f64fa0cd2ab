"""The nine steps, top to bottom: `get_pipeline` puts them together, one function below makes each.

Every execution writes under a prefix of its own. An input is taken from the properties of the step
that made it, never composed again: after a cache hit it lies under an older execution's prefix.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass, replace
from typing import Any

from cli.settings import FEATURE_DATABASE, Environment, Settings, Tuning
from governance import gate as gates
from model_build import sdk
from model_build.point_in_time import as_of_query
from model_build.sdk import ExecutionVariables, Join, PipelineVariable, Step
from model_build.step_code import (
    BIAS_SCRIPT,
    TRAINING_SCRIPT,
    StepCode,
    processing_code,
    root_uri,
    training_code,
)

IN = "/opt/ml/processing/input"
OUT = "/opt/ml/processing/output"

SERVING = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
    "OMP_NUM_THREADS": "1",
}
"""What the image needs to serve the model archive with the script that lies in it."""


@dataclass(frozen=True)
class Build:
    """What the steps share."""

    settings: Settings
    environment: Environment
    job: sdk.Job
    as_of: PipelineVariable
    instance_types: dict[str, PipelineVariable]
    instance_counts: dict[str, PipelineVariable]

    def name(self, text: str) -> str:
        """A step's name: `{P}Transform` -> `ChurnTransform`."""
        project = self.settings.project
        return text.format(P=project.prefix, Metric=self.settings.metric_word)

    @property
    def root(self) -> str:
        """Everything of this pipeline is under this prefix."""
        return root_uri(self.settings, self.environment)

    def execution_uri(self, step: str) -> PipelineVariable:
        """Where a step of this execution writes."""
        parts = [f"{self.root}/executions", ExecutionVariables.PIPELINE_EXECUTION_ID, step]
        return Join(on="/", values=parts)

    def output_uri(self, step: str, output: str) -> PipelineVariable:
        """Where one output of a step of this execution goes."""
        return Join(on="/", values=[*self.execution_uri(step).values, output])

    def code_uri(self, code: StepCode) -> str:
        """Where a step's code lies: by content, so that every compile names the same place."""
        return code.uri(self.root)


def get_pipeline(settings: Settings, environment: Environment) -> sdk.Pipeline:
    """The pipeline of these settings, for one environment."""
    parameters, build = _build(settings, environment)
    process = model_process(build)
    tune = hyperparameter_tuning(build, process)
    evaluate = evaluate_best_model(build, process, tune)
    create = create_model(build, tune)
    config = model_config_file(build, process, create)
    transform = batch_transform(build, process, create)
    clarify = bias_and_explainability(build, process, tune, config, transform)
    register = register_model(build, process, tune, evaluate, config, clarify)
    check = check_gate(build, evaluate, clarify, register)
    return sdk.Pipeline(
        name=environment.named(settings.project.pipeline),
        parameters=parameters,
        steps=[process, tune, evaluate, create, config, transform, clarify, check],
        sagemaker_session=build.job.session,
    )


def definition(settings: Settings, environment: Environment) -> str:
    """The pipeline definition as SageMaker takes it: JSON text, the same bytes each time."""
    text = get_pipeline(settings, environment).definition()
    return json.dumps(json.loads(text), indent=2) + "\n"


LEARNING_TASKS = {"binary": "binary:logistic", "regression": "reg:squarederror"}
"""The built-in algorithm's name for what is learnt, by problem type."""

TRANSFORM = "{P}Transform"
"""Step 6's name, which step 5 tells: the predictions lie under it."""

KEPT_OF_A_TRANSFORM = {"binary": "$[0,-2,-1]", "regression": "$[0,-1]"}
"""The record id, and what `inference.py` answers: label and probability, or the number."""


def model_process(build: Build) -> Step:
    """1: a point-in-time query of the offline store, split into train, validation and test."""
    settings, name = build.settings, build.name("{P}ModelProcess")
    data, split = settings.data, settings.split
    before, after = as_of_query(settings.feature_table, data.record_id)
    query = Join(on="", values=[before, build.as_of, after])
    results = f"{build.root}/feature-store-queries"
    arguments: list[PipelineVariable] = [
        *("--as-of", build.as_of),
        *("--record-id", data.record_id),
        *("--label", data.label),
        *("--problem", settings.project.problem),
        *("--split-by", split.by),
        *("--salt", split.salt),
        *("--shares", f"{split.train},{split.validation},{split.test}"),
        *("--min-positives", str(split.min_positives)),
        *("--favourable-label", str(settings.bias.favourable_label)),
    ]
    for facet in settings.facets:
        arguments += ["--facet", facet.argument]
    if settings.bias.group_variable:
        arguments += ["--group-variable", settings.bias.group_variable]
    if split.group:
        arguments += ["--group", split.group]
    if isinstance(settings.bias.threshold, float | int):
        arguments += ["--label-threshold", repr(settings.bias.threshold)]
    for column in settings.model.exclude:
        if column not in data.columns:  # a raw column is not stored as a feature at all
            arguments += ["--exclude", column]
    return _processing_step(
        build,
        name,
        "process.py",
        arguments,
        inputs=[
            sdk.athena_input(
                build.job, "features", query, FEATURE_DATABASE, results, f"{IN}/features"
            ),
        ],
        outputs=("train", "validation", "test", "bias"),
    )


def hyperparameter_tuning(build: Build, process: Step) -> Step:
    """2: the best of several models, by a Bayesian search."""
    name, settings = build.name("{P}HyperParameterTuning"), build.settings
    tuning = settings.tuning
    code = build.code_uri(training_code(TRAINING_SCRIPT, tuning.algorithms))
    request = sdk.tuning(
        build.job,
        sdk.Search(
            objective=settings.objective,
            direction=Tuning.OBJECTIVES[settings.project.problem][settings.objective],
            ranges=tuning.ranges,
            jobs=tuning.jobs,
            parallel=tuning.parallel,
            seed=tuning.seed,
        ),
        instance_type=build.instance_types["Training"],
        instance_count=build.instance_counts["Training"],
        hyperparameters={
            "objective": LEARNING_TASKS[settings.project.problem],
            "eval_metric": settings.objective.removeprefix("validation:"),
            **tuning.static,
            "sagemaker_program": TRAINING_SCRIPT,
            "sagemaker_submit_directory": f"{code}/sourcedir.tar.gz",
        },
        channels={split: _output(process, split) for split in ("train", "validation")},
        output_path=build.execution_uri(name),
        environment=_threshold_rule(settings) | {"ALGORITHM": tuning.algorithms[0]},
    )
    step = {
        "name": name,
        "step_args": request,
        "cache_config": sdk.CACHE,
        "retry_policies": sdk.JOB_RETRIES,
    }
    if len(tuning.algorithms) == 1:
        return sdk.TuningStep(**step)
    own = {algorithm: {"ALGORITHM": algorithm} for algorithm in tuning.algorithms}
    return sdk.ComparingTuningStep(own, **step)


def _threshold_rule(settings: Settings) -> dict[str, str]:
    """How a training chooses the decision threshold; a regression has none."""
    if settings.project.problem == "regression":
        return {}
    rule = {"THRESHOLD_RULE": settings.model.threshold}
    if settings.model.threshold != "recall":
        return rule
    return {**rule, "RECALL_TARGET": str(settings.recall_target)}


def evaluate_best_model(build: Build, process: Step, tune: Step) -> Step:
    """3: the best model's metrics on the test split."""
    file = sdk.PropertyFile(name="Evaluation", output_name="evaluation", path="evaluation.json")
    settings = build.settings
    arguments = ["--min-group-size", str(settings.bias.min_group_size)]
    inputs = [
        sdk.s3_input("model", best_model_uri(settings, tune), f"{IN}/model"),
        sdk.s3_input("test", _output(process, "test"), f"{IN}/test"),
    ]
    if len(settings.tuning.algorithms) > 1:
        arguments += ["--min-trials", str(Tuning.MIN_TRIALS)]
        for algorithm in settings.tuning.algorithms:
            arguments += ["--algorithm", algorithm]
        inputs.append(sdk.s3_input("trials", models_uri(settings, tune), f"{IN}/trials"))
    return _processing_step(
        build,
        build.name("{P}EvalBestModel"),
        "evaluate.py",
        arguments,
        inputs=inputs,
        outputs=("evaluation",),
        property_files=[file],
    )


def create_model(build: Build, tune: Step) -> Step:
    """4: a SageMaker Model of the best training job."""
    serving = sdk.container(build.job, best_model_uri(build.settings, tune), SERVING)
    return sdk.ModelStep(
        name=build.name("{P}CreateModel"),
        step_args=sdk.model(build.job, serving),
        retry_policies=sdk.CALL_RETRIES,
    )


def model_config_file(build: Build, process: Step, create: Step) -> Step:
    """5: Clarify's analysis configuration."""
    columns = Join(on="/", values=[_output(process, "test"), "columns.json"])
    return _processing_step(
        build,
        build.name("{P}ModelConfigFile"),
        "analysis_config.py",
        [
            *("--model-name", create.properties.ModelName),
            *("--instance-type", build.instance_types["Processing"]),
            *("--transform-step", build.name(TRANSFORM)),
            *("--local-explanations", "yes" if build.settings.bias.local_explanations else "no"),
        ],
        inputs=[sdk.s3_input("columns", columns, f"{IN}/columns")],
        outputs=("config",),
    )


def batch_transform(build: Build, process: Step, create: Step) -> Step:
    """6: predictions for the test split; id, event time, label and facets are not sent."""
    first_feature = 3 + len(build.settings.context_columns)
    name = build.name(TRANSFORM)
    request = sdk.transform(
        build.job,
        model_name=create.properties.ModelName,
        instance_type=build.instance_types["Transform"],
        instance_count=build.instance_counts["Transform"],
        data=Join(on="/", values=[_output(process, "test"), "test.csv"]),
        input_filter=f"$[{first_feature}:]",
        output_filter=KEPT_OF_A_TRANSFORM[build.settings.project.problem],
        output_path=build.execution_uri(name),
    )
    return sdk.TransformStep(
        name=name, step_args=request, cache_config=sdk.CACHE, retry_policies=sdk.JOB_RETRIES
    )


def bias_and_explainability(
    build: Build, process: Step, tune: Step, config: Step, transform: Step
) -> Step:
    """7: bias in data and predictions, and SHAP, by Clarify's image or by a script in its place.

    Both read and write at the paths that the image expects. The script also reads predictions and
    model, which the image gets from the configuration: the transform's output, and an endpoint.
    """
    name = "ClarifyProcessingStep"
    # The table by itself: the image takes every object below a prefix for rows.
    dataset = Join(on="/", values=[_output(process, "test"), "test.csv"])
    inputs = [
        sdk.s3_input("analysis_config", _output(config, "config"), f"{IN}/config"),
        sdk.s3_input("dataset", dataset, f"{IN}/data"),
    ]
    outputs = [sdk.s3_output("analysis_result", build.output_uri(name, "analysis_result"), OUT)]
    if build.settings.bias_is_managed:
        request = sdk.processing(
            replace(build.job, image=sdk.clarify_image(build.environment.region)),
            instance_type=build.instance_types["Processing"],
            instance_count=build.instance_counts["Processing"],
            entrypoint=[],
            arguments=[],
            inputs=inputs,
            outputs=outputs,
        )
    else:
        predictions = transform.properties.TransformOutput.S3OutputPath
        inputs += [
            sdk.s3_input("predictions", predictions, f"{IN}/predictions"),
            sdk.s3_input("model", best_model_uri(build.settings, tune), f"{IN}/model"),
        ]
        request = _script(build, BIAS_SCRIPT, [], inputs, outputs)
    return _job_step(name, request, depends_on=[transform.name])


def register_model(
    build: Build, process: Step, tune: Step, evaluate: Step, config: Step, clarify: Step
) -> Step:
    """8: a new version in the model package group, pending a person's approval."""
    settings = build.settings
    evaluation = Join(on="/", values=[_output(evaluate, "evaluation"), "evaluation.json"])
    analysis = Join(on="/", values=[_output(clarify, "analysis_result"), "analysis.json"])
    request = sdk.package(
        build.job,
        serving=sdk.container(build.job, best_model_uri(build.settings, tune), SERVING),
        group=build.environment.named(settings.model_package_group),
        instances=[settings.compute.transform_instance],
        metrics={"model_statistics": evaluation, "bias": analysis, "explainability": analysis},
        metadata={
            "gate": gates.metadata(settings.full_gate),
            "gate_sha256": gates.digest(settings.full_gate),
            "as_of": build.as_of,
            "execution": ExecutionVariables.PIPELINE_EXECUTION_ID,
            # What the package's own fields have no place for, and its evidence is recorded of.
            "analysis_config": Join(
                on="/", values=[_output(config, "config"), "analysis_config.json"]
            ),
            "test_split": _output(process, "test"),
        },
        description=_describable(
            f"{settings.project.name}: registered because {settings.full_gate}"
        ),
    )
    return sdk.ModelStep(
        name=build.name("Register{P}Model"), step_args=request, retry_policies=sdk.CALL_RETRIES
    )


def _describable(text: str) -> str:
    """A text without what SageMaker lets no description have, such as a joiner within an emoji."""
    return "".join(c for c in text if unicodedata.category(c)[0] in "LMZSNP")


def check_gate(build: Build, evaluate: Step, clarify: Step, register: Step) -> Step:
    """9: registers only if the gate holds; the gate stands in the definition as numbers."""
    file = evaluate.property_files[0]
    return sdk.ConditionStep(
        name=build.name("Check{Metric}Score{P}Evaluation"),
        depends_on=[evaluate.name, clarify.name],
        conditions=sdk.conditions(build.settings.full_gate, evaluate.name, file),
        if_steps=[register],
        else_steps=[],
    )


def models_uri(settings: Settings, tune: Step) -> PipelineVariable:
    """Where all training jobs of the search wrote: each below its name."""
    several = len(settings.tuning.algorithms) > 1
    properties = tune.properties
    one = properties.TrainingJobDefinitions[0] if several else properties.TrainingJobDefinition
    return one.OutputDataConfig.S3OutputPath


def best_model_uri(settings: Settings, tune: Step) -> PipelineVariable:
    """The archive of the best training job, from the tuning step's own properties."""
    best = tune.properties.TrainingJobSummaries[0].TrainingJobName
    return Join(on="/", values=[models_uri(settings, tune), best, "output/model.tar.gz"])


def _build(settings: Settings, environment: Environment) -> tuple[list[Any], Build]:
    """The definition's parameters, and what the steps share."""
    compute = settings.compute
    types = {
        "Processing": compute.processing_instance,
        "Training": compute.training_instance,
        "Transform": compute.transform_instance,
    }
    counts = {
        "Processing": compute.processing_count,
        "Training": compute.training_count,
        "Transform": compute.transform_count,
    }
    # No default: whoever starts an execution says as of when, so that a cached step is never stale.
    as_of = sdk.ParameterString(name="AsOf")
    instance_types = {
        kind: sdk.ParameterString(name=f"{kind}InstanceType", default_value=value)
        for kind, value in types.items()
    }
    instance_counts = {
        kind: sdk.ParameterInteger(name=f"{kind}InstanceCount", default_value=value)
        for kind, value in counts.items()
    }
    job = sdk.Job(
        session=sdk.session(environment),
        role=environment.role_arn,
        image=sdk.xgboost_image(environment.region),
        tags=({"Key": "pipeline", "Value": settings.project.pipeline},),
        kms_key=environment.kms_key_arn,
        subnets=environment.subnets,
        security_groups=environment.security_groups,
    )
    build = Build(settings, environment, job, as_of, instance_types, instance_counts)
    return [as_of, *instance_types.values(), *instance_counts.values()], build


def _processing_step(
    build: Build,
    name: str,
    script: str,
    arguments: list[PipelineVariable],
    inputs: list[Any],
    outputs: tuple[str, ...],
    property_files: list[Any] | None = None,
) -> Step:
    written = [sdk.s3_output(o, build.output_uri(name, o), f"{OUT}/{o}") for o in outputs]
    return _job_step(name, _script(build, script, arguments, inputs, written), property_files)


def _script(
    build: Build,
    script: str,
    arguments: list[PipelineVariable],
    inputs: list[Any],
    outputs: list[Any],
) -> Any:
    """The request of a processing job that runs one of this repository's scripts."""
    code = processing_code(script, build.settings.tuning.algorithms)
    return sdk.processing(
        build.job,
        instance_type=build.instance_types["Processing"],
        instance_count=build.instance_counts["Processing"],
        entrypoint=["python3", f"{IN}/code/{script}"],
        arguments=arguments,
        inputs=[sdk.s3_input("code", build.code_uri(code), f"{IN}/code"), *inputs],
        outputs=outputs,
    )


def _job_step(
    name: str,
    request: Any,
    property_files: list[Any] | None = None,
    depends_on: list[str] | None = None,
) -> Step:
    return sdk.ProcessingStep(
        name=name,
        step_args=request,
        depends_on=depends_on,
        property_files=property_files,
        cache_config=sdk.CACHE,
        retry_policies=sdk.JOB_RETRIES,
    )


def _output(step: Step, output: str) -> PipelineVariable:
    return step.properties.ProcessingOutputConfig.Outputs[output].S3Output.S3Uri
