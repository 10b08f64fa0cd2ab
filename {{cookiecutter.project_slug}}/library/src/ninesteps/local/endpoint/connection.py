"""HTTP/1.1 for the endpoint: a client's connection, its requests and answers.

The parser is Node's llhttp in strict mode: a request that two programs might read differently is
refused. Limits are enforced here, and every wait has a timeout.
"""

from __future__ import annotations

import asyncio
import http
import sys
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from ninesteps.local.endpoint.worker import MAX_BODY

MAX_HEAD = 16 * 1024  # bytes; also between the chunks of a body
LINGER_SECONDS = 2.0  # for a client to read the refusal while it is still sending
UNREAD_SECONDS = 30.0  # for a client to begin reading a long answer
MAX_CONNECTIONS = 2048  # or half the number of files that this process may open
MAX_HELD = 512 * 1024 * 1024  # bytes of unanswered requests, over all connections
ALWAYS_HELD = 64 * 1024  # bytes that each connection may always send


@dataclass(frozen=True)
class Head:
    """A request's line and headers."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case; values of the same name joined by commas
    is_last: bool  # on its connection


@dataclass(frozen=True)
class Answer:
    """A model's answer, or the reason for a refusal."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class RequestRefused(Exception):  # the client's fault
    """A request that does not reach a model; the message is one sentence without internals."""

    def __init__(self, status: int, sentence: str, *headers: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.answer = Answer(status, "text/plain", sentence.encode(), headers)


class RequestReader:
    """Reads requests from a client's bytes; `on_...` are the parser's callbacks."""

    def __init__(self) -> None:
        self._parser = HttpRequestParser(self)
        self._received = memoryview(b"")  # bytes not yet given to the parser
        self._requests: deque[tuple[Head, bytes]] = deque()  # complete
        self._refused: RequestRefused | None = None  # after them
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._missing = 0  # bytes of a body whose length is known
        self._overhead = 0  # bytes of a head, or between the chunks of a body
        self.head: Head | None = None  # of a request whose body is not complete

    @property
    def held(self) -> int:
        """Bytes of the incomplete request."""
        return len(self._received) + self._overhead + len(self._body)

    def feed(self, data: bytes) -> None:
        """Receive bytes from the client."""
        self._received = memoryview(bytes(self._received) + data if self._received else data)

    def next(self) -> tuple[Head, bytes] | None:
        """The next complete request, if any.

        Raises:
            RequestRefused: if it is invalid; then nothing that follows can be read either.
        """
        while self._received and not self._requests and not self._refused:
            # At most one head at a time: more requests would wait, and use more memory.
            length = self._missing or MAX_HEAD - self._overhead
            part, self._received = self._received[:length], self._received[length:]
            self._parse(part)
        if self._requests:
            return self._requests.popleft()
        if self._refused:
            raise self._refused
        return None

    def _parse(self, part: memoryview) -> None:
        self._overhead += len(part)
        try:
            self._parser.feed_data(part)
        except HttpParserUpgrade as asked:
            self._received = memoryview(
                self._without_upgrade() + bytes(part[asked.args[0] :]) + bytes(self._received)
            )
        except HttpParserError as error:
            own = error.__context__  # raised by one of the methods below
            sentence = f"expected a request of HTTP/1.1: {error}"
            self._refused = (
                own if isinstance(own, RequestRefused) else RequestRefused(400, sentence)
            )
        if self._overhead >= MAX_HEAD and not self._refused:
            status, what = (400, "the length of a chunk") if self.head else (431, "a head")
            sentence = f"expected {what} of less than {MAX_HEAD} bytes"
            self._refused = RequestRefused(status, sentence)

    def _without_upgrade(self) -> bytes:
        """The head without its upgrade, to be parsed again: the parser expects another protocol.

        Otherwise a body would be read as requests. Some clients, such as Java's, offer an upgrade
        with each first request.
        """
        method, version = self._parser.get_method(), self._parser.get_http_version()
        lines = [f"{name}: {text}" for name, text in self._headers.items() if name != "upgrade"]
        fields = "\r\n".join([f" HTTP/{version}", *lines, "", ""]).encode("latin-1")
        return method + b" " + self._target + fields

    def on_message_begin(self) -> None:
        """A request begins."""
        self._target, self._headers, self._body = b"", {}, bytearray()

    def on_url(self, part: bytes) -> None:
        """Receive a part of the target."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Receive a header; headers after the body are ignored."""
        if self.head is None:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
            self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """Receive a complete head."""
        self._overhead = 0
        method, version = self._parser.get_method().decode(), self._parser.get_http_version()
        length = _length(self._headers, version)
        if method == "CONNECT":
            raise RequestRefused(405, "method: expected another, got CONNECT")
        if self._parser.should_upgrade():
            return
        self._missing = length
        path = self._target.partition(b"?")[0].decode("latin-1")
        is_last = version == "1.0" or not self._parser.should_keep_alive()
        self.head = Head(method, path, self._headers, is_last)

    def on_chunk_header(self) -> None:
        """Receive the length of a chunk."""
        self._overhead = 0

    def on_body(self, part: bytes) -> None:
        """Receive a part of a body."""
        self._overhead = 0
        if len(self._body) + len(part) > MAX_BODY:
            raise too_large()
        self._body += part
        self._missing = max(0, self._missing - len(part))

    def on_message_complete(self) -> None:
        """Receive the end of a request."""
        self._overhead = 0
        if self.head:
            self._requests.append((self.head, bytes(self._body)))
        self.head, self._body = None, bytearray()


def too_large() -> RequestRefused:
    """The refusal of a body above the limit."""
    return RequestRefused(413, f"expected a body of at most {MAX_BODY} bytes")


def _length(headers: dict[str, str], version: str) -> int:
    """The body's length, 0 by default; the parser has checked that it is one number.

    Raises:
        RequestRefused: for invalid headers that the parser accepts.
    """
    if version not in ("1.0", "1.1"):
        raise RequestRefused(400, f"expected a request of HTTP/1.1, got one of HTTP/{version}")
    if (version == "1.1" and "host" not in headers) or "," in headers.get("host", ""):
        raise RequestRefused(400, "expected one `host` header")
    encoding = headers.get("transfer-encoding")
    if encoding is not None and (encoding.lower() != "chunked" or version == "1.0"):
        raise RequestRefused(400, "expected a body with one content-length, or in chunks")
    length = int(headers.get("content-length", "0"))
    if length > MAX_BODY:
        raise too_large()
    return length


def too_busy() -> RequestRefused:
    """The refusal of a request for lack of room, which is not the version's fault."""
    return RequestRefused(503, "too many requests are waiting; try again", ("retry-after", "1"))


@dataclass
class Clients:
    """The open connections, and the room left.

    A connection counts while its request is being answered, even if its client has gone.
    """

    most: int = MAX_CONNECTIONS
    most_held: int = MAX_HELD
    connections: dict[Connection, None] = field(default_factory=dict)  # the longest waiting first
    held: int = 0  # bytes of all unanswered requests

    @property
    def is_full(self) -> bool:
        """Whether requests have reached the memory limit."""
        return self.held > self.most_held

    def make_room(self) -> bool:
        """Make room for one more connection by closing the one idle for longest; whether there is
        room."""
        if len(self.connections) < self.most:
            return True
        waiting = next((c for c in self.connections if not c.is_answering), None)
        if waiting:
            waiting.give_way()
        return waiting is not None


class Connection(asyncio.Protocol):
    """A client's connection: its requests are answered one after another."""

    def __init__(
        self,
        answer: Callable[[Head, bytes, Callable[[], bool]], Awaitable[Answer]],
        seconds: float,
        clients: Clients,
    ) -> None:
        """Handle a client's requests.

        Args:
            answer: answers a request while its client waits.
            seconds: the time limit for a head, and then for a body.
            clients: all connections; this one registers itself there.
        """
        self._answer, self._seconds, self._clients = answer, seconds, clients
        self._held = self._asked = 0  # bytes received, and bytes being answered
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader()
        self._answering: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waits_for = ""
        self._unread: asyncio.Future[None] | None = None  # until the client reads
        self._is_over = self._is_ending = False

    @property
    def is_answering(self) -> bool:
        """Whether one of its requests is being answered."""
        return self._answering is not None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        self._transport = transport
        if self._clients.make_room():
            self._wait_for("head")
        else:
            self._turn_away()

    def data_received(self, data: bytes) -> None:
        """Answer the next request, if it is complete and no other one is being answered."""
        if self._is_over:
            return
        self._reader.feed(data)
        self._count()
        if self._answering:
            self._transport.pause_reading()  # the buffer is full
        elif self._held > ALWAYS_HELD and self._clients.is_full:
            self._refuse(too_busy())
        else:
            self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting; the answer in progress is dropped."""
        self._is_over = True
        if not self._answering:
            self._leave()
        self._stop_waiting()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The client reads more slowly than the server writes."""
        self._unread = self._loop.create_future()

    def resume_writing(self) -> None:
        """The client has read what was sent."""
        if self._unread and not self._unread.done():
            self._unread.set_result(None)
        self._unread = None

    def end(self) -> None:
        """Close it after the current request."""
        self._is_ending = True
        if not self._answering:
            self._transport.close()

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

    def give_way(self) -> None:
        """Close it to make room for another; a client that has begun a request is told why."""
        self._stop_waiting()
        if self._reader.held or self._reader.head:
            self._turn_away()
        else:
            self._is_over = True
            self._transport.close()
        self._leave()

    def _turn_away(self) -> None:
        self._is_over = True
        self._write(too_busy().answer, is_last=True, has_body=True)
        self._transport.close()

    def _leave(self) -> None:
        self._clients.connections.pop(self, None)
        self._reader, self._asked = RequestReader(), 0
        self._count()

    def _count(self) -> None:
        """Update the bytes held by this connection's requests."""
        before, self._held = self._held, self._reader.held + self._asked
        self._clients.held += self._held - before

    def _read_on(self) -> None:
        try:
            request = self._reader.next()
        except RequestRefused as refused:
            self._refuse(refused)
            return
        if request is None:
            self._expect_more()
            return
        self._stop_waiting()
        self._asked = len(request[1])
        self._count()
        self._answering = self._loop.create_task(self._respond(*request))

    def _expect_more(self) -> None:
        head = self._reader.head
        if head and self._waits_for == "head" and "expect" in head.headers:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._wait_for("body" if head else "head")

    def _wait_for(self, what: str) -> None:
        if what != self._waits_for:  # or a client that sends a byte at a time would never time out
            self._stop_waiting()
            self._waits_for = what
            self._clients.connections.pop(self, None)
            self._clients.connections[self] = None  # the last
            self._timer = self._loop.call_later(self._seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        self._waits_for = ""
        if self._timer:
            self._timer.cancel()

    def _too_slow(self) -> None:
        if self._waits_for == "body":
            sentence = f"the body was not sent completely within {self._seconds:g} seconds"
            self._refuse(RequestRefused(408, sentence))
        else:
            self._transport.close()

    async def _respond(self, head: Head, body: bytes) -> None:
        try:
            answer = await self._answer(head, body, lambda: not self._is_over)
        except RequestRefused as refused:
            answer = refused.answer
        except Exception:
            traceback.print_exc(file=sys.stderr)
            answer = Answer(500, "text/plain", b"the endpoint failed; its log says why")
        self._asked = 0
        self._count()
        if self._is_over:
            self._leave()
            return
        is_last = head.is_last or self._is_ending
        self._write(answer, is_last, head.method != "HEAD")
        if self._unread:
            await asyncio.wait([self._unread], timeout=UNREAD_SECONDS)
            if self._unread:
                self._answering = None
                self._transport.abort()
                return
        self._answering = None
        if is_last or self._is_ending:
            self._transport.close()
        elif not self._is_over:
            self._transport.resume_reading()
            self._read_on()

    def _refuse(self, refused: RequestRefused) -> None:
        """Answer and stop reading; a client that is still sending has time to read the reason."""
        self._is_over = True
        self._stop_waiting()
        self._reader = RequestReader()
        self._count()
        self._write(refused.answer, is_last=True, has_body=True)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def _write(self, answer: Answer, is_last: bool, has_body: bool) -> None:
        body = answer.body + b"\n" if answer.status >= 400 else answer.body  # ends with a line feed
        lines = [
            f"HTTP/1.1 {answer.status} {http.HTTPStatus(answer.status).phrase}",
            f"content-type: {answer.content_type}",
            f"content-length: {len(body)}",
            *(f"{name}: {value}" for name, value in answer.headers),
            *(["connection: close"] if is_last else []),
        ]
        head = "\r\n".join([*lines, "\r\n"]).encode("latin-1")
        self._transport.write(head + body if has_body else head)
