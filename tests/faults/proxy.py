"""The network between clients and servers, and its faults.

All clients use one address. Each connection goes to a random server process, so a client that reconnects may reach
another process (no sticky sessions). Faults act on the bytes of TCP streams, not on packets. A black hole holds bytes
back and delivers them when it is healed, as retransmission would. Only a reset and a cut inside a frame lose bytes.
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
class LinkConditions:
    """The conditions of one direction of one connection."""

    delay: float = 0.0
    jitter: float = 0.0
    bytes_per_second: float = 0.0
    is_black_hole: bool = False
    # If true, the connection is closed after only a part of the next chunk has been forwarded.
    is_cutting: bool = False


class Direction:
    """One direction of a connection."""

    def __init__(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        rng: random.Random,
    ) -> None:
        self.conditions = LinkConditions()
        self._link = link
        self._reader = reader
        self._writer = writer
        self._rng = rng
        self._changed = asyncio.Event()

    def apply(self, conditions: LinkConditions) -> None:
        self.conditions = conditions
        self._changed.set()

    def half_close(self) -> None:
        """Close this direction as if its sender had shut it down. The other direction stays open."""
        with suppress(OSError, RuntimeError):
            self._writer.write_eof()

    async def pump(self) -> None:
        while data := await self._reader.read(CHUNK_BYTES):
            conditions = self.conditions
            if conditions.delay or conditions.jitter:
                await asyncio.sleep(conditions.delay + self._rng.uniform(0, conditions.jitter))
            if conditions.bytes_per_second:
                await asyncio.sleep(len(data) / conditions.bytes_per_second)
            await self._wait_out_black_hole()
            if self.conditions.is_cutting and len(data) > 1:
                self._writer.write(data[: self._rng.randrange(1, len(data))])
                with suppress(OSError):
                    await self._writer.drain()
                # Bytes already given to the kernel arrive before the FIN.
                self._link.close()
                return
            self._writer.write(data)
            await self._writer.drain()
        await self._wait_out_black_hole()
        self.half_close()

    async def _wait_out_black_hole(self) -> None:
        while self.conditions.is_black_hole:
            self._changed.clear()
            await self._changed.wait()


class Link:
    """One connection through the proxy. `up` is the direction from the client to the server, `down` the opposite
    one."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        rng: random.Random,
    ) -> None:
        self._writers = (client[1], server[1])
        self.up = Direction(self, client[0], server[1], rng)
        self.down = Direction(self, server[0], client[1], rng)

    async def run(self) -> None:
        pumps = [asyncio.create_task(direction.pump()) for direction in (self.up, self.down)]
        try:
            await asyncio.gather(*pumps)
        except (OSError, RuntimeError):
            # One end has closed the connection. Close the other end too (below), but only after any black hole has
            # ended.
            for direction in (self.up, self.down):
                await direction._wait_out_black_hole()
        finally:
            for pump in pumps:
                pump.cancel()
            self.close()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()

    def reset(self) -> None:
        """Send RST to both sides. Data in flight is lost."""
        for writer in self._writers:
            raw: socket.socket | None = writer.get_extra_info("socket")
            if raw is not None:
                with suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """A TCP proxy in front of the server processes at `ports`. It skips ports on which no process listens."""

    def __init__(self, port: int, ports: Sequence[int], rng: random.Random) -> None:
        self.port = port
        self.links: set[Link] = set()
        # Called with each new connection, to set its conditions.
        self.on_new: Callable[[Link], None] | None = None
        self._ports = list(ports)
        self._rng = rng
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

    def sample(self, share: float) -> list[Link]:
        """Return a random share of the open connections; at least one, if any is open."""
        links = list(self.links)
        count = min(len(links), max(1, round(len(links) * share)))
        return self._rng.sample(links, count)

    def heal(self) -> None:
        """Restore normal conditions on all connections, also on those that are opened later."""
        self.on_new = None
        for link in self.links:
            for direction in (link.up, link.down):
                direction.apply(LinkConditions())

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._rng.sample(self._ports, len(self._ports)):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    server = await asyncio.open_connection(HOST, port)
                break
            except (OSError, TimeoutError):
                continue
        else:
            writer.transport.abort()
            return
        link = Link((reader, writer), server, self._rng)
        self.links.add(link)
        try:
            if self.on_new is not None:
                self.on_new(link)
            await link.run()
        finally:
            self.links.discard(link)
