"""Faults of PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack, suppress

import psycopg
import redis

from tests.faults.nemesis import Nemesis, NotHere, fault
from tests.harness.servers import ServerFailed

# PostgreSQL comes up again by itself, and its operator helps where it does not.
UP_SECONDS = 60.0


# -- Redis -----------------------------------------------------------------------------------------------------


@fault("servers", "Redis is stopped and started again, empty (F4, F7)")
async def redis_restart(nemesis: Nemesis) -> None:
    nemesis.bank.redis.stop()
    await nemesis.last()
    await asyncio.to_thread(nemesis.bank.redis.start)


@fault("servers", "Redis stands still (F6)")
async def redis_stall(nemesis: Nemesis) -> None:
    nemesis.bank.redis.send_signal(signal.SIGSTOP)
    try:
        await nemesis.last()
    finally:
        nemesis.bank.redis.send_signal(signal.SIGCONT)


def _redis(nemesis: Nemesis, *command: str) -> None:
    with redis.Redis.from_url(nemesis.bank.redis.url, socket_timeout=5) as client:
        client.execute_command(*command)


@fault("servers", "FLUSHALL (F5)")
async def redis_flush(nemesis: Nemesis) -> None:
    for _ in range(3):
        await asyncio.to_thread(_redis, nemesis, "FLUSHALL")
        await asyncio.sleep(nemesis.hold / 4)


@fault("servers", "Redis drops its clients")
async def redis_drop_clients(nemesis: Nemesis) -> None:
    for kind in ("pubsub", "normal", "pubsub"):
        await asyncio.to_thread(_redis, nemesis, "CLIENT", "KILL", "TYPE", kind)
        await asyncio.sleep(nemesis.hold / 4)


# -- PostgreSQL ------------------------------------------------------------------------------------------------


async def _stop(nemesis: Nemesis, number: signal.Signals) -> None:
    postgres = nemesis.bank.postgres
    postgres.send_signal(number)
    await asyncio.to_thread(postgres.wait)
    await nemesis.last()
    await asyncio.to_thread(postgres.start)


@fault("servers", "PostgreSQL is restarted, fast (F8)")
async def postgres_restart_fast(nemesis: Nemesis) -> None:
    await _stop(nemesis, signal.SIGINT)


@fault("servers", "PostgreSQL is restarted, immediate: it recovers from its log (F8)")
async def postgres_restart_immediate(nemesis: Nemesis) -> None:
    await _stop(nemesis, signal.SIGQUIT)


def _backends(nemesis: Nemesis) -> list[int]:
    with psycopg.connect(nemesis.bank.postgres.url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in found]


def _is_up(nemesis: Nemesis) -> bool:
    return nemesis.bank.postgres.is_running and nemesis.bank.postgres.is_ready()


async def _until_up(nemesis: Nemesis) -> None:
    deadline = asyncio.get_running_loop().time() + UP_SECONDS
    while not await asyncio.to_thread(_is_up, nemesis):
        if not nemesis.bank.postgres.is_running:
            with suppress(ServerFailed):
                await asyncio.to_thread(nemesis.bank.postgres.start)
        if asyncio.get_running_loop().time() > deadline:
            nemesis.world.wrong("nemesis", f"PostgreSQL did not come up within {UP_SECONDS:.0f} s")
            return
        await asyncio.sleep(0.05)


@fault("servers", "kill -9 of a backend: PostgreSQL throws all connections out and recovers (F8)")
async def postgres_kill_backend(nemesis: Nemesis) -> None:
    backends = await asyncio.to_thread(_backends, nemesis)
    os.kill(nemesis.chance.choice(backends), signal.SIGKILL)
    await _until_up(nemesis)


@fault("servers", "all connections are ended by the database")
async def postgres_end_connections(nemesis: Nemesis) -> None:
    for _ in range(2):
        for pid in await asyncio.to_thread(_backends, nemesis):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        await asyncio.sleep(nemesis.hold / 4)


async def _fail(nemesis: Nemesis, error: str) -> None:
    before = [(await process.door("state")) or {"passed": {}} for process in nemesis.bank.processes]
    del before
    for process in nemesis.bank.processes:
        await process.door("fail", error=error, times=2)
    await nemesis.last()


@fault("servers", "deadlocks: 40P01 inside the transaction of a batch (F10)")
async def postgres_deadlock(nemesis: Nemesis) -> None:
    await _fail(nemesis, "deadlock")


@fault("servers", "serialization failures: 40001 inside the transaction of a batch (F10)")
async def postgres_serialization(nemesis: Nemesis) -> None:
    await _fail(nemesis, "serialization")


def _execute(nemesis: Nemesis, *statements: str) -> None:
    with psycopg.connect(nemesis.bank.postgres.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


END_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


@fault("servers", "every transaction is SERIALIZABLE, and fails as such do (F10)")
async def postgres_serializable(nemesis: Nemesis) -> None:
    setting = "ALTER ROLE lianxin {} default_transaction_isolation"
    await asyncio.to_thread(_execute, nemesis, setting.format("SET") + " = 'serializable'", END_ALL)
    try:
        await nemesis.last()
    finally:
        await asyncio.to_thread(_execute, nemesis, setting.format("RESET"), END_ALL)


@fault("servers", "a lock on all messages: the database is slow (F11)")
async def postgres_locked(nemesis: Nemesis) -> None:
    seconds = nemesis.hold
    statement = (
        f"BEGIN; LOCK TABLE chat_message IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({seconds:.1f}); COMMIT"
    )
    await asyncio.to_thread(_execute, nemesis, statement)


def _take_all_connections(url: str, stack: ExitStack) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(2):
            connection.execute(END_ALL.encode())
            # As many as there are, against servers that want theirs back.
            with suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(psycopg.connect(url, connect_timeout=2))


@fault("servers", "no connections left (F13)")
async def postgres_no_connections(nemesis: Nemesis) -> None:
    with ExitStack() as stack:
        # Ours are ended with the servers' in the second round; closing one that is gone is harmless.
        await asyncio.to_thread(_take_all_connections, nemesis.bank.postgres.url, stack)
        await nemesis.last()


@fault("servers", "the disk is full (F12)")
async def postgres_disk_full(nemesis: Nemesis) -> None:
    postgres = nemesis.bank.postgres
    if not postgres.is_small:
        raise NotHere("a small file system cannot be mounted here (needs root)")
    ballast = postgres.folder / "ballast"
    try:
        await asyncio.to_thread(_fill, ballast)
        await nemesis.last()
    finally:
        ballast.unlink()
    await _until_up(nemesis)


def _fill(ballast: os.PathLike[str]) -> None:
    """Until not one page is left."""
    with open(ballast, "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
