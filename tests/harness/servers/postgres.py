"""A private PostgreSQL for a test run."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.harness.servers.process import HOST, Server, ServerFailed


class PrivatePostgres(Server):
    """A private PostgreSQL. `url` is the URL of its first database; `create_database()` adds more, each empty.

    `durable=False` turns fsync off. That is safe here: the data need not survive a crash of the machine, and killing a
    server process loses nothing that it has handed to the kernel. Tests of "accepted means committed" therefore keep
    their meaning. Benchmarks pass `durable=True`, because they measure the disk, too. `settings` are further settings
    of postgresql.conf. `keep` is a folder in which the data stays, so that a later PostgreSQL can use it.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # PostgreSQL's "fast" shutdown: it does not wait for clients to leave.

    def __init__(
        self,
        *,
        durable: bool = False,
        max_connections: int = 200,
        settings: Mapping[str, str] | None = None,
        keep: Path | None = None,
    ) -> None:
        super().__init__()
        self._durable = durable
        self._max_connections = max_connections
        self._settings = dict(settings or {})
        self._home = keep or self.folder
        self._home.mkdir(parents=True, exist_ok=True)
        password = self._home / "password"
        self._password = password.read_text() if password.exists() else secrets.token_urlsafe(16)
        self._data = self._home / "data"

    @property
    def url(self) -> str:
        return f"postgres://lianxin:{self._password}@{HOST}:{self.port}/postgres"

    def url_of(self, name: str) -> str:
        """Return the URL of the database with this name."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def create_database(self, name: str = "") -> str:
        """Create an empty database, with a generated name unless one is given, and return its URL."""
        return create_database(self.url, name)

    def owner(self) -> pwd.struct_passwd | None:
        """Return the account that runs PostgreSQL: `postgres` or `nobody` if the tests run as root, otherwise None,
        which stands for the present account.

        PostgreSQL refuses to run as root.
        """
        if os.geteuid() != 0:
            return None
        for account in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(account)
            except KeyError:
                continue
        raise ServerFailed("there is no unprivileged account that could run PostgreSQL")

    def command(self) -> Sequence[str | Path]:
        settings: dict[str, object] = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": self._max_connections,
            "timezone": "UTC",
            "log_min_messages": "warning",
        }
        if not self._durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        settings |= self._settings
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [postgres_program("postgres"), "-D", self._data, *options]

    def start(self) -> None:
        if not self._data.exists():
            self._make_cluster()
        deadline = time.monotonic() + self.start_seconds
        while True:
            try:
                return super().start()
            except ServerFailed:
                # After a kill, the old server's children hold its shared memory until they notice the kill and exit.
                is_held = "pre-existing shared memory block" in self.log[-2000:]
                if not is_held or self.is_running or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def is_ready(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_cluster(self) -> None:
        password_file = self._home / "password"
        password_file.write_text(self._password)
        owner = self.owner()
        if owner:
            for path in {self.folder, self._home, password_file}:
                os.chown(path, owner.pw_uid, owner.pw_gid)
        result = subprocess.run(
            [
                postgres_program("initdb"),
                *("--pgdata", self._data, "--username=lianxin", f"--pwfile={password_file}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            cwd=self.folder,
            capture_output=True,
            text=True,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )
        if result.returncode:
            raise ServerFailed(f"initdb failed:\n{result.stdout}{result.stderr}")


def create_database(url: str, name: str = "") -> str:
    """Create an empty database in the PostgreSQL at `url`, and return the new database's URL.

    Without a name, a unique one is generated.
    """
    name = name or f"lianxin_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def emptying(tables: Iterable[str]) -> bytes:
    """Return statements that empty these tables in one transaction, whether or not other tables refer to their rows.

    The statements wait for open transactions that write to these tables, but not for those that only read. TRUNCATE
    would wait for both kinds. It would also make new files for every table, which takes fifty times as long as deleting
    the rows of a test.
    """
    names = [f'"{table}"' for table in tables]
    return "; ".join(
        [
            f"BEGIN; LOCK TABLE {', '.join(names)} IN SHARE ROW EXCLUSIVE MODE",
            "SET LOCAL session_replication_role = replica",  # Neither foreign keys nor triggers.
            *(f"DELETE FROM {name}" for name in names),
            "COMMIT",
        ]
    ).encode()


def postgres_program(name: str) -> Path:
    """Return the path of one of PostgreSQL's server programs, of the newest version installed.

    Debian keeps them out of PATH, in one folder per version.
    """
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    if versions:
        return versions[-1]
    program = shutil.which(name)
    if program is None:
        raise ServerFailed(f"PostgreSQL's {name} is not installed; on Debian: apt-get install postgresql")
    return Path(program)
