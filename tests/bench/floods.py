"""Measures how long posts of other visitors take while a client floods the server."""

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
# The kind of flood of each row (see tests/bench/flooder.py), and the number of sockets.
FLOODS: dict[str, tuple[str, int]] = {"quiet": ("", 0), "pings": ("pings", 1), "frames": ("frames", 20)}
SERVERS: tuple[ServerName, ...] = ("daphne", "uvicorn")
ROWS = tuple(f"flood_{name}_p99_ms_{server}" for server in SERVERS for name in FLOODS)


def flood_rows(plan: Plan) -> list[Row]:
    return [row for server in SERVERS for row in _rows(plan, server)]


def _rows(plan: Plan, server: ServerName) -> Iterator[Row]:
    with servers.lianxin(server) as running:
        running.create_staff(agents=1)
        for name, (kind, sockets) in FLOODS.items():
            with load.prioritized(), _flooding(running, kind, sockets) as reports:
                delays = load.run(_measure_posts(running, plan))
            what = f"{sockets} sockets send {kind}: {reports[0]}" if kind else "no flood"
            yield Row(
                f"flood_{name}_p99_ms_{server}",
                load.percentile(delays, 99),
                f"{server}, {VISITORS} visitors, {POSTS_PER_SECOND:.0f} posts a second (Poisson), from intended to "
                f"accepted; p50 {load.percentile(delays, 50):.1f}, longest {delays[-1]:.0f} ms of {len(delays)}; {what}"
                f"; load average {os.getloadavg()[0]:.1f}",
            )


async def _measure_posts(running: Running, plan: Plan) -> list[float]:
    """Return the sorted delays in milliseconds, each from the intended time of a post to its answer."""
    tally = Tally()
    # No agent watches, so every accepted message counts as arrived.
    tally.arrived = tally.accepted
    visitors = [Visitor(running.app.websocket_url, tally) for _ in range(VISITORS)]
    await load.run_all((visitor.open() for visitor in visitors), at_once=10)
    await load.run_all((visitor.start() for visitor in visitors), at_once=5)
    window = await load.open_loop(
        visitors,
        tally,
        running.usage,
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
    """Flood the server inside the `with` block. Afterwards, the yielded list holds the flooder's report. Without a
    `kind`, nothing is sent and the list stays empty."""
    reports: list[str] = []
    if not kind:
        yield reports
        return
    command = [sys.executable, "-m", "tests.bench.flooder", str(running.app.port), kind, str(sockets)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as flooder:
        try:
            yield reports
        finally:
            reports.append(flooder.communicate(timeout=60)[0].strip())
