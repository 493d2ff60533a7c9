"""What the server processes do by themselves once a minute, done now."""

from typing import Any

from django.core.management.base import BaseCommand

from knowledge.keeper import keep


class Command(BaseCommand):
    help = "Withdraws what has expired, marks exam papers whose time is over, and brings required passes up to date."

    def handle(self, *args: Any, **options: Any) -> None:
        for duty, changed in keep().items():
            self.stdout.write(f"{duty}: {changed}")
