"""The fault proxy does to bytes what it says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import Link, Proxy, Weather
from tests.harness.servers import HOST, free_port

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Proxy, Link, Streams, Streams]]:
    """A client and a server with the proxy between them, and a server process before it that does not run."""
    accepted: asyncio.Queue[Streams] = asyncio.Queue()
    server = await asyncio.start_server(
        lambda reader, writer: accepted.put_nowait((reader, writer)), HOST, free_port()
    )
    proxy = Proxy(free_port(), [free_port(), server.sockets[0].getsockname()[1]], random.Random(1))
    await proxy.start()
    client = await asyncio.open_connection(HOST, proxy.port)
    far = await accepted.get()
    client[1].write(b"hello")
    assert await far[0].readexactly(5) == b"hello"
    (link,) = proxy.links
    try:
        yield proxy, link, client, far
    finally:
        await proxy.stop()
        for writer in (client[1], far[1]):
            writer.close()
        server.close()


async def test_a_black_hole_holds_back_and_then_lets_through() -> None:
    async with connected() as (proxy, link, client, far):
        link.down.suffer(Weather(is_hole=True))
        far[1].write(b"down")
        client[1].write(b"up")
        assert await far[0].readexactly(2) == b"up"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client[0].readexactly(4), 0.1)
        proxy.heal()
        assert await client[0].readexactly(4) == b"down"


async def test_half_open_keeps_even_the_goodbye() -> None:
    async with connected() as (proxy, link, client, far):
        for lane in (link.up, link.down):
            lane.suffer(Weather(is_hole=True))
        client[1].transport.abort()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(far[0].read(1), 0.1)
        proxy.heal()
        assert await asyncio.wait_for(far[0].read(1), 5) == b""


async def test_a_cut_leaves_a_part() -> None:
    async with connected() as (_, link, client, far):
        link.down.suffer(Weather(is_cutting=True))
        far[1].write(b"a whole frame")
        part = await client[0].read(-1)
        assert b"a whole frame".startswith(part)
        assert 0 < len(part) < len(b"a whole frame")


async def test_a_reset_is_a_reset() -> None:
    async with connected() as (_, link, client, _far):
        link.reset()
        with pytest.raises(ConnectionResetError):
            await client[0].readexactly(1)


async def test_half_closed_goes_on_in_the_other_direction() -> None:
    async with connected() as (_, link, client, far):
        link.up.half_close()
        assert await far[0].read(1) == b""
        far[1].write(b"still here")
        assert await client[0].readexactly(10) == b"still here"


async def test_a_throttle_and_a_delay_take_their_time() -> None:
    async with connected() as (_, link, client, far):
        loop = asyncio.get_running_loop()
        for weather in (Weather(bytes_per_second=100), Weather(delay=0.1)):
            link.down.suffer(weather)
            began = loop.time()
            far[1].write(b"ten bytes!")
            await client[0].readexactly(10)
            assert loop.time() - began >= 0.099


async def test_without_any_server_the_client_is_sent_away() -> None:
    proxy = Proxy(free_port(), [free_port()], random.Random(1))
    await proxy.start()
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    assert await reader.read(1) == b""
    writer.close()
    await proxy.stop()
