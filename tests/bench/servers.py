"""The measured servers, started as a bank starts them.

They have the default settings, and the settings that every bank must make. The only other setting is a higher rate
limit per visitor, because fifty visitors have to produce all the load.
"""

from __future__ import annotations

import atexit
import json
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import psycopg

from tests.bench.load import Tally
from tests.bench.process_cost import Usage, cpu_seconds, thread_usages
from tests.bench.rows import Void
from tests.harness.servers import AppServer, PrivatePostgres, PrivateRedis, create_database
from tests.harness.servers.process import Server

ServerName = Literal["daphne", "uvicorn"]
# The options with which deploy/systemd starts the servers.
OPTIONS: dict[ServerName, list[str]] = {
    "daphne": ["--verbosity", "0", "--no-server-name", "--ping-interval", "15", "--ping-timeout", "20"],
    "uvicorn": [
        *("--no-access-log", "--no-server-header", "--no-proxy-headers"),
        *("--ws-ping-interval", "15", "--ws-ping-timeout", "20"),
        *("--ws-per-message-deflate", "false", "--ws-max-size", "1048576"),
    ],
}
APPLICATION = "config.asgi:application"
DATABASE = "lianxin"
SECRET_KEY = "of a bench, and good for nothing else"  # Long enough for the system check.


class MeasuredApp(AppServer):
    """A server that is killed at the end, not stopped, because draining ten thousand sockets would take long."""

    stop_signal = signal.SIGKILL


@dataclass(frozen=True)
class StaffSessions:
    """The cookies of the staff's sessions."""

    agents: list[dict[str, str]]
    supervisor: dict[str, str]


@dataclass
class Running:
    """Lianxin, or the chat of the tutorial, with its database. `servers` are all processes whose cost counts."""

    apps: list[AppServer]
    servers: list[Server]
    database: str
    # An open database session for reading the statistics, because a new session for each reading would be measured,
    # too. None for SQLite.
    statistics: psycopg.Connection | None
    is_ours: bool = True

    @property
    def app(self) -> AppServer:
        return self.apps[0]

    def cpu_seconds(self) -> float:
        """Return the processor seconds that all servers have used until now."""
        return cpu_seconds(server.pid for server in self.servers)

    def transactions(self) -> int:
        """Return the number of PostgreSQL's transactions until now. Sessions report their transactions up to a second
        late."""
        if self.statistics is None:
            return 0
        row = self.statistics.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
        assert row
        return int(row[0])

    def usage(self) -> Usage:
        """Return the resources that all servers have used until now."""
        usage = Usage(self.cpu_seconds(), self.transactions())
        for server in self.servers:
            for thread, nanoseconds, switches in thread_usages(server.name, server.pid):
                usage.nanoseconds[thread], usage.switches[thread] = nanoseconds, switches
        return usage

    def call(self, expression: str) -> Any:
        """Call a function of tests/bench/fixtures.py in a child process with the server's settings, as in
        `call("create_staff(agents=10)")`."""
        code = f"import json; from tests.bench.fixtures import *; print('RESULT' + json.dumps({expression}))"
        printed = self.app.manage("shell", "-v", "0", "-c", code)
        return json.loads(next(line for line in printed.splitlines() if line.startswith("RESULT"))[6:])

    def create_staff(self, *, agents: int) -> StaffSessions:
        return StaffSessions(**self.call(f"create_staff(agents={agents})"))

    def check_stored(self, tally: Tally) -> float:
        """Check that every acknowledged message is in the database with the acknowledged seq. Raises Void if not.

        Return the average number of messages per transaction.
        """
        stored, batches = self._stored()
        missing = [key for key, seq in tally.seqs.items() if stored.get(uuid.UUID(key)) != seq]
        missing += [key for key in tally.accepted.keys() - tally.seqs.keys() if uuid.UUID(key) not in stored]
        if missing:
            raise Void(f"{len(missing)} of {len(tally.accepted)} acknowledged messages are not stored")
        return len(stored) / batches if batches else 0.0

    def _stored(self) -> tuple[dict[uuid.UUID, int], int]:
        if self.database.startswith("sqlite:"):
            with sqlite3.connect(self.database.removeprefix("sqlite:")) as connection:
                rows = connection.execute(
                    "SELECT client_id, seq, at FROM chat_message WHERE client_id IS NOT NULL"
                ).fetchall()
            return {uuid.UUID(key): seq for key, seq, _ in rows}, len({at for _, _, at in rows})
        table, seq = ("chat_message", "seq") if self.is_ours else ("tutorial_message", "0")
        with psycopg.connect(self.database) as connection:
            found = connection.execute(
                f"SELECT client_id, {seq}, xmin::text FROM {table} WHERE client_id IS NOT NULL"
            ).fetchall()
        return {key: seq for key, seq, _ in found}, len({transaction for _, _, transaction in found})


