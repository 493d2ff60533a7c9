"""Faults of the network between clients and servers."""

from __future__ import annotations

import asyncio

from tests.faults.fault_schedule import FaultScheduler, fault
from tests.faults.proxy import Link, LinkConditions

SHARE = 0.5


async def _degrade(scheduler: FaultScheduler, up: LinkConditions, down: LinkConditions) -> None:
    """Apply `up` and `down` to half of the open connections, and to half of those that are opened while the fault
    lasts."""
    proxy = scheduler.scenario.proxy

    def apply(link: Link) -> None:
        link.up.apply(up)
        link.down.apply(down)

    proxy.on_new = lambda link: apply(link) if scheduler.rng.random() < SHARE else None
    for link in proxy.sample(SHARE):
        apply(link)
    try:
        await scheduler.hold()
    finally:
        proxy.heal()


@fault("clients", "every chunk is delayed by 50 to 350 ms")
async def network_delay(scheduler: FaultScheduler) -> None:
    slow = LinkConditions(delay=0.05, jitter=0.3)
    await _degrade(scheduler, slow, slow)


@fault("clients", "throughput is limited to 4 KB/s")
async def network_throttle(scheduler: FaultScheduler) -> None:
    await _degrade(scheduler, LinkConditions(bytes_per_second=4096), LinkConditions(bytes_per_second=4096))


@fault("clients", "black hole: nothing that clients send arrives (F14)")
async def network_hole_up(scheduler: FaultScheduler) -> None:
    await _degrade(scheduler, LinkConditions(is_black_hole=True), LinkConditions())


@fault("clients", "black hole: nothing that servers send arrives (F14)")
async def network_hole_down(scheduler: FaultScheduler) -> None:
    await _degrade(scheduler, LinkConditions(), LinkConditions(is_black_hole=True))


@fault("clients", "half-open: nothing arrives in either direction, not even a close (F14)")
async def network_half_open(scheduler: FaultScheduler) -> None:
    await _degrade(scheduler, LinkConditions(is_black_hole=True), LinkConditions(is_black_hole=True))


@fault("clients", "connections are reset (RST) in mid-stream (F15)")
async def network_reset(scheduler: FaultScheduler) -> None:
    for _ in range(3):
        for link in scheduler.scenario.proxy.sample(SHARE):
            link.reset()
        await asyncio.sleep(scheduler.hold_seconds / 4)


@fault("clients", "half-close: one direction is shut down, the other continues")
async def network_half_close(scheduler: FaultScheduler) -> None:
    for link in scheduler.scenario.proxy.sample(SHARE):
        scheduler.rng.choice((link.up, link.down)).half_close()
    await scheduler.hold()


@fault("clients", "connections are cut inside a frame (F15)")
async def network_cut_in_frame(scheduler: FaultScheduler) -> None:
    for link in scheduler.scenario.proxy.sample(SHARE):
        scheduler.rng.choice((link.up, link.down)).apply(LinkConditions(is_cutting=True))
    await scheduler.hold()
    scheduler.scenario.proxy.heal()


@fault("clients", "thundering herd: all connections are cut and all clients reconnect at once (F21)")
async def network_herd(scheduler: FaultScheduler) -> None:
    for link in scheduler.scenario.proxy.sample(1.0):
        link.reset()
    scenario = scheduler.scenario
    await scheduler.wait_until(
        lambda: scenario.is_everyone_connected, 30, "not everyone had reconnected 30 s after the cut"
    )
