"""The network fails for thousands at once, and all come back."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from uuid import uuid4

from tests.bench.load import Heard, Tally, Visitor
from tests.bench.rows import Row, Void
from tests.bench.servers import Desk, Running
from tests.bench.web import Web

# As static/chat/socket.js has them.
BASE_SECONDS, CAP_SECONDS, ANSWER_SECONDS = 0.5, 30.0, 10.0
GIVEN_UP_SECONDS = 180.0
# As static/console/inbox/outboxes.js tries again what failed.
AGAIN_SECONDS = 3.0
# So many agents' answers are sent while their customers are away.
ANSWERS = 200


class Box(Visitor):
    """A box that comes back by itself, with its token and what it has on screen, as the real one does."""

    def __init__(self, tally: Tally, url: str, token: str, conversation: str) -> None:
        super().__init__(tally)
        self.token, self.conversation, self.head = token, conversation, 1
        self.shown: set[str] = set()
        self.tries = self.sent_away = 0
        self.is_back = False
        self._url = url
        self._posts: dict[str, str] = {}
        self._bye_seconds: float | None = None

    def cut(self) -> None:
        """The network fails. From now on, and whenever the line is lost again, the box comes back."""
        self.line.on_end = None
        self.line.cut()
        self._lost()

    def _lost(self) -> None:
        self.is_back = False
        self._returning = asyncio.create_task(self._return())

    async def _return(self) -> None:
        """As often as it takes: full jitter, or when a goodbye said, and ten seconds' patience for an answer."""
        wait = random.random() * BASE_SECONDS
        while not self.is_back:
            await asyncio.sleep(wait)
            self.tries += 1
            self._bye_seconds = None
            try:
                await asyncio.wait_for(self.open(self._url), ANSWER_SECONDS)
                self.line.on_end = self._lost
                self.is_back = True
            except (TimeoutError, OSError):
                self.close()
                wait = self._pause()
        for key, body in self._posts.items():
            self.send_post(key, body)

    def _pause(self) -> float:
        if self._bye_seconds is not None:
            return self._bye_seconds
        return random.random() * min(CAP_SECONDS, BASE_SECONDS * 2.0**self.tries)

    def send_post(self, key: str, body: str) -> None:
        self._posts[key] = body
        super().send_post(key, body)

    def refused(self, heard: Heard) -> None:
        """A post that was refused for the moment is sent again; a goodbye sends the box away for a while."""
        if heard.kind == "refused" and heard.client_id and heard.retry_after_ms:
            again = self._posts[heard.client_id]
            later = heard.retry_after_ms / 1000
            asyncio.get_running_loop().call_later(later, self.send_post, heard.client_id, again)
        elif heard.kind == "bye":
            self.sent_away += 1
            self._bye_seconds = heard.retry_after_ms / 1000
            self.give_up(ConnectionResetError(heard.code))
        elif heard.code != "unavailable":
            super().refused(heard)

    def welcomed(self, welcome: Heard) -> None:
        super().welcomed(welcome)
        self.shown.update(said.client_id for said in welcome.messages)

    def said(self, heard: Heard) -> None:
        super().said(heard)
        assert heard.message is not None
        self.shown.add(heard.message.client_id)


async def storm(running: Running, boxes: Sequence[Box], desk: Desk, tally: Tally) -> Row:
    """Cuts all of these boxes in one moment; agents answer some of them meanwhile, and some visitors write as soon as
    they are back. Over when all are back and have everything on screen. Raises Void when something is missing."""
    chance = random.Random(2)
    began, cpu = time.monotonic(), running.spent()
    for box in boxes:
        box.cut()
    answered = chance.sample(range(len(boxes)), min(ANSWERS, len(boxes)))
    agents = len(desk.agents)
    webs = [Web(running.app.url, cookie) for cookie in desk.agents]
    failed: Counter[int] = Counter()
    # Conversation n belongs to agent n modulo the agents; each agent writes one answer after the other.
    shares = [[number for number in answered if number % agents == agent] for agent in range(agents)]
    writing = [
        asyncio.create_task(_answers(web, [boxes[number] for number in share], failed))
        for web, share in zip(webs, shares, strict=True)
        if share
    ]
    while not all(box.is_back for box in boxes):
        if time.monotonic() - began > GIVEN_UP_SECONDS:
            raise Void(f"{sum(not box.is_back for box in boxes)} of {len(boxes)} visitors did not come back")
        await asyncio.sleep(0.02)
    back, cpu = time.monotonic() - began, running.spent() - cpu
    writers = chance.sample(list(boxes), min(ANSWERS, len(boxes)))
    for box in writers:
        box.post()
    answers = {key: box for share in await asyncio.gather(*writing) for key, box in share.items()}
    missing = await _wait_until_shown(answers, tally)
    took = time.monotonic() - began
    away = sum(not box.is_back for box in boxes)
    if missing or away or tally.refused:
        raise Void(
            f"after the storm {missing} messages are missing, {away} visitors away, refused: {dict(tally.refused) or 0}"
        )
    running.check_stored(tally)
    tries, sent_away = sum(box.tries for box in boxes), sum(box.sent_away for box in boxes)
    again = f", after {dict(failed)} failed and were sent again" if failed else ""
    return Row(
        "reconnects_per_second",
        len(boxes) / back,
        f"daphne, one process, PostgreSQL and Redis; {len(boxes):,} visitors in chats cut at once, back with token and "
        f"place after {back:.1f} s by {tries:,} handshakes (first wait up to 0.5 s, answer within 10 s), put off by "
        f"the server {sent_away} times; {len(answers)} answers sent meanwhile{again} and {len(writers)} posts "
        f"afterwards all there after {took:.1f} s; with the answers {cpu * 1000 / len(boxes):.1f} CPU-ms a visitor",
    )


async def _answers(web: Web, boxes: Sequence[Box], failed: Counter[int]) -> dict[str, Box]:
    """Says one thing in each conversation by the console's POST until it is accepted; the client_id of each."""
    sent = {}
    for box in boxes:
        key = str(uuid4())
        body = json.dumps({"client_id": key, "body": "您好，我还在，请稍等。"}, ensure_ascii=False).encode()
        path = f"/console/conversations/{box.conversation}/messages"
        while (answer := await web.post(path, body)).status != 200:
            if answer.status not in (429, 500, 503):
                raise Void(f"an agent's answer was refused with {answer.status}: {answer.body[:200]!r}")
            failed[answer.status] += 1
            await asyncio.sleep(AGAIN_SECONDS)
        sent[key] = box
    web.close()
    return sent


async def _wait_until_shown(answers: dict[str, Box], tally: Tally) -> int:
    """How many of the answers are not on the visitor's screen, and posts not accepted, after half a minute at most."""
    until = time.monotonic() + 30
    while True:
        missing = sum(key not in box.shown for key, box in answers.items())
        missing += len(tally.intended.keys() - tally.accepted.keys())
        if not missing or time.monotonic() > until:
            return missing
        await asyncio.sleep(0.05)
