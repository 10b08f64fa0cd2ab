"""Where a container's files are on SageMaker, and how a step reads and writes them."""

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
"""`/opt/ml` in a container; the variable of SageMaker's toolkit can set another root."""


def input_path(name: str) -> Path:
    """The folder of a processing job's input."""
    return BASE / "processing" / "input" / name


def output_path(name: str = "") -> Path:
    """The folder of a processing job's output, created if necessary.

    Without a name it is the folder of all outputs, which Clarify uses as its own.
    """
    path = BASE / "processing" / "output" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def job_request() -> dict[str, Any]:
    """The request of a processing job, which SageMaker provides in its container; else empty."""
    file = BASE / "config" / "processingjobconfig.json"
    request: dict[str, Any] = read_json(file) if file.is_file() else {}
    return request


def output_uri(name: str) -> str:
    """The S3 URI of a processing job's output."""
    outputs = job_request()["ProcessingOutputConfig"]["Outputs"]
    (uri,) = (str(o["S3Output"]["S3Uri"]) for o in outputs if o["OutputName"] == name)
    return uri


def uri_beside(name: str, step: str) -> str:
    """The S3 URI where another step of this execution writes: beside this one, under its name.

    Two steps that run at the same time cannot read it from each other's properties. Both need an
    input that is new in every execution, such as a model's name: otherwise SageMaker might reuse
    one of them from an older execution.
    """
    execution = output_uri(name).rsplit("/", 2)[0]  # .../<execution>/<this step>/<this output>
    return f"{execution}/{step}"


def input_uri(name: str) -> str:
    """The S3 URI of a processing job's input; empty without a request to read."""
    inputs = job_request().get("ProcessingInputs", [])
    return next((str(i["S3Input"]["S3Uri"]) for i in inputs if i["InputName"] == name), "")


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: object) -> None:
    """Write readable JSON; NaN and infinity, which are not JSON, are refused."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def extract(archive: Path, folder: Path) -> str:
    """Unpack the files of an archive, and return the SHA-256 of its bytes.

    Links, and paths that leave the folder, are refused by our own check, since tarfile's filter
    needs Python 3.11.4. The archive is read only once, so the hash is that of the unpacked bytes.
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
