"""The processes that serve one version: starts, asks, replaces and stops them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ninesteps.errors import StepError
from ninesteps.local.endpoint import unpacked
from ninesteps.local.endpoint import worker as worker_script
from ninesteps.local.endpoint.worker import ANSWER, REQUEST

START_SECONDS = 60
LONGEST_PAUSE = 5.0  # seconds, before a process that does not start is started again


@dataclass(frozen=True)
class ServedVersion:
    """A registered version, unpacked."""

    number: int
    archive: str  # the folder that model.tar.gz was unpacked in
    program: str  # of its code: inference.py
    files: Mapping[str, str] = field(default_factory=dict)  # path in it -> SHA-256, if known


@dataclass(frozen=True)
class Request:
    """What is asked of a model."""

    content_type: str
    accept: str
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What the model answered, or why it did not."""

    status: int
    content_type: str
    body: bytes


class FleetError(RuntimeError):
    """A version that cannot be served."""


class FleetClosedError(RuntimeError):
    """The fleet takes no more requests; this one has not been begun."""


class _Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process, self.is_usable = process, True
        self._input = cast(asyncio.StreamWriter, process.stdin)  # both are pipes
        self._output = cast(asyncio.StreamReader, process.stdout)

    async def read(self) -> Answer:
        head = await self._output.readexactly(ANSWER.size)
        status, kind, length = ANSWER.unpack(head)
        content = await self._output.readexactly(kind + length)
        return Answer(status, content[:kind].decode("latin-1"), content[kind:])

    async def ask(self, request: Request) -> Answer:
        kind, accept = request.content_type.encode("latin-1"), request.accept.encode("latin-1")
        head = REQUEST.pack(len(kind), len(accept), len(request.body))
        self._input.write(head + kind + accept + request.body)
        await self._input.drain()
        return await self.read()

    def kill(self) -> None:
        self.is_usable = False
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


class Fleet:
    """The processes of a version: each has one request at a time, the others wait in order."""

    def __init__(
        self, version: ServedVersion, size: int, log: Path, request_seconds: float
    ) -> None:
        self.version, self._size = version, size
        self._log, self._request_seconds = log, request_seconds
        self._idle: deque[_Worker] = deque()
        self._waiting: deque[asyncio.Future[_Worker]] = deque()
        self._keepers: list[asyncio.Task[None]] = []
        self._workers: set[_Worker] = set()
        self._is_closed = False
        self._fault = ""  # of its files, the last
        self._in_hand = 0
        self._nothing_in_hand = asyncio.Event()
        self._nothing_in_hand.set()

    @property
    def pids(self) -> list[int]:
        """Of the processes that are up."""
        return [worker.process.pid for worker in self._workers]

    async def start(self) -> None:
        """Start every process; give when all have loaded the model.

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
                sentence = f"version {self.version.number} does not start; see {self._log}"
                raise FleetError(sentence) from None
            raise
        self._keepers = [asyncio.create_task(self._keep(worker)) for worker in workers]

    async def send(self, request: Request) -> Answer:
        """Have a process answer a request.

        Raises:
            FleetClosedError: if it was not begun before the fleet was closed.
        """
        self._in_hand += 1
        self._nothing_in_hand.clear()
        try:
            async with asyncio.timeout(self._request_seconds):
                return await self._ask(await self._free(), request)
        except TimeoutError:
            return Answer(504, "text/plain", b"the model took too long")
        finally:
            self._in_hand -= 1
            if not self._in_hand:
                self._nothing_in_hand.set()

    async def _ask(self, worker: _Worker, request: Request) -> Answer:
        try:
            answer = await worker.ask(request)
        except (asyncio.IncompleteReadError, ConnectionError):
            worker.kill()
            return Answer(500, "text/plain", b"the model's process ended; another is started")
        except BaseException:  # the process is still working on it
            worker.kill()
            raise
        if worker.is_usable:
            self._give(worker)
        return answer

    async def stop(self) -> None:
        """Return requests that were not begun, finish the others, then end the processes."""
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
            await worker.process.wait()

    async def _free(self) -> _Worker:
        """A process that has nothing to do, in the order of asking."""
        if self._is_closed:
            raise FleetClosedError
        if self._idle:
            return self._idle.popleft()
        future: asyncio.Future[_Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and not future.exception():
                self._give(future.result())
            raise

    def _give(self, free: _Worker) -> None:
        """A process is free: the first that waits has it."""
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
            await worker.process.wait()
            self._workers.discard(worker)
            worker.is_usable = False
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
        """A new process, if the files that it reads are those that were unpacked.

        Raises:
            FleetError: if they are not, or it does not start.
        """
        await self._check_files()
        worker = await self._started()
        try:
            await self._check_files()  # it has read them meanwhile
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
            if sentence != self._fault:  # it is tried again and again
                print(sentence, file=sys.stderr, flush=True)  # noqa: T201  # the endpoint's log
            self._fault = sentence
            raise FleetError(sentence) from None

    async def _started(self) -> _Worker:
        """A new process that has loaded the model."""
        command = [worker_script.__file__, self.version.archive, self.version.program]
        threads = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *command, stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, stderr=log, env={**os.environ, **threads},
                cwd=self.version.archive,
            )  # fmt: skip
        worker = _Worker(process)
        self._workers.add(worker)
        try:
            async with asyncio.timeout(START_SECONDS):
                await worker.read()
        except (TimeoutError, asyncio.IncompleteReadError):
            worker.kill()
            await process.wait()
            self._workers.discard(worker)
            raise FleetError(f"a process of version {self.version.number} ended") from None
        return worker
