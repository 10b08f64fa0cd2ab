"""Starts, uses, replaces and stops the processes that serve one version."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ninesteps.errors import StepError
from ninesteps.local.endpoint import unpacked
from ninesteps.local.endpoint import worker as worker_script
from ninesteps.local.endpoint.connection import Answer, too_busy
from ninesteps.local.endpoint.worker import ANSWER, MARK, MAX_BODY, REQUEST, end_started
from ninesteps.local.processes import KEEPS_MEMORY, bare_environment

START_SECONDS = 60
END_SECONDS = 1.0  # to read the last output of an ended process
LONGEST_PAUSE = 5.0  # seconds before restarting a process that did not start
LARGE = 256 * 1024  # bytes of a request
ON_THE_WAY = 1024 * 1024  # bytes of requests on the way to a process, or the system's limit
MAX_LOG = 4 * 1024 * 1024  # bytes; one full log is kept, with the suffix .1


@dataclass(frozen=True)
class ServedVersion:
    """A registered version, unpacked."""

    number: int
    archive: str  # the folder with the unpacked model.tar.gz
    program: str  # the script: inference.py
    files: Mapping[str, str] = field(default_factory=dict)  # path in it -> SHA-256, if known


@dataclass(frozen=True)
class Request:
    """A request to a model."""

    content_type: str
    accept: str
    body: bytes
    is_waited_for: Callable[[], bool] = lambda: True  # by its client

    @property
    def is_large(self) -> bool:
        """Whether it may be slow because of its size."""
        return len(self.body) > LARGE


class FleetError(RuntimeError):
    """A version that cannot be served."""


class FleetClosedError(RuntimeError):
    """The fleet accepts no more requests; this one was not started."""


@dataclass(frozen=True)
class _Log:
    """The last output of a version's processes."""

    file: Path

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # a full disk must not stop the endpoint
            with self.file.open("ab") as log:
                log.write(data)
                is_full = log.tell() > MAX_LOG
            if is_full:
                self.file.replace(self.file.with_name(f"{self.file.name}.1"))


