"""The `load_demo` command: fills the database with an invented bank: staff, knowledge, exams and conversations."""

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
        "Fills the database with the demo: a bank, its staff (with a published password), their knowledge and exams,"
        " and a day of conversations. Existing data is not changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--port", type=int, default=8000, help="the port of pages that may embed the widget (8000)"
        )
        parser.add_argument(
            "--force", action="store_true", help="load it even into a database that is not the demo's"
        )

    def handle(self, *args: Any, port: int, force: bool, **options: Any) -> None:
        if not force:
            refuse_other_databases()
        # Everything is loaded in one transaction, so that an interrupted run leaves nothing behind.
        with transaction.atomic():
            site = bank.set_up(origins=[f"http://127.0.0.1:{port}", f"http://localhost:{port}"])
            loaded = load(site)
        if options["verbosity"]:
            counts = ", ".join(f"{count} {name}" for name, count in vars(loaded).items() if count)
            self.stdout.write(f"loaded: {counts}" if counts else "The demo is already loaded.")


def refuse_other_databases() -> None:
    """Raise CommandError unless the database belongs to a demo.

    In any other database, accounts with a published password would be a risk.
    """
    if connection.vendor != "sqlite":
        raise CommandError(
            "The demo adds staff with a published password, and this database is on a database server, not the demo's"
            " SQLite file. If it is a test database, use --force."
        )
    if Staff.objects.exists() and not Site.objects.filter(key=bank.SITE_KEY).exists():
        raise CommandError(
            "The demo adds staff with a published password, and this database already has staff and is not the demo's."
            " Set LIANXIN_STATE_DIR to another folder, or use --force."
        )
