"""What all schedules share: a database in memory with the cast in it, the browsers' program, and the patches."""

from __future__ import annotations

import logging
import sqlite3
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from channels.layers import channel_layers
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.utils import timezone

import chat.realtime.sockets
import chat.realtime.writer
import core.database_threads
from chat import limits, selectors
from chat.actions.posts import Mark, Post, post_batch
from tests.machine import threads
from tests.machine.browsers import Node
from tests.machine.clock import PROCESS, SimulatedDatetime, clock
from tests.machine.process import share
from tests.people import create_cast, go_online, session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

SESSIONS_EACH = 4
# So few that a page is full soon, and the rest has to be fetched.
PAGE_OF_CHARACTERS = 24
# The real second and a half would be most of the work here.
SWEEP_SECONDS = 8.0


class Stage:
    """Made once; `restore` puts the database back to where it was."""

    def __init__(self, patch: pytest.MonkeyPatch, node: Node) -> None:
        self.node = node
        self._memory = _database()
        # Of every thread and every task, as there is one thread only.
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
        patch.setattr(chat.realtime.writer, "post_batch", _slowly(post_batch))
        share(patch)
        # Sets of sockets are gone through in the order in which these came, every time.
        self.serial = 0
        patch.setattr(chat.realtime.sockets.Socket, "__hash__", lambda socket: self._serial_of(socket))
        # What goes wrong is what is tested here; nobody wants to read thousands of warnings.
        for name in ("chat", "console", "accounts", "core", "asyncio"):
            patch.setattr(logging.getLogger(name), "propagate", False)
        call_command("migrate", verbosity=0)
        self.cast = create_cast()
        people = (self.cast.mei, self.cast.hao, self.cast.yun)
        go_online(*people)
        self.sessions = {who.username: [session_of(who) for _ in range(SESSIONS_EACH)] for who in people}
        self._kept = sqlite3.connect(":memory:")
        self._memory.connection.backup(self._kept)

    def _serial_of(self, socket: chat.realtime.sockets.Socket) -> int:
        if "serial" not in vars(socket):
            self.serial += 1
            vars(socket)["serial"] = self.serial
        serial: int = vars(socket)["serial"]
        return serial

    def restore(self) -> None:
        self._kept.backup(self._memory.connection)

    def close(self) -> None:
        channel_layers.backends.pop("default", None)
        self._kept.close()
        self._memory.connection.close()


def _database() -> Any:
    """As a server without LIANXIN_DATABASE_URL has it, in memory, whatever the run's own is."""
    own = connections["default"].settings_dict
    like = {**own, "ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    memory = DatabaseWrapper({**like, "OPTIONS": {"transaction_mode": "IMMEDIATE"}}, "default")
    memory.connect()
    return memory


def _slowly(post_batch: Any) -> Any:
    """The writer's commit takes its time, fails when the database is away, and may be the process's last deed."""

    def slow(posts: Sequence[Post], marks: Sequence[Mark] = ()) -> Any:
        process = PROCESS.get()
        assert process is not None
        threads.pause(process.world.loop.delay())
        process.world.ask_database()
        stored = post_batch(posts, marks)
        process.committed()
        return stored

    return slow
