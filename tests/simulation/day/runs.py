"""Run a simulated day in a process of its own, so that two runs take place at the same time."""

from __future__ import annotations

import os
import tempfile

from tests.simulation.day.measures import Outcome
from tests.simulation.day.plan import Plan, RunMode


def run_in_new_process(plan: Plan, mode: RunMode, database: str) -> Outcome:
    """Set up Django in this new process for the empty database at the URL `database`, and run the day there."""
    import django
    from django.core.management import call_command

    with tempfile.TemporaryDirectory(prefix="lianxin-day-") as state:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LIANXIN_DATABASE_URL": database,
            "LIANXIN_STATE_DIR": state,
        }
        django.setup()
        call_command("migrate", verbosity=0)
        # The day imports models, so it can be imported only now.
        from server import gc_tuning
        from tests.simulation.day.day import Day

        gc_tuning.freeze_and_collect_rarely()
        return Day(plan, mode).run()
