"""The nine steps, top to bottom: `get_pipeline` puts them together, one function below makes each.

Every execution writes under a prefix of its own. An input is taken from the properties of the step
that made it, never composed again: after a cache hit it lies under an older execution's prefix.
"""

from __future__ import annotations

import json
from dataclasses import replace

from ninesteps import sdk
from ninesteps.sdk import Join, PipelineVariable, Step
from ninesteps.sdk.build import IN, OUT, Build, output
from ninesteps.settings import gate as gates
from ninesteps.settings.environment import Environment
from ninesteps.settings.names import stored_feature_name
from ninesteps.settings.settings import Settings
from ninesteps.settings.tuning import Tuning
from ninesteps.step_code import queries
from ninesteps.step_code.bundle import BIAS_SCRIPT, TRAINING_SCRIPT

SERVING = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
    "OMP_NUM_THREADS": "1",
}
"""What the image needs to serve the model archive with the script that lies in it."""


def get_pipeline(settings: Settings, environment: Environment) -> sdk.Pipeline:
    """The pipeline of these settings, for one environment."""
    build = Build.of(settings, environment)
    process = model_process(build)
    tune = hyperparameter_tuning(build, process)
    evaluate = evaluate_best_model(build, process, tune)
    create = create_model(build, tune)
    config = model_config_file(build, process, create)
    transform = batch_transform(build, process, create)
    clarify = bias_and_explainability(build, process, tune, config, transform)
    register = register_model(build, process, tune, evaluate, config, transform, clarify)
    check = check_gate(build, evaluate, clarify, register)
    return build.pipeline([process, tune, evaluate, create, config, transform, clarify, check])


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
    stored = data.stored_name
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
        if column not in data.columns:  # a raw column is not stored as a feature at all
            arguments += ["--exclude", stored_feature_name(column)]
    for raw in (data.record_id, data.label, *settings.stored_columns):
        if stored(raw) != raw:
            arguments += ["--shown", json.dumps([stored(raw), raw])]
    return build.processing_step(
        name,
        "process.py",
        arguments,
        inputs=[sdk.s3_input("query", queries.uri(settings, build.environment), f"{IN}/query")],
        outputs=("train", "validation", "test", "bias"),
    )


def hyperparameter_tuning(build: Build, process: Step) -> Step:
    """2: the best of several models, by a Bayesian search."""
    name, settings = build.name("{P}HyperParameterTuning"), build.settings
    tuning = settings.tuning
    request = sdk.tuning(
        build.job,
        sdk.TuningRequest(
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
            "algorithm": tuning.algorithms[0],
            **_threshold_rule(settings),
            "sagemaker_program": TRAINING_SCRIPT,
            "sagemaker_submit_directory": build.training_archive(TRAINING_SCRIPT),
        },
        channels={split: output(process, split) for split in ("train", "validation")},
        output_path=build.execution_uri(name),
    )
    step = {
        "name": name,
        "step_args": request,
        "cache_config": sdk.CACHE,
        "retry_policies": sdk.SEARCH_RETRIES,
    }
    if len(tuning.algorithms) == 1:
        return sdk.TuningStep(**step)
    own = {algorithm: {"algorithm": algorithm} for algorithm in tuning.algorithms}
    return sdk.ComparingTuningStep(own, **step)


def _threshold_rule(settings: Settings) -> dict[str, str]:
    """How a training chooses the decision threshold; a regression has none.

    A hyperparameter like any other, and no variable, which SageMaker's cache would not compare.
    """
    if settings.project.problem == "regression":
        return {}
    rule = {"threshold_rule": settings.model.threshold}
    if settings.model.threshold != "recall":
        return rule
    return {**rule, "recall_target": str(settings.recall_target)}


def evaluate_best_model(build: Build, process: Step, tune: Step) -> Step:
    """3: the best model's metrics on the test split."""
    file = sdk.PropertyFile(name="Evaluation", output_name="evaluation", path="evaluation.json")
    settings = build.settings
    arguments = ["--min-group-size", str(settings.bias.min_group_size)]
    for metric in settings.gate.metrics:
        arguments += ["--metric", metric]
    for term in gates.of_champion(settings.full_gate):
        arguments += ["--champion", term.argument]
    inputs = [
        sdk.s3_input("model", best_model_uri(settings, tune), f"{IN}/model"),
        sdk.s3_input("test", output(process, "test"), f"{IN}/test"),
    ]
    if len(settings.tuning.algorithms) > 1:
        arguments += ["--min-trials", str(Tuning.MIN_TRIALS)]
        for algorithm in settings.tuning.algorithms:
            arguments += ["--algorithm", algorithm]
        inputs.append(sdk.s3_input("trials", models_uri(settings, tune), f"{IN}/trials"))
    if build.champion is not None:
        inputs.append(sdk.s3_input("champion", build.champion, f"{IN}/champion"))
    return build.processing_step(
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
    columns = Join(on="/", values=[output(process, "test"), "columns.json"])
    return build.processing_step(
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
        data=Join(on="/", values=[output(process, "test"), "test.csv"]),
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
    dataset = Join(on="/", values=[output(process, "test"), "test.csv"])
    inputs = [
        sdk.s3_input("analysis_config", output(config, "config"), f"{IN}/config"),
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
        request = build.script_request(BIAS_SCRIPT, [], inputs, outputs)
    return build.job_step(name, request, depends_on=[transform.name])


def register_model(
    build: Build, process: Step, tune: Step, evaluate: Step, config: Step, transform: Step,
    clarify: Step,
) -> Step:  # fmt: skip
    """8: a new version in the model package group, pending a person's approval."""
    settings = build.settings
    evaluation = Join(on="/", values=[output(evaluate, "evaluation"), "evaluation.json"])
    analysis = Join(on="/", values=[output(clarify, "analysis_result"), "analysis.json"])
    request = build.package(
        serving=sdk.container(build.job, best_model_uri(settings, tune), SERVING),
        metrics={"model_statistics": evaluation, "bias": analysis, "explainability": analysis},
        metadata={
            # What the package's own fields have no place for, and its evidence is recorded of.
            "analysis_config": Join(
                on="/", values=[output(config, "config"), "analysis_config.json"]
            ),
            "test_split": output(process, "test"),
            "predictions": transform.properties.TransformOutput.S3OutputPath,
        },
    )
    return sdk.ModelStep(
        name=build.name("Register{P}Model"), step_args=request, retry_policies=sdk.CALL_RETRIES
    )


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
    training_job = (
        properties.TrainingJobDefinitions[0] if several else properties.TrainingJobDefinition
    )
    return training_job.OutputDataConfig.S3OutputPath


def best_model_uri(settings: Settings, tune: Step) -> PipelineVariable:
    """The archive of the best training job, from the tuning step's own properties."""
    best = tune.properties.TrainingJobSummaries[0].TrainingJobName
    return Join(on="/", values=[models_uri(settings, tune), best, "output/model.tar.gz"])
