"""Tests of many simultaneous connections. The listen backlog holds them, and the memory of closed sockets is freed."""

from __future__ import annotations

import signal
import socket
import urllib.request
from contextlib import ExitStack
from typing import Literal

import pytest

from tests.conftest import Processes
from tests.harness.servers import HOST, AppServer
from tests.harness.sockets import Widget

SOCKETS = 20
PENDING_CONNECTIONS = 300


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_closed_sockets_are_freed_without_the_garbage_collector(server: Literal["daphne", "uvicorn"]) -> None:
    """Check that no reference cycle keeps closed sockets in memory.

    Full garbage collections are rare (server/gc_tuning.py), so objects in reference cycles would pile up.
    """
    with AppServer({}, server=server, application="tests.harness.servers.leftovers:application") as app:
        before = left_in(app)
        with ExitStack() as stack:
            widgets = [stack.enter_context(Widget(app)) for _ in range(SOCKETS)]
            for widget in widgets:
                widget.send("ping")
                widget.wait_for("refused")
            assert left_in(app) >= before + SOCKETS
            # Cause the server to close every second socket.
            for widget in widgets[::2]:
                widget.send("hello", site="of nobody")
                assert widget.wait_for_close() == 4404
        app.wait_until(
            lambda: left_in(app) < before + SOCKETS / 2, "objects of closed sockets stay in memory"
        )


def left_in(app: AppServer) -> int:
    with urllib.request.urlopen(f"{app.url}/leftovers", timeout=20) as answer:
        return int(answer.read())


def test_listen_backlog_holds_300_connections_while_the_server_is_stopped(processes: Processes) -> None:
    """Check that 300 connections to a stopped server can be opened, each in less than a second.

    If the backlog were full, the kernel would drop the SYN packet, and the client would retry only after one second.
    """
    app = processes.daphne
    with ExitStack() as stack:
        app.send_signal(signal.SIGSTOP)
        stack.callback(app.send_signal, signal.SIGCONT)
        for _ in range(PENDING_CONNECTIONS):
            stack.enter_context(socket.create_connection((HOST, app.port), timeout=0.9))
