"""A knowledge point: its page for everybody, its versions and moves for those who keep it."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import may
from chat.errors import Refusal
from console.gate import StaffRequest, open_to, status_of
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
    """What is said to a customer, and what stands behind it. `version` in the query: another one, for editors."""
    return point_page(request, access.point_for(request.user, key), _number(request.GET.get("version", "")))


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


def point_page(
    request: StaffRequest, point: Point, number: int | None, refusal: Refusal | None = None, remark: str = ""
) -> HttpResponse:
    """The page of a point, with why something was refused and what was typed then."""
    staff = request.user
    version = access.version_for(staff, point, number)
    is_editor = may(staff, "edit_points")
    accepted = accepted_phrasings(point)
    behind = _behind(point, version, accepted) if is_editor else {}
    context: dict[str, Any] = {
        "point": point,
        "version": version,
        "path": selectors.category_paths()[version.category_id],
        "said": message_sources.text_of(version.answer, version.links),
        "files": point.files.all() if is_editor else point.files.filter(is_approved=True),
        "moves": access.moves_for(staff, point, version, behind.get("waiting")),
        "is_editor": is_editor,
        "refusal": refusal,
        "remark": remark,
        "phrasings": accepted,
        **behind,
    }
    return render(
        request, "console/knowledge/point.html", context, status=status_of(refusal) if refusal else 200
    )


def _behind(point: Point, version: Version, accepted: list[str]) -> dict[str, Any]:
    """What only those see who keep it. `waiting` is the request for exactly the words that are shown here."""
    history = history_of(point)
    making = next((each for each in history if each.state in selectors.UNPUBLISHED_STATES), None)
    published = next((each for each in history if each.pk == point.published_id), None)
    waiting = actions.waiting_for(version)
    if waiting is not None and waiting.digest != shown_digest(point, published, version, accepted):
        waiting = None
    is_new_wording = published is not None and version == making
    return {
        "history": history,
        "making": making,
        "told": selectors.recipient_counts(point),
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
    """Between any two versions: `from` and `to` in the query, the last two without."""
    found = access.point_for(request.user, key)
    history = history_of(found)
    numbers = [version.number for version in history]
    new = _number(request.GET.get("to", "")) or numbers[0]
    old = _number(request.GET.get("from", "")) or next((n for n in numbers if n < new), numbers[-1])
    before, after = (access.version_for(request.user, found, number) for number in (old, new))
    context = {
        "point": found,
        "history": history,
        "before": before,
        "after": after,
        "changes": changes_between(before, after),
    }
    return render(request, "console/knowledge/differences.html", context)


# -- Moves: each a button of the page. What is refused shows the page again, with the words and what was typed. -----


def _run_move(
    request: StaffRequest, key: str, number: int, move: Callable[[Version], None], remark: str = ""
) -> HttpResponse:
    found = access.point_for(request.user, key)
    version = access.version_for(request.user, found, number)
    try:
        move(version)
    except Refusal as refusal:
        found = access.point_for(request.user, key)
        return point_page(request, found, number, refusal, remark)
    if not Point.objects.filter(pk=found.pk).exists():
        return redirect("console:points")
    still_there = found.versions.filter(number=number).exclude(state=Version.State.PUBLISHED).exists()
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
    """`digest` in the form: of the words that the page showed. Other words are refused."""
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
    """Of another version than the one that is said now nothing happens: somebody was faster."""

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
