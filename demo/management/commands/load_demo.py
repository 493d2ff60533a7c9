"""Fill the database with the demo: an invented bank, its people, what they know, their exams, a day of theirs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from accounts.models import Staff
from chat.models import Site
from demo import bank
from demo.load import load


class Command(BaseCommand):
    help = (
        "Fills the database with the demo: a bank, its people (with a known password), their knowledge and exams, and"
        " a day of conversations. What is there already stays as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="whose pages may show the box (8000)")
        parser.add_argument(
            "--force", action="store_true", help="also into a database that is in earnest use"
        )

    def handle(self, *args: Any, port: int, force: bool, **options: Any) -> None:
        if not force:
            refuse_a_bank()
        # One transaction: a run that is interrupted leaves nothing behind, and the next begins anew.
        with transaction.atomic():
            site = bank.set_up(origins=[f"http://127.0.0.1:{port}", f"http://localhost:{port}"])
            loaded = load(site)
        if options["verbosity"]:
            counts = ", ".join(f"{count} {name}" for name, count in vars(loaded).items() if count)
            self.stdout.write(f"loaded: {counts}" if counts else "The demo is loaded already.")


def refuse_a_bank() -> None:
    """Raises CommandError where accounts with a published password would do harm."""
    if connection.vendor != "sqlite":
        raise CommandError(
            "This is not the demo's database but a server's: staff with a published password do not belong there."
            " If it is for trying things out, say --force."
        )
    if Staff.objects.exists() and not Site.objects.filter(key=bank.SITE_KEY).exists():
        raise CommandError(
            "This database has staff and is not the demo's: staff with a published password do not belong there."
            " Name another folder in LIANXIN_STATE_DIR, or say --force."
        )
