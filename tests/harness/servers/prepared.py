"""The results of `migrate` and `collectstatic`, which a test run makes once and copies for each further server."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.harness.servers.postgres import postgres_program

SQLITE = "lianxin.sqlite3"
# The environment variable with the folder that all servers of a run share. Without it, each server is prepared
# separately.
PREPARED_DIR = "TESTS_PREPARED_DIR"
# Lines of pg_dump's output that begin with this are commands of psql, not SQL.
_FOR_PSQL = "\\"


def prepare_database(environment: Mapping[str, str], manage: Callable[..., str]) -> None:
    """Create the tables in the empty database of this environment: by `migrate`, or from the copy that the first server
    of the run left."""
    if PREPARED_DIR not in os.environ:
        _migrate(manage)
        return
    state = Path(environment["LIANXIN_STATE_DIR"])
    url = environment.get("LIANXIN_DATABASE_URL", "")
    with _locked_folder() as folder:
        database = folder / ("postgres.sql" if url else SQLITE)
        if not database.exists():
            _migrate(manage)
            _keep_database(url, state, database)
        elif url:
            with psycopg.connect(url) as connection:
                connection.execute(database.read_bytes())
        else:
            state.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(database, state / SQLITE)


def prepare_static(environment: Mapping[str, str], manage: Callable[..., str]) -> None:
    """Put the static files into the state folder of this environment: by `collectstatic`, or from the copy that the
    first server of the run left."""
    if PREPARED_DIR not in os.environ:
        _collect(manage)
        return
    own = Path(environment["LIANXIN_STATE_DIR"]) / "static"
    with _locked_folder() as folder:
        prepared = folder / "static"
        if not prepared.exists():
            _collect(manage)
            shutil.copytree(own, prepared)
        elif not own.exists():
            shutil.copytree(prepared, own)


def _migrate(manage: Callable[..., str]) -> None:
    manage("migrate", "--verbosity=0")


def _collect(manage: Callable[..., str]) -> None:
    manage("collectstatic", "--noinput", "--verbosity=0")


@contextmanager
def _locked_folder() -> Iterator[Path]:
    """Yield the folder that all servers of the run share, locked against other processes."""
    folder = Path(os.environ[PREPARED_DIR])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _keep_database(url: str, state: Path, folder: Path) -> None:
    if not url:
        shutil.copyfile(state / SQLITE, folder)
        return
    command = [str(postgres_program("pg_dump")), "--inserts", "--no-owner", url]
    dumped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = (line for line in dumped.splitlines() if not line.startswith(_FOR_PSQL))
    folder.write_text("\n".join(lines), encoding="utf-8")
