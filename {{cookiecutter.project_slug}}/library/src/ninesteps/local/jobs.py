"""Runs processing, training and transform jobs with the files that a container would have."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninesteps.errors import ScriptError
from ninesteps.local import batch_transform, toolkits
from ninesteps.local.offline_store import Catalog
from ninesteps.local.processes import Child, Command, Runner, Sandbox
from ninesteps.local.storage import Storage

DEFAULT_MAX_SECONDS = 86400  # SageMaker's default
_BLOCK = 1 << 18  # bytes


@dataclass(frozen=True)
class LocalBackend:
    """What jobs need: the disk that stands for S3, the processes, the data catalogue."""

    storage: Storage
    processes: Runner
    catalog: Catalog


Outputs = list[tuple[Path, str]]
"""Files and folders that a job has written, each with its target URI."""


@dataclass
class Job:
    """One job: its name, its request, its own folder and log."""

    name: str
    request: dict[str, Any]
    folder: Path
    log: Path
    peak_bytes: int = 0  # the most memory of one of its processes

    @property
    def sandbox(self) -> Sandbox:
        """The folder that the job sees as `/opt/ml`."""
        return Sandbox(self.folder)

    def run(
        self,
        backend: LocalBackend,
        words: list[str],
        environment: dict[str, str],
        code: Path | None = None,
        watch: Callable[[], bool] | None = None,
    ) -> bool:
        """Run a command of the job; return whether it ended by itself rather than by `watch`.

        Args:
            code: the folder of the script's code, if it is not the script's folder.
        """
        code = code or Path(words[1] if len(words) > 1 else "").parent
        command = Command(words, self.sandbox, environment, self.log, code)
        condition = self.request.get("StoppingCondition", {})
        seconds = float(condition.get("MaxRuntimeInSeconds", DEFAULT_MAX_SECONDS))
        by_itself, peak_bytes = backend.processes.run(command, seconds, watch)
        self.peak_bytes = max(self.peak_bytes, peak_bytes)
        return by_itself


def run_processing(
    job: Job, property_files: Iterable[tuple[str, str]], backend: LocalBackend
) -> Outputs:
    """Provide the inputs and run the entrypoint.

    Args:
        property_files: (output name, path in it), which must exist at the end.
    """
    request, sandbox = job.request, job.sandbox
    for given in request.get("ProcessingInputs", []):
        _bring(given, job, backend)
    outputs = {
        output["OutputName"]: (sandbox.path(output["S3Output"]["LocalPath"]), output["S3Output"])
        for output in request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    }
    for folder, target in outputs.values():
        folder.mkdir(parents=True, exist_ok=True)
        backend.storage.path(target["S3Uri"])  # fails for an invalid URI, before any work is done
    _write_json(sandbox.path("/opt/ml/config/processingjobconfig.json"), request)
    _write_hosts(sandbox.path("/opt/ml/config/resourceconfig.json"))
    specification = request["AppSpecification"]
    words = [
        *specification.get("ContainerEntrypoint", []),
        *specification.get("ContainerArguments", []),
    ]
    environment = container_environment(specification.get("ImageUri")) | request.get(
        "Environment", {}
    )
    with _answered_calls(job, backend) as more:
        job.run(backend, sandbox.command(words), {**environment, **more})
    for output, path in property_files:
        if output not in outputs or not (outputs[output][0] / path).is_file():
            raise ScriptError(f"the property file {path} is not in the output {output!r}")
    return [(folder, target["S3Uri"]) for folder, target in outputs.values()]


def _bring(given: dict[str, Any], job: Job, backend: LocalBackend) -> None:
    source = given["S3Input"]
    backend.storage.download(source["S3Uri"], job.sandbox.path(source["LocalPath"]))


def queries(request: Any, storage: Storage) -> bool:
    """Whether a job calls Athena: whether one of its inputs is a query's text."""
    inputs = request.get("ProcessingInputs", []) if isinstance(request, dict) else []
    uris = [given["S3Input"]["S3Uri"] for given in inputs]
    return any(name.endswith(".sql") for uri in uris for name, _ in storage.objects(uri))


@contextlib.contextmanager
def _answered_calls(job: Job, backend: LocalBackend) -> Iterator[dict[str, str]]:
    """The variables that point a job's SDK to the local Athena, if the job calls it."""
    if not queries(job.request, backend.storage):
        yield {}
        return
    from ninesteps.local import job_calls  # not needed if step 1 is reused
    from ninesteps.local.athena import Athena

    def start(words: list[str], log: Path) -> Child:
        return backend.processes.start(Command(words, job.sandbox, {}, log, log.parent))

    athena = Athena(backend.catalog, backend.storage, job.folder / "queries", start)
    try:
        with job_calls.answered(athena, backend.storage) as variables:
            yield variables
    finally:
        job.peak_bytes = max(job.peak_bytes, athena.peak_bytes)


def model_uri(job: Job) -> str:
    """The URI of a training job's model."""
    return f"{job.request['OutputDataConfig']['S3OutputPath']}/{job.name}/output/model.tar.gz"


def run_training(job: Job, hyperparameters: dict[str, str], backend: LocalBackend) -> Outputs:
    """Train in script mode, as the container's toolkit does."""
    script = prepare_training(job, hyperparameters, backend)
    job.run(backend, script.words, script.environment)
    return [packed_model(job)]


@dataclass(frozen=True)
class TrainingScript:
    """The command of a training script, whose folders must exist."""

    words: list[str]
    environment: dict[str, str]


