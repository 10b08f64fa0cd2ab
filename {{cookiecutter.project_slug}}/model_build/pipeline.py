"""The nine steps in order: `get_pipeline` connects them, and each has a function below.

Every execution writes under its own prefix. A step's input always comes from the properties of the
step that wrote it: after a cache hit it is under the prefix of an older execution.
"""

from __future__ import annotations

from dataclasses import replace

from ninesteps import sdk
from ninesteps.sdk import Join, Step
from ninesteps.sdk.build import IN, OUT, Build, output, split_arguments
from ninesteps.settings import gate as gates
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.settings.tuning import Tuning
from ninesteps.step_code.bundle import BIAS_SCRIPT, TRAINING_SCRIPT

CSV = "text/csv"

SERVING = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": CSV,
    "OMP_NUM_THREADS": "1",
}
"""Environment variables that make the image serve the model with the archive's own script."""


def get_pipeline(settings: Settings, environment: Environment) -> sdk.Pipeline:
    """The pipeline for these settings in one environment."""
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
"""XGBoost's objective for each problem type."""

TRANSFORM = "{P}Transform"
"""Step 6's name; step 5 needs it too, since the predictions' path contains it."""

KEPT_OF_A_TRANSFORM = {"binary": "$[0,-2,-1]", "regression": "$[0,-1]"}
"""The record id and the answer of `inference.py`: label and probability, or the number."""


def model_process(build: Build) -> Step:
    """Step 1: a point-in-time query of the offline store, split into train, validation and test."""
    return build.processing_step(
        build.name("{P}ModelProcess"),
        "process.py",
        split_arguments(build),
        inputs=[build.query_input()],
        outputs=("train", "validation", "test", "bias"),
    )


def hyperparameter_tuning(build: Build, process: Step) -> Step:
    """Step 2: the best of several models, found by a Bayesian search."""
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
        channels={split: (output(process, split), CSV) for split in ("train", "validation")},
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
    """How a training job chooses the decision threshold; a regression has none.

    These are hyperparameters, because SageMaker's cache does not compare environment variables.
    """
    if settings.project.problem == "regression":
        return {}
    rule = {"threshold_rule": settings.model.threshold}
    if settings.model.threshold != "recall":
        return rule
    return {**rule, "recall_target": str(settings.recall_target)}


def evaluate_best_model(build: Build, process: Step, tune: Step) -> Step:
    """Step 3: the best model's metrics on the test split."""
    file = sdk.PropertyFile(name="Evaluation", output_name="evaluation", path="evaluation.json")
    settings = build.settings
    arguments = ["--min-group-size", str(settings.bias.min_group_size)]
    for metric in settings.gate.metrics:
        arguments += ["--metric", metric]
    for term in gates.of_champion(settings.full_gate):
        arguments += ["--champion", term.argument]
    inputs = [
        sdk.s3_input("model", build.best_model_uri(tune), f"{IN}/model"),
        sdk.s3_input("test", output(process, "test"), f"{IN}/test"),
    ]
    if len(settings.tuning.algorithms) > 1:
        arguments += ["--min-trials", str(Tuning.MIN_TRIALS)]
        for algorithm in settings.tuning.algorithms:
            arguments += ["--algorithm", algorithm]
        inputs.append(sdk.s3_input("trials", build.models_uri(tune), f"{IN}/trials"))
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
    """Step 4: a SageMaker Model of the best training job."""
    serving = sdk.container(build.job, build.best_model_uri(tune), SERVING)
    return sdk.ModelStep(
        name=build.name("{P}CreateModel"),
        step_args=sdk.model(build.job, serving),
        retry_policies=sdk.CALL_RETRIES,
    )


def model_config_file(build: Build, process: Step, create: Step) -> Step:
    """Step 5: Clarify's analysis configuration."""
    return build.config_step(process, create, build.name(TRANSFORM))


def batch_transform(build: Build, process: Step, create: Step) -> Step:
    """Step 6: predictions for the test split; id, event time, label and facets are not sent."""
    first_feature = 3 + len(build.settings.context_columns)
    name = build.name(TRANSFORM)
    request = sdk.transform(
        build.job,
        model_name=create.properties.ModelName,
        instance_type=build.instance_types["Transform"],
        instance_count=build.instance_counts["Transform"],
        data=Join(on="/", values=[output(process, "test"), "test.csv"]),
        content_type=CSV,
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
    """Step 7: bias in data and predictions, and SHAP values, by Clarify's image or by a script.

    Both use the paths that the image expects. The script also reads the predictions and the model;
    the image finds them by the configuration: in the transform's output, and at an endpoint.
    """
    name = "ClarifyProcessingStep"
    # The table alone: the image reads every object under a prefix as rows.
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
            sdk.s3_input("model", build.best_model_uri(tune), f"{IN}/model"),
        ]
        request = build.script_request(BIAS_SCRIPT, [], inputs, outputs)
    return build.job_step(name, request, depends_on=[transform.name])


def register_model(
    build: Build, process: Step, tune: Step, evaluate: Step, config: Step, transform: Step,
    clarify: Step,
) -> Step:  # fmt: skip
    """Step 8: a new version in the model package group, pending a person's approval."""
    serving = sdk.container(build.job, build.best_model_uri(tune), SERVING)
    types = (CSV, "application/json")
    return build.register_step(serving, types, process, evaluate, config, transform, clarify)


def check_gate(build: Build, evaluate: Step, clarify: Step, register: Step) -> Step:
    """Step 9: registers the model only if the gate passes; its limits are in the definition."""
    return build.gate_step(evaluate, clarify, register)
