"""Tests of the fault proxy: each method has the promised effect on a connection."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import Link, LinkConditions, Proxy
from tests.harness.servers import HOST, free_port

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Proxy, Link, Streams, Streams]]:
    """Yield a client and a server that are connected through the proxy.

    The ports given to the proxy include one on which no server listens.
    """
    accepted: asyncio.Queue[Streams] = asyncio.Queue()
    server = await asyncio.start_server(
        lambda reader, writer: accepted.put_nowait((reader, writer)), HOST, free_port()
    )
    proxy = Proxy(free_port(), [free_port(), server.sockets[0].getsockname()[1]], random.Random(1))
    await proxy.start()
    client = await asyncio.open_connection(HOST, proxy.port)
    server_end = await accepted.get()
    client[1].write(b"hello")
    assert await server_end[0].readexactly(5) == b"hello"
    (link,) = proxy.links
    try:
        yield proxy, link, client, server_end
    finally:
        await proxy.stop()
        for writer in (client[1], server_end[1]):
            writer.close()
        server.close()


async def test_black_hole_delivers_the_bytes_when_it_is_healed() -> None:
    async with connected() as (proxy, link, client, server_end):
        link.down.apply(LinkConditions(is_black_hole=True))
        server_end[1].write(b"down")
        client[1].write(b"up")
        assert await server_end[0].readexactly(2) == b"up"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client[0].readexactly(4), 0.1)
        proxy.heal()
        assert await client[0].readexactly(4) == b"down"


async def test_half_open_connection_does_not_pass_on_a_close() -> None:
    async with connected() as (proxy, link, client, server_end):
        for direction in (link.up, link.down):
            direction.apply(LinkConditions(is_black_hole=True))
        client[1].transport.abort()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server_end[0].read(1), 0.1)
        proxy.heal()
        assert await asyncio.wait_for(server_end[0].read(1), 5) == b""


async def test_cut_delivers_a_part_of_the_chunk() -> None:
    async with connected() as (_, link, client, server_end):
        link.down.apply(LinkConditions(is_cutting=True))
        server_end[1].write(b"a whole frame")
        part = await client[0].read(-1)
        assert b"a whole frame".startswith(part)
        assert 0 < len(part) < len(b"a whole frame")


async def test_reset_raises_connection_reset_at_the_client() -> None:
    async with connected() as (_, link, client, _server_end):
        link.reset()
        with pytest.raises(ConnectionResetError):
            await client[0].readexactly(1)


async def test_half_close_leaves_the_other_direction_open() -> None:
    async with connected() as (_, link, client, server_end):
        link.up.half_close()
        assert await server_end[0].read(1) == b""
        server_end[1].write(b"still here")
        assert await client[0].readexactly(10) == b"still here"


async def test_throttle_and_delay_slow_the_bytes_down() -> None:
    async with connected() as (_, link, client, server_end):
        loop = asyncio.get_running_loop()
        for conditions in (LinkConditions(bytes_per_second=100), LinkConditions(delay=0.1)):
            link.down.apply(conditions)
            began = loop.time()
            server_end[1].write(b"ten bytes!")
            await client[0].readexactly(10)
            assert loop.time() - began >= 0.099


async def test_client_is_disconnected_when_no_server_listens() -> None:
    proxy = Proxy(free_port(), [free_port()], random.Random(1))
    await proxy.start()
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    assert await reader.read(1) == b""
    writer.close()
    await proxy.stop()
