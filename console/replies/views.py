"""Views of canned replies: the data for the search in the message composer, and the pages to edit replies."""

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import may
from chat import canned_replies
from chat.actions.canned_replies import delete_reply, save_reply
from chat.errors import NotFound, Refusal
from chat.languages import language_of
from chat.models import CannedReply
from console.gate import StaffRequest, staff_view
from console.replies.forms import ReplyForm
from knowledge import access as knowledge
from knowledge.actions.point_use import require_current
from knowledge.errors import PointNotFound
from knowledge.message_sources import message_text
from knowledge.models import Point
from knowledge.selectors_pages import points_of_replies

SHOWN_FIELDS = ("id", "shortcut", "title", "body", "language", "initials", "source")
FIELDS = (*SHOWN_FIELDS, "owner_id", "department_id")


@require_GET
@never_cache
@staff_view
def usable(request: StaffRequest) -> HttpResponse:
    """Return all canned replies that the agent may send, as JSON. A script in the message composer searches them."""
    replies = canned_replies.usable_by(request.user).values(*FIELDS)
    return JsonResponse(
        {
            "replies": [
                {
                    **{name: reply[name] for name in SHOWN_FIELDS},
                    "scope": "personal"
                    if reply["owner_id"]
                    else "department"
                    if reply["department_id"]
                    else "shared",
                }
                for reply in replies
            ]
        }
    )


@require_GET
@never_cache
@staff_view
def replies_page(request: StaffRequest) -> HttpResponse:
    """Show the list of canned replies that the agent may change."""
    return _page(request, None)


@require_GET
@never_cache
@staff_view
def new_form(request: StaffRequest) -> HttpResponse:
    """Show the form of a new canned reply.

    With the query parameter `point`, the form is filled with the text of that knowledge point. A reply made
    from a point becomes inactive when the point changes.
    """
    key = request.GET.get("point", "")
    initial = _values_from_point(knowledge.point_for(request.user, key)) if key else {}
    language = language_of(get_language() or "zh")
    return _page(request, ReplyForm(staff=request.user, initial={"language": language} | initial))


@require_GET
@never_cache
@staff_view
def edit_form(request: StaffRequest, pk: int) -> HttpResponse:
    """Show the form of a stored canned reply.

    With the query parameter `renew`, the form is filled with the current text of the reply's knowledge point.
    """
    reply = _reply(request, pk)
    initial: dict[str, Any] = {}
    if "renew" in request.GET:
        point = points_of_replies([reply]).get(pk)
        if point is None:
            raise PointNotFound
        initial = _values_from_point(point)
    return _page(request, ReplyForm(staff=request.user, instance=reply, initial=initial))


@require_POST
@staff_view
def create(request: StaffRequest) -> HttpResponse:
    return _save(request, CannedReply())


@require_POST
@staff_view
def change(request: StaffRequest, pk: int) -> HttpResponse:
    return _save(request, _reply(request, pk))


@require_POST
@staff_view
def delete(request: StaffRequest, pk: int) -> HttpResponse:
    delete_reply(staff=request.user, pk=pk)
    return redirect("console:replies_page")


def _reply(request: StaffRequest, pk: int) -> CannedReply:
    reply = canned_replies.editable_by(request.user).filter(pk=pk).first()
    if reply is None:
        raise NotFound
    return reply


def _save(request: StaffRequest, reply: CannedReply) -> HttpResponse:
    form = ReplyForm(request.POST, staff=request.user, instance=reply)
    if form.is_valid():
        try:
            # If the reply was made from a knowledge point, it must be from the published version of the point.
            require_current(form.cleaned_data["source"])
            waiting = save_reply(staff=request.user, reply=form.reply())
            return redirect("console:approval", waiting.uuid) if waiting else redirect("console:replies_page")
        except Refusal as refusal:
            form.add_error(None, str(refusal.text))
            return _page(request, form, refusal.http_status)
    return _page(request, form, 422)


def _values_from_point(point: Point) -> dict[str, Any]:
    """Return initial form values from the published version of a point. Raises PointNotFound if there is none."""
    version = point.published
    if version is None:
        raise PointNotFound
    return {
        "language": point.language,
        "title": version.title[:80],
        "body": message_text(version.answer, version.links),
        "source": version.source,
    }


def _page(request: StaffRequest, form: ReplyForm | None, status: int = 200) -> HttpResponse:
    shown = list(canned_replies.editable_by(request.user))
    points = points_of_replies(shown)
    context = {
        "form": form,
        "replies": [(reply, points.get(reply.pk)) for reply in shown],
        "placeholders": [f"{{{name}}}" for name in canned_replies.PLACEHOLDERS],
        "edits_shared": may(request.user, "edit_shared_replies"),
    }
    return render(request, "console/replies/replies.html", context, status=status)
