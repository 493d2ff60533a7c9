"""Measures a network failure for thousands of visitors, all of whom then reconnect at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from uuid import uuid4

from tests.bench import load
from tests.bench.load import Tally, Visitor, http_client
from tests.bench.rows import Row, Void
from tests.bench.servers import Running, StaffSessions
from tests.harness.http_client import HttpClient
from tests.harness.reconnecting_socket import Frame
from tests.harness.thread import Message
from tests.harness.visitor import VisitorClient

MAX_SECONDS = 180.0
# The retry interval of static/console/inbox/outboxes.js.
RETRY_SECONDS = 3.0
# The number of agents' answers sent while their visitors are disconnected.
ANSWERS = 200


class ReconnectingWidget(Visitor):
    """A widget that reconnects by itself with its token and its last seq, like the real one."""

    def __init__(self, url: str, tally: Tally, token: str, conversation: str) -> None:
        super().__init__(url, tally)
        self.token, self.conversation, self.thread.head = token, conversation, 1
        self.shown_ids: set[str] = set()
        self.rejections = 0

    async def open(self) -> None:
        self._running = asyncio.create_task(self.socket.run())
        await load.until(self.socket, lambda: self.is_welcomed)

    @property
    def tries(self) -> int:
        return self.socket.attempts - 1

    def cut(self) -> None:
        """Cut the connection as if the network had failed. The widget then reconnects by itself."""
        self.is_welcomed = False
        self.socket.cut()

    def lost(self) -> None:
        VisitorClient.lost(self)

    def refused_by_server(self, frame: Frame) -> None:
        """Count final refusals.

        A temporary refusal of a post is not counted, because the post is sent again. A bye frame counts as a rejection
        and not as a refusal, because the widget then waits and reconnects.
        """
        if frame["kind"] == "bye":
            self.rejections += 1
        elif not frame.get("retry_after_ms"):
            super().refused_by_server(frame)

    def shown(self, message: Message) -> None:
        self.shown_ids.add(message.get("client_id", ""))


async def storm(
    running: Running, widgets: Sequence[ReconnectingWidget], staff: StaffSessions, tally: Tally
) -> Row:
    """Cut all widgets at once, wait until all of them have reconnected, and return the row of reconnects per second.

    Meanwhile agents answer some of the visitors. Some visitors write as soon as all have reconnected. Raises Void if a
    message is missing at the end.
    """
    rng = random.Random(2)
    began, cpu = time.monotonic(), running.cpu_seconds()
    for widget in widgets:
        widget.cut()
    answered = rng.sample(range(len(widgets)), min(ANSWERS, len(widgets)))
    agents = len(staff.agents)
    clients = [http_client(running.app.url, cookies) for cookies in staff.agents]
    failed: Counter[int] = Counter()
    # Conversation n belongs to agent n modulo the number of agents. Each agent sends its answers one after the other.
    shares = [[number for number in answered if number % agents == agent] for agent in range(agents)]
    writing = [
        asyncio.create_task(_send_answers(client, [widgets[number] for number in share], failed))
        for client, share in zip(clients, shares, strict=True)
        if share
    ]
    while not all(widget.is_welcomed for widget in widgets):
        if time.monotonic() - began > MAX_SECONDS:
            raise Void(
                f"{sum(not widget.is_welcomed for widget in widgets)} of {len(widgets)} visitors did not reconnect"
            )
        await asyncio.sleep(0.02)
    back, cpu = time.monotonic() - began, running.cpu_seconds() - cpu
    writers = rng.sample(list(widgets), min(ANSWERS, len(widgets)))
    for widget in writers:
        widget.post_next()
    answers = {key: widget for share in await asyncio.gather(*writing) for key, widget in share.items()}
    missing = await _wait_until_shown(answers, tally)
    took = time.monotonic() - began
    disconnected = sum(not widget.is_welcomed for widget in widgets)
    if missing or disconnected or tally.refused:
        raise Void(
            f"after the storm {missing} messages are missing, {disconnected} visitors disconnected, "
            f"refused: {dict(tally.refused) or 0}"
        )
    running.check_stored(tally)
    tries, rejections = sum(widget.tries for widget in widgets), sum(widget.rejections for widget in widgets)
    repeated = f", after {dict(failed)} failed and were repeated" if failed else ""
    return Row(
        "reconnects_per_second",
        len(widgets) / back,
        f"daphne, one process, PostgreSQL and Redis; {len(widgets):,} visitors in conversations cut at once, back with "
        f"token and seq after {back:.1f} s by {tries:,} handshakes (first wait up to 0.5 s, answer within 10 s), "
        f"rejected by the server {rejections} times; {len(answers)} answers sent meanwhile{repeated} and "
        f"{len(writers)} posts afterwards all delivered after {took:.1f} s; including the "
        f"answers {cpu * 1000 / len(widgets):.1f} CPU-ms per visitor",
    )


async def _send_answers(
    client: HttpClient, widgets: Sequence[ReconnectingWidget], failed: Counter[int]
) -> dict[str, ReconnectingWidget]:
    """Send an answer in each conversation by the console's POST, repeated until it is accepted. Return the widgets by
    the client_id of their answer."""
    sent = {}
    for widget in widgets:
        key = str(uuid4())
        document = {"client_id": key, "body": "您好，我还在，请稍等。"}
        path = f"/console/conversations/{widget.conversation}/messages"
        while (answer := await client.post(path, document=document)).status != 200:
            if answer.status not in (429, 500, 503):
                raise Void(f"an agent's answer was refused with {answer.status}: {answer.body[:200]!r}")
            failed[answer.status] += 1
            await asyncio.sleep(RETRY_SECONDS)
        sent[key] = widget
    client.close()
    return sent


async def _wait_until_shown(answers: dict[str, ReconnectingWidget], tally: Tally) -> int:
    """Wait at most half a minute until all answers are shown and all posts are accepted.

    Return the number of answers that are not shown plus the number of posts that are not accepted.
    """
    until = time.monotonic() + 30
    while True:
        missing = sum(key not in widget.shown_ids for key, widget in answers.items())
        missing += len(tally.intended.keys() - tally.accepted.keys())
        if not missing or time.monotonic() > until:
            return missing
        await asyncio.sleep(0.05)
