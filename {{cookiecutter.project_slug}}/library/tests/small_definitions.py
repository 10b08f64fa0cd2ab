"""Small definitions for the engine's tests: a few lines of script stand for a step's code."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from ninesteps.definition.definition import Definition, read_definition
from ninesteps.local.engine import Engine
from ninesteps.local.execution import Execution
from ninesteps.local.offline_store import Catalog
from ninesteps.local.processes import Processes

BUCKET = "s3://bucket"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
IN = "/opt/ml/processing/input"
OUT = "/opt/ml/processing/output"
Json = dict[str, Any]

WRITE = """\
import os, pathlib, sys
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
"""


def read(*steps: Json, parameters: list[Json] | None = None) -> Definition:
    """The definition that has these steps."""
    return read_definition(json.dumps({"Parameters": parameters or [], "Steps": list(steps)}))


def step(name: str, type_: str, arguments: Json, **fields: Any) -> Json:
    return {"Name": name, "Type": type_, "Arguments": arguments, **fields}


def get(reference: str) -> Json:
    return {"Get": reference}


def join(*values: object) -> Json:
    return {"Std:Join": {"On": "/", "Values": list(values)}}


def own_uri(*names: str) -> Json:
    """A URI below the execution's own prefix."""
    return join(BUCKET, get("Execution.PipelineExecutionId"), *names)


def s3_input(name: str, uri: object) -> Json:
    return {"InputName": name, "S3Input": {"S3Uri": uri, "LocalPath": f"{IN}/{name}"}}


def output_of(name: str, output: str) -> Json:
    return get(f"Steps.{name}.ProcessingOutputConfig.Outputs['{output}'].S3Output.S3Uri")


def compare(left: object, sign: str, right: object) -> Json:
    return {"Type": sign, "LeftValue": left, "RightValue": right}


def metric(path: str, name: str = "Evaluate") -> Json:
    """A value of `evaluation.json`, which the step declares as its property file."""
    file = get(f"Steps.{name}.PropertyFiles.Evaluation")
    return {"Std:JsonGet": {"PropertyFile": file, "Path": path}}


def condition(name: str, *conditions: Json, then: tuple[Json, ...] = (), **fields: Any) -> Json:
    otherwise = fields.pop("otherwise", ())
    arguments = {"Conditions": conditions, "IfSteps": then, "ElseSteps": otherwise}
    return step(name, "Condition", arguments, **fields)


def fail(name: str, message: object = "refused", **fields: Any) -> Json:
    return step(name, "Fail", {"ErrorMessage": message}, **fields)


def container(model_uri: object) -> Json:
    serving = {
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    }
    return {"Image": IMAGE, "ModelDataUrl": model_uri, "Environment": serving}


def model(name: str, model_uri: object) -> Json:
    return step(name, "Model", {"PrimaryContainer": container(model_uri)})


def register(name: str, model_uri: object, metrics_uri: object = None, **fields: Any) -> Json:
    arguments: Json = {
        "ModelPackageGroupName": "group",
        "InferenceSpecification": {"Containers": [container(model_uri)]},
        "ModelApprovalStatus": "PendingManualApproval",
    }
    if metrics_uri is not None:
        statistics = {"ContentType": "application/json", "S3Uri": metrics_uri}
        arguments["ModelMetrics"] = {"ModelQuality": {"Statistics": statistics}}
    return step(name, "RegisterModel", arguments, **fields)


