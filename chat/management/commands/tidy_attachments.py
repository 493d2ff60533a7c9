"""The `tidy_attachments` command: removes uploaded files that never became a message.

Such files remain, for example, when the power fails between storing the file and storing the message.
"""

from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db.models import Exists, FileField, OuterRef
from django.utils import timezone

from chat.models import Attachment, Message


class Command(BaseCommand):
    help = (
        "Removes files older than --hours that no message refers to. Safe to run at any time and repeatedly."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--hours", type=int, default=24, help="minimum age of a file in hours (default 24)"
        )

    def handle(self, *args: Any, hours: int, **options: Any) -> None:
        before = timezone.now() - timedelta(hours=hours)
        posted = Message.objects.filter(
            conversation=OuterRef("conversation"), client_id=OuterRef("client_id")
        )
        orphans = Attachment.objects.filter(at__lt=before).exclude(Exists(posted))
        rows, _ = orphans.delete()
        files = sum(
            _remove_unreferenced(path)
            for path in _files_older_than(Path(settings.MEDIA_ROOT), before.timestamp())
        )
        self.stdout.write(f"removed {rows} rows and {files} files")


def _files_older_than(folder: Path, before: float) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mtime < before]


def _is_referenced(file: str) -> bool:
    """Return whether any database row refers to the file. All models are checked, because other apps store files in the
    same folder."""
    return any(
        model._default_manager.filter(**{field.name: file}).exists()
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, FileField)
    )


def _remove_unreferenced(path: Path) -> bool:
    if _is_referenced(path.relative_to(settings.MEDIA_ROOT).as_posix()):
        return False
    path.unlink(missing_ok=True)
    return True
