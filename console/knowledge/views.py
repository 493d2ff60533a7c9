"""Views of a knowledge point: its page for readers, and the comparison and actions of versions for editors."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import may
from chat.errors import Refusal
from console.gate import StaffRequest, open_to
from console.knowledge.forms import RemarkForm
from knowledge import access, message_sources, selectors
from knowledge.actions import points as actions
from knowledge.actions.approval_requests import shown_digest
from knowledge.errors import NotInState, RemarkMissing
from knowledge.models import Phrasing, Point, Version
from knowledge.selectors_pages import changes_between, history_of
from knowledge.snapshots import accepted_phrasings


@require_GET
@never_cache
@open_to("use_knowledge")
def point(request: StaffRequest, key: str) -> HttpResponse:
    """Show a point with the text that customers receive.

    Editors can see another version with the query parameter `version`.
    """
    return point_page(request, access.point_for(request.user, key), _number(request.GET.get("version", "")))


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


def point_page(
    request: StaffRequest, point: Point, number: int | None, refusal: Refusal | None = None, remark: str = ""
) -> HttpResponse:
    """Render the page of a point. After a refused POST, the page shows the refusal and the remark that was typed."""
    staff = request.user
    version = access.version_for(staff, point, number)
    is_editor = may(staff, "edit_points")
    accepted = accepted_phrasings(point)
    editor_context = _editor_context(point, version, accepted) if is_editor else {}
    context: dict[str, Any] = {
        "point": point,
        "version": version,
        "path": selectors.category_paths()[version.category_id],
        "said": message_sources.message_text(version.answer, version.links),
        "files": point.files.all() if is_editor else point.files.filter(is_approved=True),
        "moves": access.moves_for(staff, point, version, editor_context.get("waiting")),
        "is_editor": is_editor,
        "refusal": refusal,
        "remark": remark,
        "phrasings": accepted,
        **editor_context,
    }
    return render(
        request, "console/knowledge/point.html", context, status=refusal.http_status if refusal else 200
    )


def _editor_context(point: Point, version: Version, accepted: list[str]) -> dict[str, Any]:
    """Return the template context for the part of the page that only editors see.

    `waiting` is the pending approval request if its content is exactly the content of the page, otherwise None.
    """
    history = history_of(point)
    unpublished = next(
        (candidate for candidate in history if candidate.state in selectors.UNPUBLISHED_STATES), None
    )
    published = next((candidate for candidate in history if candidate.pk == point.published_id), None)
    waiting = actions.waiting_for(version)
    if waiting is not None and waiting.digest != shown_digest(point, published, version, accepted):
        waiting = None
    is_new_wording = published is not None and version == unpublished
    return {
        "history": history,
        "unpublished": unpublished,
        "sent_counts": selectors.recipient_counts(point),
        "changes": changes_between(published, version) if published and is_new_wording else None,
        "published": published,
        "waiting": waiting,
        "waiting_phrasings": point.phrasings.filter(state=Phrasing.State.WAITING),
        "suggested_count": point.phrasings.filter(state=Phrasing.State.SUGGESTED).count(),
    }


@require_GET
@never_cache
@open_to("edit_points")
def differences(request: StaffRequest, key: str) -> HttpResponse:
    """Show the differences between two versions: those in the query parameters `from` and `to`, or the last two."""
    point = access.point_for(request.user, key)
    history = history_of(point)
    numbers = [version.number for version in history]
    new = _number(request.GET.get("to", "")) or numbers[0]
    old = _number(request.GET.get("from", "")) or next((n for n in numbers if n < new), numbers[-1])
    before, after = (access.version_for(request.user, point, number) for number in (old, new))
    context = {
        "point": point,
        "history": history,
        "before": before,
        "after": after,
        "changes": changes_between(before, after),
    }
    return render(request, "console/knowledge/differences.html", context)


# -- Actions: each belongs to a button of the page. If one is refused, the page is shown again with the refusal. ------


def _run_move(
    request: StaffRequest, key: str, number: int, move: Callable[[Version], None], remark: str = ""
) -> HttpResponse:
    point = access.point_for(request.user, key)
    version = access.version_for(request.user, point, number)
    try:
        move(version)
    except Refusal as refusal:
        point = access.point_for(request.user, key)
        return point_page(request, point, number, refusal, remark)
    if not Point.objects.filter(pk=point.pk).exists():
        return redirect("console:points")
    still_there = point.versions.filter(number=number).exclude(state=Version.State.PUBLISHED).exists()
    address = reverse("console:point", args=[key])
    return redirect(f"{address}?version={number}" if still_there else address)


@require_POST
@open_to("edit_points")
def submit(request: StaffRequest, key: str, number: int) -> HttpResponse:
    return _run_move(
        request, key, number, lambda version: actions.submit(by=request.user, version=version.pk)
    )


@require_POST
@open_to("approve_points")
def approve(request: StaffRequest, key: str, number: int) -> HttpResponse:
    """Approve a version with the content that the page showed.

    The form field `digest` identifies that content. If the content has changed since, the approval is refused.
    """
    digest = request.POST.get("digest", "")
    return _run_move(
        request,
        key,
        number,
        lambda version: actions.approve(by=request.user, version=version.pk, digest=digest),
    )


@require_POST
@open_to("approve_points")
def send_back(request: StaffRequest, key: str, number: int) -> HttpResponse:
    def move(version: Version) -> None:
        actions.send_back(by=request.user, version=version.pk, remark=_remark(request))

    return _run_move(request, key, number, move, request.POST.get("remark", ""))


@require_POST
@open_to("edit_points")
def withdraw(request: StaffRequest, key: str, number: int) -> HttpResponse:
    """Withdraw a point.

    The request is refused if version `number` is no longer the published one, because somebody else was faster.
    """

    def move(version: Version) -> None:
        reason = _remark(request)
        if version.state != Version.State.PUBLISHED:
            raise NotInState
        actions.withdraw(by=request.user, point=version.point_id, reason=reason)

    return _run_move(request, key, number, move, request.POST.get("remark", ""))


@require_POST
@open_to("edit_points")
def discard(request: StaffRequest, key: str, number: int) -> HttpResponse:
    return _run_move(
        request, key, number, lambda version: actions.discard_draft(by=request.user, version=version.pk)
    )


def _remark(request: StaffRequest) -> str:
    form = RemarkForm(request.POST)
    if not form.is_valid():
        raise RemarkMissing
    remark: str = form.cleaned_data["remark"]
    return remark
