"""Runs a container's command as a process of its own, under a sandbox that stands for `/opt/ml`."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from local_sagemaker.errors import StepError

OPT_ML = PurePosixPath("/opt/ml")
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "TMPDIR", "TEMP")
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last):"
_UNREADABLE = ("SyntaxError: ", "IndentationError: ", "TabError: ")  # of a script: no traceback
_PAUSE = 0.05  # seconds
_TAIL = 65536  # bytes


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
        if words[0] not in ("python", "python3"):
            raise StepError(f"the entrypoint {words!r} is not known here; it begins with python3")
        return [sys.executable, *(self._word(word) for word in words[1:])]

    def _word(self, word: str) -> str:
        is_path = str(word).startswith(f"{OPT_ML}/")
        return str(self.path(word)) if is_path else word


@dataclass
class Processes:
    """The processes of an execution: at most so many at a time, all of which can be ended."""

    limit: int
    _slots: threading.BoundedSemaphore = field(init=False)
    _ended: threading.Event = field(default_factory=threading.Event)

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
        for word in (*command, *environment.values()):
            if not isinstance(word, str):
                raise StepError(f"{word!r} is in the command or environment, where texts are right")
        log.parent.mkdir(parents=True, exist_ok=True)
        with self._slots, log.open("wb") as output:
            self.check_not_ended()
            process = subprocess.Popen(
                list(command),
                cwd=sandbox.root,
                env={**_environment(sandbox), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that it can be ended with all that it starts
            )
            try:
                finished = self._wait(process, max_seconds, watch)
            finally:
                _kill(process)
        if finished and process.returncode:
            raise StepError(_why(process.returncode, log, sandbox))
        return finished

    def end_all(self) -> None:
        """End every process, and start no other."""
        self._ended.set()

    def check_not_ended(self) -> None:
        """Raise a StepError once the processes were ended."""
        if self._ended.is_set():
            raise StepError("was stopped")

    def _wait(
        self, process: subprocess.Popen[bytes], max_seconds: float, watch: Callable[[], bool]
    ) -> bool:
        deadline = time.monotonic() + max_seconds
        while True:
            try:
                process.wait(_PAUSE)
                return True
            except subprocess.TimeoutExpired:
                self.check_not_ended()
            if watch():
                return False
            if time.monotonic() > deadline:
                raise StepError(f"ran for longer than MaxRuntimeInSeconds = {max_seconds:g}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, and what it has started."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()


def _environment(sandbox: Sandbox) -> dict[str, str]:
    """As little of this machine as a process needs: no credentials, no network addresses."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "SAGEMAKER_BASE_DIR": str(sandbox.root),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }


def _why(code: int, log: Path, sandbox: Sandbox) -> str:
    """The script's own error, and the line of its own code that raised it."""
    _, found, trace = _tail(log).rpartition(_TRACEBACK)
    lines = trace.splitlines() or [""]
    if code == 1 and (found or lines[-1].startswith(_UNREADABLE)):
        errors = [line for line in lines if line and not line.startswith((" ", "\t"))]
        frames = [f for f in _FRAME.finditer(trace) if Path(f["file"]).is_relative_to(sandbox.root)]
        where = f" ({Path(frames[-1]['file']).name}, line {frames[-1]['line']})" if frames else ""
        return f"{errors[0] if errors else lines[-1]:.500}{where}"
    name = f"signal {-code}" if code < 0 else f"exit status {code}"
    said = f": {lines[-1]:.500}" if lines[-1] else ""
    return f"the script ended with {name}{said}"


def _tail(log: Path) -> str:
    """The end of a log, which may be huge, and in no encoding."""
    with log.open("rb") as content:
        content.seek(max(0, log.stat().st_size - _TAIL))
        return content.read().decode("utf-8", errors="replace").rstrip()
