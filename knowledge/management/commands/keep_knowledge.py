"""Do what is due: points of today, papers whose time is over, required passes. Servers do it by themselves."""

from typing import Any

from django.core.management.base import BaseCommand

from knowledge.keeper import keep


class Command(BaseCommand):
    help = (
        "Withdraws points that have expired and publishes those approved for today, marks exam papers whose time is"
        " over, brings required passes up to date. Safe at any time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{keep()} changed")
