"""HTTP/1.1 as far as the endpoint needs it: one client's connection, its requests and answers.

It is strict, since a request that two programs may read differently is refused; and nothing is
waited for without end. It stands on asyncio alone: a request takes a third of the time that a
general server needs for it.
"""

from __future__ import annotations

import asyncio
import http
import re
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ninesteps.local.endpoint.worker import MAX_BODY

MAX_HEAD = 16 * 1024
LINGER_SECONDS = 2.0  # in which a client may go on sending what nobody reads, and read why
UNREAD_SECONDS = 30.0  # in which a client has to begin to read a long answer
MAX_AHEAD = 256 * 1024  # bytes of the next requests, while one is answered

_REQUEST_LINE = re.compile(rb"([!#-'*+.0-9A-Z^-z|~-]+) ([!-~]+) HTTP/1\.([01])")
_HEADER = re.compile(rb"([!#-'*+.0-9A-Z^-z|~-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")
_MAX_CHUNK_LINE = 1024


@dataclass(frozen=True)
class Head:
    """What stands before a request's body."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case; values of one name with commas between them
    is_last: bool  # of its connection


@dataclass(frozen=True)
class Answer:
    """What is answered: by a model, or why by none."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class RequestRefused(Exception):  # it is the request's fault
    """A request that reaches no model; the message is one sentence, which says nothing inside."""

    def __init__(self, status: int, sentence: str, *headers: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.answer = Answer(status, "text/plain", sentence.encode(), headers)


class RequestReader:
    """Cuts requests out of the bytes that a client sends."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._body: list[bytes] = []  # parts, joined once: a body may be long
        self._missing = 0  # bytes of a body whose length is known
        self._chunks = bytearray()  # what has come of a body whose length is not
        self.head: Head | None = None  # of a request whose body has not come completely

    def __len__(self) -> int:
        return len(self._received)

    def feed(self, data: bytes) -> None:
        """Take what has come in."""
        if self._missing:
            part = data[: self._missing]
            self._body.append(part)
            self._missing -= len(part)
            data = data[len(part) :]
        self._received += data

    def next(self) -> tuple[Head, bytes] | None:
        """The next request, once it has come completely.

        Raises:
            RequestRefused: if it is none; what follows cannot be read either.
        """
        if self.head is None:
            self.head = self._read_head()
            if self.head is None:
                return None
            self._missing = int(self.head.headers.get("content-length", "0"))
            first = bytes(self._received[: self._missing])
            del self._received[: len(first)]
            self.feed(first)
        is_chunked = "transfer-encoding" in self.head.headers
        if self._missing or (is_chunked and not self._read_chunks()):
            return None
        head, self.head = self.head, None
        body, self._body = b"".join(self._body), []
        return head, body

    def _read_head(self) -> Head | None:
        if self._received.startswith(b"\r\n"):  # some clients end a body so
            del self._received[:2]
        end = self._received.find(b"\r\n\r\n", 0, MAX_HEAD)
        if end < 0:
            if len(self._received) >= MAX_HEAD:
                raise RequestRefused(431, f"expected a head of less than {MAX_HEAD} bytes")
            return None
        first, *lines = bytes(self._received[:end]).split(b"\r\n")
        del self._received[: end + 4]
        return _head(first, lines)

    def _read_chunks(self) -> bool:
        """Whether the last has come."""
        while (end := self._received.find(b"\r\n", 0, _MAX_CHUNK_LINE)) >= 0:
            found = _CHUNK.fullmatch(self._received, 0, end)
            if not found:
                raise RequestRefused(400, "expected the length of a chunk")
            length, begin = int(found[1], 16), end + 2
            if not length:
                return self._end_of_chunks(end)
            if len(self._chunks) + length > MAX_BODY:
                raise too_large()
            if len(self._received) < begin + length + 2:
                return False
            if self._received[begin + length : begin + length + 2] != b"\r\n":
                raise RequestRefused(400, "expected the end of a chunk")
            self._chunks += self._received[begin : begin + length]
            del self._received[: begin + length + 2]
        if len(self._received) >= _MAX_CHUNK_LINE:
            raise RequestRefused(400, "expected the length of a chunk")
        return False

    def _end_of_chunks(self, last: int) -> bool:
        """Whether the fields that may follow have come, too; they say nothing here."""
        end = self._received.find(b"\r\n\r\n", last, MAX_HEAD)
        if end < 0:
            if len(self._received) >= MAX_HEAD:
                raise RequestRefused(431, "expected the end of the last chunk")
            return False
        del self._received[: end + 4]
        self._body, self._chunks = [bytes(self._chunks)], bytearray()
        return True


def too_large() -> RequestRefused:
    """Of a body."""
    return RequestRefused(413, f"expected a body of at most {MAX_BODY} bytes")


def _head(first: bytes, lines: list[bytes]) -> Head:
    request = _REQUEST_LINE.fullmatch(first)
    if not request:
        raise RequestRefused(400, "expected a request of HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if not header:
            raise RequestRefused(400, "expected headers as `name: value`")
        name, value = header[1].decode().lower(), header[2].decode("latin-1").rstrip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    is_newer = request[3] == b"1"
    if is_newer and "host" not in headers:
        raise RequestRefused(400, "expected a header `host`")
    _check_length(headers, is_newer)
    asked = headers.get("connection", "").lower()
    path = request[2].partition(b"?")[0].decode()
    return Head(request[1].decode(), path, headers, not is_newer or "close" in asked)


def _check_length(headers: dict[str, str], is_newer: bool) -> None:
    length, encoding = headers.get("content-length"), headers.get("transfer-encoding")
    if encoding is not None and (
        encoding.lower() != "chunked" or length is not None or not is_newer
    ):
        raise RequestRefused(400, "expected a body of a length that is said once, or in chunks")
    if length is not None and not _LENGTH.fullmatch(length):
        raise RequestRefused(400, "content-length: expected a number of bytes")
    if length is not None and int(length) > MAX_BODY:
        raise too_large()


class Connection(asyncio.Protocol):
    """A client's connection: its requests are answered one after the other."""

    def __init__(
        self,
        answer: Callable[[Head, bytes], Awaitable[Answer]],
        seconds: float,
        connected: set[Connection],
    ) -> None:
        """Take requests from a client.

        Args:
            answer: what answers one.
            seconds: in which a head has to come, and then a body.
            connected: the connections that are open; this one keeps itself among them.
        """
        self._answer, self._seconds, self._connected = answer, seconds, connected
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader()
        self._answering: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waits_for = ""
        self._unread: asyncio.Future[None] | None = None  # until the client reads
        self._is_over = self._is_ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        self._transport = transport
        self._connected.add(self)
        self._wait_for("head")

    def data_received(self, data: bytes) -> None:
        """Answer the next request, if it is complete and no other is being answered."""
        if self._is_over:
            return
        self._reader.feed(data)
        if not self._answering:
            self._read_on()
        elif len(self._reader) > MAX_AHEAD:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more; what is being answered is answered for nobody."""
        self._is_over = True
        self._connected.discard(self)
        self._stop_waiting()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        self._unread = self._loop.create_future()

    def resume_writing(self) -> None:
        """It has read."""
        if self._unread and not self._unread.done():
            self._unread.set_result(None)
        self._unread = None

    def end(self) -> None:
        """Close it once the request that is being answered is."""
        self._is_ending = True
        if not self._answering:
            self._transport.close()

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

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
        self._answering = self._loop.create_task(self._respond(*request))

    def _expect_more(self) -> None:
        head = self._reader.head
        if head and self._waits_for == "head" and "expect" in head.headers:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._wait_for("body" if head else "head")

    def _wait_for(self, what: str) -> None:
        if what != self._waits_for:  # or who sends a byte at a time would never be late
            self._stop_waiting()
            self._waits_for = what
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
            answer = await self._answer(head, body)
        except RequestRefused as refused:
            answer = refused.answer
        except Exception:
            traceback.print_exc(file=sys.stderr)
            answer = Answer(500, "text/plain", b"the endpoint failed; its log says why")
        if self._is_over:
            return
        is_last = head.is_last or self._is_ending
        self._write(answer, is_last, head.method != "HEAD")
        if self._unread:
            await asyncio.wait([self._unread], timeout=UNREAD_SECONDS)
            if self._unread:
                self._transport.abort()
                return
        self._answering = None
        if is_last or self._is_ending:
            self._transport.close()
        elif not self._is_over:
            self._transport.resume_reading()
            self._read_on()

    def _refuse(self, refused: RequestRefused) -> None:
        """Answer, and read no more; the client may still be sending, and is let read why."""
        self._is_over = True
        self._stop_waiting()
        self._write(refused.answer, is_last=True, has_body=True)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def _write(self, answer: Answer, is_last: bool, has_body: bool) -> None:
        body = answer.body + b"\n" if answer.status >= 400 else answer.body  # a line of its own
        lines = [
            f"HTTP/1.1 {answer.status} {http.HTTPStatus(answer.status).phrase}",
            f"content-type: {answer.content_type}",
            f"content-length: {len(body)}",
            *(f"{name}: {value}" for name, value in answer.headers),
            *(["connection: close"] if is_last else []),
        ]
        head = "\r\n".join([*lines, "\r\n"]).encode("latin-1")
        self._transport.write(head + body if has_body else head)