class _Worker(asyncio.SubprocessProtocol):
    """One process."""

    def __init__(self, log: _Log) -> None:
        self.is_usable, self.is_ready = True, False
        self.has_ended, self.is_closed = asyncio.Event(), asyncio.Event()
        self._log, self._mark = log, secrets.token_hex(16)
        self._received = bytearray()
        self._answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        return self._process.get_pid()

    async def start(self, version: ServedVersion) -> None:
        """Start it."""
        command = [sys.executable, worker_script.__file__, version.archive, version.program]
        own = {MARK: self._mark, "PYTHONDONTWRITEBYTECODE": "1", **KEEPS_MEMORY}
        loop = asyncio.get_running_loop()
        ours, its = _requests()
        try:
            await loop.subprocess_exec(
                lambda: self, *command, stdin=its.fileno() if its else subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=bare_environment(own),
                cwd=version.archive,
                start_new_session=True,  # to end it with all its children
            )  # fmt: skip
        except BaseException:
            if ours:
                ours.close()
            raise
        finally:
            if its:
                its.close()
        if ours:
            self._input, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, ours)
        else:
            self._input = cast(asyncio.WriteTransport, self._process.get_pipe_transport(0))

    async def has_loaded(self) -> None:
        """Wait until it has loaded the model.

        Raises:
            ConnectionError: if it ends first.
        """
        await self._answer
        self.is_ready = True

    async def ask(self, request: Request) -> Answer:
        """Send it a request and wait for the answer.

        Raises:
            ConnectionError: if it ends first.
        """
        kind, accept = request.content_type.encode("latin-1"), request.accept.encode("latin-1")
        head = REQUEST.pack(len(kind), len(accept), len(request.body))
        self._answer = asyncio.get_running_loop().create_future()
        if request.is_large:  # avoids a copy
            self._input.write(head + kind + accept)
            self._input.write(request.body)
        else:
            self._input.write(head + kind + accept + request.body)
        return await self._answer

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """The process has printed or answered something."""
        if fd == 2:
            self._log.write(data)
            return
        self._received += data
        if len(self._received) < ANSWER.size:
            return
        status, kind, length = ANSWER.unpack_from(self._received)
        end = ANSWER.size + kind + length
        if length > MAX_BODY or len(self._received) > end or self._answer.done():
            self.kill()  # not a valid answer
        elif len(self._received) == end:
            content = bytes(self._received[ANSWER.size :])
            self._received.clear()
            self._answer.set_result(
                Answer(status, content[:kind].decode("latin-1"), content[kind:])
            )

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """The process has ended, or closed the pipe of its answers."""
        if fd == 1:
            self.kill()
            if not self._answer.done():
                self._answer.set_exception(ConnectionError())

    def process_exited(self) -> None:
        """The process has ended: end its children."""
        self.is_usable = False
        end_started(self.pid, self._mark)
        self.has_ended.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process is running."""
        self._process = cast(asyncio.SubprocessTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """All of its output has been read."""
        self.is_closed.set()

    def kill(self) -> None:
        """End it with all its children."""
        self.is_usable = False
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self.has_ended.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.is_closed.wait(), END_SECONDS)
        self._process.close()
        self._input.close()


def _requests() -> tuple[socket.socket, socket.socket] | tuple[None, None]:
    """Both ends of the socket for requests, ours first; empty where it has to be a pipe.

    A socket has a larger buffer: with a pipe, the processes take turns for each part of a request.
    """
    if os.name != "posix":
        return None, None
    ours, its = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ON_THE_WAY)
    return ours, its


class Fleet:
    """The processes of a version: each handles one request at a time; others wait in order."""

    def __init__(
        self, version: ServedVersion, size: int, log: Path, request_seconds: float
    ) -> None:
        self.version, self._size = version, size
        self._log, self._request_seconds = _Log(log), request_seconds
        self._large = asyncio.Semaphore(max(1, size - 1))  # one process is left for small requests
        self._idle: deque[_Worker] = deque()
        self._waiting: deque[asyncio.Future[_Worker]] = deque()
        self._keepers: list[asyncio.Task[None]] = []
        self._workers: set[_Worker] = set()
        self._is_closed = False
        self._fault = ""  # the last fault of its files
        self._in_hand = 0
        self._nothing_in_hand = asyncio.Event()
        self._nothing_in_hand.set()

    @property
    def pids(self) -> list[int]:
        """The number of running processes."""
        return [worker.pid for worker in self._workers]

    async def start(self) -> None:
        """Start all processes; return when all have loaded the model.

        Raises:
            FleetError: if one does not.
        """
        starting = [asyncio.create_task(self._checked()) for _ in range(self._size)]
        try:
            workers = await asyncio.gather(*starting)
        except BaseException as error:
            for task in starting:
                task.cancel()
            await asyncio.wait(starting)
            await self._end()
            if isinstance(error, FleetError):
                sentence = f"version {self.version.number} did not start; see {self._log.file}"
                raise FleetError(sentence) from None
            raise
        self._keepers = [asyncio.create_task(self._keep(worker)) for worker in workers]

    async def send(self, request: Request) -> Answer:
        """Have a process answer a request; the model's time limit starts when the process gets it.

        Raises:
            FleetClosedError: if it was not started before the fleet was closed.
            RequestRefused: if it was not started in time, or its client has gone: it waited for
        other requests, which is not the version's fault.
        """
        self._in_hand += 1
        self._nothing_in_hand.clear()
        asked: list[_Worker] = []
        try:
            async with asyncio.timeout(self._request_seconds) as limit:
                if not request.is_large:
                    asked.append(await self._free())
                    return await self._ask(asked[0], request, limit)
                async with self._large:
                    asked.append(await self._free())
                    return await self._ask(asked[0], request, limit)
        except TimeoutError:
            if not asked and any(w.is_ready and w.is_usable for w in self._workers):
                raise too_busy() from None
            return Answer(504, "text/plain", b"the model took too long")
        finally:
            self._in_hand -= 1
            if not self._in_hand:
                self._nothing_in_hand.set()

    async def _ask(self, worker: _Worker, request: Request, limit: asyncio.Timeout) -> Answer:
        if not request.is_waited_for():
            self._give(worker)
            raise too_busy()
        limit.reschedule(asyncio.get_running_loop().time() + self._request_seconds)
        try:
            answer = await worker.ask(request)
        except ConnectionError:
            return Answer(500, "text/plain", b"the model's process ended; another is started")
        except BaseException:  # the process is still busy with it
            worker.kill()
            raise
        if worker.is_usable:
            self._give(worker)
        return answer

    async def stop(self) -> None:
        """Return requests that were not started, finish the others, then end the processes."""
        self._is_closed = True
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(FleetClosedError())
        await self._nothing_in_hand.wait()
        for task in self._keepers:
            task.cancel()
        await self._end()

    async def _end(self) -> None:
        for worker in [*self._workers]:
            worker.kill()
            await worker.wait()

    async def _free(self) -> _Worker:
        """Wait for an idle process, in the order of requests."""
        while not self._is_closed:
            worker = self._idle.popleft() if self._idle else await self._next_free()
            if worker.is_usable:
                return worker
        raise FleetClosedError

    async def _next_free(self) -> _Worker:
        future: asyncio.Future[_Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and not future.exception():
                self._give(future.result())
            raise

    def _give(self, free: _Worker) -> None:
        """A process is idle: give it to the first waiting request."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(free)
                return
        self._idle.append(free)

    async def _keep(self, worker: _Worker) -> None:
        """Replace a process whenever it ends."""
        pause = 0.1
        while True:
            self._give(worker)
            await worker.wait()
            self._workers.discard(worker)
            if worker in self._idle:
                self._idle.remove(worker)
            while True:
                try:
                    worker, pause = await self._checked(), 0.1
                    break
                except FleetError:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)

    async def _checked(self) -> _Worker:
        """A new process, if its files are unchanged since they were unpacked.

        Raises:
            FleetError: if they have changed, or it does not start.
        """
        await self._check_files()
        worker = await self._started()
        try:
            await self._check_files()  # it has read them in the meantime
        except FleetError:
            worker.kill()
            self._workers.discard(worker)
            raise
        return worker

    async def _check_files(self) -> None:
        if not self.version.files:
            return
        try:
            await asyncio.to_thread(unpacked.check, Path(self.version.archive), self.version.files)
        except (StepError, OSError) as error:
            sentence = f"version {self.version.number} is not served: {error}"
            if sentence != self._fault:  # it is retried repeatedly
                print(sentence, file=sys.stderr, flush=True)  # noqa: T201  # the endpoint's log
            self._fault = sentence
            raise FleetError(sentence) from None

    async def _started(self) -> _Worker:
        """A new process that has loaded the model."""
        worker = _Worker(self._log)
        await worker.start(self.version)
        self._workers.add(worker)
        try:
            async with asyncio.timeout(START_SECONDS):
                await worker.has_loaded()
        except (TimeoutError, ConnectionError):
            worker.kill()
            await worker.wait()
            self._workers.discard(worker)
            raise FleetError(f"a process of version {self.version.number} ended") from None
        return worker
