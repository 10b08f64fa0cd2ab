"""Runs a container's command as a separate process, with a sandbox in place of `/opt/ml`.

On Linux, it is forked from a process that has already done the heavy imports (`fork_server.py`).
Elsewhere, and where a fork could differ from a fresh interpreter, a fresh interpreter is started.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol, TextIO

from ninesteps.errors import Frame, ScriptError, StepError
from ninesteps.local import fork_server
from ninesteps.local.imported import imported_packages

OPT_ML = PurePosixPath("/opt/ml")
OWN_PROCESS = "LOCAL_SAGEMAKER_FORK"
"""A job whose environment sets this variable to 0 gets a fresh interpreter."""

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "TMPDIR", "TEMP")
_READ_ON_LOADING = (
    "ARROW_", "GLIBC_", "GOMP_", "KMP_", "LD_", "MKL_", "OMP_", "OPENBLAS_", "PYTHON",
)  # fmt: skip
"""Variables that the interpreter and libraries read when they load: too late for a fork."""
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<name>.+))?', re.M)
_IMPORTS = re.compile(rb"^[ \t]*(?:import|from)[ \t]+(\w+)", re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last):"
_UNREADABLE = ("SyntaxError: ", "IndentationError: ", "TabError: ")  # of a script: no traceback

DISK_FULL = "No space left on device"
"""A fault of the machine that no policy names: not the script's, and no retry helps."""

INTERNAL_ERROR = "SageMaker.JOB_INTERNAL_ERROR"
"""The fault for a job that was killed from outside."""

KEEPS_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024 * 1024),
    "MALLOC_TOP_PAD_": str(16 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024 * 1024),
}
"""glibc's variables for servers: keeping memory for the next request saves a tenth of its time."""

_PAUSE = 0.05  # seconds between checks of a process that ends by itself
_WATCHED_PAUSE = 0.01  # ... of one that `watch` may end: its work until then is wasted
_TAIL = 65536  # bytes


@dataclass(frozen=True)
class Sandbox:
    """A folder that a job sees as `/opt/ml`."""

    root: Path

    def path(self, container_path: str) -> Path:
        """A container's path on this machine."""
        path = PurePosixPath(container_path)
        if not path.is_relative_to(OPT_ML) or ".." in path.parts:
            raise StepError(f"expected a path below {OPT_ML}, got {container_path!r}")
        return self.root.joinpath(*path.relative_to(OPT_ML).parts)

    def command(self, words: Sequence[str]) -> list[str]:
        """A container's command for this machine: with this Python, and the sandbox's paths."""
        if words[0] not in ("python", "python3"):
            raise StepError(f"entrypoint: expected python3 ..., got {words!r}")
        return [sys.executable, *(self._word(word) for word in words[1:])]

    def _word(self, word: str) -> str:
        is_path = str(word).startswith(f"{OPT_ML}/")
        return str(self.path(word)) if is_path else word


@dataclass(frozen=True)
class Preload:
    """The packages that are imported once for all steps."""

    modules: tuple[str, ...] = ()
    through: Mapping[str, Path] = field(default_factory=dict)
    """Packages that steps import through their own file, in a special way: package -> file."""

    def needed(self, code: Path) -> list[str] | None:
        """The modules and files that a folder of code imports.

        None if it imports a package differently from the file: then the imported package is not
        what a fresh interpreter would import.
        """
        imported: set[str] = set()
        files: list[str] = []
        for script in sorted(code.glob("*.py")):
            text = script.read_bytes()
            for package in self._imported_by_a_file(text):
                file = self.through[package]
                if text != file.read_bytes().replace(b"\r\n", b"\n"):
                    return None
                files.append(str(file))
            imported |= {name.decode(errors="replace") for name in _IMPORTS.findall(text)}
        return [m for m in self.modules if m.partition(".")[0] in imported] + files

    def _imported_by_a_file(self, script: bytes) -> frozenset[str]:
        """The packages with their own file that a script imports.

        Most scripts do not name them, and parsing a script is slow.
        """
        if script.isascii() and not any(name.encode() in script for name in self.through):
            return frozenset()
        with contextlib.suppress(SyntaxError, ValueError):  # the script itself reports the error
            return imported_packages(script) & self.through.keys()
        return frozenset()


