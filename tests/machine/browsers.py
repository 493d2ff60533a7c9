"""The simulated browsers: one Node process with the real modules of widget and console (tests/js/machine.js), and its
tabs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any, Self

from tests.harness.servers.process import ROOT
from tests.machine.network import Request, Socket

if TYPE_CHECKING:
    from tests.machine.schedule import Schedule

Screen = dict[str, Any]


class Node:
    """The Node process. It is started once, and every schedule resets its browsers."""

    def __enter__(self) -> Self:
        self._program = subprocess.Popen(
            ["node", "tests/js/machine.js"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._to, self._from = self._program.stdin, self._program.stdout
        return self

    def __exit__(self, *_: object) -> None:
        self._to.close()
        self._program.wait(10)
        self._from.close()

    def send(self, command: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(command).encode() + b"\n"
        while data:
            data = data[os.write(self._to.fileno(), data) :]
        answer = b""
        while not answer.endswith(b"\n"):
            part = os.read(self._from.fileno(), 1 << 18)
            assert part, "the Node process has crashed"
            answer += part
        result: dict[str, Any] = json.loads(answer)
        return result

    def plant(self, fault: str) -> None:
        """Plant a fault of tests/js/machine.js; "" removes it."""
        self.send({"do": [["", "plant", fault]], "now": 0, "seed": 0})


class Browsers:
    """The tabs of one schedule. Their frames and requests go to the simulated network."""

    def __init__(self, schedule: Schedule, node: Node, seed: int) -> None:
        self._schedule = schedule
        self._node = node
        self._timer: asyncio.TimerHandle | None = None
        self._send({"seed": seed})

    def do(self, tab: str, what: str, *details: Any) -> None:
        self._send({"do": [[tab, what, *details]]})

    def screens(self) -> dict[str, Screen]:
        screens: dict[str, Screen] = self._send({"show": True})["screens"]
        return screens

    def _send(self, command: dict[str, Any]) -> dict[str, Any]:
        loop = self._schedule.loop
        result = self._node.send({"do": [], "now": self._schedule.milliseconds(), **command})
        assert not result["errors"], result["errors"]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if result["next"] is not None:
            at = max(loop.time(), self._schedule.seconds_at(result["next"]))
            self._timer = loop.call_at(at, self._send, {}, context=self._schedule.context)
        for tab, what, number, *details in result["out"]:
            if what == "open":
                self._schedule.sockets[number] = Socket(self._schedule, tab, number, details[0])
            elif what == "fetch":
                Request(self._schedule, tab, number, *details)
            elif number in self._schedule.sockets:
                socket = self._schedule.sockets[number]
                if what == "send":
                    socket.send_from_browser(details[0])
                else:
                    socket.closed_by_browser()
        return result
