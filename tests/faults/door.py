"""The servers' test door: the real application, with failpoints and planted bugs around functions of production.

    AppServer(env, application="tests.faults.door:application")

Production code knows nothing of it. What it wraps it names by module and attribute, and it does not start when a name
has gone. It listens on `/door/...` of the server's own port:

| address | does |
|---|---|
| `/door/kill?point=NAME` | this process kills itself (SIGKILL) the next time it comes to that point of a post's way |
| `/door/fail?error=deadlock&times=3` | the next batches of posts fail inside their transaction |
| `/door/stall?how_long=2` | the event loop stands still |
| `/door/clock?offset=3600` | the clock of this process goes so many seconds ahead (behind: negative) of the machine's |
| `/door/strange` | events and frames of a version to come go to all processes and sockets of this one |
| `/door/disable?staff=NAME` | an administrator switches the account off |
| `/door/enable?staff=NAME` | ... and on again; the answer is a new session |
| `/door/bug?name=NAME` | plants a bug (`bugs.py`); no name: takes it out again |
| `/door/state` | what the hub still holds, the points passed, the harm done by a planted bug |
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
    """The time of day of this process; what measures durations goes by another clock and stays.

    In place before any model is made of `timezone.now`.
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

OURS = ("accounts", "chat", "config", "console", "core", "exams", "knowledge", "privacy", "server")

# The way of a post, in its order.
POINTS = ("before_insert", "before_commit", "after_commit", "before_publish", "after_ack")


def replace(name: str, wrap: Callable[[Any], Any]) -> None:
    """Puts `wrap(original)` in the place of `module:attribute` (or `module:Class.attribute`), wherever it was imported.

    Raises LookupError when there is no such name: production has been rewritten, and the door must follow.
    """
    module_name, _, path = name.partition(":")
    owner: Any = import_module(module_name)
    *parents, attribute = path.split(".")
    try:
        for parent in parents:
            owner = getattr(owner, parent)
        original = vars(owner)[attribute]
    except (AttributeError, KeyError) as error:
        raise LookupError(f"the test door wraps {name}, which is there no more") from error
    wrapped = wrap(original)
    setattr(owner, attribute, wrapped)
    if parents:
        return
    for other in [*sys.modules.values()]:
        if getattr(other, "__name__", "").split(".")[0] in OURS and vars(other).get(attribute) is original:
            setattr(other, attribute, wrapped)


class Failpoints:
    """Where a post is on its way, and what is to happen there next."""

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
        # Whoever commits, Django or we, does it by this.
        replace("psycopg:Connection.commit", self._around_commit)
        replace("chat.realtime.delivery:send_to_layer", self._around_publish)
        replace("chat.realtime.sockets:Socket.answer", self._around_answer)

    def _around_batch(self, post_batch: Callable[..., Any]) -> Callable[..., Any]:
        def around(posts: Any, *rest: Any, **named: Any) -> Any:
            if not posts:
                return post_batch(posts, *rest, **named)
            self.reach("before_insert")
            self._batch.is_open = True
            try:
                result = post_batch(posts, *rest, **named)
            finally:
                self._batch.is_open = False
            self.reach("after_commit")
            return result

        return around

    def _around_commit(self, commit: Callable[..., Any]) -> Callable[..., Any]:
        def around(connection: Any) -> Any:
            if getattr(self._batch, "is_open", False):
                self.reach("before_commit")
                self._fail()
            return commit(connection)

        return around

    def _fail(self) -> None:
        from psycopg import errors

        if self.errors_left > 0:
            self.errors_left -= 1
            self._batch.is_open = False
            kinds = {"deadlock": errors.DeadlockDetected, "serialization": errors.SerializationFailure}
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
                # When what was handed over has gone out.
                asyncio.get_running_loop().call_later(0.05, self.reach, "after_ack")
            return result

        return around


failpoints = Failpoints()


class Door:
    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        if scope["type"] != "http" or not scope["path"].startswith("/door/"):
            return await self._application(scope, receive, send)
        asked = dict(parse_qsl(scope["query_string"].decode()))
        answer = json.dumps(await self._do(scope["path"].removeprefix("/door/"), asked)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _do(self, what: str, asked: dict[str, str]) -> Any:
        from core.database_threads import in_thread
        from tests.faults import bugs

        match what:
            case "kill":
                assert asked["point"] in POINTS
                failpoints.armed = asked["point"]
            case "fail":
                failpoints.error, failpoints.errors_left = asked["error"], int(asked["times"])
            case "stall":
                time.sleep(float(asked["how_long"]))  # noqa: ASYNC251
            case "clock":
                clock.offset = float(asked["offset"])
            case "strange":
                await _strange()
            case "disable" | "enable":
                return await in_thread(_switch, asked["staff"], what == "enable")
            case "bug":
                bugs.planted.change(asked.get("name", ""))
            case "state":
                return _state()
            case _:
                raise LookupError(what)
        return {}


async def _strange() -> None:
    """What a newer version might say, to everybody who can hear it."""
    from channels.layers import get_channel_layer

    from chat.realtime.delivery import GROUP, hub

    events = json.dumps([{"event": "aurora_seen", "pk": 1, "row": None}, {"event": 7}, "?"]).encode()
    layer = get_channel_layer()
    if layer is not None:
        message = {"type": "chat.events", "process": "of-tomorrow", "events": events, "colour": "red"}
        await asyncio.wait_for(layer.group_send(GROUP, message), 1)
    sockets: list[Any] = [socket for group in hub.visitors.values() for socket in group]
    for socket in (*sockets, *hub.staff):
        socket.push(b'{"kind": "aurora", "conversation": "", "colour": {"of": ["tomorrow"]}}')


def _switch(username: str, is_active: bool) -> str:
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
        "sockets": len(hub.sockets),
        "visitors": len(hub.visitors),
        "watchers": len(hub.watchers),
        "staff": len(hub.staff),
        "heads": len(hub.heads),
        "told": len(hub.sent_states),
        "passed": dict(failpoints.passed),
        "deeds": bugs.planted.deeds,
    }


def _install() -> None:
    from tests.faults import bugs

    failpoints.install()
    bugs.planted.install(replace)


_install()
application = Door(real_application)