@dataclass(frozen=True)
class Command:
    """A command with its folder, variables and log."""

    words: list[str]
    sandbox: Sandbox
    environment: dict[str, str]
    log: Path
    code: Path  # the folder of the script's own code


class Child(Protocol):
    """A running or ended process."""

    peak_bytes: int  # peak memory, once it has ended; 0: unknown
    refused: str  # why it could not be started

    def wait(self, seconds: float) -> int | None:
        """Its exit status, negative for a signal; None if it is still running after the timeout."""

    def end(self) -> None:
        """Kill it, if it is still running, with its children."""


class Runner(Protocol):
    """Runs commands."""

    def run(
        self, command: Command, max_seconds: float, watch: Callable[[], bool] | None = ...
    ) -> tuple[bool, int]:
        """Run a command to its end: see `Processes`."""

    def start(self, command: Command) -> Child:
        """Start a process that a running command waits for; the caller ends it."""

    def check_not_ended(self) -> None:
        """Raise a StepError once the runner has been stopped."""

    def pause(self, seconds: float) -> None:
        """Wait, unless the runner has been stopped."""

    def meanwhile(self, work: Callable[[], None]) -> None:
        """Call something in its own thread while a command runs."""

    def end_all(self) -> None:
        """End all commands, and run no more."""


class Processes:
    """The processes of an execution: a limited number at a time, all of which can be ended."""

    def __init__(self, limit: int, preload: Preload | None = None) -> None:
        self._slots = threading.BoundedSemaphore(limit)
        self._ended = threading.Event()
        self._preload = preload or Preload()
        self._server: ForkServer | None = None
        self._starting = threading.Lock()
        self._meanwhile: list[Callable[[], None]] = []

    def __enter__(self) -> Processes:
        self._ended.clear()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
            self._server = None

    def warm_up(self) -> None:
        """Start to import what steps need, before the first step needs it."""
        if server := self._fork_server():
            server.warm_up([*self._preload.modules, *map(str, self._preload.through.values())])

    def run(
        self, command: Command, max_seconds: float, watch: Callable[[], bool] | None = None
    ) -> tuple[bool, int]:
        """Run a command to its end.

        Args:
            watch: called many times a second; once it returns true, the process is ended.

        Returns:
            Whether the process ended by itself rather than because of `watch`; and its peak memory
            in bytes.

        Raises:
            StepError: if it failed or ran for too long, with the script's own error.
        """
        for word in (*command.words, *command.environment.values()):
            if not isinstance(word, str):
                raise StepError(f"command or environment: expected texts, got {word!r}")
        command.log.parent.mkdir(parents=True, exist_ok=True)
        with self._slots:
            self.check_not_ended()
            command.log.write_bytes(b"")
            child = self._start(command)
            with contextlib.suppress(IndexError):
                while True:
                    threading.Thread(target=self._meanwhile.pop()).start()
            status = None
            try:
                status = self._wait(child, max_seconds, watch)
            finally:
                if status is None:
                    child.end()
        if child.refused:
            raise StepError(child.refused, fault="SageMaker.CAPACITY_ERROR")
        if status:
            raise _failure(status, command)
        return status is not None, child.peak_bytes

    def start(self, command: Command) -> Child:
        """Start a process that a running command waits for; it does not count towards the limit."""
        self.check_not_ended()
        command.log.write_bytes(b"")
        return self._start(command)

    def end_all(self) -> None:
        """End all processes, and start no more."""
        self._ended.set()

    def pause(self, seconds: float) -> None:
        """Wait, unless the processes are ended in the meantime."""
        self._ended.wait(seconds)
        self.check_not_ended()

    def meanwhile(self, work: Callable[[], None]) -> None:
        """Call something in its own thread, once the next command has started."""
        self._meanwhile.append(work)

    def check_not_ended(self) -> None:
        """Raise a StepError once the processes were ended."""
        if self._ended.is_set():
            raise StepError("was stopped")

    def _start(self, command: Command) -> Child:
        environment = {**job_environment(command.sandbox), **command.environment}
        server = self._fork_server()
        if server is None:
            return _Fresh(command, environment)
        needed = self._preload.needed(command.code)
        if needed is None or not _can_fork(command.environment):
            return server.start(command, environment, fork=False)
        if needed:
            server.load(needed)
        return server.start(command, environment, fork=True)

    def _fork_server(self) -> ForkServer | None:
        """The fork server, started once, and again if it has died."""
        if not _machine_forks():
            return None
        with self._starting:
            if self._server is None or self._server.has_ended.is_set():
                self._server = ForkServer()
            return self._server

    def _wait(
        self, child: Child, max_seconds: float, watch: Callable[[], bool] | None
    ) -> int | None:
        """The child's exit status; None if `watch` returned true."""
        deadline = time.monotonic() + max_seconds
        pause = _WATCHED_PAUSE if watch else _PAUSE
        while (status := child.wait(pause)) is None:
            self.check_not_ended()
            if watch and watch():
                return None
            if time.monotonic() > deadline:
                raise StepError(f"ran for longer than MaxRuntimeInSeconds = {max_seconds:g}")
        return status


