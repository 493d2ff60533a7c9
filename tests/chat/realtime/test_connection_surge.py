"""Thousands come at once, and go: the door takes them, and nothing of them stays."""

from __future__ import annotations

import signal
import socket
import urllib.request
from contextlib import ExitStack
from typing import Literal

import pytest

from tests.harness.servers import HOST, AppServer
from tests.harness.sockets import Box

SOCKETS = 20
AT_THE_DOOR = 300


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_nothing_stays_of_a_socket_that_has_ended(server: Literal["daphne", "uvicorn"]) -> None:
    """Python looks for circles rarely (server/gc_tuning.py): what left one would pile up."""
    with AppServer({}, server=server, application="tests.harness.servers.leftovers:application") as app:
        before = left_in(app)
        with ExitStack() as stack:
            boxes = [stack.enter_context(Box(app)) for _ in range(SOCKETS)]
            for box in boxes:
                box.say("ping")
                box.hear("refused")
            assert left_in(app) >= before + SOCKETS
            # Half of them the server ends.
            for box in boxes[::2]:
                box.say("hello", site="of nobody")
                assert box.hear_close() == 4404
        app.wait_until(lambda: left_in(app) < before + SOCKETS / 2, "something of the sockets stays")


def left_in(app: AppServer) -> int:
    with urllib.request.urlopen(f"{app.url}/leftovers", timeout=20) as answer:
        return int(answer.read())


def test_a_crowd_may_wait_before_the_door_of_a_busy_server() -> None:
    """Whom the kernel turned away would try again after a second, then after three, then after seven."""
    with AppServer({}) as app, ExitStack() as stack:
        app.send_signal(signal.SIGSTOP)
        stack.callback(app.send_signal, signal.SIGCONT)
        for _ in range(AT_THE_DOOR):
            stack.enter_context(socket.create_connection((HOST, app.port), timeout=0.9))
