"""A cache of the checks of `pipeline check` that passed, under a hash of all that they read.

It holds only slow checks that passed. A check of the same bytes prints the cached lines; any change
makes every check run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ninesteps.local.step_cache import machine
from ninesteps.settings.settings import Settings
from ninesteps.step_code import base_model, suite

FILE = "checked.json"  # in the folder with the results of runs
SOURCES = (
    "feature_store", "model_build", "model_deploy", "pipeline.toml", "pyproject.toml",
    "requirements.lock",
)  # fmt: skip
"""Files of a repository that a check reads, beside the table and files that the settings name."""

LARGE = 32 * 1024**2
"""Size in bytes of a table above which `pipeline check` reads only the first rows."""

LIBRARY = Path(__file__).resolve().parent.parent


@dataclass
class CheckCache:
    """The cached lines of checks of the files as they are now."""

    file: Path
    digest: str
    lines: dict[str, str] = field(default_factory=dict)
    """Lines by the part that was checked."""
    is_saved: bool = False

    @classmethod
    def load(cls, root: Path, local: Path, settings: Settings, table: Path | None) -> CheckCache:
        """The cached lines of a repository; none if anything has changed.

        Args:
            local: the folder with the results of runs.
            table: the raw table, if the check reads it.
        """
        file, digest = local / FILE, _digest(root, settings, table)
        with contextlib.suppress(
            OSError, ValueError, TypeError, KeyError
        ):  # missing, or incomplete
            content = json.loads(file.read_text(encoding="utf-8"))
            if content["digest"] == digest:
                return cls(file, digest, dict(content["lines"]), is_saved=True)
        return cls(file, digest)

    def report(self, part: str, check: Callable[[], str], show: Callable[[str], object]) -> None:
        """Print the line of a part, after checking the part if its line is not cached."""
        self.lines[part] = self.lines.get(part) or check()
        show(self.lines[part])

    def save(self) -> None:
        """Write the lines of a complete check; if that is impossible, nothing is cached."""
        if self.is_saved:
            return
        whole = self.file.with_suffix(f".{os.getpid()}")
        content = {"digest": self.digest, "lines": self.lines}
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            whole.write_text(json.dumps(content, indent=1), encoding="utf-8")
            whole.replace(self.file)


def _digest(root: Path, settings: Settings, table: Path | None) -> str:
    """A hash of all that a check reads, and of the day, because rows from the future are
    refused."""
    total = hashlib.sha256(f"{machine()} {_today()} {settings}".encode())
    files = [root / name for name in SOURCES]
    if table and (stat := table.stat()).st_size <= LARGE:
        files.append(table)
    elif table:  # hashing all of it would take longer than reading the sample
        total.update(f"{table} {stat.st_size} {stat.st_mtime_ns}".encode())
    files += [*base_model.paths(settings), *suite.paths(settings)]
    for path in (*files, LIBRARY, *_modules_elsewhere(root)):
        for file in _files(path):
            total.update(f"{file}\0".encode())
            with file.open("rb") as content:
                total.update(hashlib.file_digest(content, "sha256").digest())
    return total.hexdigest()


def _today() -> str:
    return f"{datetime.now(tz=UTC):%Y-%m-%d}"


def _modules_elsewhere(root: Path) -> Iterator[Path]:
    """Python files that the repository's code may import, outside the template's folders."""
    for folder, folders, names in os.walk(root):
        is_root = Path(folder) == root
        folders[:] = sorted(
            name for name in folders
            if not name.startswith(".") and not (is_root and name in (*SOURCES, "library"))
            and not Path(folder, name, "pyvenv.cfg").exists()
        )  # fmt: skip
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for file in sorted(path.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file
