"""The servers of a run: PostgreSQL on a small disk, Redis, and Daphne and uvicorn processes with fault
injection."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Literal, Self
from urllib.parse import urlencode

import psycopg
import redis

from tests.faults import stored
from tests.harness.http_client import HttpClient
from tests.harness.servers import AppServer, PrivatePostgres, PrivateRedis
from tests.people import PASSWORD

DISK = "256m"
MAX_CONNECTIONS = 60

OPEN_TRANSACTIONS = """
SELECT count(*) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
"""

# The departments in push and in offer mode.
ROUTED = ("loans", "savings")
# The number of agents who only get conversations from the router. All agents of these departments have room for few.
ROUTED_AGENTS = 2
ROUTED_CAPACITY = 3
OFFER_SECONDS = 2

# Creates everyone of tests/people.py, and three departments: cards in pull mode, loans in push mode, savings in offer
# mode. `agents` more agents are for cards, and every third of them also for loans and savings. ROUTED_AGENTS agents are
# only for loans and savings.
SET_UP = """
import json
from accounts.models import Department, Staff
from routing.models import DepartmentPolicy
from tests.people import PEOPLE, create_cast, session_of
cast = create_cast(origins={origins!r}, password={password!r})
savings = Department.objects.create(code="savings", name_zh="储蓄", name_en="Savings", order=3)
for department, mode in ((cast.cards, "pull"), (cast.loans, "push"), (savings, "offer")):
    DepartmentPolicy.objects.create(
        department=department, mode=mode, offer_seconds={offer_seconds}, sleep_minutes=600)
staff = [getattr(cast, person.username) for person in PEOPLE]
for number in range({agents} + {routed}):
    is_last = number >= {agents}
    is_routed = is_last or number % 3 == 0
    member = Staff.objects.create(
        username=f"r{{number - {agents}}}" if is_last else f"a{{number}}", password="!",
        name=f"客服{{number}}", name_en=f"Agent {{number}}", number=str(5000 + number), role="agent",
        **({{"capacity": {capacity}}} if is_routed else {{}}))
    own = [] if is_last else [cast.cards]
    member.departments.set([*own, cast.loans, savings] if is_routed else own)
    staff.append(member)
print("loaded", json.dumps({{
    "staff": {{member.username: {{
        "sessions": [session_of(member) for _ in range({sessions})], "number": member.number, "pk": member.pk,
        "departments": [d.code for d in member.departments.all()], "capacity": member.capacity,
        "sees_all": member.role == "supervisor"}} for member in staff}},
    "departments": {{"cards": cast.cards.pk, "loans": cast.loans.pk, "savings": savings.pk}},
    "wrap_up": cast.done.pk}}))
"""


class SmallPostgres(PrivatePostgres):
    """PostgreSQL on an in-memory file system of DISK bytes, so that tests can fill it.

    `is_small` is false if we are not allowed to mount such a file system; PostgreSQL then uses the normal disk.
    """

    def __init__(self) -> None:
        super().__init__(
            max_connections=MAX_CONNECTIONS,
            settings={
                "track_commit_timestamp": "on",
                "max_wal_size": "64MB",
                "min_wal_size": "32MB",
                "deadlock_timeout": "200ms",
                "restart_after_crash": "on",
            },
        )
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(self.folder)], capture_output=True
        )
        self.is_small = mounted.returncode == 0

    def close(self) -> None:
        try:
            super().close()
        finally:
            if self.is_small:
                subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
                self.folder.rmdir()


class Process(AppServer):
    """A server process that runs the fault injection application."""

    def __init__(
        self, env: Mapping[str, str], server: Literal["daphne", "uvicorn"], *, prepare: bool
    ) -> None:
        options = ["--log-level", "warning"] if server == "uvicorn" else ["--access-log", "/dev/null"]
        super().__init__(
            env,
            server=server,
            prepare=prepare,
            application="tests.faults.fault_injection:application",
            options=options,
        )
        self.kind = server

    async def control(self, command: str, timeout_seconds: float = 10.0, **parameters: object) -> Any:
        """Send a command to the fault injection endpoint; return the response, or None if the command failed."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        client = HttpClient(self.url, seconds=timeout_seconds)
        answer = await client.get(f"/fault-injection/{command}{query}")
        return answer.document if answer.status == 200 else None


