"""The process that forks a child for each step: one thread, no database, heavy imports only once.

`processes.py` runs it as a script, and talks to it over two pipes. A message starts with its length
in ten digits; its fields are separated by NUL:

    import   modules, and files of a step's code (see `_import_through`), which are imported at once
    warm     the same, imported once nothing else is asked
    start    number, fork or exec, folder, log, code, how many words, the words, variables as
             NAME=value
    end      number

It answers in lines of one word and numbers:

    started number pid
    ended number status peak-memory-in-kilobytes
    refused number errno

When the other end of the first pipe closes, for any reason, every child is killed: no step outlives
its engine. The script imports almost nothing, since its start delays the first step.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import sys
import warnings
from importlib.machinery import SourceFileLoader
from types import CodeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

LENGTH = 10
"""Digits of a message's length."""

_BLOCK = 65536
_SIGKILL = 9


class Server:
    """The running children, and the pipes to the engine."""

    def __init__(self, engine: int, answers: int) -> None:
        self._engine, self._answers = engine, answers  # file descriptors
        self._children: dict[int, tuple[int, str]] = {}  # by descriptor: process id, number
        self._received = b""
        self._later: list[str] = []  # what to import when idle
        self._imported: set[str] = set()  # or failed to
        self.code: dict[bytes, CodeType] = {}  # of steps, by source

    def serve(self) -> list[str]:
        """Handle messages until the engine has gone.

        Returns:
            In a child, the message that it was forked for; otherwise None.
        """
        waiting = select.poll()
        waiting.register(self._engine, select.POLLIN)
        while True:
            asked = waiting.poll(0 if self._later else None)
            if not asked:
                self._import(self._later.pop(0))
            for descriptor, _ in asked:
                if descriptor != self._engine:
                    waiting.unregister(descriptor)
                    self._bury(descriptor)
                    continue
                messages = self._messages()
                if messages is None:
                    self.end_all()
                    return []
                for message in messages:
                    pid = self._answer(message)
                    if pid == 0:
                        return message
                    if pid is not None:
                        child = os.pidfd_open(pid)
                        self._children[child] = (pid, message[1])
                        waiting.register(child, select.POLLIN)

    def _messages(self) -> list[list[str]] | None:
        """The complete messages received; None once the engine has gone."""
        block = os.read(self._engine, _BLOCK)
        if not block:
            return None
        self._received += block
        messages = []
        while len(self._received) >= LENGTH:
            end = LENGTH + int(self._received[:LENGTH])
            if len(self._received) < end:
                break
            messages.append(os.fsdecode(self._received[LENGTH:end]).split("\0"))
            self._received = self._received[end:]
        return messages

    def _answer(self, message: list[str]) -> int | None:
        """Handle a message; return a new child's process id, and 0 in the child."""
        kind, *fields = message
        if kind == "start":
            return self._start(message)
        if kind == "warm":
            self._later += fields
        elif kind == "import":
            for name in fields:
                self._import(name)
        else:
            for pid, number in self._children.values():
                if number == fields[0]:
                    _kill(pid)
        return None

    def _import(self, name: str) -> None:
        """Import a module, or the imports of a step's file, if installed."""
        if name in self._imported:
            return
        self._imported.add(name)
        if name.endswith(".py"):
            _import_through(name)
        else:
            _import(name)

    def _start(self, message: list[str]) -> int | None:
        _, number, how, _, _, code, *_ = message
        if not _is_alone():  # a fork would keep only one of the threads
            message[2] = how = "exec"
        if how == "fork":
            self._compile(code)
            gc.freeze()  # a child's garbage collector would touch, and so copy, every object
        try:
            pid = os.fork()
        except OSError as error:
            self._say(f"refused {number} {error.errno}")
            return None
        if pid:
            _lead_group(pid)  # the child does so too: the first one counts
            self._say(f"started {number} {pid}")
        return pid

    def _compile(self, folder: str) -> None:
        """Compile a step's code, unless an earlier step had the same code; children inherit it."""
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if not name.endswith(".py"):
                continue
            with open(os.path.join(folder, name), "rb") as file:
                source = file.read()
            if source not in self.code:
                self._keep_compiled(source, name)

    def _keep_compiled(self, source: bytes, name: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the step itself reports warnings about it
            try:
                self.code[source] = compile(source, name, "exec", dont_inherit=True)
            except Exception:
                pass

    def _bury(self, descriptor: int) -> None:
        """Report how a child ended."""
        os.close(descriptor)
        pid, number = self._children.pop(descriptor)
        _kill(pid)  # its remaining children
        _, status, usage = os.wait4(pid, 0)
        self._say(f"ended {number} {os.waitstatus_to_exitcode(status)} {usage.ru_maxrss}")

    def _say(self, line: str) -> None:
        try:
            os.write(self._answers, f"{line}\n".encode())
        except BrokenPipeError:
            pass  # the next read reports it too

    def end_all(self) -> None:
        """Kill the running children."""
        for pid, _ in self._children.values():
            _kill(pid)

    def leave(self) -> None:
        """Close what is the server's, in a child."""
        for descriptor in (self._engine, self._answers, *self._children):
            os.close(descriptor)


def _lead_group(pid: int) -> None:
    try:
        os.setpgid(pid, pid)
    except OSError:  # it already does, or runs another program, or has ended
        pass


def _kill(pid: int) -> None:
    """Kill a child and its own children."""
    try:
        os.killpg(pid, _SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _is_alone() -> bool:
    """Whether this process has only one thread: only then can it be forked safely."""
    return len(os.listdir("/proc/self/task")) == 1


def _import_through(file: str) -> None:
    """Import a library through a file of a step's code, which imports it in its own way.

    The library stays imported; each step imports the file again.
    """
    folder, name = os.path.split(file)
    sys.path.insert(0, folder)
    _import(name.removesuffix(".py"))
    sys.path.remove(folder)
    for imported, module in list(sys.modules.items()):
        if os.path.dirname(getattr(module, "__file__", None) or "") == folder:
            del sys.modules[imported]


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception:  # the step that imports it reports the error
        pass


def _reuse_compiled(code: dict[bytes, CodeType]) -> None:
    """Let imports use already compiled code for files with the same bytes."""
    compiled = SourceFileLoader.source_to_code

    def source_to_code(self: Any, data: Any, path: Any, **options: Any) -> CodeType:
        known = code.get(data) if isinstance(data, bytes) else None
        return _located(known, path) if known else compiled(self, data, path, **options)

    SourceFileLoader.source_to_code = source_to_code  # type: ignore[method-assign]


def _located(code: CodeType, path: str) -> CodeType:
    """The same code, as if compiled from a file at this path."""
    constants = (_located(c, path) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_filename=path, co_consts=tuple(constants))


def run_child(message: list[str], code: dict[bytes, CodeType]) -> NoReturn:
    """Become the process that a message asks for, and end with it.

    Args:
        code: compiled code by its source.
    """
    _, _, how, folder, log, _, count, *others = message
    words, variables = others[: int(count)], others[int(count) :]
    _lead_group(os.getpid())
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for opened, standard in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(opened, standard)
        if standard != 1:
            os.close(opened)
    os.chdir(folder)
    environment = dict(variable.split("=", 1) for variable in variables)
    if how == "exec":
        os.execve(words[0], words, environment)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = True  # as the environment variable says, which was set too late
    if "numpy.random" in sys.modules:  # otherwise every child would draw the same numbers
        sys.modules["numpy.random"].seed()
    gc.enable()
    _reuse_compiled(code)
    status = run_script(words[1:], code)
    _finish()
    os._exit(status)


def _finish() -> None:
    """Do what an interpreter does at exit, as a child of multiprocessing does.

    Except for finalizing itself: with everything that the parent has imported, that takes longer
    than most steps.
    """
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    if "atexit" in sys.modules:
        sys.modules["atexit"]._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass


def run_script(words: list[str], compiled: Mapping[bytes, CodeType] = {}) -> int:
    """Run a script and its arguments as `python script ...` would; return the exit status."""
    script = words[0]
    main = type(sys)("__main__")
    named = {"__file__": script, "__builtins__": __builtins__, "__cached__": None}
    main.__dict__.update(named, __annotations__={})
    sys.modules["__main__"] = main
    sys.argv = words
    sys.path[0] = os.path.dirname(script)
    try:
        with open(script, "rb") as file:
            source = file.read()
        known = compiled.get(source)
        code = compile(source, script, "exec", dont_inherit=True) if known is None else known
        exec(_located(code, script), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        sys.stderr.write(f"{end.code}\n")
        return 1
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        own = error.__traceback__ and error.__traceback__.tb_next  # without this function's frame
        sys.excepthook(type(error), error, own)
        return 1
    return 0


def main(engine: int, answers: int) -> None:
    """Serve the engine over two pipes."""
    sys.path[0] = os.devnull  # not this file's folder; replaced by a script's own
    gc.disable()  # the server makes no garbage; its children enable theirs
    server = Server(engine, answers)
    message = server.serve()
    if message:
        server.leave()
        run_child(message, server.code)
    os._exit(0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
