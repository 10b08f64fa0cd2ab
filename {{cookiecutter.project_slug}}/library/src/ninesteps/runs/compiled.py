"""The compiled definition, kept under a hash of all that it depends on.

Importing the SageMaker SDK takes seconds; if nothing has changed, it is not imported.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ninesteps.errors import StateError
from ninesteps.local.state import State, digest_of_text
from ninesteps.local.step_cache import machine
from ninesteps.repository import modules
from ninesteps.settings.environment import Environment
from ninesteps.settings.settings import Settings
from ninesteps.step_code import base_model, suite
from ninesteps.step_code.bundle import code_objects

SOURCES = ("pipeline.toml", "model_build")
"""Files of a repository that a definition is made from, beside those that the settings name."""

LIBRARY = Path(__file__).resolve().parent.parent
LIBRARY_SOURCES = (
    "containers", "feature_store/point_in_time.py", "profiles", "sdk", "settings", "step_code",
)  # fmt: skip
"""Files of the library that a definition is made from."""


@dataclass(frozen=True)
class Compiled:
    """A definition, and the code that it names."""

    definition: str  # JSON, as `pipeline compile` writes it
    code: dict[str, str]  # S3 URI -> SHA-256 of the object
    imported: dict[str, str] = field(default_factory=dict)
    """Other modules of the repository that it may depend on: SHA-256 by file."""


def compiled(
    root: Path,
    folder: Path,
    settings: Settings,
    environment: Environment,
    on_work: Callable[[], None] = lambda: None,
) -> Compiled:
    """The pipeline definition of a repository.

    A cached one is used if its digest is the one recorded in the state beside it.

    Args:
        root: the repository.
        folder: where definitions are cached, in the folder with the results of runs.
        on_work: called before compiling, if that is needed.
    """
    digest = _digest(root, settings, environment)
    file = folder / f"{digest}.json"
    with contextlib.suppress(OSError, ValueError, TypeError, StateError):  # none, or not complete
        text = file.read_text(encoding="utf-8")
        if digest_of_text(text) in _state(folder).definition_digests(digest):
            kept = Compiled(**json.loads(text))
            if all(_digest_of(root / name) == known for name, known in kept.imported.items()):
                return kept
    on_work()
    objects = code_objects(settings, environment)
    compiled_pipeline = Compiled(
        definition(settings, environment),
        {uri: hashlib.sha256(content).hexdigest() for uri, content in objects.items()},
        {file.relative_to(root).as_posix(): _digest_of(file) for file in _imported(root)},
    )
    if _digest(root, settings, environment) != digest:
        return compiled_pipeline  # a file was saved meanwhile: its sources are unknown
    whole = file.with_suffix(f".{os.getpid()}")
    text = json.dumps(asdict(compiled_pipeline), indent=1)
    with contextlib.suppress(OSError, StateError):  # then it is compiled again
        folder.mkdir(parents=True, exist_ok=True)
        whole.write_text(text, encoding="utf-8", newline="")
        _state(folder).note_definition(digest, text)
        whole.replace(file)
    return compiled_pipeline


def _state(folder: Path) -> State:
    return State(folder.parent / "state.db")


def definition(settings: Settings, environment: Environment) -> str:
    """The repository's pipeline, compiled: JSON text, the same bytes each time."""
    from ninesteps.sdk.build import definition as text  # the SDK: seconds to import
    from ninesteps.validation.base import check_base

    check_base(settings)
    module = modules.load(settings.root, modules.PIPELINE)
    with modules.own_errors(settings.root, Path(str(module.__file__))):
        return text(module.get_pipeline(settings, environment))


def _digest(root: Path, settings: Settings, environment: Environment) -> str:
    total = hashlib.sha256(f"{machine()} {settings} {environment}".encode())
    for file in (*_sources(root), *base_model.paths(settings), *suite.paths(settings)):
        if not file.is_file():
            continue  # compiling it will say so
        base = root if file.is_relative_to(root) else LIBRARY
        total.update(file.relative_to(base).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:32]


def _imported(root: Path) -> Iterator[Path]:
    """The files of modules imported from the repository, apart from its SOURCES."""
    files = [Path(f) for m in list(sys.modules.values()) if (f := getattr(m, "__file__", None))]
    for file in sorted(set(files)):
        is_own = file.is_relative_to(root) and not file.is_relative_to(root / "model_build")
        is_installed = file.is_relative_to(sys.prefix) or file.is_relative_to(LIBRARY)
        if is_own and not is_installed and file.is_file():
            yield file


def _digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _sources(root: Path) -> Iterator[Path]:
    for path in (*(root / n for n in SOURCES), *(LIBRARY / n for n in LIBRARY_SOURCES)):
        if path.is_file():
            yield path
        for file in sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file
