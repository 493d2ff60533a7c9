"""The `create_administrator` command: creates the first administrator, or another one if nobody can sign in."""

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
        "Creates an administrator, who can then create all other accounts in admin. Prompts for the password, or reads"
        " it from the first line of standard input."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="name used to sign in")
        parser.add_argument("--name", help="name shown to colleagues (default: the username)")
        parser.add_argument("--number", required=True, help="staff number")

    def handle(self, *args: Any, username: str, name: str | None, number: str, **options: Any) -> None:
        staff = Staff(username=username, name=name or username, number=number, role=Role.ADMINISTRATOR)
        try:
            staff.full_clean(exclude=["password"])
            password = self._prompt() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
            validate_password(password, staff)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        actions.create_staff(by=None, staff=staff, password=password, departments=[])
        self.stdout.write(f"{staff} can now sign in at /admin/.")

    def _prompt(self) -> str:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Password (again): ") != password:
            raise CommandError("The passwords do not match.")
        return password
