"""Processing, training and transform jobs: what a container would find, run, and leave behind."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_sagemaker import batch_transform
from local_sagemaker.errors import StepError
from local_sagemaker.offline_store import Catalog, run_query
from local_sagemaker.processes import Processes, Sandbox
from local_sagemaker.storage import Storage

DEFAULT_MAX_SECONDS = 86400  # SageMaker's own, where a job does not say
ONE_CPU = "1"
"""What a job is told of the machine: two threads on two busy cores are far slower than one."""


@dataclass(frozen=True)
class Machine:
    """What jobs run on: the disk that stands for S3, the processes, the data catalogue."""

    storage: Storage
    processes: Processes
    catalog: Catalog


@dataclass(frozen=True)
class Job:
    """One job: its name, its request, its own folder and log."""

    name: str
    request: dict[str, Any]
    folder: Path
    log: Path

    @property
    def sandbox(self) -> Sandbox:
        """The folder that the job sees as `/opt/ml`."""
        return Sandbox(self.folder)

    @property
    def max_seconds(self) -> float:
        """How long it may run."""
        condition = self.request.get("StoppingCondition", {})
        return float(condition.get("MaxRuntimeInSeconds", DEFAULT_MAX_SECONDS))


def run_processing(job: Job, machine: Machine) -> None:
    """Bring the inputs, run the entrypoint, take the outputs to where the definition says."""
    request, sandbox = job.request, job.sandbox
    for given in request.get("ProcessingInputs", []):
        _bring(given, sandbox, machine)
    outputs = [o["S3Output"] for o in request.get("ProcessingOutputConfig", {}).get("Outputs", [])]
    for output in outputs:
        sandbox.path(output["LocalPath"]).mkdir(parents=True, exist_ok=True)
    _write_json(sandbox.path("/opt/ml/config/processingjobconfig.json"), request)
    _write_hosts(sandbox.path("/opt/ml/config/resourceconfig.json"))
    specification = request["AppSpecification"]
    words = [
        *specification.get("ContainerEntrypoint", []),
        *specification.get("ContainerArguments", []),
    ]
    machine.processes.run(
        sandbox.command(words), sandbox, request.get("Environment", {}), job.log, job.max_seconds
    )
    for output in outputs:
        machine.storage.upload(sandbox.path(output["LocalPath"]), output["S3Uri"])


def _bring(given: dict[str, Any], sandbox: Sandbox, machine: Machine) -> None:
    source = given.get("S3Input")
    if source is not None:
        mode, kind = source.get("S3InputMode", "File"), source.get("S3DataType", "S3Prefix")
        if (mode, kind) != ("File", "S3Prefix"):
            raise StepError(f"input {given['InputName']}: {kind} in {mode} mode is not known here")
        machine.storage.download(source["S3Uri"], sandbox.path(source["LocalPath"]))
        return
    definition = given["DatasetDefinition"]
    query = definition["AthenaDatasetDefinition"]
    folder = sandbox.path(definition["LocalPath"])
    folder.mkdir(parents=True, exist_ok=True)
    if query["OutputFormat"] != "PARQUET":
        raise StepError(f"a query's output as {query['OutputFormat']} is not known here")
    run_query(query["QueryString"], query["Database"], machine.catalog, machine.storage, folder)


def run_training(
    job: Job, hyperparameters: dict[str, str], machine: Machine, watch: Callable[[], bool]
) -> bool:
    """Train in script mode, as the container's toolkit does; the archive goes to S3.

    Returns:
        Whether it ran to its end; False if `watch` had it stopped, and then there is no model.
    """
    request, sandbox = job.request, job.sandbox
    channels = request.get("InputDataConfig", [])
    for channel in channels:
        source = channel["DataSource"]["S3DataSource"]
        folder = sandbox.path(f"/opt/ml/input/data/{channel['ChannelName']}")
        machine.storage.download(source["S3Uri"], folder)
    for name in ("model", "output/data", "code"):
        sandbox.path(f"/opt/ml/{name}").mkdir(parents=True, exist_ok=True)
    code = sandbox.path("/opt/ml/code")
    with tarfile.open(machine.storage.path(hyperparameters["sagemaker_submit_directory"])) as tar:
        tar.extractall(code, filter="data")
    config = sandbox.path("/opt/ml/input/config")
    _write_json(config / "hyperparameters.json", hyperparameters)
    _write_json(config / "inputdataconfig.json", {c["ChannelName"]: {} for c in channels})
    _write_hosts(config / "resourceconfig.json")
    own = {n: v for n, v in hyperparameters.items() if not n.startswith(("sagemaker_", "_"))}
    words = [word for name, value in own.items() for word in (f"--{name}", value)]
    program = code / hyperparameters["sagemaker_program"]
    environment = {
        **_training_environment(sandbox, [c["ChannelName"] for c in channels], own),
        **request.get("Environment", {}),
    }
    finished = machine.processes.run(
        [sys.executable, str(program), *words], sandbox, environment, job.log,
        job.max_seconds, watch,
    )  # fmt: skip
    if finished:
        root = f"{request['OutputDataConfig']['S3OutputPath']}/{job.name}/output"
        machine.storage.write(f"{root}/model.tar.gz", _pack(sandbox.path("/opt/ml/model"), job))
    return finished


def _training_environment(
    sandbox: Sandbox, channels: list[str], hyperparameters: dict[str, str]
) -> dict[str, str]:
    """The variables that SageMaker's toolkit sets for a training script."""
    folders = {
        "SM_MODEL_DIR": "/opt/ml/model",
        "SM_INPUT_DIR": "/opt/ml/input",
        "SM_OUTPUT_DIR": "/opt/ml/output",
        "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
        **{f"SM_CHANNEL_{name.upper()}": f"/opt/ml/input/data/{name}" for name in channels},
    }
    return {
        **{name: str(sandbox.path(path)) for name, path in folders.items()},
        **{f"SM_HP_{name.upper()}": value for name, value in hyperparameters.items()},
        "SM_HPS": json.dumps(hyperparameters),
        "SM_CHANNELS": json.dumps(channels),
        "SM_NUM_CPUS": ONE_CPU,
        "SM_NUM_GPUS": "0",
        "SM_CURRENT_HOST": "algo-1",
        "SM_HOSTS": '["algo-1"]',
    }


