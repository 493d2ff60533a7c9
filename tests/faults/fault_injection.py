"""The ASGI application of servers under test: the real one, with failpoints and planted bugs around
production functions.

    AppServer(env, application="tests.faults.fault_injection:application")

Production code does not know about this module. The module wraps production functions by their names, and refuses to
start when one of these names no longer exists. Requests to `/fault-injection/...` on the server's own port control it:

| path | effect |
|---|---|
| `kill?point=NAME` | this process kills itself (SIGKILL) when a post or a round of the router next reaches that point |
| `fail?error=deadlock&times=3` | the next batches of posts fail inside their transaction |
| `stall?seconds=2` | the event loop is blocked |
| `clock?offset=3600` | sets the clock of this process 3600 seconds ahead of the machine's (behind it, if negative) |
| `unknown-frames` | sends events of a future version to all processes, and such frames to all sockets of this one |
| `disable?staff=NAME` | an administrator disables the account |
| `enable?staff=NAME` | enables the account again; the response is a new session |
| `bug?name=NAME` | plants a bug (`bugs.py`); an empty name removes the planted bug |
| `state` | name of the process, sizes of the hub's tables, points passed, number of effects of the planted bug |
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl

from django.utils import timezone


class Clock:
    """The wall clock of this process with an offset. The monotonic clock, which measures durations, is not changed.

    Must be installed before any model refers to `timezone.now`.
    """

    def __init__(self) -> None:
        self.offset = 0.0
        self._time, self._now = time.time, timezone.now
        time.time = self.time
        timezone.now = self.now

    def time(self) -> float:
        return self._time() + self.offset

    def now(self) -> datetime:
        return self._now() + timedelta(seconds=self.offset)


clock = Clock()

from config.asgi import application as real_application  # noqa: E402

OURS = ("accounts", "chat", "config", "console", "core", "exams", "knowledge", "privacy", "routing", "server")

# The points on the path of a post, in order, and those of a round of the router that gives at least one conversation.
POST_POINTS = ("before_read", "before_write", "after_commit", "before_publish", "after_ack")
ROUND_POINTS = ("before_round_commit", "before_round_announcing")
POINTS = POST_POINTS + ROUND_POINTS


def replace(name: str, wrap: Callable[[Any], Any]) -> None:
    """Replace `module:attribute` (or `module:Class.attribute`) with `wrap(original)`, wherever it was imported.

    Raises LookupError if production code no longer has this name. The caller must then be adapted.
    """
    module_name, _, path = name.partition(":")
    owner: Any = import_module(module_name)
    *parents, attribute = path.split(".")
    try:
        for parent in parents:
            owner = getattr(owner, parent)
        original = vars(owner)[attribute]
    except (AttributeError, KeyError) as error:
        raise LookupError(f"fault injection wraps {name}, which no longer exists") from error
    wrapped = wrap(original)
    setattr(owner, attribute, wrapped)
    if parents:
        return
    for other in [*sys.modules.values()]:
        if getattr(other, "__name__", "").split(".")[0] in OURS and vars(other).get(attribute) is original:
            setattr(other, attribute, wrapped)


class Failpoints:
    """Counts the posts and rounds that pass each point. It can kill the process there, or fail a batch of posts."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.armed = ""
        self.error = ""
        self.errors_left = 0
        self._batch = threading.local()

    def reach(self, point: str) -> None:
        self.passed[point] += 1
        if self.armed == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        replace("chat.actions.posts:post_batch", self._around_batch)
        replace("chat.batch_statements:write_at_revision", self._around_write)
        replace("chat.realtime.delivery:send_to_layer", self._around_publish)
        replace("chat.realtime.sockets:Socket.answer", self._around_answer)
        replace("routing.actions.routing:match", self._around_match)
        replace("routing.actions.offers:make", self._around_make)

    def _around_batch(self, post_batch: Callable[..., Any]) -> Callable[..., Any]:
        def around(posts: Any, *rest: Any, **named: Any) -> Any:
            if not posts:
                return post_batch(posts, *rest, **named)
            self.reach("before_read")
            self._batch.is_open = True
            try:
                result = post_batch(posts, *rest, **named)
            finally:
                self._batch.is_open = False
            self.reach("after_commit")
            return result

        return around

    def _around_write(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def around(*arguments: Any) -> Any:
            if getattr(self._batch, "is_open", False):
                self.reach("before_write")
                self._raise_planted_error()
            return write(*arguments)

        return around

    def _raise_planted_error(self) -> None:
        from django.db import connection
        from psycopg import errors

        if self.errors_left > 0:
            self.errors_left -= 1
            self._batch.is_open = False
            kinds = {"deadlock": errors.DeadlockDetected, "serialization": errors.SerializationFailure}
            with connection.wrap_database_errors:
                raise kinds[self.error]("planted by the fault checker")

    def _around_publish(self, send_to_layer: Callable[..., Any]) -> Callable[..., Any]:
        async def around(process: str, events: Any) -> Any:
            if events:
                self.reach("before_publish")
            return await send_to_layer(process, events)

        return around

    def _around_answer(self, answer: Callable[..., Any]) -> Callable[..., Any]:
        from chat.protocol import AcceptedFrame

        def around(socket: Any, frame: Any) -> Any:
            result = answer(socket, frame)
            if isinstance(frame, AcceptedFrame):
                # Wait until the frame has been sent.
                asyncio.get_running_loop().call_later(0.05, self.reach, "after_ack")
            return result

        return around

    def _around_match(self, match: Callable[..., Any]) -> Callable[..., Any]:
        def around(*arguments: Any) -> Any:
            from django.db import transaction

            choices = match(*arguments)
            if choices and transaction.get_connection().in_atomic_block:
                # Registered first, so it runs before the round's own announcements.
                transaction.on_commit(lambda: self.reach("before_round_announcing"))
            return choices

        return around

    def _around_make(self, make: Callable[..., Any]) -> Callable[..., Any]:
        def around(choices: Any) -> Any:
            # The router makes its offers at the end of a round, after it has assigned conversations.
            make(choices)
            self.reach("before_round_commit")

        return around


failpoints = Failpoints()


class FaultInjection:
    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        if scope["type"] != "http" or not scope["path"].startswith("/fault-injection/"):
            return await self._application(scope, receive, send)
        parameters = dict(parse_qsl(scope["query_string"].decode()))
        answer = json.dumps(
            await self._run(scope["path"].removeprefix("/fault-injection/"), parameters)
        ).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _run(self, command: str, parameters: dict[str, str]) -> Any:
        from core.database_threads import in_thread
        from tests.faults import bugs

        match command:
            case "kill":
                assert parameters["point"] in POINTS
                failpoints.armed = parameters["point"]
            case "fail":
                failpoints.error, failpoints.errors_left = parameters["error"], int(parameters["times"])
            case "stall":
                time.sleep(float(parameters["seconds"]))  # noqa: ASYNC251
            case "clock":
                clock.offset = float(parameters["offset"])
            case "unknown-frames":
                await _send_unknown_frames()
            case "disable" | "enable":
                return await in_thread(_set_active, parameters["staff"], command == "enable")
            case "bug":
                bugs.planted.change(parameters.get("name", ""))
            case "state":
                return _state()
            case _:
                raise LookupError(command)
        return {}


async def _send_unknown_frames() -> None:
    """Send what only a newer version knows: events to all processes, and frames to the sockets of this process."""
    from channels.layers import get_channel_layer

    from chat.realtime.delivery import GROUP, hub

    events = json.dumps([{"event": "aurora_seen", "pk": 1, "row": None}, {"event": 7}, "?"]).encode()
    layer = get_channel_layer()
    if layer is not None:
        message = {"type": "chat.events", "process": "newer-version", "events": events, "colour": "red"}
        await asyncio.wait_for(layer.group_send(GROUP, message), 1)
    sockets: list[Any] = [socket for group in hub.visitors.values() for socket in group]
    for socket in (*sockets, *hub.staff):
        socket.push(b'{"kind": "aurora", "conversation": "", "colour": {"of": ["tomorrow"]}}')


def _set_active(username: str, is_active: bool) -> str:
    from accounts.actions import change_staff
    from accounts.models import Role, Staff
    from tests.people import session_of

    staff = Staff.objects.get(username=username)
    staff.is_active = is_active
    administrator = Staff.objects.filter(role=Role.ADMINISTRATOR).first()
    assert administrator is not None
    change_staff(by=administrator, staff=staff, departments=list(staff.departments.all()))
    return session_of(staff) if is_active else ""


def _state() -> dict[str, Any]:
    from chat.realtime.delivery import hub
    from tests.faults import bugs

    return {
        "process": hub.process,
        "sockets": len(hub.sockets),
        "visitors": len(hub.visitors),
        "watchers": len(hub.watchers),
        "staff": len(hub.staff),
        "heads": len(hub.heads),
        "told": len(hub.sent_rows),
        "passed": dict(failpoints.passed),
        "effects": bugs.planted.effects,
    }


def _install() -> None:
    from tests.faults import bugs

    failpoints.install()
    bugs.planted.install(replace)


_install()
application = FaultInjection(real_application)
