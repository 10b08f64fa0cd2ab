"""Where SageMaker puts a container's files, and how a step reads and writes them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
"""`/opt/ml` in a container; SageMaker's own toolkit names another root by the same variable."""


def input_path(name: str) -> Path:
    """The folder of a processing job's input."""
    return BASE / "processing" / "input" / name


def output_path(name: str = "") -> Path:
    """The folder of a processing job's output; SageMaker makes it, and so does this.

    Without a name it is that of them all, which Clarify takes for its own.
    """
    path = BASE / "processing" / "output" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def job_request() -> dict[str, Any]:
    """The request of a processing job, which SageMaker puts into its container; else nothing."""
    file = BASE / "config" / "processingjobconfig.json"
    request: dict[str, Any] = read_json(file) if file.is_file() else {}
    return request


def output_uri(name: str) -> str:
    """Where a processing job's output goes."""
    outputs = job_request()["ProcessingOutputConfig"]["Outputs"]
    (uri,) = (str(o["S3Output"]["S3Uri"]) for o in outputs if o["OutputName"] == name)
    return uri


def uri_beside(name: str, step: str) -> str:
    """Where another step of this execution writes: beside this one, under its own name.

    Two steps that run at the same time have no property of each other to read it from. Both must
    be given something new in every execution, such as a model's name: else SageMaker would reuse
    one of an older execution.
    """
    execution = output_uri(name).rsplit("/", 2)[0]  # .../<execution>/<this step>/<this output>
    return f"{execution}/{step}"


def input_uri(name: str) -> str:
    """Where a processing job's input comes from; empty where there is no request to read."""
    inputs = job_request().get("ProcessingInputs", [])
    return next((str(i["S3Input"]["S3Uri"]) for i in inputs if i["InputName"] == name), "")


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: object) -> None:
    """JSON that a person can read; NaN and infinity, which are no JSON, are refused."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def extract(archive: Path, folder: Path) -> str:
    """Unpack the files of an archive, and give the SHA-256 of the bytes that were unpacked.

    A link, or a path that leaves the folder, is refused: by hand, since tarfile's own filter came
    with Python 3.11.4. The archive is read once: what is hashed is what is unpacked.
    """
    packed = archive.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for member in tar:
            target = folder / member.name
            inside = target.resolve().is_relative_to(folder.resolve())
            content = tar.extractfile(member) if member.isfile() else None
            if not inside or (content is None and not member.isdir()):
                raise ValueError(f"{archive.name} has {member.name!r}, which is no file inside it")
            if content is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                with content, target.open("wb") as file:
                    shutil.copyfileobj(content, file)
    return hashlib.sha256(packed).hexdigest()
