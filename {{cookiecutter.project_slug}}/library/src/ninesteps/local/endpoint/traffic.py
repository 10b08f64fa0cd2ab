"""Sends requests at a steady rate, whether or not they succeed, to rehearse a deployment.

Latency is measured from when a request was due, so that a slow answer that delays the next request
is not hidden.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ninesteps.local.endpoint.control import LOCALHOST

IDLE_SECONDS = 2.0
"""Idle seconds after which a connection is not reused: the server closes it some seconds later."""

MOST_OPEN = 200
"""The most connections at a time; further requests wait, as when a busy machine falls behind."""


@dataclass(frozen=True)
class Reply:
    """The outcome of a request."""

    record: int  # the record's number
    status: int  # 0: no answer
    seconds: float
    body: bytes


@dataclass
class Caller:
    """Sends records, one per request, to a port on this machine."""

    port: int
    records: Sequence[bytes]
    content_type: str = "text/csv"
    replies: list[Reply] = field(default_factory=list)
    _free: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = field(
        default_factory=list
    )
    _open: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_OPEN))

    async def steadily(self, per_second: float, stop: asyncio.Event) -> None:
        """Send requests at this rate until stopped, then wait for the last answers."""
        began, sent = time.monotonic(), set()
        for number in itertools.count():
            due = began + number / per_second
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if stop.is_set():
                break
            task = asyncio.create_task(self._one(number, due))
            sent.add(task)
            task.add_done_callback(sent.discard)
        if sent:
            await asyncio.wait(sent)
        self.close()

    async def as_fast_as_answered(self, callers: int, seconds: float) -> float:
        """Requests per second that this many callers get answered, each one at a time."""
        began, before = time.monotonic(), len(self.replies)

        async def call(first: int) -> None:
            for number in itertools.count(first, callers):
                if time.monotonic() - began > seconds:
                    return
                await self._one(number, time.monotonic())

        await asyncio.gather(*map(call, range(callers)))
        return (len(self.replies) - before) / (time.monotonic() - began)

    async def _one(self, number: int, due: float) -> None:
        self.replies.append(await self.ask(number, due))

    async def ask(self, number: int, due: float, *headers: tuple[str, str]) -> Reply:
        """Send one of the records, in rotation; return the outcome.

        Args:
            due: the monotonic time at which its latency starts.
        """
        record = number % len(self.records)
        try:
            async with self._open:
                status, body = await self._post(self.records[record], headers)
        except (OSError, asyncio.IncompleteReadError, ValueError, IndexError):
            status, body = 0, b""
        return Reply(record, status, time.monotonic() - due, body)

    async def _post(
        self, body: bytes, headers: Sequence[tuple[str, str]] = ()
    ) -> tuple[int, bytes]:
        while self._free and time.monotonic() - self._free[-1][0] > IDLE_SECONDS:
            self._free.pop()[2].close()
        if self._free:
            _, reader, writer = self._free.pop()
        else:
            reader, writer = await asyncio.open_connection(LOCALHOST, self.port)
        more = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = (f"POST /invocations HTTP/1.1\r\nhost: {LOCALHOST}\r\n"
                f"content-type: {self.content_type}\r\n{more}"
                f"content-length: {len(body)}\r\n\r\n")  # fmt: skip
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        lengths = [line for line in lines if line.startswith(b"content-length:")]
        content = await reader.readexactly(int(lengths[0].split(b":")[1]))
        self._free.append((time.monotonic(), reader, writer))
        return int(lines[0].split()[1]), content

    def close(self) -> None:
        """Close the connections that are open."""
        while self._free:
            self._free.pop()[2].close()
