"""Fill the library with the demo's knowledge points and branches."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from knowledge.demo.load import load


class Command(BaseCommand):
    help = (
        "Adds the demo's knowledge points and branches where they are missing. What is there already stays."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            outcome = load()
        if options["verbosity"]:
            self.stdout.write(f"{outcome.new} knowledge points loaded")
