"""Requests at a steady rate: none is lost where more are due than can be answered."""

from __future__ import annotations

import asyncio

from ninesteps.local.endpoint.control import LOCALHOST
from ninesteps.local.endpoint.traffic import MOST_OPEN, Caller


def test_requests_that_are_due_all_at_once_wait_for_a_connection() -> None:
    open_now, most = 0, 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(1)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n1\n")
        open_now -= 1
        writer.close()

    async def main() -> Caller:
        server = await asyncio.start_server(answer, LOCALHOST, 0)
        caller, stop = Caller(server.sockets[0].getsockname()[1], [b"1"]), asyncio.Event()
        traffic = asyncio.create_task(caller.steadily(1e9, stop))
        while len(caller.replies) < 10 * MOST_OPEN:
            await asyncio.sleep(0)
        stop.set()
        await traffic
        server.close()
        return caller

    replies = asyncio.run(main()).replies
    assert {(reply.status, reply.body) for reply in replies} == {(200, b"1\n")}
    assert most <= MOST_OPEN
