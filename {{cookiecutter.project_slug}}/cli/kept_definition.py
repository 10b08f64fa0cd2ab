"""The compiled definition, kept under a hash of all that it depends on.

Importing the SageMaker SDK takes seconds; where nothing has moved since, it is not imported.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from cli.settings import Environment, Settings
from local_sagemaker.step_cache import machine

SOURCES = ("pipeline.toml", "cli", "governance", "model_build")
"""What of this repository a definition is made from."""


def definition(
    root: Path,
    folder: Path,
    settings: Settings,
    environment: Environment,
    on_work: Callable[[], None] = lambda: None,
) -> str:
    """The pipeline definition's JSON, as `pipeline compile` writes it.

    Args:
        root: this repository.
        folder: where definitions are kept.
        on_work: called before it is compiled, if it has to be.
    """
    file = folder / f"{_digest(root, environment)}.json"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    on_work()
    from model_build import pipeline

    text = pipeline.definition(settings, environment)
    folder.mkdir(parents=True, exist_ok=True)
    whole = file.with_suffix(f".{os.getpid()}")
    whole.write_text(text, encoding="utf-8", newline="\n")
    whole.replace(file)
    return text


def _digest(root: Path, environment: Environment) -> str:
    total = hashlib.sha256(f"{machine()} {environment}".encode())
    for file in _sources(root):
        total.update(file.relative_to(root).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:32]


def _sources(root: Path) -> Iterator[Path]:
    for name in SOURCES:
        path = root / name
        if path.is_file():
            yield path
        for file in sorted(path.rglob("*")):
            if file.suffix in (".py", ".toml") and "__pycache__" not in file.parts:
                yield file
