"""Files and transcripts, for staff."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.models import Staff
from chat import access, limits
from chat.actions.attachments import send_file_as_agent
from chat.attachment_views import (
    accepted,
    check_length,
    file_response,
    refusable,
    transcript_response,
    upload_of,
)
from chat.errors import TooFast

_uploads = limits.Buckets(limits.uploads)


def _staff(request: HttpRequest) -> Staff:
    assert isinstance(request.user, Staff)
    return request.user


@login_required
@require_POST
@refusable
def upload(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    staff = _staff(request)
    if not _uploads.take(staff.pk):
        raise TooFast
    check_length(request, access.conversation_for(staff, uuid).site)
    file, client_id, _ = upload_of(request)
    return accepted(send_file_as_agent(staff=staff, uuid=uuid, client_id=client_id, upload=file))


@login_required
@require_GET
@refusable
def attachment(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    return file_response(access.attachment_for(_staff(request), uuid))


@login_required
@require_GET
@refusable
def transcript(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    staff = _staff(request)
    conversation = access.conversation_for(staff, uuid)
    audit.record(staff, "transcript.downloaded", conversation)
    return transcript_response(conversation)
