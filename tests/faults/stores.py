"""Faults of PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack, suppress

import psycopg
import redis

from tests.faults.fault_schedule import FaultScheduler, NotSupported, fault
from tests.harness.servers import ServerFailed

# Seconds for PostgreSQL to recover by itself. If its postmaster has ended, the test starts it, as an operator would.
RECOVERY_SECONDS = 60.0


# -- Redis -----------------------------------------------------------------------------------------------------


@fault("servers", "Redis is stopped and started again, empty (F4, F7)")
async def redis_restart(scheduler: FaultScheduler) -> None:
    scheduler.bank.redis.stop()
    await scheduler.hold()
    await asyncio.to_thread(scheduler.bank.redis.start)


@fault("servers", "Redis is frozen by SIGSTOP (F6)")
async def redis_stall(scheduler: FaultScheduler) -> None:
    scheduler.bank.redis.send_signal(signal.SIGSTOP)
    try:
        await scheduler.hold()
    finally:
        scheduler.bank.redis.send_signal(signal.SIGCONT)


def _redis(scheduler: FaultScheduler, *command: str) -> None:
    with redis.Redis.from_url(scheduler.bank.redis.url, socket_timeout=5) as client:
        client.execute_command(*command)


@fault("servers", "Redis is emptied by FLUSHALL (F5)")
async def redis_flush(scheduler: FaultScheduler) -> None:
    for _ in range(3):
        await asyncio.to_thread(_redis, scheduler, "FLUSHALL")
        await asyncio.sleep(scheduler.hold_seconds / 4)


@fault("servers", "Redis disconnects its clients")
async def redis_drop_clients(scheduler: FaultScheduler) -> None:
    for kind in ("pubsub", "normal", "pubsub"):
        await asyncio.to_thread(_redis, scheduler, "CLIENT", "KILL", "TYPE", kind)
        await asyncio.sleep(scheduler.hold_seconds / 4)


# -- PostgreSQL ------------------------------------------------------------------------------------------------


async def _restart_postgres(scheduler: FaultScheduler, number: signal.Signals) -> None:
    postgres = scheduler.bank.postgres
    postgres.send_signal(number)
    await asyncio.to_thread(postgres.wait)
    await scheduler.hold()
    await asyncio.to_thread(postgres.start)


@fault("servers", "PostgreSQL is restarted in fast mode (F8)")
async def postgres_restart_fast(scheduler: FaultScheduler) -> None:
    await _restart_postgres(scheduler, signal.SIGINT)


@fault("servers", "PostgreSQL is restarted in immediate mode and recovers from its WAL (F8)")
async def postgres_restart_immediate(scheduler: FaultScheduler) -> None:
    await _restart_postgres(scheduler, signal.SIGQUIT)


def _backends(scheduler: FaultScheduler) -> list[int]:
    with psycopg.connect(scheduler.bank.postgres.url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in rows]


def _is_up(scheduler: FaultScheduler) -> bool:
    return scheduler.bank.postgres.is_running and scheduler.bank.postgres.is_ready()


async def _wait_until_up(scheduler: FaultScheduler) -> None:
    deadline = asyncio.get_running_loop().time() + RECOVERY_SECONDS
    while not await asyncio.to_thread(_is_up, scheduler):
        if not scheduler.bank.postgres.is_running:
            with suppress(ServerFailed):
                await asyncio.to_thread(scheduler.bank.postgres.start)
        if asyncio.get_running_loop().time() > deadline:
            scheduler.scenario.note_error(
                "fault scheduler", f"PostgreSQL did not recover within {RECOVERY_SECONDS:.0f} s"
            )
            return
        await asyncio.sleep(0.05)


@fault("servers", "kill -9 of a backend: PostgreSQL drops all connections and recovers (F8)")
async def postgres_kill_backend(scheduler: FaultScheduler) -> None:
    backends = await asyncio.to_thread(_backends, scheduler)
    # A backend may have ended since the list was read.
    with suppress(ProcessLookupError):
        os.kill(scheduler.rng.choice(backends), signal.SIGKILL)
    await _wait_until_up(scheduler)


@fault("servers", "the database ends all connections")
async def postgres_end_connections(scheduler: FaultScheduler) -> None:
    for _ in range(2):
        for pid in await asyncio.to_thread(_backends, scheduler):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        await asyncio.sleep(scheduler.hold_seconds / 4)


async def _fail_batches(scheduler: FaultScheduler, error: str) -> None:
    for process in scheduler.bank.processes:
        await process.control("fail", error=error, times=2)
    await scheduler.hold()


@fault("servers", "deadlocks: 40P01 inside the transaction of a batch (F10)")
async def postgres_deadlock(scheduler: FaultScheduler) -> None:
    await _fail_batches(scheduler, "deadlock")


@fault("servers", "serialization failures: 40001 inside the transaction of a batch (F10)")
async def postgres_serialization(scheduler: FaultScheduler) -> None:
    await _fail_batches(scheduler, "serialization")


def _execute(scheduler: FaultScheduler, *statements: str) -> None:
    with psycopg.connect(scheduler.bank.postgres.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


END_ALL_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


@fault("servers", "every transaction is SERIALIZABLE and fails as those do (F10)")
async def postgres_serializable(scheduler: FaultScheduler) -> None:
    setting = "ALTER ROLE lianxin {} default_transaction_isolation"
    await asyncio.to_thread(
        _execute, scheduler, setting.format("SET") + " = 'serializable'", END_ALL_CONNECTIONS
    )
    try:
        await scheduler.hold()
    finally:
        await asyncio.to_thread(_execute, scheduler, setting.format("RESET"), END_ALL_CONNECTIONS)


@fault("servers", "a lock on the message table blocks all posts (F11)")
async def postgres_locked(scheduler: FaultScheduler) -> None:
    seconds = scheduler.hold_seconds
    statement = (
        f"BEGIN; LOCK TABLE chat_message IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({seconds:.1f}); COMMIT"
    )
    await asyncio.to_thread(_execute, scheduler, statement)


def _take_all_connections(url: str, stack: ExitStack) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(2):
            connection.execute(END_ALL_CONNECTIONS.encode())
            # Take all free connections. The servers reconnect and take some of them at the same time.
            with suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(psycopg.connect(url, connect_timeout=2))


@fault("servers", "no database connections are left (F13)")
async def postgres_no_connections(scheduler: FaultScheduler) -> None:
    with ExitStack() as stack:
        # The second of the two rounds also ends the connections that the first one has taken. When `stack` closes these
        # ended connections again, this does no harm.
        await asyncio.to_thread(_take_all_connections, scheduler.bank.postgres.url, stack)
        await scheduler.hold()


@fault("servers", "the disk is full (F12)")
async def postgres_disk_full(scheduler: FaultScheduler) -> None:
    postgres = scheduler.bank.postgres
    if not postgres.is_small:
        raise NotSupported("a small file system cannot be mounted here (needs root)")
    ballast = postgres.folder / "ballast"
    try:
        await asyncio.to_thread(_fill, ballast)
        await scheduler.hold()
    finally:
        ballast.unlink()
    await _wait_until_up(scheduler)


def _fill(ballast: os.PathLike[str]) -> None:
    """Write to the file `ballast` until the disk is full."""
    with open(ballast, "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
