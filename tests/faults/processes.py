"""Faults of the server processes."""

from __future__ import annotations

import asyncio
import signal
import time

from tests.faults import stored
from tests.faults.bank import ROUTED, Process
from tests.faults.checker import MAX_WAIT_SECONDS
from tests.faults.fault_schedule import FaultScheduler, NotSupported, fault
from tests.faults.people import begin_conversation

# Seconds to wait for a process to be killed at a point on the path of a post. Every process receives many posts a
# second.
POINT_SECONDS = 20.0
# Seconds within which a process must end after SIGTERM. In production systemd would kill it after 25 seconds.
STOP_SECONDS = 30.0
HOUR = 3600


# The share of all connections to reset after a process was restarted. Its former clients have moved to the other
# processes, and without a reset they would stay there.
MOVING_SHARE = 0.4


async def _restart(scheduler: FaultScheduler, process: Process) -> None:
    process.wait()
    await asyncio.to_thread(process.start)
    for link in scheduler.scenario.proxy.sample(MOVING_SHARE):
        link.reset()


def _random_process(scheduler: FaultScheduler) -> Process:
    return scheduler.rng.choice([process for process in scheduler.bank.processes if process.is_running])


@fault("servers", "kill -9 (F1)")
async def process_kill(scheduler: FaultScheduler) -> None:
    process = _random_process(scheduler)
    process.kill()
    await _restart(scheduler, process)


async def _kill_at(scheduler: FaultScheduler, point: str) -> None:
    process = _random_process(scheduler)
    await process.control("kill", point=point)
    await scheduler.wait_until(
        lambda: not process.is_running, POINT_SECONDS, f"{process.kind} did not reach the point {point}"
    )
    process.kill()
    await _restart(scheduler, process)


async def _router(scheduler: FaultScheduler) -> tuple[Process, str]:
    """Return the process that holds the lease of the router, and its name in the lease."""
    deadline = time.monotonic() + POINT_SECONDS
    while time.monotonic() < deadline:
        holder = await asyncio.to_thread(stored.router, scheduler.bank.postgres.url)
        for process in scheduler.bank.processes:
            state = await process.control("state") if process.is_running else None
            if state and state["process"] == holder:
                return process, holder
        await asyncio.sleep(0.1)
    scheduler.scenario.note_error("fault scheduler", f"no process routed for {POINT_SECONDS:.0f} s")
    return _random_process(scheduler), ""


async def _kill_router(scheduler: FaultScheduler, point: str = "") -> None:
    """Kill the process that routes while visitors wait. It starts again only when another one has served these."""
    if len(scheduler.bank.processes) < 2:
        raise NotSupported("the router moves to another process (needs --processes 2)")
    process, killed = await _router(scheduler)
    agents = [agent for agent in scheduler.scenario.agents if agent.departments & set(ROUTED)]
    for agent in agents:
        # Nobody takes by hand what the router should give.
        agent.is_holding_back = True
    if point:
        await process.control("kill", point=point)
    else:
        process.kill()
    tabs = [await begin_conversation(scheduler, department) for department in ROUTED]
    if point:
        await scheduler.wait_until(
            lambda: not process.is_running, POINT_SECONDS, f"the router did not reach the point {point}"
        )
        process.kill()
    # The rule `nobody_waits_in_vain` judges how long the visitors wait.
    deadline = time.monotonic() + MAX_WAIT_SECONDS + 1
    url = scheduler.bank.postgres.url
    while time.monotonic() < deadline:
        router = await asyncio.to_thread(stored.router, url)
        if router not in ("", killed) and not await asyncio.to_thread(stored.unrouted, url, is_running=True):
            break
        await asyncio.sleep(0.1)
    for tab in tabs:
        tab.cut()
    for agent in agents:
        agent.is_holding_back = False
    await _restart(scheduler, process)


@fault("servers", "kill -9 of the process that routes; another one serves the waiting visitors")
async def router_kill(scheduler: FaultScheduler) -> None:
    await _kill_router(scheduler)


@fault("servers", "kill -9 of the router before the commit of a round")
async def router_kill_before_commit(scheduler: FaultScheduler) -> None:
    await _kill_router(scheduler, "before_round_commit")


@fault("servers", "kill -9 of the router after it stored offers, before it announced them")
async def router_kill_before_announcing(scheduler: FaultScheduler) -> None:
    await _kill_router(scheduler, "before_round_announcing")


@fault("servers", "kill -9 when a batch was taken from the queue and nothing is read (F3)")
async def process_kill_before_read(scheduler: FaultScheduler) -> None:
    await _kill_at(scheduler, "before_read")


@fault("servers", "kill -9 when a batch has been read and decided, and nothing of it is written (F3)")
async def process_kill_before_write(scheduler: FaultScheduler) -> None:
    await _kill_at(scheduler, "before_write")


@fault("servers", "kill -9 between the commit and the answer (F3)")
async def process_kill_after_commit(scheduler: FaultScheduler) -> None:
    await _kill_at(scheduler, "after_commit")


@fault("servers", "kill -9 before the notification is sent (F3)")
async def process_kill_before_publish(scheduler: FaultScheduler) -> None:
    await _kill_at(scheduler, "before_publish")


@fault("servers", "kill -9 just after the answer (F3)")
async def process_kill_after_ack(scheduler: FaultScheduler) -> None:
    await _kill_at(scheduler, "after_ack")


@fault("servers", "a rolling restart: SIGTERM and a new process, one after the other (F2)")
async def process_rolling_restart(scheduler: FaultScheduler) -> None:
    for process in scheduler.bank.processes:
        process.send_signal(signal.SIGTERM)
        await scheduler.wait_until(
            lambda process=process: not process.is_running,  # type: ignore[misc]
            STOP_SECONDS,
            f"{process.kind} had not stopped {STOP_SECONDS:.0f} s after SIGTERM",
        )
        process.kill()
        await _restart(scheduler, process)


@fault("servers", "SIGSTOP: the process is frozen, its sockets stay open")
async def process_stop(scheduler: FaultScheduler) -> None:
    process = _random_process(scheduler)
    process.send_signal(signal.SIGSTOP)
    try:
        await scheduler.hold()
    finally:
        process.send_signal(signal.SIGCONT)


@fault("servers", "the event loops are blocked")
async def process_stall_loop(scheduler: FaultScheduler) -> None:
    seconds = scheduler.hold_seconds
    for process in scheduler.bank.processes:
        await process.control("stall", seconds + 10, seconds=f"{seconds:.1f}")


@fault("servers", "the clock of one process steps an hour ahead, an hour behind, and back (F18)")
async def process_clock(scheduler: FaultScheduler) -> None:
    process = _random_process(scheduler)
    for offset in (*scheduler.rng.sample((HOUR, -HOUR), 2), 0):
        await process.control("clock", offset=offset)
        if offset:
            await scheduler.hold()


@fault("servers", "events and frames of a future version (F25)")
async def process_newer_version(scheduler: FaultScheduler) -> None:
    for _ in range(3):
        await scheduler.bank.processes[0].control("unknown-frames")
        await scheduler.bank.processes[-1].control("unknown-frames")
        await asyncio.sleep(scheduler.hold_seconds / 4)
