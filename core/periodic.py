"""Periodic jobs: every server process runs each of them once a minute, and running one twice is harmless.

Apps register their jobs in `AppConfig.ready`. `python manage.py run_periodic_jobs` runs each of them once.
"""

import asyncio
import logging
from collections.abc import Callable

from core.database_threads import in_thread

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 60
Job = Callable[[], int]
JOBS: list[Job] = []


def register(*jobs: Job) -> None:
    """Add jobs, each a function that returns how many records it has changed. Registering one again is harmless."""
    JOBS.extend(job for job in jobs if job not in JOBS)


def run_jobs() -> int:
    """Run every job once and return how many records have changed. A job that fails does not stop the others."""
    changed = 0
    for job in JOBS:
        try:
            changed += job()
        except Exception as error:
            # The database is unavailable, or two processes conflicted: the next run retries the job.
            logger.warning("periodic job %s failed: %s", job.__name__, type(error).__name__)
    return changed


class PeriodicRunner:
    """Runs the jobs on the event loop on which it was started, until that loop ends."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start running the jobs. Starting a second time on the same loop does nothing."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            self._task = loop.create_task(self._run())

    async def _run(self) -> None:
        while True:
            if changed := await in_thread(run_jobs):
                logger.info("periodic jobs changed %d records", changed)
            await asyncio.sleep(INTERVAL_SECONDS)


runner = PeriodicRunner()
