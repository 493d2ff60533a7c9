"""The rate limit of the read marks that a screen sends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# Seconds between two read marks, as in static/widget/message-receiver.js and static/console/inbox/live-connection.js.
MARK_SECONDS = 0.4


class ReadMarkLimiter:
    """Calls `send` at most once per MARK_SECONDS. One read mark after the pause covers all changes made during it.

    `send` returns whether another read mark must follow.
    """

    def __init__(self, send: Callable[[], bool]) -> None:
        self._send = send
        self._is_paused = False
        self._is_due = False

    def changed(self) -> None:
        if self._is_paused:
            self._is_due = True
            return
        self._is_due = self._send()
        self._is_paused = True
        asyncio.get_running_loop().call_later(MARK_SECONDS, self._pause_ended)

    def _pause_ended(self) -> None:
        self._is_paused = False
        if self._is_due:
            self.changed()
