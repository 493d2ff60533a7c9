"""Faults of the server processes."""

from __future__ import annotations

import asyncio
import signal

from tests.faults.bank import Process
from tests.faults.nemesis import Nemesis, fault

# Somebody posts to every process many times a second.
REACHED_SECONDS = 20.0
# As systemd is told to wait before it kills.
STOPPED_SECONDS = 30.0
HOUR = 3600


# Who was thrown out by one process sits on the others; so many move when it is back.
MOVING_SHARE = 0.4


async def _start(nemesis: Nemesis, process: Process) -> None:
    process.wait()
    await asyncio.to_thread(process.start)
    for link in nemesis.world.proxy.some(MOVING_SHARE):
        link.reset()


def _one(nemesis: Nemesis) -> Process:
    return nemesis.chance.choice([process for process in nemesis.bank.processes if process.is_running])


@fault("servers", "kill -9 (F1)")
async def process_kill(nemesis: Nemesis) -> None:
    process = _one(nemesis)
    process.kill()
    await _start(nemesis, process)


async def _kill_at(nemesis: Nemesis, point: str) -> None:
    process = _one(nemesis)
    await process.door("kill", point=point)
    await nemesis.until(
        lambda: not process.is_running, REACHED_SECONDS, f"{process.kind} never came to the point {point}"
    )
    process.kill()
    await _start(nemesis, process)


@fault("servers", "kill -9 when a batch is taken and nothing is stored of it (F3)")
async def process_kill_before_insert(nemesis: Nemesis) -> None:
    await _kill_at(nemesis, "before_insert")


@fault("servers", "kill -9 when everything is written and not committed (F3)")
async def process_kill_before_commit(nemesis: Nemesis) -> None:
    await _kill_at(nemesis, "before_commit")


@fault("servers", "kill -9 between the commit and the answer (F3)")
async def process_kill_after_commit(nemesis: Nemesis) -> None:
    await _kill_at(nemesis, "after_commit")


@fault("servers", "kill -9 before the doorbell is rung (F3)")
async def process_kill_before_publish(nemesis: Nemesis) -> None:
    await _kill_at(nemesis, "before_publish")


@fault("servers", "kill -9 just after the answer (F3)")
async def process_kill_after_ack(nemesis: Nemesis) -> None:
    await _kill_at(nemesis, "after_ack")


@fault("servers", "a rolling restart: SIGTERM, and a new process, one after the other (F2)")
async def process_rolling_restart(nemesis: Nemesis) -> None:
    for process in nemesis.bank.processes:
        process.send_signal(signal.SIGTERM)
        await nemesis.until(
            lambda process=process: not process.is_running,  # type: ignore[misc]
            STOPPED_SECONDS,
            f"{process.kind} had not ended {STOPPED_SECONDS:.0f} s after SIGTERM",
        )
        process.kill()
        await _start(nemesis, process)


@fault("servers", "SIGSTOP: the process stands still, its sockets stay open")
async def process_stop(nemesis: Nemesis) -> None:
    process = _one(nemesis)
    process.send_signal(signal.SIGSTOP)
    try:
        await nemesis.last()
    finally:
        process.send_signal(signal.SIGCONT)


@fault("servers", "the event loop stalls")
async def process_stall_loop(nemesis: Nemesis) -> None:
    seconds = nemesis.hold
    for process in nemesis.bank.processes:
        await process.door("stall", seconds + 10, how_long=f"{seconds:.1f}")


@fault("servers", "the clock of one process steps an hour ahead, an hour behind, and back (F18)")
async def process_clock(nemesis: Nemesis) -> None:
    process = _one(nemesis)
    for offset in (*nemesis.chance.sample((HOUR, -HOUR), 2), 0):
        await process.door("clock", offset=offset)
        if offset:
            await nemesis.last()


@fault("servers", "events and frames of a version to come (F25)")
async def process_newer_version(nemesis: Nemesis) -> None:
    for _ in range(3):
        await nemesis.bank.processes[0].door("strange")
        await nemesis.bank.processes[-1].door("strange")
        await asyncio.sleep(nemesis.hold / 4)
