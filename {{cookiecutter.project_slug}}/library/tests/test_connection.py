"""HTTP as the endpoint reads it: the same requests however they come, and nothing ambiguous."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninesteps.local.endpoint.connection import (
    ALWAYS_HELD,
    MAX_HEAD,
    Answer,
    Clients,
    Connection,
    Head,
    RequestReader,
    RequestRefused,
)
from ninesteps.local.endpoint.worker import MAX_BODY

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]

POST = b"POST /invocations?x=1 HTTP/1.1\r\nHost: x\r\nContent-Type:  text/csv \r\n"
REQUESTS = (
    POST + b"content-length: 4\r\n\r\n1,2\n"
    b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n"
    + POST + b"transfer-encoding: chunked\r\n\r\n2\r\n1,\r\n2;a=b\r\n2\n\r\n0\r\nmore: x\r\n\r\n"
    b"GET /ping HTTP/1.0\r\n\r\n"
)  # fmt: skip


def read(*parts: bytes) -> list[tuple[str, str, bytes, bool]]:
    """Method, path and body of each request, and whether it is the last."""
    reader, requests = RequestReader(), []
    for part in parts:
        reader.feed(part)
        while request := reader.next():
            head, body = request
            requests.append((head.method, head.path, body, head.is_last))
    return requests


@given(st.lists(st.integers(0, len(REQUESTS)), max_size=8).map(sorted))
def test_requests_are_the_same_however_they_come(cuts: list[int]) -> None:
    places = [0, *cuts, len(REQUESTS)]
    parts = [REQUESTS[a:b] for a, b in itertools.pairwise(places)]
    assert read(*parts) == [
        ("POST", "/invocations", b"1,2\n", False),
        ("GET", "/ping", b"", False),
        ("POST", "/invocations", b"1,2\n", False),
        ("GET", "/ping", b"", True),
    ]


def test_a_header_has_its_value_without_the_space_around_it() -> None:
    reader = RequestReader()
    reader.feed(POST + b"a:\r\naccept: a\r\naccept: b\r\n\r\n")
    request = reader.next()
    assert request
    headers = {"host": "x", "content-type": "text/csv", "a": "", "accept": "a, b"}
    assert request[0].headers == headers


@given(st.lists(st.integers(0, 300), max_size=8).map(sorted))
def test_whoever_asks_for_another_protocol_is_answered_in_this_one(cuts: list[int]) -> None:
    upgrade = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n"
    data = (
        POST + upgrade + b"content-length: 4\r\n\r\n1,2\n"
        b"GET /ping HTTP/1.1\r\nhost: x\r\n" + upgrade + b"\r\n"
        + POST + upgrade + b"transfer-encoding: chunked\r\n\r\n4\r\n1,2\n\r\n0\r\n\r\n"
        b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n"
    )  # fmt: skip
    assert read(*(data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)]))) == [
        ("POST", "/invocations", b"1,2\n", False),
        ("GET", "/ping", b"", False),
        ("POST", "/invocations", b"1,2\n", False),
        ("GET", "/ping", b"", False),
    ]


def test_many_requests_that_come_at_once_are_all_read() -> None:
    assert (
        read(b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n" * 2000)
        == [("GET", "/ping", b"", False)] * 2000
    )


def test_what_comes_after_the_last_request_is_not_read() -> None:
    reader = RequestReader()
    reader.feed(b"GET /ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\nGET /ping")
    request = reader.next()
    assert request
    assert request[0].is_last
    with pytest.raises(RequestRefused):
        reader.next()


@settings(deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=40).map(lambda end: POST + end + b"\r\n\r\n"))
def test_any_bytes_are_requests_or_refused(data: bytes) -> None:
    try:
        read(data)
    except RequestRefused as refused:
        assert 400 <= refused.answer.status < 500


REFUSED = {
    "two lengths": (POST + b"content-length: 4\r\ncontent-length: 5\r\n\r\n", 400),
    "a length and chunks": (
        POST + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n", 400),
    "another encoding": (POST + b"transfer-encoding: gzip, chunked\r\n\r\n", 400),
    "chunks of HTTP/1.0": (
        b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", 400),
    "a signed length": (POST + b"content-length: +4\r\n\r\n", 400),
    "a length in other digits": (POST + "content-length: ٤\r\n\r\n".encode(), 400),
    "a length too large": (POST + b"content-length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
    "a chunk too large": (
        POST + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % (MAX_BODY + 1)
        + b"1" * (MAX_BODY + 1), 413),
    "a chunk without a length": (POST + b"transfer-encoding: chunked\r\n\r\nx\r\n", 400),
    "a chunk longer than it says": (
        POST + b"transfer-encoding: chunked\r\n\r\n1\r\n22\r\n", 400),
    "a chunk's length without end": (
        POST + b"transfer-encoding: chunked\r\n\r\n" + b"0" * 2 * MAX_HEAD, 400),
    "something said of a chunk without end": (
        POST + b"transfer-encoding: chunked\r\n\r\n1;" + b"a" * 2 * MAX_HEAD, 400),
    "fields without end after a body": (
        POST + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * MAX_HEAD, 400),
    "a head without end": (POST + b"a: " + b"b" * MAX_HEAD, 431),
    "a space before the colon": (POST + b"content-length : 4\r\n\r\n", 400),
    "a folded header": (POST + b"a: b\r\n c\r\n\r\n", 400),
    "a bare line feed": (b"GET /ping HTTP/1.1\nhost: x\n\r\n\r\n", 400),
    "a control character": (POST + b"a: \x00\r\n\r\n", 400),
    "a carriage return alone": (POST + b"a: b\rc: d\r\n\r\n", 400),
    "two hosts": (POST + b"host: y\r\n\r\n", 400),
    "a tunnel": (b"CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n\r\n", 405),
    "no host": (b"GET /ping HTTP/1.1\r\n\r\n", 400),
    "another version": (b"GET /ping HTTP/2.0\r\nhost: x\r\n\r\n", 400),
    "no request": (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_may_be_read_in_two_ways_is_refused(name: str) -> None:
    data, status = REFUSED[name]
    with pytest.raises(RequestRefused) as refused:
        read(data)
    assert refused.value.answer.status == status


ASK = POST + b"content-length: 4\r\n\r\n1,2\n"


class Served:
    """An endpoint whose model answers once it may."""

    def __init__(self, clients: Clients) -> None:
        self.clients, self.may_answer, self.asked = clients, asyncio.Event(), list[bytes]()

    async def answer(self, _: Head, body: bytes, is_waited_for: Callable[[], bool]) -> Answer:
        self.asked.append(body)
        await self.may_answer.wait()
        return Answer(200, "text/csv", b"yes" if is_waited_for() else b"gone")

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def listening(
    most: int = 9, most_held: int = MAX_BODY
) -> AsyncIterator[tuple[Served, Callable[[], Awaitable[Client]]]]:
    """What is served with such limits, and what connects a client to it."""
    served = Served(Clients(most, most_held))
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(served.answer, 60, served.clients), "127.0.0.1", 0
    )
    async with server:
        yield served, lambda: asyncio.open_connection(*server.sockets[0].getsockname())


def test_of_too_many_connections_the_one_that_has_waited_longest_gives_way() -> None:
    async def many() -> None:
        async with listening(most=2) as (served, connect):
            served.may_answer.set()
            silent, _ = await connect()
            begun, sending = await connect()
            sending.write(ASK[:9])
            await served.until(lambda: len(served.clients.connections) == 2)
            reader, writer = await connect()
            writer.write(ASK)
            assert await reader.readuntil(b"yes")
            assert await silent.read() == b""
            other, more = await connect()
            more.write(ASK)
            assert await other.readuntil(b"yes")
            assert (await begun.read()).startswith(b"HTTP/1.1 503 ")
            assert len(served.clients.connections) == 2

    asyncio.run(many())


def test_while_all_connections_are_being_answered_another_is_told_to_try_again() -> None:
    async def many() -> None:
        async with listening(most=1) as (served, connect):
            reader, writer = await connect()
            writer.write(ASK)
            await served.until(lambda: bool(served.asked))
            other, _ = await connect()
            refusal = await other.read()
            assert refusal.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1\r\n" in refusal
            served.may_answer.set()
            assert await reader.readuntil(b"yes")
            assert len(served.asked) == 1

    asyncio.run(many())


def test_requests_hold_so_much_memory_and_no_more_and_small_ones_are_answered() -> None:
    async def many() -> None:
        async with listening(most_held=ALWAYS_HELD) as (served, connect):
            long = POST + b"content-length: %d\r\n\r\n" % (4 * ALWAYS_HELD)
            reader, writer = await connect()
            writer.write(long + b"1" * 2 * ALWAYS_HELD)
            assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
            reader, writer = await connect()
            writer.write(ASK)
            await served.until(lambda: bool(served.asked))
            assert served.clients.held == 4
            served.may_answer.set()
            assert await reader.readuntil(b"yes")
            assert served.clients.held == 0

    asyncio.run(many())


def test_a_request_whose_client_has_gone_counts_until_it_is_answered() -> None:
    async def gone() -> None:
        async with listening(most=1) as (served, connect):
            _, writer = await connect()
            writer.write(ASK)
            await served.until(lambda: bool(served.asked))
            writer.close()
            await writer.wait_closed()
            other, _ = await connect()
            assert (await other.read()).startswith(b"HTTP/1.1 503 ")
            served.may_answer.set()
            await served.until(lambda: not served.clients.connections and not served.clients.held)

    asyncio.run(gone())
