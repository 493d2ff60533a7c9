"""What has to happen in time without anybody asking: each process looks once a minute, and twice is harmless.

`python manage.py keep_knowledge` does the same once.
"""

import asyncio
import logging
from collections.abc import Callable

from accounts.approvals.actions import expire_overdue
from chat.actions.identities import lapse_identities
from chat.db import in_thread
from knowledge.actions.exams import settle_overdue
from knowledge.actions.points import keep_validity
from knowledge.actions.requirements import keep_requirements

logger = logging.getLogger(__name__)

SECONDS = 60
# Each returns how many things it has changed.
WORKS: tuple[Callable[[], int], ...] = (
    keep_validity,
    settle_overdue,
    keep_requirements,
    lapse_identities,
    expire_overdue,
)


def keep() -> int:
    """Everything once; one that fails keeps no other from its turn. Returns how many things have changed."""
    changed = 0
    for work in WORKS:
        try:
            changed += work()
        except Exception as error:
            # The database is away, or two processes met: the next minute tries again.
            logger.warning("keeping knowledge failed: %s: %s", work.__name__, type(error).__name__)
    return changed


class Keeper:
    """Keeps on the loop that it was started on, until that ends."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starting what is started is harmless."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            self._task = loop.create_task(self._go_on())

    async def _go_on(self) -> None:
        while True:
            changed = await in_thread(keep)
            if changed:
                logger.info("points, papers, required passes and identities brought up to date: %d", changed)
            await asyncio.sleep(SECONDS)


keeper = Keeper()
