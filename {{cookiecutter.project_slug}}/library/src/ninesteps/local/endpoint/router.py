"""The endpoint's public address: checks requests and shares them out between two versions.

ASGI by hand, for uvicorn. Two routes, as SageMaker's containers have them: `/ping` and
`/invocations`. A refusal is one sentence that says nothing of the inside.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from ninesteps.local.endpoint.fleet import Answer, Fleet, FleetClosedError, Request
from ninesteps.local.endpoint.observed import Observed

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY = 6 * 1024 * 1024
"""Bytes that InvokeEndpoint takes, by the service's model in botocore."""

METHODS = {"/ping": ("GET", "HEAD"), "/invocations": ("POST",)}


class RequestRefused(Exception):  # it is the request's fault
    """A request that reaches no model."""

    def __init__(self, status: int, sentence: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, headers


class Router:
    """Shares requests out between the version that serves and the one being deployed."""

    def __init__(self, observed: Observed, body_seconds: float) -> None:
        self.observed, self._body_seconds = observed, body_seconds
        self.blue: Fleet | None = None  # serves
        self.green: Fleet | None = None  # is being deployed
        self._share = self._owed = 0

    @property
    def share(self) -> int:
        """Of a hundred requests those that go to the new version."""
        return self._share

    @share.setter
    def share(self, percent: int) -> None:
        self._share, self._owed = percent, 0

    def take_over(self) -> Fleet | None:
        """The new version is the one that serves from here on; gives the one before it."""
        before, self.blue, self.green, self.share = self.blue, self.green, None, 0
        return before

    def give_up(self) -> Fleet | None:
        """The new version gets nothing from here on; gives it."""
        green, self.green, self.share = self.green, None, 0
        return green

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers: tuple[tuple[bytes, bytes], ...] = ()
        try:
            answer = await self._answer(scope, receive)
        except RequestRefused as refused:
            answer = Answer(refused.status, "text/plain", str(refused).encode())
            headers = refused.headers
        if answer.status >= 400:  # a sentence, in a line of its own
            answer = replace(answer, body=answer.body + b"\n")
        content = [
            (b"content-type", answer.content_type.encode("latin-1")),
            (b"content-length", str(len(answer.body)).encode()),
            *headers,
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": content})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        methods = METHODS.get(scope["path"])
        if methods is None:
            raise RequestRefused(404, "expected /ping or /invocations")
        if scope["method"] not in methods:
            allow, method = ", ".join(methods), scope["method"][:20]
            sentence = f"method: expected {allow}, got {method}"
            raise RequestRefused(405, sentence, (b"allow", allow.encode()))
        if scope["path"] == "/ping":
            return Answer(200 if self.blue else 503, "text/plain", b"")
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if b"content-encoding" in headers:
            raise RequestRefused(415, "expected a plain body, got a compressed one", CLOSE)
        body = await self._body(headers, receive)
        if not body:
            raise RequestRefused(400, "expected at least one record, got no body")
        kind, accept = (
            headers.get(name, b"")[:200].decode("latin-1") for name in (b"content-type", b"accept")
        )
        return await self.invoke(Request(kind, accept, body))

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        too_large = RequestRefused(413, f"expected a body of at most {MAX_BODY} bytes", CLOSE)
        if int(headers.get(b"content-length", b"0")) > MAX_BODY:
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RequestRefused(400, "the body was not sent completely", CLOSE)
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > MAX_BODY:
                        raise too_large
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            sentence = f"the body was not sent completely within {self._body_seconds:g} seconds"
            raise RequestRefused(408, sentence, CLOSE) from None

    async def invoke(self, request: Request) -> Answer:
        """Have a request answered by one of the versions, and observe it."""
        while fleet := self._next():
            began = time.perf_counter()
            try:
                answer = await fleet.send(request)
            except FleetClosedError:
                continue
            seconds = time.perf_counter() - began
            self.observed.note(fleet.version.number, answer.status, seconds)
            return answer
        raise RequestRefused(503, "no version is served")

    def _next(self) -> Fleet | None:
        """Whose turn it is: of any hundred requests in a row the new version has its share."""
        if self.green:
            self._owed += self._share
            if self._owed >= 100:
                self._owed -= 100
                return self.green
        return self.blue


CLOSE = (b"connection", b"close")


class Patient(H11Protocol):
    """uvicorn's HTTP, which would wait without end for the head of a request."""

    head_seconds = 10.0
    _head_task: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._head_task = self.loop.call_later(self.head_seconds, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Wait for the next head, unless a request has begun."""
        super().data_received(data)
        in_hand = self.cycle is not None and not self.cycle.response_complete
        if in_hand and self._head_task:
            self._head_task.cancel()
            self._head_task = None
        elif not in_hand and not self._head_task:
            self._head_task = self.loop.call_later(self.head_seconds, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        if self._head_task:
            self._head_task.cancel()
        super().connection_lost(exc)

    def _too_slow(self) -> None:
        self.transport.close()