class InThisProcess:
    """Runs commands in this process and thread, so that a debugger can stop in them."""

    def __init__(self) -> None:
        self._one = threading.Lock()  # folder, variables and output belong to the process

    def run(
        self, command: Command, max_seconds: float, watch: Callable[[], bool] | None = None
    ) -> tuple[bool, int]:
        """Run one script at a time here; its output goes to the terminal and to the log."""
        with self._one:
            return self._run(command)

    def _run(self, command: Command) -> tuple[bool, int]:
        command.log.parent.mkdir(parents=True, exist_ok=True)
        variables, words, paths = dict(os.environ), sys.argv, list(sys.path)
        folder, main, output = Path.cwd(), sys.modules["__main__"], sys.stdout
        with command.log.open("w", encoding="utf-8") as log:
            os.environ.update({**job_environment(command.sandbox), **command.environment})
            os.chdir(command.sandbox.root)
            sys.stdout = _Tee(output, log)
            try:
                status = fork_server.run_script(command.words[1:])
            finally:
                sys.stdout, sys.argv, sys.path[:] = output, words, paths
                sys.modules["__main__"] = main
                os.chdir(folder)
                os.environ.clear()
                os.environ.update(variables)
        if status:
            raise ScriptError(f"the script ended with exit status {status}; its error is above")
        return True, 0

    def start(self, command: Command) -> Child:
        """Start a separate process that the script waits for."""
        return _Fresh(command, job_environment(command.sandbox))

    def check_not_ended(self) -> None:
        """Do nothing: a script here ends only by itself."""

    def end_all(self) -> None:
        """Do nothing: a script here ends only by itself."""

    def pause(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def meanwhile(self, work: Callable[[], None]) -> None:
        """Do nothing: a debugger stops in one thread."""


class _Tee(io.TextIOBase):
    """Writes to several text streams at once."""

    def __init__(self, *texts: TextIO) -> None:
        self._texts = texts

    def write(self, text: str) -> int:
        for stream in self._texts:
            stream.write(text)
            stream.flush()
        return len(text)

    def flush(self) -> None:
        for stream in self._texts:
            stream.flush()


class ForkServer:
    """The engine's side of the two pipes to a fork server."""

    def __init__(self) -> None:
        (theirs_in, to_it), (from_it, theirs_out) = os.pipe(), os.pipe()
        for descriptor in (theirs_in, theirs_out):
            os.set_inheritable(descriptor, True)
        command = [sys.executable, fork_server.__file__, str(theirs_in), str(theirs_out)]
        self._pid = os.posix_spawn(  # importing subprocess takes as long as this call
            sys.executable,
            command,
            job_environment(None),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            ],
            setpgroup=0,  # Ctrl-C goes to the engine, which ends it
        )
        for descriptor in (theirs_in, theirs_out):
            os.close(descriptor)
        self._to_it = os.fdopen(to_it, "wb")
        self._from_it = os.fdopen(from_it, encoding="ascii")
        self.has_ended = threading.Event()
        self._numbers = itertools.count()
        self._children: dict[int, _Forked] = {}
        self._sending = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def _send(self, *fields: object) -> None:
        """Send a message, unless the server has died."""
        content = os.fsencode("\0".join(map(str, fields)))
        with self._sending, contextlib.suppress(OSError, ValueError):
            self._to_it.write(f"{len(content):0{fork_server.LENGTH}}".encode() + content)
            self._to_it.flush()

    def load(self, names: Sequence[str]) -> None:
        """Import modules, and the imports of a step's files."""
        self._send("import", *names)

    def warm_up(self, names: Sequence[str]) -> None:
        """Import the same when the server is idle."""
        self._send("warm", *names)

    def start(self, command: Command, environment: dict[str, str], fork: bool) -> Child:
        """Start a child."""
        child = _Forked(self, next(self._numbers))
        self._children[child.number] = child
        how, words = "fork" if fork else "exec", command.words
        variables = (f"{name}={value}" for name, value in environment.items())
        self._send("start", child.number, how, command.sandbox.root, command.log, command.code,
                   len(words), *words, *variables)  # fmt: skip
        if self.has_ended.is_set():  # the message may never have arrived
            child.finish(_LOST, 0)
        return child

    def end(self, child: _Forked) -> None:
        """Kill a child that may still be running."""
        self._send("end", child.number)

    def close(self) -> None:
        """End the server with all its children."""
        if not self._children:  # it may still be importing, for no one
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        with self._sending, contextlib.suppress(OSError):
            self._to_it.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        self.has_ended.wait()

    def _listen(self) -> None:
        """Handle the server's messages until it has ended."""
        with self._from_it:
            for line in self._from_it:
                what, *numbers = line.split()
                number, value, *peak = map(int, numbers)
                if what == "started":
                    self._children[number].pid = value
                    continue
                child = self._children.pop(number)
                if what == "refused":
                    child.refused = f"cannot start a process: {os.strerror(value)}"
                child.finish(value, sum(peak) * 1024)
        self.has_ended.set()
        for child in list(self._children.values()):
            if child.pid:
                _kill_group(child.pid)
            child.finish(_LOST, 0)


