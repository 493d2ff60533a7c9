"""The browsers: one Node with the real modules of box and console (tests/js/machine.js), and its tabs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any, Self

from tests.harness.servers.process import ROOT
from tests.machine.network import Request, Socket

if TYPE_CHECKING:
    from tests.machine.world import World

Screen = dict[str, Any]


class Node:
    """The program. Started once; every schedule begins with new browsers in it."""

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

    def ask(self, turn: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(turn).encode() + b"\n"
        while data:
            data = data[os.write(self._to.fileno(), data) :]
        answer = b""
        while not answer.endswith(b"\n"):
            part = os.read(self._from.fileno(), 1 << 18)
            assert part, "the browsers have crashed"
            answer += part
        said: dict[str, Any] = json.loads(answer)
        return said

    def plant(self, fault: str) -> None:
        """A fault of tests/js/machine.js, "" for none."""
        self.ask({"do": [["", "plant", fault]], "now": 0, "seed": 0})


class Browsers:
    """The tabs of one schedule. What they do to the network is done there at once."""

    def __init__(self, world: World, node: Node, seed: int) -> None:
        self._world = world
        self._node = node
        self._alarm: asyncio.TimerHandle | None = None
        self._ask({"seed": seed})

    def do(self, tab: str, what: str, *details: Any) -> None:
        self._ask({"do": [[tab, what, *details]]})

    def screens(self) -> dict[str, Screen]:
        screens: dict[str, Screen] = self._ask({"show": True})["screens"]
        return screens

    def _ask(self, turn: dict[str, Any]) -> dict[str, Any]:
        loop = self._world.loop
        said = self._node.ask({"do": [], "now": self._world.milliseconds(), **turn})
        assert not said["errors"], said["errors"]
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if said["next"] is not None:
            at = max(loop.time(), self._world.seconds_at(said["next"]))
            self._alarm = loop.call_at(at, self._ask, {}, context=self._world.context)
        for tab, what, wire, *details in said["out"]:
            if what == "open":
                self._world.sockets[wire] = Socket(self._world, tab, wire, details[0])
            elif what == "fetch":
                Request(self._world, tab, wire, *details)
            elif wire in self._world.sockets:
                socket = self._world.sockets[wire]
                if what == "send":
                    socket.said(details[0])
                else:
                    socket.closed_by_browser()
        return said
