"""The forms and leaflets of a point."""

from typing import Any
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.models import Staff
from chat.attachments import NAMES, examined
from chat.errors import FileRefused
from knowledge import access
from knowledge.models import PointFile

PER_POINT = 10
MEGABYTES = 10


class TooManyFiles(FileRefused):
    words = _("No more than 10 files belong to one point.")


def attach_file(*, by: Staff, point: int, upload: "UploadedFile[Any]") -> PointFile:
    """Keeps a file with the point, for agents to send. Raises a Refusal that says what is wrong with the file."""
    found = examined(upload, list(NAMES), MEGABYTES)
    with transaction.atomic():
        locked = access.lock_point(by, point)
        if locked.files.count() >= PER_POINT:
            raise TooManyFiles
        file = PointFile(
            point=locked,
            name=found.name,
            content_type=found.content_type,
            size=len(found.content),
            by=by,
        )
        # Under a name that nobody can guess, as those of conversations.
        file.file.save(f"{uuid4().hex}{NAMES[found.content_type][1]}", ContentFile(found.content), save=False)
        file.save(force_insert=True)
        audit.record(by, "point.file_attached", locked, file=file.pk, size=file.size)
    return file


def remove_file(*, by: Staff, file: int) -> None:
    """Takes a file away from its point; what was sent of it before stays. Removing what is gone is harmless."""
    with transaction.atomic():
        found = PointFile.objects.filter(pk=file).first()
        if found is None:
            return
        locked = access.lock_point(by, found.point_id)
        audit.record(by, "point.file_removed", locked, file=found.pk)
        stored, name = found.file.storage, found.file.name
        found.delete()
        if name:
            transaction.on_commit(lambda: stored.delete(name))