def prepare_training(
    job: Job, hyperparameters: dict[str, str], backend: LocalBackend
) -> TrainingScript:
    """Provide a training job's channels, code and configuration."""
    request, sandbox = job.request, job.sandbox
    channels = request.get("InputDataConfig", [])
    for channel in channels:
        source = channel["DataSource"]["S3DataSource"]
        folder = sandbox.path(f"/opt/ml/input/data/{channel['ChannelName']}")
        backend.storage.download(source["S3Uri"], folder)
    for name in ("model", "output/data", "code"):
        sandbox.path(f"/opt/ml/{name}").mkdir(parents=True, exist_ok=True)
    code = sandbox.path("/opt/ml/code")
    backend.storage.unpack(hyperparameters["sagemaker_submit_directory"], code)
    config = sandbox.path("/opt/ml/input/config")
    _write_json(config / "hyperparameters.json", hyperparameters)
    _write_json(config / "inputdataconfig.json", {c["ChannelName"]: {} for c in channels})
    _write_hosts(config / "resourceconfig.json")
    own = toolkits.own_hyperparameters(hyperparameters)
    words = [word for name, value in own.items() for word in (f"--{name}", value)]
    program = sandbox.path(f"/opt/ml/code/{hyperparameters['sagemaker_program']}")
    environment = {
        **container_environment(request.get("AlgorithmSpecification", {}).get("TrainingImage")),
        "TRAINING_JOB_NAME": job.name,
        **toolkits.training_variables(request, sandbox, hyperparameters),
        **request.get("Environment", {}),
    }
    return TrainingScript([sys.executable, str(program), *words], environment)


def packed_model(job: Job) -> tuple[Path, str]:
    """The archive of a training job's output, with its URI."""
    archive = job.folder / "model.tar.gz"
    pack(job.sandbox.path("/opt/ml/model"), archive)
    return archive, model_uri(job)


def training_definitions(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The training definitions of a tuning request; for other requests, one empty definition."""
    return request.get("TrainingJobDefinitions") or [request.get("TrainingJobDefinition", {})]


_REGION = re.compile(r"\.dkr\.ecr\.([a-z0-9-]+)\.")
"""The region of an image, which must be the job's region."""
DEFAULT_REGION = "us-east-1"


def container_environment(image: object) -> dict[str, str]:
    """The variable that SageMaker sets in every container: the region, which botocore does not read
    from there."""
    found = _REGION.search(image) if isinstance(image, str) else None
    return {"AWS_REGION": found[1] if found else DEFAULT_REGION}


def pack(folder: Path, archive: Path) -> None:
    """A folder as `.tar.gz`: the same files give the same bytes."""
    import gzip
    import io
    import tarfile

    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=1, mtime=0) as packed,
        io.BufferedWriter(packed, _BLOCK) as buffered,  # otherwise it packs a few bytes at a time
        tarfile.open(fileobj=buffered, mode="w") as tar,
    ):
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                member = tarfile.TarInfo(file.relative_to(folder).as_posix())
                member.size, member.mode = file.stat().st_size, 0o644
                with file.open("rb") as content:
                    tar.addfile(member, content)


def run_transform(job: Job, container: dict[str, Any], backend: LocalBackend) -> Outputs:
    """Send the input's records to the model's script, which runs in its own process."""
    request, sandbox = job.request, job.sandbox
    model_dir = sandbox.path("/opt/ml/model")
    backend.storage.unpack(container["ModelDataUrl"], model_dir)
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    backend.storage.download(source["S3Uri"], sandbox.path("/opt/ml/transform/input"))
    sandbox.path("/opt/ml/transform/output").mkdir(parents=True)
    serving = {
        **container_environment(container.get("Image")),
        **_transform_environment(request),
        **container.get("Environment", {}),
        **request.get("Environment", {}),
    }
    program, code = (serving.get(f"SAGEMAKER_{n}") for n in ("PROGRAM", "SUBMIT_DIRECTORY"))
    if not program or not code:
        raise ScriptError(
            "the model's environment: expected SAGEMAKER_PROGRAM and SAGEMAKER_SUBMIT_DIRECTORY, "
            f"got {program!r} and {code!r}"
        )
    options = {
        "request": request,
        "model_dir": str(model_dir),
        "program": str(sandbox.path(f"{code}/{program}")),
        "input": str(sandbox.path("/opt/ml/transform/input")),
        "output": str(sandbox.path("/opt/ml/transform/output")),
    }
    options_file = sandbox.root / "transform.json"
    _write_json(options_file, options)
    command = [sys.executable, str(Path(batch_transform.__file__)), str(options_file)]
    job.run(backend, command, serving, code=sandbox.path(code))
    target = request["TransformOutput"]["S3OutputPath"]
    return [(sandbox.path("/opt/ml/transform/output"), target)]


def _transform_environment(request: dict[str, Any]) -> dict[str, str]:
    """The variables that SageMaker adds to a model's own in a batch transform.

    As in "Use Your Own Inference Code with Batch Transform" of its documentation; fields missing
    from the request are not passed.
    """
    strategy = {"SingleRecord": "SINGLE_RECORD", "MultiRecord": "MULTI_RECORD"}
    said = {
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": request.get("MaxPayloadInMB"),
        "SAGEMAKER_BATCH_STRATEGY": strategy.get(request.get("BatchStrategy", "")),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": request.get("MaxConcurrentTransforms"),
    }
    given = {name: str(value) for name, value in said.items() if value is not None}
    return {"SAGEMAKER_BATCH": "true", **given}


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _write_hosts(path: Path) -> None:
    _write_json(path, toolkits.HOSTS)
