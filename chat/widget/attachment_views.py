"""The visitor's files and transcripts. The token in the Authorization header identifies the visitor. A cookie never
does.

The console's views of files and transcripts use the functions of this module too.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol
from uuid import UUID

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.http import content_disposition_header
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from msgspec import to_builtins

from chat import access, limits
from chat.actions.attachments import send_file_as_visitor
from chat.archive.transcript import file_name, transcript_of
from chat.attachments.file_types import FileOverSizeLimit, max_bytes
from chat.errors import BadRequest, Refusal, TextTooLong, TooFast
from chat.languages import language_code
from chat.models import Conversation, Site, Visitor
from chat.protocol import AcceptedFrame
from chat.refusal_responses import answer_refusals, refusal_response
from core import rate_limits
from core.client_address import address_of

P = ParamSpec("P")

# Bytes allowed in a multipart body in addition to the file.
MULTIPART_BYTES = 64 * 1024

_uploads = limits.Buckets(limits.uploads)
_transcripts = limits.Buckets(limits.transcripts)


def accepted_response(outcome: AcceptedFrame) -> JsonResponse:
    return JsonResponse({"accepted": to_builtins(outcome)})


def check_length(request: HttpRequest, site: Site) -> None:
    """Check the Content-Length before any of the body is read.

    Raises BadRequest without a valid length, and FileOverSizeLimit if the body is too long for the site.
    """
    try:
        length = int(request.META.get("CONTENT_LENGTH") or "")
    except ValueError as error:
        raise BadRequest from error
    if length > max_bytes(site) + MULTIPART_BYTES:
        raise FileOverSizeLimit(site.attachment_megabytes)


def has_sent_too_much(request: HttpRequest) -> bool:
    """Count a file from this network address. Returns whether it exceeds the limit of the address.

    The limit is generous, because a whole company may share an address.
    """
    address = address_of(request)
    return address is not None and rate_limits.hit("uploads", address, *limits.UPLOADS_OF_ADDRESS) > 0


def upload_of(request: HttpRequest) -> tuple["UploadedFile[Any]", UUID, str]:
    """Return the file, its client_id and the `conversation` field of the form. Raises TextTooLong and BadRequest."""
    try:
        upload = request.FILES.get("file")
        fields = request.POST
        client_id = UUID(fields.get("client_id", ""))
    except RequestDataTooBig as error:
        raise TextTooLong("", settings.DATA_UPLOAD_MAX_MEMORY_SIZE) from error
    except (ValueError, SuspiciousOperation) as error:
        raise BadRequest from error
    if not isinstance(upload, UploadedFile):
        raise BadRequest
    return upload, client_id, fields.get("conversation", "")


class StoredFile(Protocol):
    """A stored file with the name that users see. Its name in the storage is different."""

    @property
    def file(self) -> Any: ...
    @property
    def name(self) -> str: ...
    @property
    def content_type(self) -> str: ...


def file_response(attachment: StoredFile) -> FileResponse:
    """Return the file with headers that keep it from running scripts.

    Only pictures are shown inline: the server has re-encoded them. Any other file is downloaded.
    """
    response = FileResponse(attachment.file.open("rb"), content_type=attachment.content_type)
    is_picture = attachment.content_type.startswith("image/")
    response["Content-Disposition"] = (
        content_disposition_header(not is_picture, attachment.name) or "attachment"
    )
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "no-store"
    return response


def transcript_response(conversation: Conversation) -> HttpResponse:
    response = HttpResponse(
        transcript_of(conversation).encode("utf-8", "replace"), content_type="text/plain; charset=utf-8"
    )
    response["Content-Disposition"] = (
        content_disposition_header(True, file_name(conversation)) or "attachment"
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response


def for_visitor(
    view: Callable[Concatenate[HttpRequest, Visitor, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Decorate a view so that it gets the visitor to whom the bearer token belongs, and runs in the visitor's language.

    A Refusal becomes a JSON response.
    """

    @wraps(view)
    def with_visitor(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        visitor = access.visitor_by_token(token.strip() if scheme.lower() == "bearer" else None)
        with translation.override(language_code(visitor.language)):
            try:
                return view(request, visitor, *args, **kwargs)
            except Refusal as refusal:
                return refusal_response(refusal)

    return answer_refusals(with_visitor)


@csrf_exempt
@require_POST
@for_visitor
def upload(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    if not _uploads.take(visitor.pk) or has_sent_too_much(request):
        raise TooFast
    check_length(request, visitor.site)
    file, client_id, conversation = upload_of(request)
    try:
        uuid = UUID(conversation)
    except ValueError as error:
        raise BadRequest from error
    return accepted_response(
        send_file_as_visitor(visitor=visitor, uuid=uuid, client_id=client_id, upload=file)
    )


@require_GET
@for_visitor
def attachment(request: HttpRequest, visitor: Visitor, uuid: UUID) -> HttpResponseBase:
    return file_response(access.attachment_of(visitor, uuid))


@require_GET
@for_visitor
def transcript(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    if not _transcripts.take(visitor.pk):
        raise TooFast
    return transcript_response(access.conversation_of(visitor))
