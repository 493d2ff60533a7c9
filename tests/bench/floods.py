"""How long others wait for their posts while somebody floods the server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench import load, servers
from tests.bench.load import Tally, Visitor
from tests.bench.plan import Plan
from tests.bench.rows import Row, Void
from tests.bench.servers import Running, ServerName
from tests.harness.servers.process import ROOT

VISITORS = 50
POSTS_PER_SECOND = 20.0
# Row by what floods meanwhile: a kind of tests/bench/flooder.py, and how many sockets at once.
FLOODS: dict[str, tuple[str, int]] = {"quiet": ("", 0), "pings": ("pings", 1), "frames": ("frames", 20)}
SERVERS: tuple[ServerName, ...] = ("daphne", "uvicorn")
ROWS = tuple(f"flood_{name}_p99_ms_{server}" for server in SERVERS for name in FLOODS)


def flood_rows(plan: Plan) -> list[Row]:
    return [row for server in SERVERS for row in _rows(plan, server)]


def _rows(plan: Plan, server: ServerName) -> Iterator[Row]:
    with servers.lianxin(server) as running:
        running.desk(agents=1)
        for name, (kind, sockets) in FLOODS.items():
            with load.ahead_of_the_servers(), _flooding(running, kind, sockets) as said:
                delays = load.run(_post(running, plan))
            what = f"{sockets} at once send {kind}: {said[0]}" if kind else "nobody floods"
            yield Row(
                f"flood_{name}_p99_ms_{server}",
                load.percentile(delays, 99),
                f"{server}, {VISITORS} visitors, {POSTS_PER_SECOND:.0f} posts a second (Poisson), from intended to "
                f"accepted; p50 {load.percentile(delays, 50):.1f}, longest {delays[-1]:.0f} ms of {len(delays)}; {what}"
                f"; load of the machine {os.getloadavg()[0]:.1f}",
            )


async def _post(running: Running, plan: Plan) -> list[float]:
    """Milliseconds from the moment at which a post was meant to be sent to its answer, sorted."""
    tally = Tally()
    # Nobody watches: what was accepted counts as arrived.
    tally.arrived = tally.accepted
    visitors = [Visitor(tally) for _ in range(VISITORS)]
    await load.each((one.open(running.app.websocket_url) for one in visitors), at_once=10)
    await load.each((one.begin() for one in visitors), at_once=5)
    window = await load.open_loop(
        visitors,
        tally,
        running.spent,
        rate=POSTS_PER_SECOND,
        warm_up=plan.warm_up,
        seconds=plan.seconds,
    )
    tally.check()
    if not (delays := tally.delays_ms(window.began, window.ended)):
        raise Void("nothing was posted")
    return delays


@contextmanager
def _flooding(running: Running, kind: str, sockets: int) -> Iterator[list[str]]:
    """Floods meanwhile; what was sent is in the list afterwards."""
    said: list[str] = []
    if not kind:
        yield said
        return
    command = [sys.executable, "-m", "tests.bench.flooder", str(running.app.port), kind, str(sockets)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as flooder:
        try:
            yield said
        finally:
            said.append(flooder.communicate(timeout=60)[0].strip())
