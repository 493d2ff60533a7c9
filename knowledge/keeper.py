"""What has to happen by itself, once a minute in every server process: any of them may do it, and twice is harmless."""

import asyncio
import logging
from collections.abc import Callable
from random import uniform

from chat.db import in_thread
from knowledge.actions.exams import settle_overdue
from knowledge.actions.points import keep_validity
from knowledge.actions.requirements import keep_requirements

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60
# Points that expire or begin today, papers whose time is over, bars of who joined, left or passed.
DUTIES: tuple[Callable[[], int], ...] = (keep_validity, settle_overdue, keep_requirements)


def keep() -> dict[str, int]:
    """Does all of it now; returns how much each duty has changed. One that fails does not keep the others from it."""
    done = {}
    for duty in DUTIES:
        try:
            done[duty.__name__] = duty()
        except Exception as error:
            logger.warning("%s failed: %s", duty.__name__, type(error).__name__)
            done[duty.__name__] = 0
    return done


class Keeper:
    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """On the running loop; starting again is harmless."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            self._task = loop.create_task(self._run())

    async def _run(self) -> None:
        # Processes that were started together do not come together.
        await asyncio.sleep(uniform(5, EVERY_SECONDS))
        while True:
            await in_thread(keep)
            await asyncio.sleep(EVERY_SECONDS)


keeper = Keeper()
