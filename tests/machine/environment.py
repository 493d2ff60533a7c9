"""The environment shared by all schedules: an in-memory database with the test people, the Node process, and
patches."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from channels.layers import channel_layers
from django.conf import settings
from django.db import connections
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.utils import timezone

import chat.realtime.sockets
import chat.realtime.writer
import core.database_threads
from chat import batch_statements, limits, selectors
from chat.actions.posts import Post, ReadMark, post_batch
from tests.harness.servers import AppServer
from tests.harness.servers.prepared import SQLITE
from tests.machine import threads
from tests.machine.browsers import Node
from tests.machine.clock import PROCESS, SimulatedDatetime, clock
from tests.machine.process import install
from tests.people import create_cast, go_online, session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

SESSIONS_PER_PERSON = 4
# This limit is small, so that a page fills soon and the rest has to be fetched.
PAGE_OF_CHARACTERS = 24
# With the real interval of 1.5 seconds, the sweep would take most of the running time.
SWEEP_SECONDS = 8.0


class Environment:
    """Holds the environment of a test module. It is created once; `restore` resets the database for each schedule."""

    def __init__(self, patch: pytest.MonkeyPatch, node: Node) -> None:
        self.node = node
        self._memory = _database()
        # All threads and tasks share this connection, because there is only one real thread.
        patch.setattr(connections, "_connections", SimpleNamespace(default=self._memory))
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        patch.setattr(timezone, "datetime", SimulatedDatetime)
        patch.setattr(limits, "time", clock)
        patch.setattr(selectors, "PAGE_OF_CHARACTERS", PAGE_OF_CHARACTERS)
        patch.setattr(settings, "SWEEP_SECONDS", SWEEP_SECONDS)
        patch.setattr(settings, "CHANNEL_LAYERS", {"default": {}})
        patch.setattr(settings, "SESSION_COOKIE_AGE", 10 * 365 * 24 * 3600)
        patch.setattr(core.database_threads, "_threads", threads.Pool())
        patch.setattr(chat.realtime.writer, "threading", threads)
        patch.setattr(chat.realtime.writer, "post_batch", _slow_and_unreliable(post_batch))
        patch.setattr(batch_statements, "write_at_revision", _later(batch_statements.write_at_revision))
        install(patch)
        # Make sets of sockets iterate in order of creation, so that every run is the same.
        self.socket_count = 0
        patch.setattr(chat.realtime.sockets.Socket, "__hash__", lambda socket: self._serial_of(socket))
        # Faults are the purpose of this test, so drop the thousands of warnings that they log.
        for name in ("chat", "console", "accounts", "core", "asyncio"):
            patch.setattr(logging.getLogger(name), "propagate", False)
        server = AppServer({})
        server.migrate()
        with closing(sqlite3.connect(server.folder / "state" / SQLITE)) as prepared:
            prepared.backup(self._memory.connection)
        self.cast = create_cast()
        people = (self.cast.mei, self.cast.hao, self.cast.yun)
        go_online(*people)
        self.sessions = {
            who.username: [session_of(who) for _ in range(SESSIONS_PER_PERSON)] for who in people
        }
        self._snapshot = sqlite3.connect(":memory:")
        self._memory.connection.backup(self._snapshot)

    def _serial_of(self, socket: chat.realtime.sockets.Socket) -> int:
        if "serial" not in vars(socket):
            self.socket_count += 1
            vars(socket)["serial"] = self.socket_count
        serial: int = vars(socket)["serial"]
        return serial

    def restore(self) -> None:
        self._snapshot.backup(self._memory.connection)

    def close(self) -> None:
        channel_layers.backends.pop("default", None)
        self._snapshot.close()
        self._memory.connection.close()


def _database() -> Any:
    """Return an in-memory SQLite connection, configured like that of a server without LIANXIN_DATABASE_URL."""
    own = connections["default"].settings_dict
    like = {**own, "ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    memory = DatabaseWrapper({**like, "OPTIONS": {"transaction_mode": "IMMEDIATE"}}, "default")
    memory.connect()
    return memory


def _later(write: Any) -> Any:
    """Wrap `write` so that it waits before it writes. Meanwhile, other processes can change the conversations that the
    caller has already read."""

    def write_later(*arguments: Any) -> Any:
        process = PROCESS.get()
        assert process is not None
        threads.pause(process.schedule.loop.delay())
        process.schedule.use_database()
        return write(*arguments)

    return write_later


def _slow_and_unreliable(post_batch: Any) -> Any:
    """Wrap `post_batch` so that it takes time and fails while the database is unavailable.

    The process may also die right after the commit.
    """

    def slow(posts: Sequence[Post], marks: Sequence[ReadMark] = (), recent: Any = None) -> Any:
        process = PROCESS.get()
        assert process is not None
        threads.pause(process.schedule.loop.delay())
        process.schedule.use_database()
        stored = post_batch(posts, marks, recent)
        process.committed()
        return stored

    return slow
