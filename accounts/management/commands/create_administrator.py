"""Make an administrator at the server's command line: the first, or one more when nobody can sign in any more."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts import actions
from accounts.models import Role, Staff


class Command(BaseCommand):
    help = (
        "Makes an administrator, who then makes all other accounts in admin. Asks for the password, or takes it from"
        " the first line of its input."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="what they sign in with")
        parser.add_argument("--name", help="shown to colleagues; the username when left out")
        parser.add_argument("--number", required=True, help="staff number")

    def handle(self, *args: Any, username: str, name: str | None, number: str, **options: Any) -> None:
        staff = Staff(username=username, name=name or username, number=number, role=Role.ADMINISTRATOR)
        try:
            staff.full_clean(exclude=["password"])
            password = self._asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
            validate_password(password, staff)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        actions.create_staff(by=None, staff=staff, password=password, departments=[])
        self.stdout.write(f"{staff} may sign in at /admin/.")

    def _asked(self) -> str:
        first = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != first:
            raise CommandError("The two are not the same.")
        return first