def archive(files: dict[str, str]) -> bytes:
    """A `.tar.gz` with these members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


class Bench:
    """An engine in a folder of its own, and steps whose code lies in its storage."""

    def __init__(
        self,
        root: Path,
        parallel: int = 2,
        catalog: Catalog | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.root = root
        self.engine = Engine(root, catalog or {}, parallel, processes)

    def put(self, uri: str, content: str | bytes) -> str:
        self.engine.storage.write(uri, content.encode() if isinstance(content, str) else content)
        return uri

    def text(self, uri: str) -> str:
        return self.engine.storage.file(uri).read_text(encoding="utf-8")

    def run(self, *steps: Json, parameters: list[Json] | None = None, **given: str) -> Execution:
        return self.engine.run("pipeline", read(*steps, parameters=parameters), given)

    def processing(
        self, name: str, script: str, outputs: tuple[str, ...] = (), **arguments: Any
    ) -> Json:
        """A processing step of this script; each output goes below the execution's prefix."""
        self.put(f"{BUCKET}/code/{name}/script.py", script)
        fields = {k: arguments.pop(k) for k in ("DependsOn", "PropertyFiles") if k in arguments}
        specification = {"ContainerEntrypoint": ["python3", f"{IN}/code/script.py"]}
        inputs = [s3_input("code", f"{BUCKET}/code/{name}"), *arguments.pop("inputs", ())]
        if words := arguments.pop("words", None):
            specification["ContainerArguments"] = words
        if outputs:
            arguments["ProcessingOutputConfig"] = {"Outputs": [
                {
                    "OutputName": output,
                    "S3Output": {"S3Uri": own_uri(name, output), "LocalPath": f"{OUT}/{output}"},
                }
                for output in outputs
            ]}  # fmt: skip
        request = {"AppSpecification": specification, "ProcessingInputs": inputs, **arguments}
        return step(name, "Processing", request, **fields)

    def evaluation(self, content: object) -> Json:
        """A step that writes `evaluation.json`, and declares it as a property file."""
        text = content if isinstance(content, str) else json.dumps(content)
        script = (
            "import os, pathlib\n"
            "base = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'], 'processing/output/metrics')\n"
            f"(base / 'evaluation.json').write_text({text!r})\n"
        )
        file = {
            "PropertyFileName": "Evaluation",
            "OutputName": "metrics",
            "FilePath": "evaluation.json",
        }
        return self.processing("Evaluate", script, outputs=("metrics",), PropertyFiles=[file])

    def training_job(self, script: str, **fields: Any) -> tuple[Json, Json]:
        """What every training job has, and its static hyperparameters."""
        code = self.put(f"{BUCKET}/code/sourcedir.tar.gz", archive({"train.py": script}))
        job = {
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": own_uri("models")},
            **fields,
        }
        static = {"sagemaker_program": "train.py", "sagemaker_submit_directory": code}
        return job, static

    def tuning(self, script: str, jobs: int = 4, parallel: int = 2, **config: Any) -> Json:
        """A search over `eta` in 0.1 to 0.9 for the largest `validation:auc`."""
        job, static = self.training_job(script)
        eta = {"Name": "eta", "MinValue": "0.1", "MaxValue": "0.9", "ScalingType": "Auto"}
        whole = {
            "Strategy": "Bayesian",
            "ResourceLimits": {
                "MaxParallelTrainingJobs": parallel,
                "MaxNumberOfTrainingJobs": jobs,
            },
            "HyperParameterTuningJobObjective": {
                "Type": "Maximize",
                "MetricName": "validation:auc",
            },
            "ParameterRanges": {"ContinuousParameterRanges": [eta]},
            "RandomSeed": 20,
            **config,
        }
        training = {**job, "StaticHyperParameters": static}
        arguments = {"HyperParameterTuningJobConfig": whole, "TrainingJobDefinition": training}
        return step("Tune", "Tuning", arguments)

    def comparing(
        self, script: str, names: tuple[str, ...] = ("trees", "lines"), **config: Any
    ) -> Json:
        """The same search over several training definitions; a script sees its own as `NAME`."""
        tune = self.tuning(script, **config)
        whole = tune["Arguments"]["HyperParameterTuningJobConfig"]
        shared = {
            **tune["Arguments"].pop("TrainingJobDefinition"),
            "TuningObjective": whole.pop("HyperParameterTuningJobObjective"),
            "HyperParameterRanges": whole.pop("ParameterRanges"),
        }
        tune["Arguments"]["TrainingJobDefinitions"] = [
            {"DefinitionName": name, **shared, "Environment": {"NAME": name}} for name in names
        ]
        return tune
