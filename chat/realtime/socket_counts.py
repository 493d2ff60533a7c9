"""Limits the number of visitor sockets for each network address, in this process and across all processes."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

from core import rate_limits
from core.client_address import address_of

Application = Callable[..., Awaitable[Any]]

# An address with at least this many sockets is counted across all processes. Hardly any address has that many, so
# hardly any connection costs a Redis request, and with up to a dozen processes the uncounted sockets do not matter.
SHARED_FROM = 32
RENEW_SECONDS = 10.0


class SocketCounts:
    """Admits at most LIANXIN_SOCKETS_PER_ADDRESS sockets for each address. An unknown address (None) has no limit."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._renewal: asyncio.Task[None] | None = None

    async def enter(self, address: str | None) -> bool:
        """Count one more socket of the address. If that would exceed the limit, count nothing and return False."""
        if address is None:
            return True
        if self._counts[address] >= settings.SOCKETS_PER_ADDRESS:
            return False
        self._counts[address] += 1
        if self._counts[address] < SHARED_FROM or not settings.REDIS_URL:
            return True
        self._start_renewal()
        if await self._report(address) <= settings.SOCKETS_PER_ADDRESS:
            return True
        self.leave(address)
        return False

    def leave(self, address: str | None) -> None:
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]

    async def _report(self, address: str) -> int:
        return await rate_limits.report_async("sockets", address, self._counts[address])

    def _start_renewal(self) -> None:
        loop = asyncio.get_running_loop()
        if self._renewal is None or self._renewal.done() or self._renewal.get_loop() is not loop:
            self._renewal = loop.create_task(self._renew())

    async def _renew(self) -> None:
        """Report the counts of SHARED_FROM or more every RENEW_SECONDS, as long as this process has such counts.

        Reported counts expire, so the counts of a killed process disappear.
        """
        while addresses := [address for address, count in self._counts.items() if count >= SHARED_FROM]:
            for address in addresses:
                await self._report(address)
            await asyncio.sleep(RENEW_SECONDS)


class CountedSockets:
    """ASGI middleware that refuses the handshake when an address has too many sockets open."""

    def __init__(self, application: Application, refuse: Application) -> None:
        self._application = application
        self._refuse = refuse

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        address = address_of(scope)
        if not await socket_counts.enter(address):
            return await self._refuse(scope, receive, send)
        try:
            return await self._application(scope, receive, send)
        finally:
            socket_counts.leave(address)


socket_counts = SocketCounts()
