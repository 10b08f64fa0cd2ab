"""What `pipeline check` said of a repository in order, kept under a hash of all that it read.

Only what takes long is kept, and only where nothing was found: the file is read again by each check
that finds the same bytes, and by no other.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ninesteps.local.step_cache import machine
from ninesteps.settings.settings import Settings

FILE = "checked.json"  # in the folder that runs leave their results in
SOURCES = (
    "feature_store", "model_build", "model_deploy", "pipeline.toml", "pyproject.toml",
    "requirements.lock",
)  # fmt: skip
"""What of a repository a check reads, beside the table."""

LIBRARY = Path(__file__).resolve().parent.parent


@dataclass
class Checked:
    """What a check of the files as they are now says, so far as it is known from before."""

    file: Path
    digest: str
    lines: dict[str, str] = field(default_factory=dict)
    """By what was checked."""
    is_kept: bool = False

    @classmethod
    def of(cls, root: Path, local: Path, settings: Settings, table: Path | None) -> Checked:
        """What is known of a repository.

        Args:
            local: the folder that runs leave their results in.
            table: the raw table, if the check reads it.
        """
        file, digest = local / FILE, _digest(root, settings, table)
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # none, or not complete
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["digest"] == digest:
                return cls(file, digest, dict(kept["lines"]), is_kept=True)
        return cls(file, digest)

    def say(self, part: str, check: Callable[[], str], say: Callable[[str], object]) -> None:
        """Say what is known of a part, or check it first."""
        self.lines[part] = self.lines.get(part) or check()
        say(self.lines[part])

    def keep(self) -> None:
        """Keep what a whole check said; where nothing can be written, the next is whole too."""
        if self.is_kept:
            return
        whole = self.file.with_suffix(f".{os.getpid()}")
        content = {"digest": self.digest, "lines": self.lines}
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            whole.write_text(json.dumps(content, indent=1), encoding="utf-8")
            whole.replace(self.file)


def _digest(root: Path, settings: Settings, table: Path | None) -> str:
    total = hashlib.sha256(f"{machine()} {settings}".encode())
    own = [root / name for name in SOURCES] + ([table] if table else [])
    for path in (*own, LIBRARY):
        for file in _files(path):
            total.update(f"{file}\0".encode())
            with file.open("rb") as content:
                total.update(hashlib.file_digest(content, "sha256").digest())
    return total.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for file in sorted(path.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file