@cache
def _prepared() -> Path:
    """Return a folder with everything that a server needs to start. It is made once per run.

    The folder has the data of a PostgreSQL with an empty Lianxin database. It also has the state folder of a
    stand-alone server, with an SQLite database and the collected static files.
    """
    folder = Path(tempfile.mkdtemp(prefix="lianxin-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    state = {"LIANXIN_SECRET_KEY": SECRET_KEY, "LIANXIN_STATE_DIR": str(folder / "state")}
    with PrivatePostgres(keep=folder / "postgres") as postgres:
        for settings in ({"LIANXIN_DATABASE_URL": create_database(postgres.url, DATABASE)}, {}):
            AppServer(state | settings).prepare()
    return folder


@contextmanager
def _copy_of(name: str) -> Iterator[Path]:
    """Yield a copy of the prepared folder `name` for one measurement. The files keep their owners."""
    with tempfile.TemporaryDirectory(prefix=f"lianxin-bench-{name}-") as folder:
        Path(folder).chmod(0o755)
        subprocess.run(["cp", "-a", _prepared() / name, folder], check=True)
        yield Path(folder) / name


@contextmanager
def lianxin(
    server: ServerName = "daphne",
    *,
    processes: int = 1,
    sqlite: bool = False,
    application: str = APPLICATION,
    database: str = "",
    postgres: PrivatePostgres | None = None,
) -> Iterator[Running]:
    """Start Lianxin with SQLite only, or with Redis and a PostgreSQL that writes to the disk.

    If a PostgreSQL with a prepared database is already running, pass the server as `postgres` and the database's URL as
    `database`.
    """
    with ExitStack() as stack:
        state = stack.enter_context(_copy_of("state"))
        env = {
            "LIANXIN_SECRET_KEY": SECRET_KEY,
            "LIANXIN_STATE_DIR": str(state),
            "LIANXIN_POSTS_PER_SECOND": "1000",
        }
        servers: list[Server] = []
        if sqlite:
            database = f"sqlite:{state / 'lianxin.sqlite3'}"
        else:
            if postgres is None:
                data = stack.enter_context(_copy_of("postgres"))
                postgres = stack.enter_context(PrivatePostgres(durable=True, keep=data))
                database = postgres.url_of(DATABASE)
            redis = stack.enter_context(PrivateRedis())
            servers += [postgres, redis]
            env |= {"LIANXIN_DATABASE_URL": database, "LIANXIN_REDIS_URL": redis.url}
        apps: list[AppServer] = []
        for _ in range(processes):
            app = MeasuredApp(
                env, server=server, options=OPTIONS[server], prepare=False, application=application
            )
            apps.append(stack.enter_context(app))
        statistics = None if sqlite else stack.enter_context(psycopg.connect(database, autocommit=True))
        yield Running(apps, [*servers, *apps], database, statistics)


@contextmanager
def tutorial() -> Iterator[Running]:
    """Start the chat of the Channels tutorial on Daphne, with a PostgreSQL and a Redis like those of Lianxin."""
    with PrivatePostgres(durable=True) as postgres, PrivateRedis() as redis:
        env = {
            "DJANGO_SETTINGS_MODULE": "tests.bench.tutorial.settings",
            "TUTORIAL_SECRET_KEY": SECRET_KEY,
            "TUTORIAL_DATABASE_URL": create_database(postgres.url),
            "TUTORIAL_REDIS_URL": redis.url,
        }
        app = MeasuredApp(
            env, options=OPTIONS["daphne"], prepare=False, application="tests.bench.tutorial.asgi:application"
        )
        app.manage("migrate", "--run-syncdb", "--verbosity=0")
        database = env["TUTORIAL_DATABASE_URL"]
        with app, psycopg.connect(database, autocommit=True) as statistics:
            yield Running([app], [postgres, redis, app], database, statistics, is_ours=False)