class Bank:
    """All servers of a run, and the staff in the database. Use it as `with Bank(...) as bank`."""

    def __init__(self, *, processes: int, agents: int, origins: list[str]) -> None:
        self._stack = ExitStack()
        self._count, self._agents, self._origins = processes, agents, origins
        self.postgres: SmallPostgres
        self.redis: PrivateRedis
        self.processes: list[Process] = []
        self.staff: dict[str, dict[str, Any]] = {}
        self.departments: dict[str, int] = {}
        self.wrap_up = 0

    def __enter__(self) -> Self:
        try:
            self.postgres = self._stack.enter_context(SmallPostgres())
            self.redis = self._stack.enter_context(PrivateRedis())
            # All processes share one state folder, as they would on one machine, because a browser may request a page
            # from one process and the static files of this page from another.
            state = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lianxin-faults-"))
            env = {
                "LIANXIN_STATE_DIR": state,
                "LIANXIN_DATABASE_URL": self.postgres.url,
                "LIANXIN_REDIS_URL": self.redis.url,
                "LIANXIN_SECRET_KEY": secrets.token_urlsafe(48),
                "LIANXIN_HEARTBEAT_SECONDS": "1",
                "LIANXIN_POSTS_PER_SECOND": "5",
                "LIANXIN_LOG_LEVEL": "WARNING",
            }
            for number in range(self._count):
                kind: Literal["daphne", "uvicorn"] = "uvicorn" if number % 2 else "daphne"
                process = Process(env, kind, prepare=number == 0)
                self.processes.append(self._stack.enter_context(process))
            self._set_up()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
        self._stack.close()

    def _set_up(self) -> None:
        code = SET_UP.format(
            origins=self._origins,
            password=PASSWORD,
            agents=self._agents,
            routed=ROUTED_AGENTS,
            capacity=ROUTED_CAPACITY,
            offer_seconds=OFFER_SECONDS,
            sessions=4,
        )
        printed = self.processes[0].manage("shell", "-v0", "-c", code)
        data_line = next(line for line in printed.splitlines() if line.startswith("loaded "))
        data = json.loads(data_line.removeprefix("loaded "))
        self.staff, self.departments = data["staff"], data["departments"]
        self.wrap_up = data["wrap_up"]
        stored.install_log(self.postgres.url)

    def forget(self) -> None:
        """Remove the conversations, visitors, presence records and leases of a run. Staff and site stay."""
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            tables = f"chat_visitor, accounts_presence, core_lease, {stored.LOG_TABLES}"
            connection.execute(f"TRUNCATE {tables} CASCADE")

    def leftovers(self) -> list[str]:
        """Return descriptions of the keys in Redis and the open transactions in PostgreSQL that are left over.

        Call it when no client is connected, because nothing should be left then.
        """
        with redis.Redis.from_url(self.redis.url) as client:
            leftovers_found = [f"{client.dbsize()} keys in Redis"] if client.dbsize() else []
        with psycopg.connect(self.postgres.url) as connection:
            (transaction_count,) = connection.execute(OPEN_TRANSACTIONS).fetchone() or (0,)
        return leftovers_found + ([f"{transaction_count} open transactions"] if transaction_count else [])

    def heal(self) -> None:
        """Make every server run again after any fault. Blocks until they run."""
        self.postgres.send_signal(signal.SIGCONT)
        self.redis.send_signal(signal.SIGCONT)
        self.postgres.start()
        self.redis.start()
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
            process.start()
