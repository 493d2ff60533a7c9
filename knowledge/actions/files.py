"""The forms and leaflets of a point. A new one waits for a second person; taking one away takes effect at once."""

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
    words = _("No more than 10 files belong to one point.")


def attach_file(*, by: Staff, point: int, upload: "UploadedFile[Any]") -> PointFile:
    """Store a file for the point; agents see it when a second person has approved it.

    Raises a Refusal that says what is wrong with the file.
    """
    found = examine_in_sandbox(upload, list(FILE_TYPES), MEGABYTES)
    with transaction.atomic():
        locked = access.lock_point(by, point)
        if locked.files.count() >= PER_POINT:
            raise TooManyPointFiles
        file = PointFile(
            point=locked,
            name=found.name,
            content_type=found.content_type,
            size=len(found.content),
            by=by,
        )
        # Under a name that nobody can guess, as those of conversations.
        file.file.save(
            f"{uuid4().hex}{FILE_TYPES[found.content_type][1]}", ContentFile(found.content), save=False
        )
        file.save(force_insert=True)
        proposal = approvals.RequestDraft(str(file.pk), file.name, {}, file_fields(file))
        approvals.request_approval(by=by, kind=POINT_FILE, proposal=proposal)
        audit.record(by, "point.file_attached", locked, file=file.pk, size=file.size)
    return file


def file_fields(file: PointFile) -> Fields:
    """What an approver is shown of a file; its content by the SHA-256 of the stored bytes."""
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
    """A second person has approved the file. In the caller's transaction, its point locked."""
    file.is_approved = True
    file.save(update_fields=["is_approved"])
    audit.record(by, "point.file_approved", file.point, file=file.pk)


def remove_file(*, by: Staff, file: int) -> None:
    """Take a file away from its point; what was sent of it before stays. Removing what is gone is harmless."""
    with transaction.atomic():
        found = PointFile.objects.select_related("point").filter(pk=file).first()
        if found is None:
            return
        access.lock_point(by, found.point_id)
        approvals.cancel(by=by, kind=POINT_FILE, subject=str(found.pk), state=ApprovalRequest.State.WITHDRAWN)
        delete_file(by=by, file=found)


def delete_file(*, by: Staff | None, file: PointFile) -> None:
    """Delete a file and its bytes. In the caller's transaction, its point locked."""
    audit.record(by, "point.file_removed", file.point, file=file.pk)
    stored, name = file.file.storage, file.file.name
    file.delete()
    if name:
        transaction.on_commit(lambda: stored.delete(name))
