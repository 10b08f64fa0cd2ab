"""The repository's own Python, which the library calls: the pipeline and the features."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ninesteps.errors import SettingsError

PIPELINE, FEATURES = "model_build.pipeline", "feature_store.features"


def features(root: Path) -> Any:
    """The module that makes features of raw columns."""
    return load(root, FEATURES)


def load(root: Path, name: str) -> ModuleType:
    """A module of a repository; one of another repository, read before, is let go.

    Raises:
        SettingsError: if there is no such file, or it cannot be read as Python.
    """
    file = root / f"{name.replace('.', '/')}.py"
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
        return importlib.import_module(name)
    except SyntaxError as error:
        where = file.relative_to(root).as_posix()
        if error.filename and Path(error.filename).is_relative_to(root):
            where = Path(error.filename).relative_to(root).as_posix()
        raise SettingsError(f"line {error.lineno}: {error.msg}", file=where) from None
    finally:
        sys.path.remove(str(root))


def _is_file(module: ModuleType, file: Path) -> bool:
    return bool(module.__file__) and Path(str(module.__file__)).resolve() == file.resolve()
