"""Runs a container's command as a process of its own, under a sandbox that stands for `/opt/ml`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from local_sagemaker.errors import StepError

OPT_ML = PurePosixPath("/opt/ml")
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "TMPDIR", "TEMP")
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True)
class Sandbox:
    """A folder that a job sees as `/opt/ml`."""

    root: Path

    def path(self, container_path: str) -> Path:
        """Where a path of the container lies on this machine."""
        path = PurePosixPath(container_path)
        if not path.is_relative_to(OPT_ML) or ".." in path.parts:
            raise StepError(f"the path {container_path!r} is not below {OPT_ML}")
        return self.root.joinpath(*path.relative_to(OPT_ML).parts)

    def command(self, words: Sequence[str]) -> list[str]:
        """A container's command as it is run here: this Python, this sandbox's paths."""
        if not words or words[0] not in ("python", "python3"):
            raise StepError(f"the entrypoint {words!r} is not known here; it begins with python3")
        paths = (str(self.path(w)) if w.startswith(f"{OPT_ML}/") else w for w in words[1:])
        return [sys.executable, *paths]


@dataclass
class Processes:
    """The processes of an execution: at most so many at a time, all of which can be ended."""

    limit: int
    _slots: threading.BoundedSemaphore = field(init=False)
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _ended: bool = False

    def __post_init__(self) -> None:
        self._slots = threading.BoundedSemaphore(self.limit)

    def run(
        self,
        command: Sequence[str],
        sandbox: Sandbox,
        environment: Mapping[str, str],
        log: Path,
        max_seconds: float,
        watch: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Run a command to its end, its output going to a log.

        Args:
            watch: asked several times a second; once it says yes the process is ended.

        Returns:
            Whether the process ended by itself; False if it was ended because of `watch`.

        Raises:
            StepError: if it failed or ran for too long; the message is the script's own error.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with self._slots, log.open("wb") as output:
            if self._ended:
                raise StepError("was stopped")
            process = subprocess.Popen(
                list(command),
                cwd=sandbox.root,
                env={**_environment(sandbox), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            self._running.add(process)
            try:
                finished = _wait(process, max_seconds, watch)
            finally:
                self._running.discard(process)
                if process.poll() is None:
                    process.kill()
                    process.wait()
        if finished and process.returncode:
            raise StepError(_why(process.returncode, log, sandbox))
        return finished

    def end_all(self) -> None:
        """End every process, and start no other."""
        self._ended = True
        for process in list(self._running):
            process.terminate()


def _wait(process: subprocess.Popen[bytes], max_seconds: float, watch: Callable[[], bool]) -> bool:
    waited, pause = 0.0, 0.05
    while True:
        try:
            process.wait(pause)
            return True
        except subprocess.TimeoutExpired:
            waited += pause
        if watch():
            return False
        if waited > max_seconds:
            raise StepError(f"ran for longer than MaxRuntimeInSeconds = {max_seconds:g}")


def _environment(sandbox: Sandbox) -> dict[str, str]:
    """As little of this machine as a process needs: no credentials, no network addresses."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "SAGEMAKER_BASE_DIR": str(sandbox.root),
        "AWS_EC2_METADATA_DISABLED": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }


def _why(code: int, log: Path, sandbox: Sandbox) -> str:
    """The script's own error, and the line of its own code that raised it."""
    text = log.read_text(encoding="utf-8", errors="replace")
    _, found, trace = text.rpartition(_TRACEBACK)
    if not found:
        last = text.strip().splitlines()
        said = f": {last[-1]}" if last else ""
        signal = f"signal {-code}" if code < 0 else f"exit status {code}"
        return f"the script ended with {signal}{said}"
    errors = [line for line in trace.splitlines() if line and not line.startswith((" ", "\t"))]
    frames = [f for f in _FRAME.finditer(trace) if Path(f["file"]).is_relative_to(sandbox.root)]
    where = f" ({Path(frames[-1]['file']).name}, line {frames[-1]['line']})" if frames else ""
    return f"{errors[0] if errors else 'an error without a message'}{where}"
