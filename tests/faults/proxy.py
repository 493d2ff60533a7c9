"""The network between the clients and the servers, and everything that can befall it.

One address for all; each connection goes to a server process chosen by lot, so that whoever comes back comes to
another one (no sticky sessions). What a real network does to packets is done here to bytes of TCP: a black hole holds
them back and lets them through when it is healed, as retransmission would; only a reset loses any.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tests.harness.servers.process import HOST

CHUNK_BYTES = 16 * 1024
CONNECT_SECONDS = 2.0


@dataclass
class Weather:
    """What one direction of one connection suffers."""

    delay: float = 0.0
    jitter: float = 0.0
    bytes_per_second: float = 0.0
    is_hole: bool = False
    # The next chunk is cut after some of its bytes, and the connection with it.
    is_cutting: bool = False


class Lane:
    """One direction."""

    def __init__(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        chance: random.Random,
    ) -> None:
        self.weather = Weather()
        self._link = link
        self._reader = reader
        self._writer = writer
        self._chance = chance
        self._changed = asyncio.Event()

    def suffer(self, weather: Weather) -> None:
        self.weather = weather
        self._changed.set()

    def half_close(self) -> None:
        """As if the sender of this direction had said that it sends no more; the other direction goes on."""
        with suppress(OSError, RuntimeError):
            self._writer.write_eof()

    async def pump(self) -> None:
        while data := await self._reader.read(CHUNK_BYTES):
            weather = self.weather
            if weather.delay or weather.jitter:
                await asyncio.sleep(weather.delay + self._chance.uniform(0, weather.jitter))
            if weather.bytes_per_second:
                await asyncio.sleep(len(data) / weather.bytes_per_second)
            await self._while_hole()
            if self.weather.is_cutting and len(data) > 1:
                self._writer.write(data[: self._chance.randrange(1, len(data))])
                with suppress(OSError):
                    await self._writer.drain()
                # What is in the kernel's hands arrives before the goodbye; then the line is gone.
                self._link.close()
                return
            self._writer.write(data)
            await self._writer.drain()
        await self._while_hole()
        self.half_close()

    async def _while_hole(self) -> None:
        while self.weather.is_hole:
            self._changed.clear()
            await self._changed.wait()


class Link:
    """One connection through the proxy: `up` from the client to the server, `down` back."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        chance: random.Random,
    ) -> None:
        self._writers = (client[1], server[1])
        self.up = Lane(self, client[0], server[1], chance)
        self.down = Lane(self, server[0], client[1], chance)

    async def run(self) -> None:
        pumps = [asyncio.create_task(lane.pump()) for lane in (self.up, self.down)]
        try:
            await asyncio.gather(*pumps)
        except (OSError, RuntimeError):
            # One side is gone; unless a black hole keeps it from the other, that one hears of it.
            for lane in (self.up, self.down):
                await lane._while_hole()
        finally:
            for pump in pumps:
                pump.cancel()
            self.close()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()

    def reset(self) -> None:
        """RST to both sides, whatever was under way."""
        for writer in self._writers:
            raw: socket.socket | None = writer.get_extra_info("socket")
            if raw is not None:
                with suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """`ports` are those of the server processes; one that does not answer is passed over."""

    def __init__(self, port: int, ports: Sequence[int], chance: random.Random) -> None:
        self.port = port
        self.links: set[Link] = set()
        # What new connections suffer: asked for each of them.
        self.on_new: Callable[[Link], None] | None = None
        self._ports = list(ports)
        self._chance = chance
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{HOST}:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.heal()
        for link in tuple(self.links):
            link.reset()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def some(self, share: float) -> list[Link]:
        """That share of the present connections, at least one when there is any."""
        links = list(self.links)
        count = min(len(links), max(1, round(len(links) * share)))
        return self._chance.sample(links, count)

    def heal(self) -> None:
        """Good weather for all."""
        self.on_new = None
        for link in self.links:
            for lane in (link.up, link.down):
                lane.suffer(Weather())

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._chance.sample(self._ports, len(self._ports)):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    server = await asyncio.open_connection(HOST, port)
                break
            except (OSError, TimeoutError):
                continue
        else:
            writer.transport.abort()
            return
        link = Link((reader, writer), server, self._chance)
        self.links.add(link)
        try:
            if self.on_new is not None:
                self.on_new(link)
            await link.run()
        finally:
            self.links.discard(link)
