"""Command that runs every periodic job once. Server processes run the jobs on their own."""

from typing import Any

from django.core.management.base import BaseCommand

from core.periodic import run_jobs


class Command(BaseCommand):
    help = (
        "Runs every periodic job once: withdraws expired knowledge points, publishes those approved for today, scores"
        " overdue exam papers, updates queue restrictions, and expires identities and approval requests. Safe at any"
        " time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{run_jobs()} records changed.")
