"""The process that forks a child for each step: one thread, no database, heavy imports done once.

`processes.py` runs it as a script and talks to it over a socket, a JSON object a line:

    to it      {"import": ["numpy"], "through": ["steps/booster.py"]}
               {"start": 7, "command": [...], "folder": "...", "environment": {...}, "log": "...",
                "fork": true}
               {"end": 7}
    from it    {"started": 7, "pid": 123}
               {"ended": 7, "status": 0, "peak_bytes": 50000000}

Once the other end of the socket is closed, however that came about, every child is killed: no step
outlives its engine. It stands alone, on the standard library.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Message = dict[str, Any]
_BLOCK = 65536


@dataclass
class Server:
    """The children that run, and the socket by which the engine asks for others."""

    engine: socket.socket
    children: dict[int, int] = field(default_factory=dict)  # process id -> the engine's number
    received: bytes = b""

    def serve(self) -> Message | None:
        """Do what is asked until the engine has gone.

        Returns:
            None then; in a child, what it is to run.
        """
        woken, wake = os.pipe()
        for end in (woken, wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.engine, selectors.EVENT_READ)
            waiting.register(woken, selectors.EVENT_READ)
            while True:
                for key, _ in waiting.select():
                    if key.fileobj == woken:
                        with contextlib.suppress(BlockingIOError):
                            os.read(woken, _BLOCK)
                        self._bury()
                        continue
                    messages = self._messages()
                    if messages is None:
                        return None
                    for message in messages:
                        if self._answer(message):
                            signal.set_wakeup_fd(-1)
                            os.close(woken)
                            os.close(wake)
                            return message

    def _messages(self) -> list[Message] | None:
        """What has come in, whole lines only; None once the engine has gone."""
        try:
            block = self.engine.recv(_BLOCK)
        except ConnectionResetError:
            block = b""
        if not block:
            return None
        *lines, self.received = (self.received + block).split(b"\n")
        return [json.loads(line) for line in lines]

    def _answer(self, message: Message) -> bool:
        """Do what a message asks; True in a child that was forked for it."""
        if "import" in message:
            preload(message["import"], message["through"])
        elif "end" in message:
            for pid, number in self.children.items():
                if number == message["end"]:
                    _kill(pid)
        else:
            return self._start(message)
        return False

    def _start(self, message: Message) -> bool:
        message["fork"] = message["fork"] and _is_alone()
        number = message["start"]
        try:
            pid = os.fork()
        except OSError as error:
            refused = f"no process can be started: {error.strerror}"
            self._say({"ended": number, "status": 1, "peak_bytes": 0, "refused": refused})
            return False
        if not pid:
            return True
        self.children[pid] = number
        self._say({"started": number, "pid": pid})
        return False

    def _bury(self) -> None:
        """Say of each child that has ended how it did."""
        while self.children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                return
            number = self.children.pop(pid, None)
            code = os.waitstatus_to_exitcode(status)
            self._say({"ended": number, "status": code, "peak_bytes": usage.ru_maxrss * 1024})

    def _say(self, message: Message) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # seen at the next receive
            self.engine.sendall(json.dumps(message).encode() + b"\n")

    def end_all(self) -> None:
        """Kill what still runs."""
        for pid in self.children:
            _kill(pid)


def _kill(pid: int) -> None:
    """A child and what it has started; before it leads its group, the child alone."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def preload(modules: list[str], through: list[str]) -> None:
    """Import what steps need; what is not installed, they do without.

    Args:
        through: files of a step's code, each of which imports a library in its own way; the library
            stays imported, the file is imported anew by each step that has it.
    """
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for file in map(Path, through):
        folder = str(file.parent)
        sys.path.insert(0, folder)
        with contextlib.suppress(ImportError):
            importlib.import_module(file.stem)
        sys.path.remove(folder)
        for name, module in list(sys.modules.items()):
            if str(Path(getattr(module, "__file__", None) or "/").parent) == folder:
                del sys.modules[name]
    gc.collect()
    gc.freeze()  # the collector of a child need not copy what it only looks through


def run_child(message: Message) -> int:
    """Become what a message asks for; gives the exit status."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(message["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(number, target)
    os.chdir(message["folder"])
    command, environment = message["command"], message["environment"]
    if not message["fork"]:
        os.execve(command[0], command, environment)
    os.environ.clear()
    os.environ.update(environment)
    if "numpy.random" in sys.modules:  # or every child would draw the same numbers
        sys.modules["numpy.random"].seed()
    return run_script(command[1:])


def _is_alone() -> bool:
    """Whether this process has no thread but one: only then is a fork of it whole."""
    with contextlib.suppress(OSError):
        return len(list(Path("/proc/self/task").iterdir())) == 1
    return True


def run_script(words: list[str]) -> int:
    """Run a script and its arguments as `python script ...` would; gives the exit status."""
    script = words[0]
    main = types.ModuleType("__main__")
    named = {"__file__": script, "__builtins__": __builtins__, "__cached__": None}
    main.__dict__.update(named, __annotations__={})
    sys.modules["__main__"] = main
    sys.argv = words
    sys.path[0] = str(Path(script).parent)
    try:
        code = compile(Path(script).read_bytes(), script, "exec")
        exec(code, main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException as error:
        own = error.__traceback__ and error.__traceback__.tb_next  # without this function's frame
        sys.excepthook(type(error), error, own)
        return 1
    return 0


def main(descriptor: int) -> int:
    """Serve the engine at the other end of a socket."""
    sys.path[0] = os.devnull  # not this file's folder; a script's own takes its place
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with socket.socket(fileno=descriptor) as engine:
        server = Server(engine)
        try:
            message = server.serve()
        except BaseException:
            traceback.print_exc()
            server.end_all()
            raise
        if message is None:
            server.end_all()
            return 0
    return run_child(message)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
