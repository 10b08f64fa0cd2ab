"""Where SageMaker puts a container's files, and how a step reads and writes them."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
"""`/opt/ml` in a container; SageMaker's own toolkit names another root by the same variable."""


def input_path(name: str) -> Path:
    """The folder of a processing job's input."""
    return BASE / "processing" / "input" / name


def output_path(name: str) -> Path:
    """The folder of a processing job's output; SageMaker makes it, and so does this."""
    path = BASE / "processing" / "output" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: object) -> None:
    """JSON that a person can read; NaN and infinity, which are no JSON, are refused."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def unpack_model(folder: Path) -> Path:
    """Unpack `model.tar.gz` beside itself and give its folder; no member can leave it."""
    target = folder / "model"
    with tarfile.open(folder / "model.tar.gz") as archive:
        archive.extractall(target, filter="data")
    return target