def _pack(folder: Path, job: Job) -> bytes:
    """A folder as `.tar.gz`: the same files give the same bytes."""
    archive = job.folder / "model.tar.gz"
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                member = tarfile.TarInfo(file.relative_to(folder).as_posix())
                member.size, member.mode = file.stat().st_size, 0o644
                with file.open("rb") as content:
                    tar.addfile(member, content)
    return archive.read_bytes()


def run_transform(job: Job, container: dict[str, Any], machine: Machine) -> None:
    """Send the input's records to the model's own script, in a process that serves it."""
    request, sandbox = job.request, job.sandbox
    model_dir = sandbox.path("/opt/ml/model")
    with tarfile.open(machine.storage.path(container["ModelDataUrl"])) as tar:
        tar.extractall(model_dir, filter="data")
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    machine.storage.download(source["S3Uri"], sandbox.path("/opt/ml/transform/input"))
    sandbox.path("/opt/ml/transform/output").mkdir(parents=True)
    serving = {**container.get("Environment", {}), **request.get("Environment", {})}
    program = serving.get("SAGEMAKER_PROGRAM")
    if not program:
        raise StepError("the model names no SAGEMAKER_PROGRAM: what serves it is not known here")
    submitted = serving["SAGEMAKER_SUBMIT_DIRECTORY"]
    options = {
        "request": request,
        "model_dir": str(model_dir),
        "program": str(sandbox.path(f"{submitted}/{program}")),
        "input": str(sandbox.path("/opt/ml/transform/input")),
        "output": str(sandbox.path("/opt/ml/transform/output")),
    }
    options_file = sandbox.root / "transform.json"
    _write_json(options_file, options)
    command = [sys.executable, str(Path(batch_transform.__file__)), str(options_file)]
    machine.processes.run(command, sandbox, serving, job.log, job.max_seconds)
    target = request["TransformOutput"]["S3OutputPath"]
    machine.storage.upload(sandbox.path("/opt/ml/transform/output"), target)
    shutil.rmtree(model_dir)


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _write_hosts(path: Path) -> None:
    _write_json(path, {"current_host": "algo-1", "hosts": ["algo-1"]})
