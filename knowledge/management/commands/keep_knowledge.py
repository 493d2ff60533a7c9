"""Publish and withdraw knowledge points whose day has come. Server processes do it by themselves."""

from typing import Any

from django.core.management.base import BaseCommand

from knowledge.keeper import keep


class Command(BaseCommand):
    help = "Withdraws knowledge points that have expired and publishes those approved for today. Safe at any time."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{keep()} knowledge points changed")
