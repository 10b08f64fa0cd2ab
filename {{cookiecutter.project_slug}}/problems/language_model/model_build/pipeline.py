"""The nine steps in order: `get_pipeline` connects them, and each has a function below.

Every execution writes under its own prefix. A step's input always comes from the properties of the
step that wrote it: after a cache hit it is under the prefix of an older execution.

The library lists which image runs which script and what each image contains; `pipeline check`
compares the scripts' imports with it. Steps 2 and 3 need a GPU on SageMaker, but not locally.
"""

from __future__ import annotations

from ninesteps import sdk
from ninesteps.sdk import Join, Step
from ninesteps.sdk.build import IN, OUT, Build, output, split_arguments
from ninesteps.settings import gate as gates
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.settings.tuning import Tuning
from ninesteps.step_code import base_model, suite
from ninesteps.step_code.bundle import BIAS_SCRIPT, INFERENCE_SCRIPT, TRAINING_SCRIPT

LINES = "application/jsonlines"
"""The content type of the splits: one conversation per line."""

SERVING = {
    "SAGEMAKER_PROGRAM": INFERENCE_SCRIPT,
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "SAGEMAKER_MODEL_SERVER_TIMEOUT": str(sdk.LONGEST_ANSWER),
    "OMP_NUM_THREADS": "1",
}
"""Environment variables that make the image serve the model with the archive's own script. The
image starts a process for each CPU, or for each GPU."""

TRANSFORM = "{P}Transform"
"""Step 6's name; step 5 needs it too, since the replies' path contains it."""


def get_pipeline(settings: Settings, environment: Environment) -> sdk.Pipeline:
    """The pipeline for these settings in one environment."""
    build = Build.of(settings, environment)
    process = model_process(build)
    tune = hyperparameter_tuning(build, process)
    evaluate = evaluate_best_model(build, process, tune)
    create = create_model(build, tune)
    config = model_config_file(build, process, create)
    transform = batch_transform(build, process, create)
    clarify = bias_and_attributions(build, process, evaluate, config, transform)
    register = register_model(build, process, tune, evaluate, config, transform, clarify)
    check = check_gate(build, evaluate, clarify, register)
    return build.pipeline([process, tune, evaluate, create, config, transform, clarify, check])


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
    """Step 2: the best of several fine-tunings of the base model, found by a Bayesian search."""
    name, settings = build.name("{P}HyperParameterTuning"), build.settings
    tuning = settings.tuning
    splits = {split: (output(process, split), LINES) for split in ("train", "validation")}
    base = base_model.uri(settings, build.environment)
    request = sdk.tuning(
        build.job_of(TRAINING_SCRIPT, settings.compute.training_instance),
        sdk.TuningRequest(
            objective=settings.objective,
            direction=Tuning.OBJECTIVES[settings.project.problem][settings.objective],
            ranges=tuning.ranges,
            jobs=tuning.jobs,
            parallel=tuning.parallel,
            seed=tuning.seed,
            printed=f"{settings.objective.replace(':', '_')}=([0-9.]+)",
            # The last line repeats the kept epoch's value: it is not another round.
            early_stopping=False,
        ),
        instance_type=build.instance_types["Training"],
        instance_count=build.instance_counts["Training"],
        hyperparameters={
            **{n: v for n, v in Tuning.BATCHES.items() if n not in tuning.ranges},
            **tuning.static,
            "algorithm": tuning.algorithms[0],
            "max_tokens": str(settings.model.max_tokens),
            "max_reply_tokens": str(settings.model.max_reply_tokens),
            "seed": str(tuning.seed),
            "sagemaker_program": TRAINING_SCRIPT,
            # The container starts the script with torchrun, once for each GPU of each instance.
            "sagemaker_torch_distributed_enabled": "true",
            "sagemaker_submit_directory": build.training_archive(TRAINING_SCRIPT),
        },
        channels={**splits, "base": (base, "application/octet-stream")},
        output_path=build.execution_uri(name),
    )
    return sdk.TuningStep(
        name=name, step_args=request, cache_config=sdk.CACHE, retry_policies=sdk.SEARCH_RETRIES
    )


