"""Views with which staff upload and open attachments and download transcripts."""

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from chat import access, limits
from chat.actions.attachments import send_file_as_agent
from chat.archive.reading_audit import audit_file
from chat.errors import TooFast
from chat.widget.attachment_views import (
    accepted_response,
    check_length,
    file_response,
    transcript_response,
    upload_of,
)
from console.gate import StaffRequest, staff_view

_uploads = limits.Buckets(limits.uploads)


@require_POST
@cache_control(no_store=True)
@staff_view
def upload(request: StaffRequest, uuid: UUID) -> HttpResponse:
    if not _uploads.take(request.user.pk):
        raise TooFast
    check_length(request, access.conversation_for(request.user, uuid).site)
    file, client_id, _ = upload_of(request)
    return accepted_response(
        send_file_as_agent(staff=request.user, uuid=uuid, client_id=client_id, upload=file)
    )


@require_GET
@cache_control(no_store=True)
@staff_view
def attachment(request: StaffRequest, uuid: UUID) -> HttpResponse:
    stored = access.attachment_for(request.user, uuid)
    audit_file(request.user, stored, where="console")
    return file_response(stored)  # type: ignore[return-value]


@require_GET
@cache_control(no_store=True)
@staff_view
def transcript(request: StaffRequest, uuid: UUID) -> HttpResponse:
    conversation = access.conversation_for(request.user, uuid)
    audit.record(request.user, "transcript.downloaded", conversation)
    return transcript_response(conversation)
