"""Periodic jobs: functions that every server process runs once a minute.

Running a job twice, or in two processes at the same time, is harmless. Apps register their jobs in `AppConfig.ready`.
`python manage.py run_periodic_jobs` runs every job once.
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
    """Register jobs. A job is a function that returns the number of records that it has changed.

    Registering a job again does nothing.
    """
    JOBS.extend(job for job in jobs if job not in JOBS)


def run_jobs() -> int:
    """Run every job once and return the number of records changed. A job that fails does not stop the others."""
    changed = 0
    for job in JOBS:
        try:
            changed += job()
        except Exception as error:
            # The database is unavailable, or two processes conflicted: the next run retries the job.
            logger.warning("periodic job %s failed: %s", job.__name__, type(error).__name__)
    return changed


class PeriodicRunner:
    """Runs the periodic jobs once a minute on an event loop, until the loop ends."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start running the jobs on the current event loop. A second start on the same loop does nothing."""
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
