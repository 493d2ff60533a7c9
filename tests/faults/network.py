"""Faults of the network between clients and servers."""

from __future__ import annotations

import asyncio

from tests.faults.nemesis import Nemesis, fault
from tests.faults.proxy import Link, Weather

SHARE = 0.5


async def _weather(nemesis: Nemesis, up: Weather, down: Weather) -> None:
    """Half of the connections suffer it, and half of those that come meanwhile."""
    proxy = nemesis.world.proxy

    def suffer(link: Link) -> None:
        link.up.suffer(up)
        link.down.suffer(down)

    proxy.on_new = lambda link: suffer(link) if nemesis.chance.random() < SHARE else None
    for link in proxy.some(SHARE):
        suffer(link)
    try:
        await nemesis.last()
    finally:
        proxy.heal()


@fault("world", "every chunk comes 50 to 350 ms late")
async def network_delay(nemesis: Nemesis) -> None:
    slow = Weather(delay=0.05, jitter=0.3)
    await _weather(nemesis, slow, slow)


@fault("world", "4 KB/s")
async def network_throttle(nemesis: Nemesis) -> None:
    await _weather(nemesis, Weather(bytes_per_second=4096), Weather(bytes_per_second=4096))


@fault("world", "what clients send does not arrive (F14)")
async def network_hole_up(nemesis: Nemesis) -> None:
    await _weather(nemesis, Weather(is_hole=True), Weather())


@fault("world", "what servers send does not arrive (F14)")
async def network_hole_down(nemesis: Nemesis) -> None:
    await _weather(nemesis, Weather(), Weather(is_hole=True))


@fault("world", "half-open: nothing arrives in either direction, and no goodbye either (F14)")
async def network_half_open(nemesis: Nemesis) -> None:
    await _weather(nemesis, Weather(is_hole=True), Weather(is_hole=True))


@fault("world", "RST in the midst of it (F15)")
async def network_reset(nemesis: Nemesis) -> None:
    for _ in range(3):
        for link in nemesis.world.proxy.some(SHARE):
            link.reset()
        await asyncio.sleep(nemesis.hold / 4)


@fault("world", "one direction is closed and the other goes on")
async def network_half_close(nemesis: Nemesis) -> None:
    for link in nemesis.world.proxy.some(SHARE):
        nemesis.chance.choice((link.up, link.down)).half_close()
    await nemesis.last()


@fault("world", "cut inside a frame (F15)")
async def network_cut_in_frame(nemesis: Nemesis) -> None:
    for link in nemesis.world.proxy.some(SHARE):
        nemesis.chance.choice((link.up, link.down)).suffer(Weather(is_cutting=True))
    await nemesis.last()
    nemesis.world.proxy.heal()


@fault("world", "everybody is cut off at once and comes back at once (F21)")
async def network_herd(nemesis: Nemesis) -> None:
    for link in nemesis.world.proxy.some(1.0):
        link.reset()
    world = nemesis.world
    await nemesis.until(lambda: world.is_everybody_back, 30, "not everybody was back 30 s after the herd")
