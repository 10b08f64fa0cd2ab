"""The repository's own Python, which the library calls: the pipeline and the features."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ninesteps.errors import NineStepsError, SettingsError

PIPELINE, FEATURES = "model_build.pipeline", "feature_store.features"


def features(root: Path) -> Any:
    """The module that computes features from raw columns.

    Raises:
        SettingsError: if it cannot be loaded, or lacks one of its two functions.
    """
    module = load(root, FEATURES)
    for name in ("features", "findings"):
        if not callable(getattr(module, name, None)):
            raise SettingsError(f"expected a function {name}, found none", file=_file_of(FEATURES))
    return module


def load(root: Path, name: str) -> ModuleType:
    """A module of a repository; the same module of another repository is unloaded.

    Raises:
        SettingsError: if there is no such file, or it raises an error.
    """
    file = root / _file_of(name)
    if not file.is_file():
        raise SettingsError("there is no such file", file=file.relative_to(root).as_posix())
    loaded = sys.modules.get(name)
    if loaded is not None and _is_file(loaded, file):
        return loaded
    package = name.partition(".")[0]
    for other in [m for m in sys.modules if m.partition(".")[0] == package]:
        del sys.modules[other]
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        with own_errors(root, file):
            return importlib.import_module(name)
    finally:
        sys.path.remove(str(root))


@contextmanager
def own_errors(root: Path, file: Path) -> Iterator[None]:
    """Turn errors of a team's own code into one sentence with file and line.

    An exit is an error too: a command that ended there would seem to have done its work.

    Raises:
        SettingsError: instead of the error.
    """
    try:
        yield
    except (NineStepsError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        where = Path(error.filename) if error.filename else file
        where = where if where.is_relative_to(root) else file
        raise SettingsError(
            f"line {error.lineno}: {error.msg}", file=where.relative_to(root).as_posix()
        ) from None
    except (Exception, SystemExit) as error:
        where, line = file, "?"
        for frame in traceback.extract_tb(error.__traceback__):
            if Path(frame.filename).is_relative_to(root):
                where, line = Path(frame.filename), str(frame.lineno)
        raise SettingsError(
            f"line {line}: {type(error).__name__}: {error}",
            file=where.relative_to(root).as_posix(),
        ) from error


def _file_of(name: str) -> str:
    return f"{name.replace('.', '/')}.py"


def _is_file(module: ModuleType, file: Path) -> bool:
    return bool(module.__file__) and Path(str(module.__file__)).resolve() == file.resolve()