_LOST = -9
"""The status of a lost child."""


class _Forked:
    """A child of the fork server."""

    def __init__(self, server: ForkServer, number: int) -> None:
        self.number, self.pid, self.peak_bytes, self.refused = number, 0, 0, ""
        self._server = server
        self._status: int | None = None
        self._has_ended = threading.Event()

    def finish(self, status: int, peak_bytes: int) -> None:
        """Record how it ended."""
        if not self._has_ended.is_set():
            self._status, self.peak_bytes = status, peak_bytes
            self._has_ended.set()

    def wait(self, seconds: float) -> int | None:
        self._has_ended.wait(seconds)
        return self._status

    def end(self) -> None:
        self._server.end(self)
        self._has_ended.wait()


class _Fresh:
    """A fresh interpreter."""

    peak_bytes, refused = 0, ""

    def __init__(self, command: Command, environment: dict[str, str]) -> None:
        import subprocess

        with command.log.open("ab") as output:
            self._process = subprocess.Popen(
                command.words,
                cwd=command.sandbox.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # to end it with all its children
            )
        self._expired = subprocess.TimeoutExpired

    def wait(self, seconds: float) -> int | None:
        try:
            status = self._process.wait(seconds)
        except self._expired:
            return None
        _kill_group(self._process.pid)  # its remaining children
        return status

    def end(self) -> None:
        if self._process.poll() is None:
            _kill_group(self._process.pid)
            self._process.kill()
            self._process.wait()


def _kill_group(pid: int) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


