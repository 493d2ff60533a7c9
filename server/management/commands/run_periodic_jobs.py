"""Run every periodic job once: publication dates, overdue papers, required passes. Servers run them by themselves."""

from typing import Any

from django.core.management.base import BaseCommand

from core.periodic import run_jobs


class Command(BaseCommand):
    help = (
        "Withdraws expired points and publishes those approved for today, marks overdue exam papers, updates required"
        " passes, lets identities and approval requests expire. Safe at any time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{run_jobs()} records changed.")
