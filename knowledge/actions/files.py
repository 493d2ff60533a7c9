"""Files of a point: forms and leaflets. A new file needs approval by a second person; removal takes effect at once."""

import hashlib
from typing import Any
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.approvals import actions as approvals
from accounts.approvals.digest import Fields
from accounts.approvals.models import ApprovalRequest
from accounts.models import Staff
from chat.attachments.file_types import FILE_TYPES, examine_in_sandbox
from chat.errors import FileRefused
from knowledge import access
from knowledge.approval_kinds import POINT_FILE
from knowledge.models import PointFile

PER_POINT = 10
MEGABYTES = 10


class TooManyPointFiles(FileRefused):
    code = "too_many_files"
    http_status = 409
    text = _("A knowledge point can have at most 10 files.")


def attach_file(*, by: Staff, point: int, upload: "UploadedFile[Any]") -> PointFile:
    """Store a file for the point. Agents see the file only after a second person has approved it.

    Raises a Refusal that says what is wrong with the file.
    """
    examined = examine_in_sandbox(upload, list(FILE_TYPES), MEGABYTES)
    with transaction.atomic():
        locked = access.lock_point(by, point)
        if locked.files.count() >= PER_POINT:
            raise TooManyPointFiles
        file = PointFile(
            point=locked,
            name=examined.name,
            content_type=examined.content_type,
            size=len(examined.content),
            by=by,
        )
        # Store the file under a name that nobody can guess, like the attachments of conversations.
        file.file.save(
            f"{uuid4().hex}{FILE_TYPES[examined.content_type][1]}", ContentFile(examined.content), save=False
        )
        file.save(force_insert=True)
        draft = approvals.RequestDraft(str(file.pk), file.name, {}, file_fields(file))
        approvals.request_approval(by=by, kind=POINT_FILE, proposal=draft)
        audit.record(by, "point.file_attached", locked, file=file.pk, size=file.size)
    return file


def file_fields(file: PointFile) -> Fields:
    """Return the fields of a file that an approver sees; the content is represented by its SHA-256.

    The result is {} if the file is missing on disk.
    """
    try:
        with file.file.open("rb") as stored:
            checksum = hashlib.file_digest(stored, "sha256").hexdigest()
    except FileNotFoundError:
        return {}
    return {
        "point": {"id": file.point_id, "name": file.point.key},
        "name": file.name,
        "content_type": file.content_type,
        "size": file.size,
        "sha256": checksum,
    }


def accept_file(*, by: Staff, file: PointFile) -> None:
    """Mark a file as approved. Call it in a transaction that holds the lock on the point."""
    file.is_approved = True
    file.save(update_fields=["is_approved"])
    audit.record(by, "point.file_approved", file.point, file=file.pk)


def remove_file(*, by: Staff, file: int) -> None:
    """Remove a file from its point. Copies already sent to customers stay. Removing it twice is harmless."""
    with transaction.atomic():
        stored = PointFile.objects.select_related("point").filter(pk=file).first()
        if stored is None:
            return
        access.lock_point(by, stored.point_id)
        approvals.cancel(
            by=by, kind=POINT_FILE, subject=str(stored.pk), state=ApprovalRequest.State.WITHDRAWN
        )
        delete_file(by=by, file=stored)


def delete_file(*, by: Staff | None, file: PointFile) -> None:
    """Delete a file; its content on disk is deleted on commit. Call it in a transaction that holds the lock on the
    point."""
    audit.record(by, "point.file_removed", file.point, file=file.pk)
    storage, name = file.file.storage, file.file.name
    file.delete()
    if name:
        transaction.on_commit(lambda: storage.delete(name))