@functools.cache
def _machine_forks() -> bool:
    """Whether this is Linux with process descriptors, which make forking safe."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # an old kernel, or a restrictive sandbox
        return False
    return Path("/proc/self/task").is_dir()


def _can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a job's variables can still take effect in a forked process."""
    own = job_environment(None)
    return environment.get(OWN_PROCESS) != "0" and all(
        own.get(name) == value
        for name, value in environment.items()
        if name.startswith(_READ_ON_LOADING)
    )


def job_environment(sandbox: Sandbox | None) -> dict[str, str]:
    """A step's variables; without a sandbox, those of the fork server, which must stay
    single-threaded."""
    return bare_environment(
        {"SAGEMAKER_BASE_DIR": str(sandbox.root), _NO_BYTECODE: "1"}
        if sandbox
        else {
            "JE_ARROW_MALLOC_CONF": "background_thread:false",
            # Imported modules are compiled once: not every installer does so, and no step would.
            _NO_BYTECODE: os.environ.get(_NO_BYTECODE, ""),
        }
    )


def bare_environment(own: Mapping[str, str]) -> dict[str, str]:
    """These variables and the few of this machine that every process needs, without credentials."""
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        **own,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Boosting reads randomly from a table: with a million rows, huge pages save a tenth of the
        # time.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }


_OF_THE_MACHINE = re.compile(
    r"(\w+\.)*(_ArrayMemoryError|(Memory|OS|Permission|Timeout|BlockingIO|Connection\w*)Error)\b"
)
"""A script's exceptions that are the machine's fault rather than the script's."""

_OF_THE_DATA = re.compile(r"(\w+\.)*DataError: ")
"""A script's exceptions about its data: their message needs no line of code."""


def _failure(status: int, command: Command) -> StepError:
    """The script's own error, with the line of its code that raised it."""
    _, marker, trace = _tail(command.log).rpartition(_TRACEBACK)
    lines = trace.splitlines() or [""]
    if status == 1 and (marker or lines[-1].startswith(_UNREADABLE)):
        errors = [line for line in lines if line and not line.startswith((" ", "\t"))]
        error = errors[0] if errors else lines[-1]
        if of_data := _OF_THE_DATA.match(error):
            return ScriptError(f"{error[of_data.end() :]:.500}")
        message = f"{error:.500}"
        root = command.sandbox.root
        frames = [f for f in _FRAME.finditer(trace) if Path(f["file"]).is_relative_to(root)]
        fault = DISK_FULL if DISK_FULL in message else ""
        kind = StepError if fault or _OF_THE_MACHINE.match(message) else ScriptError
        if not frames:
            return kind(message, fault=fault)
        file, line = Path(frames[-1]["file"]), int(frames[-1]["line"])
        frame = Frame(file.name, line, frames[-1]["name"] or "", _source(file, line))
        return kind(f"{message} ({file.name}, line {line})", frame, fault)
    name = f"signal {-status}" if status < 0 else f"exit status {status}"
    detail = f": {lines[-1]:.500}" if lines[-1] else ""
    fault = INTERNAL_ERROR if status == _LOST else ""  # killed from outside
    if shutil.disk_usage(command.log.parent).free < _TAIL:  # then it could not write its error
        detail, fault = f": {DISK_FULL}", DISK_FULL
    kind = StepError if fault or status < 0 else ScriptError
    return kind(f"the script ended with {name}{detail}", fault=fault)


def _source(file: Path, line: int) -> str:
    """A line of a script, without its indent; empty if it no longer exists."""
    with contextlib.suppress(OSError, UnicodeDecodeError, IndexError):
        return file.read_text(encoding="utf-8").splitlines()[line - 1].strip()
    return ""


def _tail(log: Path) -> str:
    """The end of a log, which may be huge and not valid text."""
    if not log.is_file():  # a script may have deleted it
        return ""
    with log.open("rb") as content:
        content.seek(max(0, log.stat().st_size - _TAIL))
        return content.read().decode("utf-8", errors="replace").rstrip()