def evaluate_best_model(build: Build, process: Step, tune: Step) -> Step:
    """Step 3: the best model's replies to the test split, compared with the incumbent's."""
    file = sdk.PropertyFile(name="Evaluation", output_name="evaluation", path="evaluation.json")
    settings, environment = build.settings, build.environment
    inputs = {
        "model": build.best_model_uri(tune),
        "test": output(process, "test"),
        "base": base_model.uri(settings, environment),
        "suite": suite.uri(settings, environment),
        "champion": build.champion,
    }
    arguments = [
        *("--min-group-size", str(settings.bias.min_group_size)),
        *("--local-explanations", "yes" if settings.bias.local_explanations else "no"),
    ]
    for term in gates.of_champion(settings.full_gate):
        arguments += ["--champion", term.argument]
    return build.processing_step(
        build.name("{P}EvalBestModel"),
        "evaluate.py",
        arguments,
        inputs=[sdk.s3_input(name, uri, f"{IN}/{name}") for name, uri in inputs.items()],
        outputs=("evaluation",),
        property_files=[file],
        kind="Evaluation",
    )


def create_model(build: Build, tune: Step) -> Step:
    """Step 4: a SageMaker Model of the best training job."""
    job = build.job_of(INFERENCE_SCRIPT, build.settings.compute.transform_instance)
    serving = sdk.container(job, build.best_model_uri(tune), SERVING)
    return sdk.ModelStep(
        name=build.name("{P}CreateModel"),
        step_args=sdk.model(job, serving),
        retry_policies=sdk.CALL_RETRIES,
    )


def model_config_file(build: Build, process: Step, create: Step) -> Step:
    """Step 5: the analysis configuration, in Clarify's format."""
    return build.config_step(process, create, build.name(TRANSFORM))


def batch_transform(build: Build, process: Step, create: Step) -> Step:
    """Step 6: replies to the test split; reference reply, rating and id are not sent."""
    name = build.name(TRANSFORM)
    request = sdk.transform(
        build.job,
        model_name=create.properties.ModelName,
        instance_type=build.instance_types["Transform"],
        instance_count=build.instance_counts["Transform"],
        data=Join(on="/", values=[output(process, "test"), "test.jsonl"]),
        content_type=LINES,
        input_filter="$.messages",
        output_filter="$['id','SageMakerOutput']",
        output_path=build.execution_uri(name),
        answer_seconds=sdk.LONGEST_ANSWER,
        request_mb=1,  # replies can be longer than prompts, and the server sends at most 6.5 MB
    )
    return sdk.TransformStep(
        name=name, step_args=request, cache_config=sdk.CACHE, retry_policies=sdk.JOB_RETRIES
    )


def bias_and_attributions(
    build: Build, process: Step, evaluate: Step, config: Step, transform: Step
) -> Step:
    """Step 7: bias in ratings and replies, and the word attributions that step 3 computed."""
    name, test = "ClarifyProcessingStep", output(process, "test")
    inputs = {
        "config": ("analysis_config", output(config, "config")),
        "data": ("dataset", Join(on="/", values=[test, "test.csv"])),
        "predictions": ("predictions", transform.properties.TransformOutput.S3OutputPath),
        "test": ("test", Join(on="/", values=[test, "test.jsonl"])),
        "evaluation": ("evaluation", output(evaluate, "evaluation")),
        "suite": ("suite", suite.uri(build.settings, build.environment)),
    }
    request = build.script_request(
        BIAS_SCRIPT,
        [],
        [sdk.s3_input(name, uri, f"{IN}/{folder}") for folder, (name, uri) in inputs.items()],
        [sdk.s3_output("analysis_result", build.output_uri(name, "analysis_result"), OUT)],
    )
    return build.job_step(name, request, depends_on=[transform.name])


def register_model(
    build: Build, process: Step, tune: Step, evaluate: Step, config: Step, transform: Step,
    clarify: Step,
) -> Step:  # fmt: skip
    """Step 8: a new version in the model package group, pending a person's approval."""
    job = build.job_of(INFERENCE_SCRIPT, build.settings.deploy.instance_type)
    serving = sdk.container(job, build.best_model_uri(tune), SERVING)
    types = ("application/json", LINES)
    return build.register_step(serving, types, process, evaluate, config, transform, clarify)


def check_gate(build: Build, evaluate: Step, clarify: Step, register: Step) -> Step:
    """Step 9: registers the model only if the gate passes; its limits are in the definition."""
    return build.gate_step(evaluate, clarify, register)
